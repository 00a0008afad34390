package daemon

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"duoradiusd/radiusd"
)

const (
	authLogQueue = 8192             // lines that wait for the disk
	authLogLook  = time.Second      // how often it is checked whether the path still leads to the open file
	authLogCalm  = 10 * time.Second // the trouble is over after this time without a lost line
	authLogFlush = 3 * time.Second  // how long Close waits for the disk
)

// AuthLog is [log] auth_log: a file with a line of JSON for each login. No login waits for the disk: a line that can't be
// written in time is lost, and counted.
//
//	Add ─▶ queue ─▶ write ─▶ file, opened again when another one has its name (logrotate), or on Reopen
type AuthLog struct {
	path    string
	host    string
	key     func(client string) string // the integration key of a client's Duo application
	log     *slog.Logger
	queue   chan radiusd.Event
	reopen  chan struct{}
	closing chan struct{}
	close   func() // closes closing, once
	closed  chan struct{}
	lost    atomic.Uint64

	// Only the writing goroutine uses the following:
	file  *os.File // nil: the file can't be opened
	torn  bool     // the last line in the file has no line end
	cause error    // why the last line was lost; nil: the disk is too slow
	said  said
}

// said holds what has been logged about lost lines, so that it is logged once.
type said struct {
	lost  bool      // the loss has been logged, and its end has not
	from  uint64    // how many lines had been lost before this loss
	seen  uint64    // how many lines had been lost at the last look
	grew  time.Time // when that number grew last
	wrote bool      // a line has been written since the last loss
}

// NewAuthLog opens the file at path, and makes its folder if there is none. If the file can't be opened, Run tries again each
// second. key returns the integration key of a client's Duo application.
func NewAuthLog(path string, key func(client string) string, log *slog.Logger) *AuthLog {
	host, _ := os.Hostname()
	l := &AuthLog{path: path, host: host, key: key, log: log,
		queue: make(chan radiusd.Event, authLogQueue), reopen: make(chan struct{}, 1),
		closing: make(chan struct{}), closed: make(chan struct{}),
	}
	l.close = sync.OnceFunc(func() { close(l.closing) })
	err := os.MkdirAll(filepath.Dir(path), 0o750)
	if l.open(); l.cause != nil {
		l.cause = cmp.Or(err, l.cause)
		l.log.Error("auth_log: the file can't be opened; logins continue, but their lines are lost", "error", l.cause)
		l.said.lost = true
	}
	return l
}

// Add queues the line of a login. It never blocks.
func (l *AuthLog) Add(e radiusd.Event) {
	select {
	case l.queue <- e:
	default:
		l.lost.Add(1)
	}
}

// Lost returns how many lines could not be queued or written.
func (l *AuthLog) Lost() uint64 { return l.lost.Load() }

// Reopen makes Run close the file and open the path again.
func (l *AuthLog) Reopen() {
	select {
	case l.reopen <- struct{}{}:
	default:
	}
}

// Close waits up to a few seconds until the queued lines are written, and ends Run. Add must not be called any more.
func (l *AuthLog) Close() {
	l.close()
	select {
	case <-l.closed:
	case <-time.After(authLogFlush):
		l.log.Error("auth_log: the last lines could not be written before the daemon ended", "lost", len(l.queue))
	}
}

// Run writes until Close.
func (l *AuthLog) Run() {
	defer close(l.closed)
	defer func() { l.file.Close() }()
	look := time.NewTicker(authLogLook)
	defer look.Stop()
	for {
		select {
		case e := <-l.queue:
			l.write(e)
		case <-look.C:
			l.follow()
			l.say(time.Now())
		case <-l.reopen:
			l.open()
		case <-l.closing:
			for len(l.queue) > 0 {
				l.write(<-l.queue)
			}
			l.say(time.Now())
			return
		}
	}
}

// open opens the path. Lines are lost while it can't be opened.
func (l *AuthLog) open() {
	l.file.Close()
	// O_NONBLOCK is for a pipe that nobody reads: opening it would wait.
	l.file, l.cause = os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o640)
	l.torn = false
}

// follow opens the path again when it leads to another file.
func (l *AuthLog) follow() {
	if l.file != nil {
		named, err := os.Stat(l.path)
		opened, err2 := l.file.Stat()
		if err == nil && err2 == nil && os.SameFile(named, opened) {
			return
		}
	}
	l.open()
}

// write appends the line of one login with one system call, so that the lines of several writers do not mix.
func (l *AuthLog) write(e radiusd.Event) {
	line, err := json.Marshal(l.record(e))
	if err == nil && l.file == nil {
		err = l.cause
	}
	if err == nil {
		err = l.append(line)
	}
	l.said.wrote = err == nil
	if err != nil {
		l.cause = err
		l.lost.Add(1)
	}
}

func (l *AuthLog) append(line []byte) error {
	line = append(line, '\n')
	if l.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := l.file.Write(line)
	if n > 0 {
		l.torn = line[n-1] != '\n'
	}
	return err
}

// say logs when lines begin to be lost, and when lines are written again.
func (l *AuthLog) say(now time.Time) {
	s, lost := &l.said, l.Lost()
	switch {
	case lost > s.seen && !s.lost:
		cause := l.cause
		if cause == nil {
			cause = fmt.Errorf("write %s: the disk is too slow", l.path)
		}
		l.log.Error("auth_log: lines are lost; logins continue", "error", cause)
		s.lost, s.from = true, s.seen
	case lost == s.seen && s.lost && s.wrote && now.Sub(s.grew) >= authLogCalm:
		l.log.Info("auth_log: lines are written again", "lost", lost-s.from)
		s.lost, l.cause = false, nil
	}
	if lost > s.seen {
		s.seen, s.grew = lost, now
	}
}
