package main

import (
	"fmt"
	"syscall"
	"time"
)

// scale says how large and how long the measurements are.
type scale struct {
	Name     string        `json:"name"`
	Rounds   int           `json:"rounds"`     // rounds of the rows in which the servers take turns
	Slices   int           `json:"slices"`     // turns that each server has in a round
	Measure  time.Duration `json:"measure"`    // how long one turn of a server lasts
	InFlight []int         `json:"in_flight"`  // numbers of logins in progress in the closed loops
	Users    int           `json:"users"`      // users who log in
	Again    int           `json:"again"`      // how often the rows of pending pushes are repeated
	Pending  int           `json:"pending"`    // pushes that wait at the same time, over HTTP/2
	Pending1 int           `json:"pending_h1"` // the same over HTTP/1.1
	Turns    int           `json:"turns"`      // turns of each server in the rows with logins at a rate
	Pace     time.Duration `json:"pace"`       // how long one of these turns lasts
	Patience time.Duration `json:"patience"`   // how long a row may repeat turns in which the machine was disturbed
	Flood    int           `json:"flood"`      // packets per second from unknown sources
	Listed   int           `json:"listed"`     // users in the large configuration
}

var (
	quick = scale{"quick", 5, 4, 200 * time.Millisecond, []int{64, 256}, 1000, 1, 20_000, 5_000, 5, 2 * time.Second, 2 * time.Minute, 20_000, 100_000}
	full  = scale{"full", 15, 5, 200 * time.Millisecond, []int{64, 256}, 1000, 3, 20_000, 5_000, 7, 4 * time.Second, 5 * time.Minute, 20_000, 100_000}
)

// profiled returns s with turns that are long enough for a CPU profile. Only the profile of the last turn is kept.
func (s scale) profiled() scale {
	s.Name, s.Rounds, s.Slices, s.Measure = "profiled", 2, 1, 5*time.Second
	return s
}

// needFiles raises the limit of open files as far as the system permits, and returns an error if that is less than n.
// Child processes inherit the limit.
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
