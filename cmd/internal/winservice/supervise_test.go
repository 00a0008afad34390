package winservice

import (
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// manager is a service control manager that remembers what it was told.
type manager struct {
	requests chan Request
	signals  chan os.Signal
	ready    chan struct{}
	ended    chan error
	result   chan error

	mu   sync.Mutex // guards told
	told []Status
}

// report is told to Supervise.
func (m *manager) report(s Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, s)
}

// reports returns what the manager was told until now.
func (m *manager) reports() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.told)
}

// last returns the last that the manager was told.
func (m *manager) last() Status {
	list := m.reports()
	return list[len(list)-1]
}

func supervised() *manager {
	m := &manager{requests: make(chan Request), signals: make(chan os.Signal, 4), ready: make(chan struct{}),
		ended: make(chan error, 1), result: make(chan error, 1)}
	go func() {
		m.result <- Supervise(m.requests, m.report,
			Process{Signals: m.signals, Ready: m.ready, Ended: m.ended})
	}()
	synctest.Wait()
	return m
}

func (m *manager) ask(r Request) {
	m.requests <- r
	synctest.Wait()
}

// took returns the signals that the process got since the last call.
func (m *manager) took() (list []os.Signal) {
	for len(m.signals) > 0 {
		list = append(list, <-m.signals)
	}
	return list
}

func states(list []Status) (s []State) {
	for _, one := range list {
		if len(s) == 0 || s[len(s)-1] != one.State {
			s = append(s, one.State)
		}
	}
	return s
}

// TestSupervise: a service starts, reads its configuration again, and ends when its logins are answered.
func TestSupervise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := supervised()
		m.ask(ParamChange)
		if s := m.took(); s != nil {
			t.Errorf("%v before it is ready", s)
		}
		close(m.ready)
		synctest.Wait()
		m.ask(ParamChange)
		if s := m.took(); !slices.Equal(s, []os.Signal{syscall.SIGHUP}) {
			t.Errorf("ParamChange sends %v, want SIGHUP", s)
		}
		m.ask(Stop)
		m.ask(Stop)
		if s := m.took(); !slices.Equal(s, []os.Signal{syscall.SIGTERM}) {
			t.Errorf("two Stops send %v, want one SIGTERM: a second one rejects pending logins", s)
		}
		m.ended <- nil
		if err := <-m.result; err != nil {
			t.Error(err)
		}
		if got := states(m.reports()); !slices.Equal(got, []State{StartPending, Running, StopPending, Stopped}) {
			t.Errorf("states %v", got)
		}
	})
}

// TestSuperviseCheckPoints: while the service starts or stops the manager hears of progress more often than WaitHint.
func TestSuperviseCheckPoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := supervised()
		time.Sleep(30*time.Second + beat/2)
		if last := m.last(); last.State != StartPending || last.CheckPoint != 30 || last.WaitHint <= beat {
			t.Errorf("after 30 s: %+v", last)
		}
		close(m.ready)
		synctest.Wait()
		before := len(m.reports())
		time.Sleep(time.Minute)
		if len(m.reports()) != before {
			t.Errorf("a running service reported %d times in a minute, want none", len(m.reports())-before)
		}
		m.ask(Interrogate)
		if last := m.last(); len(m.reports()) != before+1 || last.State != Running {
			t.Errorf("interrogated: %+v", last)
		}
		m.ask(Stop)
		time.Sleep(5 * time.Second)
		if last := m.last(); last.State != StopPending || last.CheckPoint < 4 {
			t.Errorf("5 s after Stop: %+v", last)
		}
		m.ended <- nil
		<-m.result
	})
}

// TestSuperviseFailedStart: the error of a daemon that can't start is the service's result.
func TestSuperviseFailedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := supervised()
		broken := errors.New("listen: address in use")
		m.ended <- broken
		if err := <-m.result; !errors.Is(err, broken) {
			t.Errorf("%v, want %v", err, broken)
		}
		if got := states(m.reports()); !slices.Equal(got, []State{StartPending, Stopped}) {
			t.Errorf("states %v", got)
		}
	})
}
