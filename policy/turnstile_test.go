package policy

import (
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
				go turnstile.pass(func() { ran <- n; <-let })
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
