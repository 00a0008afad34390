package duo

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
)

// How a body goes out through the windows, and what the SETTINGS of the peer do to it (RFC 9113, 5.2, 6.9.2).
func TestSendWindows(t *testing.T) {
	window := func(n uint32) http2.Setting { return http2.Setting{ID: http2.SettingInitialWindowSize, Val: n} }
	for _, tt := range []struct {
		name   string
		before []http2.Setting
		size   int
		steps  []func(p *peer)
		said   [][]string // at the beginning, and after each step
	}{
		{"at once", nil, 100, nil, [][]string{{"DATA 1 100 end"}}},
		{"in frames", nil, 20_000, nil, [][]string{{"DATA 1 16384", "DATA 1 3616 end"}}},
		{"in larger frames", []http2.Setting{{ID: http2.SettingMaxFrameSize, Val: 20_000}}, 20_000, nil, [][]string{{"DATA 1 20000 end"}}},
		{"through the stream's window", []http2.Setting{window(10)}, 25,
			[]func(*peer){
				func(p *peer) { p.WriteWindowUpdate(1, 10) },
				func(p *peer) { p.WriteWindowUpdate(0, 10) },
				func(p *peer) { p.WriteWindowUpdate(1, 10) },
			}, [][]string{{"DATA 1 10"}, {"DATA 1 10"}, nil, {"DATA 1 5 end"}}},
		{"none at first", []http2.Setting{window(0)}, 5,
			[]func(*peer){func(p *peer) { p.WriteWindowUpdate(1, 5) }}, [][]string{nil, {"DATA 1 5 end"}}},
		{"through SETTINGS", []http2.Setting{window(0)}, 25,
			[]func(*peer){
				func(p *peer) { p.WriteSettings(window(10)) },
				func(p *peer) { p.WriteSettings(window(5)) }, // the stream's is -5 now
				func(p *peer) { p.WriteWindowUpdate(1, 5) },
				func(p *peer) { p.WriteSettings(window(100)) },
			}, [][]string{nil, {"SETTINGS ack true", "DATA 1 10"}, {"SETTINGS ack true"}, nil, {"SETTINGS ack true", "DATA 1 15 end"}}},
		{"through the connection's window", []http2.Setting{window(math.MaxInt32)}, 65_545,
			[]func(*peer){func(p *peer) { p.WriteWindowUpdate(0, 4) }, func(p *peer) { p.WriteWindowUpdate(0, 6) }},
			[][]string{{"DATA 1 16384", "DATA 1 16384", "DATA 1 16384", "DATA 1 16383"}, {"DATA 1 4"}, {"DATA 1 6 end"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := speak(t)
				p.settle(t, tt.before...)
				p.SetMaxReadFrameSize(1 << 20)
				a := ask(t.Context(), c, posting(tt.size))
				p.wantSaid(t, append([]string{saidPOST}, tt.said[0]...)...)
				for i, step := range tt.steps {
					step(p)
					p.wantSaid(t, tt.said[i+1]...)
				}
				p.answer(1, "body")
				a.want(t, "body", "")
			})
		})
	}
}

// Two bodies that wait share what the connection's window lets through, in the order of their coming.
func TestBlockedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: math.MaxInt32})
		var asked []*asking
		for range 3 {
			asked = append(asked, ask(t.Context(), c, posting(65_000)))
		}
		p.said()
		p.WriteWindowUpdate(0, 65_000)
		p.wantSaid(t, "DATA 3 16384", "DATA 3 16384", "DATA 3 16384", "DATA 3 15313 end", "DATA 5 535")
		p.WriteWindowUpdate(0, 64_465)
		p.wantSaid(t, "DATA 5 16384", "DATA 5 16384", "DATA 5 16384", "DATA 5 15313 end")
		for i, a := range asked {
			p.answer(uint32(2*i+1), "body")
			a.want(t, "body", "")
		}
	})
}

// Duo answers before it has heard all, with or without RST_STREAM behind it (RFC 9113, 8.1).
func TestEarlyAnswer(t *testing.T) {
	for _, reset := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, p := speak(t)
			p.settle(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
			a := ask(t.Context(), c, posting(100))
			p.wantSaid(t, saidPOST, "DATA 1 10")
			p.answer(1, "enough")
			if reset {
				p.WriteRSTStream(1, http2.ErrCodeNo)
			}
			a.want(t, "enough", "")
			p.wantSaid(t, "RST_STREAM 1 CANCEL")
			p.WriteWindowUpdate(1, 1000)
			p.WriteWindowUpdate(0, 1000)
			p.wantSaid(t)
		})
	}
}

// What we read is given back: much more than the window goes through it.
func TestReceiveWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t)
		given := 0
		for id := uint32(1); id < 21; id += 2 {
			a := ask(t.Context(), c, getting())
			p.headers(id, false, ":status", "200")
			for range maxBody / defaultFrame {
				p.WriteData(id, false, make([]byte, defaultFrame))
			}
			p.WriteData(id, true, nil)
			a.want(t, string(make([]byte, maxBody)), "")
			for _, line := range p.said() {
				var stream, n int
				if k, _ := fmt.Sscanf(line, "WINDOW_UPDATE %d %d", &stream, &n); k == 2 {
					given += n
				}
			}
		}
		if sent := 10 * maxBody; given < sent-connWindow/2 || given > sent {
			t.Errorf("given back %d of %d", given, sent)
		}
	})
}

// A peer that does not care for the windows it was given.
func TestOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t)
		a := ask(t.Context(), c, getting())
		p.headers(1, false, ":status", "200")
		for sent := 0; sent <= streamWindow; sent += 255 + 1 { // padding that is never the body's
			c.mu.Lock()
			for _, s := range c.streams {
				s.credit -= 256 // as if it had not been given back
			}
			c.mu.Unlock()
			p.WriteDataPadded(1, false, nil, make([]byte, 255))
		}
		a.want(t, "", errWindow.Error())
	})
}
