// Package history keeps the daemon's last logins in memory, for the status page and for duoradiusd logins and why.
//
// It holds no password and no passcode, because a radiusd.Event holds none. It keeps a fixed number of logins at most, and
// only a part of that number of one person, so that a script that fails all night does not displace everybody else's logins.
package history

import (
	"container/list"
	"context"
	"strings"
	"sync"

	"duoradiusd/radiusd"
)

const (
	most          = 10_000 // logins
	mostOfOneUser = 20
)

// Login is one login that has ended.
type Login struct {
	Number uint64 // counts all logins since the start, from 1
	radiusd.Event
}

// Query says which logins to list. An empty field does not restrict.
type Query struct {
	User, Client, Reason string // User is the canonical name, in any case
	After                uint64 // only logins with a greater Number
	Most                 int    // only the newest of them, at most so many; 0 = no limit
}

// Logins holds the last logins. The zero value is ready for use.
type Logins struct {
	mu      sync.Mutex                 // guards what follows
	all     list.List                  // of *Login, the newest first
	byUser  map[string][]*list.Element // the oldest first
	number  uint64
	changed chan struct{} // closed at the next login; nil when nobody waits
}

// Add records the end of a login. Every login waits for Add, so Add must be quick.
func (l *Logins) Add(e radiusd.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byUser == nil {
		l.byUser = make(map[string][]*list.Element)
	}
	l.number++
	key := strings.ToLower(e.User)
	own := l.byUser[key]
	switch {
	case len(own) == mostOfOneUser:
		l.replace(own[0], e)
	case l.all.Len() == most:
		l.replace(l.all.Back(), e)
	default:
		l.all.PushFront(&Login{l.number, e})
	}
	l.byUser[key] = append(l.byUser[key], l.all.Front())
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// replace puts a new login in the place of another, which is the oldest of its user.
func (l *Logins) replace(old *list.Element, e radiusd.Event) {
	login := old.Value.(*Login)
	key := strings.ToLower(login.User)
	if own := l.byUser[key]; len(own) > 1 {
		copy(own, own[1:])
		l.byUser[key] = own[:len(own)-1]
	} else {
		delete(l.byUser, key)
	}
	*login = Login{l.number, e}
	l.all.MoveToFront(old)
}

// List returns the logins that fit q, the newest first.
func (l *Logins) List(q Query) []Login {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list(q)
}

func (l *Logins) list(q Query) []Login {
	logins := []Login{}
	for e := l.all.Front(); e != nil; e = e.Next() {
		login := e.Value.(*Login)
		if login.Number <= q.After || q.Most > 0 && len(logins) == q.Most {
			break
		}
		if q.fits(login) {
			logins = append(logins, *login)
		}
	}
	return logins
}

func (q *Query) fits(l *Login) bool {
	return (q.User == "" || strings.EqualFold(q.User, l.User)) && (q.Client == "" || q.Client == l.Client) &&
		(q.Reason == "" || q.Reason == string(l.Reason))
}

// Wait returns what List returns, but waits until there is a login that fits, or ctx ends. last is the Number of the newest
// login of all; the next call of Wait may have it as q.After.
func (l *Logins) Wait(ctx context.Context, q Query) (logins []Login, last uint64) {
	for {
		l.mu.Lock()
		logins, last = l.list(q), l.number
		if len(logins) > 0 {
			l.mu.Unlock()
			return logins, last
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return logins, last
		}
	}
}

// Get returns the login of that Number, if it is still there.
func (l *Logins) Get(number uint64) (Login, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.all.Front(); e != nil; e = e.Next() {
		if login := e.Value.(*Login); login.Number == number {
			return *login, true
		}
	}
	return Login{}, false
}
