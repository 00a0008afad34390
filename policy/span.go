package policy

import (
	"context"
	"time"
)

// transactionLimit bounds a transaction whatever the SecondFactor does; Duo's own pushes end after a minute.
const transactionLimit = 5 * time.Minute

// spanLength is how much sooner than at transactionLimit some transactions end.
const spanLength = time.Second

// span is the context of all transactions that began within a second. A timer, and the list of children that a context
// keeps, would add half a kilobyte to what each of them costs while it waits.
type span struct {
	context.Context
	end   context.CancelFunc
	since time.Time

	running int // guarded by Memory.mu
}

// enterSpan returns, with mu held, the context of a transaction that begins now.
func (m *Memory) enterSpan(now time.Time) *span {
	s := m.span
	if s == nil || now.Sub(s.since) >= spanLength {
		if s != nil && s.running == 0 {
			s.end()
		}
		ctx, end := context.WithTimeout(m.ctx, transactionLimit)
		s = &span{Context: ctx, end: end, since: now}
		m.span = s
	}
	s.running++
	m.wg.Add(1)
	return s
}

// leaveSpan is called when such a transaction is over. Inlined, it would be on each waiting push's stack.
//
//go:noinline
func (m *Memory) leaveSpan(s *span) {
	defer m.wg.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.running--; s.running == 0 && s != m.span {
		s.end()
	}
}
