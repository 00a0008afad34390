package main

import (
	"fmt"
	"syscall"
	"time"
)

// scale is how much of everything.
type scale struct {
	Name     string        `json:"name"`
	Rounds   int           `json:"rounds"`     // of the rows whose servers take turns
	Slices   int           `json:"slices"`     // turns that each server has in a round
	Measure  time.Duration `json:"measure"`    // one server's turn
	InFlight []int         `json:"in_flight"`  // of closed loops
	Users    int           `json:"users"`      // who log in
	Again    int           `json:"again"`      // how often pending pushes are made
	Pending  int           `json:"pending"`    // pushes, over HTTP/2
	Pending1 int           `json:"pending_h1"` // over HTTP/1.1
	Turns    int           `json:"turns"`      // of the rows with logins at a rate: one by turns with the other
	Pace     time.Duration `json:"pace"`       // one such turn
	Patience time.Duration `json:"patience"`   // with a machine that is disturbed: what a row's turns that don't count may take
	Flood    int           `json:"flood"`      // packets a second from unknown sources
	Listed   int           `json:"listed"`     // users in the large configuration
}

var (
	quick = scale{"quick", 5, 4, 200 * time.Millisecond, []int{64, 256}, 1000, 1, 20_000, 5_000, 5, 2 * time.Second, 2 * time.Minute, 20_000, 100_000}
	full  = scale{"full", 15, 5, 200 * time.Millisecond, []int{64, 256}, 1000, 3, 20_000, 5_000, 7, 4 * time.Second, 5 * time.Minute, 20_000, 100_000}
)

// profiled is s with turns that are long enough for a profile, of which the last is kept.
func (s scale) profiled() scale {
	s.Name, s.Rounds, s.Slices, s.Measure = "profiled", 2, 1, 5*time.Second
	return s
}

// needFiles raises the limit of open files as far as it may go, and says whether that is enough. Children inherit it.
func needFiles(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("getrlimit: %w", err)
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return fmt.Errorf("setrlimit: %w", err)
		}
	}
	if limit.Cur < n {
		return fmt.Errorf("this row needs %d open files, and the limit here is %d: raise it (ulimit -Hn) or leave the row out", n, limit.Cur)
	}
	return nil
}
