package policy

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTransactionLimits: many transactions share a context, but each has nearly its own limit, and a Close ends them all.
func TestTransactionLimits(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.FirstFactor = nil
		w.answers(never, never, never, never)
		var list []*transaction
		begin := func(user string) {
			w.start("", as(user))
			w.memory.mu.Lock()
			defer w.memory.mu.Unlock()
			list = append(list, w.memory.ringing[bell{user: Identity{Username: user}}])
		}
		for _, user := range []string{"a", "b", "c"} {
			begin(user)
			time.Sleep(spanLength * 2 / 3)
		}
		time.Sleep(transactionLimit)
		synctest.Wait()
		for _, tr := range list {
			if took := tr.ended.Sub(tr.start); tr.err == nil || took > transactionLimit || took <= transactionLimit-spanLength {
				t.Errorf("%s: over after %v, %v", tr.name, took, tr.err)
			}
		}
		begin("d")
		w.memory.Close()
		if last := list[3]; !last.over() || last.err == nil {
			t.Errorf("after Close: %+v", last)
		}
	})
}

// TestSpanEnds: a context that nobody can enter any more ends with the last transaction in it, and no sooner.
func TestSpanEnds(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.FirstFactor = nil
		span := func() *span {
			w.memory.mu.Lock()
			defer w.memory.mu.Unlock()
			return w.memory.span
		}
		w.answers(allows(10*time.Second), allows(0), allows(0))
		first := w.start("", as("a"))
		one := span()
		time.Sleep(spanLength)
		w.wants(w.login("", as("b")), "accept approved push T2")
		two := span()
		if one == two || one.Err() != nil {
			t.Errorf("a waits: %v", one.Err())
		}
		time.Sleep(spanLength)
		w.wants(w.login("", as("c")), "accept approved push T3")
		if two.Err() == nil {
			t.Error("b's login is over, but not its context")
		}
		first.wants("accept approved push T1")
		synctest.Wait()
		if one.Err() == nil {
			t.Error("a's login is over, but not its context")
		}
	})
}
