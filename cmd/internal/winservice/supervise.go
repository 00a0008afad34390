package winservice

import (
	"os"
	"syscall"
	"time"
)

// Request is a request of the service control manager to the service.
type Request int

// The requests that the service understands.
const (
	Interrogate Request = iota // report the state again
	Stop                       // Stop, Preshutdown or Shutdown: end, with an answer for each pending login
	ParamChange                // reload the configuration
)

// State is the state of the service as the service control manager is told.
type State int

// The states of a service, in their order.
const (
	StartPending State = iota
	Running
	StopPending
	Stopped
)

// Status is one report to the service control manager. The manager takes a service for dead if its state is pending and it
// does not report a higher CheckPoint within WaitHint.
type Status struct {
	State      State
	CheckPoint uint32
	WaitHint   time.Duration
}

// Process is the daemon as Supervise sees it.
type Process struct {
	Signals chan<- os.Signal // SIGTERM and SIGHUP
	Ready   <-chan struct{}  // closed when the daemon listens
	Ended   <-chan error     // gets the daemon's result
}

const (
	waitHint = 10 * time.Second
	beat     = time.Second // time between two reports of a pending state
)

// Supervise passes the manager's requests on to the process and reports the process's state until the process has ended. It
// returns the process's error.
func Supervise(requests <-chan Request, report func(Status), p Process) error {
	now := Status{State: StartPending, WaitHint: waitHint}
	enter := func(s State) {
		now = Status{State: s}
		if s == StopPending {
			now.WaitHint = waitHint
		}
		report(now)
	}
	report(now)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	ready := p.Ready
	for {
		select {
		case err := <-p.Ended:
			enter(Stopped)
			return err
		case <-ready:
			ready = nil
			if now.State == StartPending {
				enter(Running)
			}
		case <-ticker.C:
			if now.State != Running {
				now.CheckPoint++
				report(now)
			}
		case r, ok := <-requests:
			switch {
			case !ok:
				requests = nil
			case r == Interrogate:
				report(now)
			case r == Stop && now.State != StopPending:
				enter(StopPending)
				send(p.Signals, syscall.SIGTERM)
			case r == ParamChange && now.State == Running:
				send(p.Signals, syscall.SIGHUP)
			}
		}
	}
}

// send sends a signal and never waits. A signal is dropped if the channel is full, because another one is then to be read
// anyway.
func send(to chan<- os.Signal, s os.Signal) {
	select {
	case to <- s:
	default:
	}
}
