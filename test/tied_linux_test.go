package test

import (
	"os/exec"
	"syscall"
)

// tie makes a program end when this test is killed.
func tie(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
