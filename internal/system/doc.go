// Package system holds what differs between operating systems: where the program's files lie by default, how a file is
// locked, who may read it, and how the commands reach the running daemon.
//
//	               Unix                                Windows
//	paths          /etc, /var/lib and /run             %ProgramData%\duoradiusd
//	lock           flock(2) of a file or a folder      a file that nobody else can open meanwhile
//	who may read   the mode                            the discretionary access control list
//	control        a socket in the file system         a named pipe
//
// Files that end in _unix.go and _windows.go hold the two columns. Code that needs no call to the system, such as the check
// whether an access control list lets everybody read, is in the other files and is tested on every system.
package system
