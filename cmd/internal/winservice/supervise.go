package winservice

import (
	"os"
	"syscall"
	"time"
)

// Request is what the service control manager wants of the service.
type Request int

// The requests that the service takes.
const (
	Interrogate Request = iota // tell your state again
	Stop                       // Stop, Preshutdown or Shutdown: end, with an answer for each pending login
	ParamChange                // read the configuration again
)

// State is what the service control manager is told.
type State int

// The states of a service, in their order.
const (
	StartPending State = iota
	Running
	StopPending
	Stopped
)

// Status is one report to the service control manager. It takes a service for dead that is pending and has not raised
// CheckPoint before WaitHint was over.
type Status struct {
	State      State
	CheckPoint uint32
	WaitHint   time.Duration
}

// Process is the daemon as the manager's side sees it.
type Process struct {
	Signals chan<- os.Signal // SIGTERM and SIGHUP
	Ready   <-chan struct{}  // closed once it listens
	Ended   <-chan error     // its result
}

const (
	waitHint = 10 * time.Second
	beat     = time.Second // between two reports of a pending state
)

// Supervise hands the manager's requests on to the process, and reports the process's state, until the process has
// ended. It returns the process's error.
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

// send never waits: a signal for which there is no room comes right after others that are not yet read.
func send(to chan<- os.Signal, s os.Signal) {
	select {
	case to <- s:
	default:
	}
}
