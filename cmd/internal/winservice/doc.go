// Package winservice runs the daemon as a Windows service.
//
//	service control manager ── Stop, Preshutdown, Shutdown ──> SIGTERM ──┐
//	                        ── ParamChange ──────────────────> SIGHUP  ──┴─> the daemon
//	                        <── start pending, running, stop pending, stopped
//	Event Log <── start, stop, warnings and errors            log file <── all of the log
//
// Code that needs no Windows, such as which request leads to which signal and state, is in the files that do not end in
// _windows.go. It is tested on every system with fakes. The files that end in _windows.go call
// golang.org/x/sys/windows/svc and decide little.
package winservice
