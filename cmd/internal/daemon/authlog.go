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
	authLogLook  = time.Second      // between two looks whether the file is still the one of its name
	authLogCalm  = 10 * time.Second // without a loss, and the trouble is over
	authLogFlush = 3 * time.Second  // what Close waits for the disk
)

// AuthLog is [log] auth_log: a line of JSON for each login, in a file of its own. No login ever waits for it: a line
// that the disk does not take in time is lost, and counted.
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

	// Of the writing goroutine alone:
	file  *os.File // nil: can't be opened
	torn  bool     // its last line has no end
	cause error    // of the last loss; nil: the disk is too slow
	said  said
}

// said is what the log has been told about lost lines, so that it is told once.
type said struct {
	lost  bool      // that lines are lost, and not yet that they are written again
	from  uint64    // how many were lost before
	seen  uint64    // how many were lost at the last look...
	grew  time.Time // ...and when that grew
	wrote bool      // a line has been written since the last loss
}

// NewAuthLog opens the file at path, and makes its folder where there is none yet. Run writes to it. One that can't be opened is tried again each second. key returns
// the integration key of a client's Duo application.
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
		l.log.Error("auth_log: can't be opened; logins go on, their lines are lost", "error", l.cause)
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

// Reopen has the file opened again, by its name.
func (l *AuthLog) Reopen() {
	select {
	case l.reopen <- struct{}{}:
	default:
	}
}

// Close writes what is queued, as far as the disk takes it in a few seconds. Nothing may be added any more.
func (l *AuthLog) Close() {
	l.close()
	select {
	case <-l.closed:
	case <-time.After(authLogFlush):
		l.log.Error("auth_log: the disk does not take the last lines", "lost", len(l.queue))
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

// open takes the file that has the name now. Without one, lines are lost.
func (l *AuthLog) open() {
	l.file.Close()
	// O_NONBLOCK is for a pipe that nobody reads: opening it would wait.
	l.file, l.cause = os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o640)
	l.torn = false
}

// follow opens the file again when it is no longer the one of its name.
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

// write appends the line of one login by one call, so that lines of several writers do not mix.
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

// say tells the log when lines begin to be lost, and when they are written again.
func (l *AuthLog) say(now time.Time) {
	s, lost := &l.said, l.Lost()
	switch {
	case lost > s.seen && !s.lost:
		cause := l.cause
		if cause == nil {
			cause = fmt.Errorf("write %s: the disk is too slow", l.path)
		}
		l.log.Error("auth_log: lines are lost; logins go on", "error", cause)
		s.lost, s.from = true, s.seen
	case lost == s.seen && s.lost && s.wrote && now.Sub(s.grew) >= authLogCalm:
		l.log.Info("auth_log: written again", "lost", lost-s.from)
		s.lost, l.cause = false, nil
	}
	if lost > s.seen {
		s.seen, s.grew = lost, now
	}
}
