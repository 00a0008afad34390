package winservice

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"

	"duoradiusd/internal/system"
)

// Name is the name of the service and of its source in the Event Log.
const Name = "duoradiusd"

// maxLog is the greatest size of the log file, in octets.
const maxLog = 32 << 20

// IsService reports whether the service control manager has started this process.
func IsService() (bool, error) { return svc.IsWindowsService() }

// Daemon is what the service gives the daemon that it runs.
type Daemon struct {
	Signals <-chan os.Signal
	Log     *LogFile                        // replaces standard output and standard error
	Handler func(slog.Handler) slog.Handler // returns a handler that also writes warnings and errors to the Event Log
	Ready   func(summary string)            // must be called once, when the daemon listens
}

// Run runs serve as the service until it returns.
func Run(serve func(Daemon) error) error {
	events, err := eventlog.Open(Name)
	if err != nil {
		return fmt.Errorf("open the Event Log: %w", err)
	}
	defer events.Close()
	file, err := OpenLogFile(filepath.Join(system.LogFolder(), "duoradiusd.log"), maxLog)
	if err != nil {
		events.Error(EventError, err.Error())
		return err
	}
	defer file.Close()
	h := &handler{events: events, log: file, serve: serve}
	if err := svc.Run(Name, h); err != nil {
		events.Error(EventError, err.Error())
		return err
	}
	return h.err
}

// handler implements svc.Handler.
type handler struct {
	events *eventlog.Log
	log    *LogFile
	serve  func(Daemon) error
	err    error // of serve
}

// Execute implements svc.Handler. If the daemon ends with an error, the service fails, so that Windows starts it again.
func (h *handler) Execute(_ []string, changes <-chan svc.ChangeRequest, status chan<- svc.Status) (bool, uint32) {
	signals, ready, ended := make(chan os.Signal, 4), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- h.serve(Daemon{
			Signals: signals,
			Log:     h.log,
			Handler: func(all slog.Handler) slog.Handler { return NewHandler(all, h.events) },
			Ready: func(summary string) {
				h.events.Info(EventStarted, summary)
				close(ready)
			},
		})
	}()
	h.err = Supervise(requests(changes), func(s Status) { status <- native(s) },
		Process{Signals: signals, Ready: ready, Ended: ended})
	if h.err != nil {
		h.events.Error(EventError, fmt.Sprintf("duoradiusd has ended: %v; its log is %s", h.err, h.log.name))
		return true, 1
	}
	h.events.Info(EventStopped, "duoradiusd has ended as it was told to")
	return false, 0
}

// requests translates the requests of Windows. Its channel is closed when that of Windows is.
func requests(changes <-chan svc.ChangeRequest) <-chan Request {
	list := make(chan Request)
	go func() {
		defer close(list)
		for c := range changes {
			switch c.Cmd {
			case svc.Interrogate:
				list <- Interrogate
			case svc.Stop, svc.Shutdown, svc.PreShutdown:
				list <- Stop
			case svc.ParamChange:
				list <- ParamChange
			}
		}
	}()
	return list
}

// native translates a report for Windows.
func native(s Status) svc.Status {
	n := svc.Status{CheckPoint: s.CheckPoint, WaitHint: uint32(s.WaitHint.Milliseconds())}
	switch s.State {
	case StartPending:
		n.State = svc.StartPending
	case Running:
		n.State = svc.Running
		// Preshutdown comes while the network is up and gives three minutes; Shutdown gives five seconds.
		n.Accepts = svc.AcceptStop | svc.AcceptPreShutdown | svc.AcceptParamChange
	case StopPending:
		n.State = svc.StopPending
	case Stopped:
		n.State = svc.Stopped
	}
	return n
}
