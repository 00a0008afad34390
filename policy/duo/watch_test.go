package duo

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

const saidPing = `PING ack false ""`

// pass lets d go by, and what is due in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A ping goes out after five seconds of silence while something is due, and only then; any frame is a sign of life.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t)
		pass(30 * time.Second) // nothing is due
		p.wantSaid(t)
		a := ask(t.Context(), c, getting())
		p.wantSaid(t, saidGET)
		for range 3 {
			pass(5 * time.Second)
			p.wantSaid(t, saidPing)
			pass(2 * time.Second)
			p.WritePing(true, [8]byte{})
		}
		pass(4 * time.Second)
		p.WriteSettings() // as good as any
		p.wantSaid(t, "SETTINGS ack true")
		pass(4 * time.Second)
		p.wantSaid(t)
		pass(time.Second)
		p.wantSaid(t, saidPing)
		p.answer(1, "body")
		a.want(t, "body", "")
		pass(60 * time.Second)
		p.wantSaid(t)
		if p.closed() {
			t.Error("closed")
		}
	})
}

// A peer that answers no ping is dead after eight seconds, for all who wait. So it is when they had less patience than
// that, each of them.
func TestDead(t *testing.T) {
	for _, patience := range []time.Duration{time.Minute, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c, p := speak(t)
			p.settle(t)
			start := time.Now()
			for !p.closed() && time.Since(start) < time.Minute {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				a := ask(ctx, c, getting())
				pass(min(patience, time.Second))
				if patience > time.Minute/2 && time.Since(start) >= 8*time.Second {
					a.want(t, "", errDead.Error())
					if isUnseen(a.err) && len(c.streams) > 0 {
						t.Error(a.err)
					}
				}
				defer cancel()
			}
			if took := time.Since(start); took != 8*time.Second {
				t.Errorf("closed after %v", took)
			}
			wantOver(t, c, p)
		})
	}
}

// A connection that nobody uses closes, however often the peer says that it is there.
func TestIdleConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t)
		a := ask(t.Context(), c, getting())
		p.answer(1, "body")
		a.want(t, "body", "")
		for range 8 {
			pass(10 * time.Second)
			p.WritePing(false, [8]byte{'x'})
		}
		if p.closed() {
			t.Error("closed too early")
		}
		pass(15 * time.Second)
		wantOver(t, c, p)
	})
}

// A peer that sends but does not read: what we write is stuck.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := newConn(near, func(int) {})
		framer := http2.NewFramer(far, nil)
		framer.WriteSettings()
		start := time.Now()
		a := ask(t.Context(), c, getting())
		for !a.done && time.Since(start) < time.Minute {
			framer.WritePing(false, [8]byte{})
			pass(time.Second)
		}
		if took := time.Since(start); a.err == nil || took < writeTimeout || took > writeTimeout+pingAfter+time.Second {
			t.Errorf("got %v after %v", a.err, took)
		}
		io.Copy(io.Discard, far)
	})
}
