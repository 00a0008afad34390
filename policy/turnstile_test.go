package policy

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestTurnstile: as many as there is room for run at once, the others in the order of their coming, each once; and then
// there is room again.
func TestTurnstile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const more = 100
		var turnstile turnstile
		for range 2 {
			let, ran := make(chan struct{}), make(chan int, startsAtOnce+more)
			for n := range startsAtOnce + more {
				go turnstile.pass(t.Context(), func() { ran <- n; <-let })
				if n >= startsAtOnce-1 {
					synctest.Wait() // they come one after the other
				}
			}
			if len(ran) != startsAtOnce {
				t.Fatalf("%d run at once, want %d", len(ran), startsAtOnce)
			}
			for range startsAtOnce {
				<-ran
			}
			for n := range more {
				let <- struct{}{}
				synctest.Wait()
				if got := <-ran; got != startsAtOnce+n {
					t.Fatalf("%d came in the place of %d", got, startsAtOnce+n)
				}
			}
			close(let)
			synctest.Wait()
			if len(ran) != 0 || turnstile.inside != 0 || len(turnstile.queue) != 0 {
				t.Fatalf("%d more ran, %d are inside, %d in line", len(ran), turnstile.inside, len(turnstile.queue))
			}
		}
	})
}

// TestTurnstileGivenUp: who waits in line no longer than its context is run once, at once, and not again when its turn
// would have come; what panics leaves its place to others.
func TestTurnstileGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turnstile turnstile
		let := make(chan struct{})
		for range startsAtOnce {
			go turnstile.pass(t.Context(), func() { <-let })
		}
		synctest.Wait()
		ran := 0
		ctx, end := context.WithCancel(t.Context())
		turnstile.pass(ctx, func() { ran++ })
		synctest.Wait()
		if ran != 0 {
			t.Fatal("there was no room")
		}
		end()
		synctest.Wait()
		if ran != 1 {
			t.Errorf("ran %d times when it was given up", ran)
		}
		close(let)
		synctest.Wait()
		if ran != 1 || turnstile.inside != 0 || len(turnstile.queue) != 0 {
			t.Errorf("ran %d times; %d inside, %d in line", ran, turnstile.inside, len(turnstile.queue))
		}
		func() {
			defer func() { recover() }()
			turnstile.pass(t.Context(), func() { panic("the answer breaks") })
		}()
		synctest.Wait()
		if turnstile.inside != 0 {
			t.Errorf("%d inside after a panic", turnstile.inside)
		}
	})
}

// TestWhoWaitsInLine: where Duo hangs and the room is taken, who waits in line is answered when its time is over, its
// client gone or the daemon ended, and Duo is not asked; who asks another first, and who asks another application, does
// not wait in that line.
func TestWhoWaitsInLine(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause error
		want  Reason
	}{
		{"its client has gone", ErrAbandoned, Abandoned},
		{"the daemon ends", context.Canceled, ShuttingDown},
		{"its time is over", context.DeadlineExceeded, NoAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.memory.startsAt(w.client.Application).inside = startsAtOnce
				w.answers(allows(0), allows(0))
				w.wants(w.login("pw"), "accept approved push T1") // by its first factor
				w.client.FirstFactor = nil
				other := w.attempt("", from(cafe), func(a *Attempt) {
					c := *a.Client
					c.Application = "another"
					a.Client = &c
				})
				if v := w.policy.Decide(w.Context(), other); v.Reason != Approved {
					w.Errorf("at another application: %s", line(v))
				}
				preauths, auths := w.duo.counts()
				ctx, end := context.WithCancelCause(w.Context())
				heard := make(chan Verdict, 2)
				w.policy.Settle(ctx, w.attempt("", as("bob")), func(v Verdict) { heard <- v })
				synctest.Wait()
				if len(heard) > 0 {
					w.Fatal("it did not wait")
				}
				end(tt.cause)
				synctest.Wait()
				if len(heard) != 1 {
					w.Fatalf("%d answers", len(heard))
				}
				if v := <-heard; v.Outcome != Reject || v.Reason != tt.want {
					w.Errorf("got %s, want %s", line(v), tt.want)
				}
				if p, a := w.duo.counts(); p != preauths || a != auths {
					w.Errorf("Duo was asked: %d preauths and %d auths more", p-preauths, a-auths)
				}
			})
		})
	}
}
