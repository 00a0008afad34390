// Package winservice runs the daemon as a Windows service.
//
//	service control manager ── Stop, Preshutdown, Shutdown ──> SIGTERM ──┐
//	                        ── ParamChange ──────────────────> SIGHUP  ──┴─> the daemon
//	                        <── start pending, running, stop pending, stopped
//	Event Log <── start, stop, warnings and errors            log file <── all of the log
//
// What needs no Windows, such as which request leads to which signal and state, is in files without a system in their
// name, and is tested everywhere with fakes. The files that end in _windows.go only pass things on to
// golang.org/x/sys/windows/svc.
package winservice
