package duo

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// What ends a connection, with which word: all that waits on it fails, and is not made again once it was written.
func TestConnectionErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(p *peer)
		said  string
	}{
		{"a stream that has not begun: DATA", func(p *peer) { p.WriteData(5, true, nil) }, "PROTOCOL_ERROR"},
		{"a stream that has not begun: HEADERS", func(p *peer) { p.headers(5, true, ":status", "200") }, "PROTOCOL_ERROR"},
		{"a stream that has not begun: RST_STREAM", func(p *peer) { p.WriteRSTStream(5, http2.ErrCodeNo) }, "PROTOCOL_ERROR"},
		{"a stream that has not begun: WINDOW_UPDATE", func(p *peer) { p.WriteWindowUpdate(5, 1) }, "PROTOCOL_ERROR"},
		{"a stream that has not begun: WINDOW_UPDATE of 0", func(p *peer) { p.WriteWindowUpdate(5, 0) }, "PROTOCOL_ERROR"},
		{"a stream of theirs", func(p *peer) { p.headers(2, true, ":status", "200") }, "PROTOCOL_ERROR"},
		{"PUSH_PROMISE", func(p *peer) {
			p.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: p.fields(":method", "GET"), EndHeaders: true})
		}, "PROTOCOL_ERROR"},
		{"DATA on stream 0", func(p *peer) { p.WriteData(0, true, nil) }, "PROTOCOL_ERROR"},
		{"HEADERS on stream 0", func(p *peer) { p.headers(0, true, ":status", "200") }, "PROTOCOL_ERROR"},
		{"SETTINGS on a stream", func(p *peer) { p.WriteRawFrame(http2.FrameSettings, 0, 1, nil) }, "PROTOCOL_ERROR"},
		{"SETTINGS cut short", func(p *peer) { p.WriteRawFrame(http2.FrameSettings, 0, 0, make([]byte, 5)) }, "FRAME_SIZE_ERROR"},
		{"SETTINGS acknowledged twice", func(p *peer) { p.WriteSettingsAck() }, "PROTOCOL_ERROR"},
		{"ENABLE_PUSH", func(p *peer) { p.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 1}) }, "PROTOCOL_ERROR"},
		{"INITIAL_WINDOW_SIZE beyond its bound", func(p *peer) {
			p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		}, "FLOW_CONTROL_ERROR"},
		{"a stream's window beyond its bound", func(p *peer) {
			p.WriteWindowUpdate(1, 1<<30)
			p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		}, "FLOW_CONTROL_ERROR"},
		{"MAX_FRAME_SIZE too small", func(p *peer) { p.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 16383}) }, "PROTOCOL_ERROR"},
		{"the connection's window beyond its bound", func(p *peer) { p.WriteWindowUpdate(0, 1<<31-1) }, "FLOW_CONTROL_ERROR"},
		{"the connection's window 0 wider", func(p *peer) { p.WriteWindowUpdate(0, 0) }, "PROTOCOL_ERROR"},
		{"a frame too large", func(p *peer) { p.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, defaultFrame+1)) }, "FRAME_SIZE_ERROR"},
		{"a PING of 7 octets", func(p *peer) { p.WriteRawFrame(http2.FramePing, 0, 0, make([]byte, 7)) }, "FRAME_SIZE_ERROR"},
		{"CONTINUATION of nothing", func(p *peer) { p.WriteContinuation(1, true, nil) }, "PROTOCOL_ERROR"},
		{"something between HEADERS and CONTINUATION", func(p *peer) {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fields(":status", "200")})
			p.WritePing(false, [8]byte{})
		}, "PROTOCOL_ERROR"},
		{"CONTINUATIONs without end", func(p *peer) {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fields(":status", "200")})
			for range 10 {
				if p.WriteContinuation(1, false, p.fields("x", strings.Repeat("x", 8000))) != nil {
					return
				}
			}
		}, "PROTOCOL_ERROR"},
		{"headers that nobody can decode", func(p *peer) {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff}, EndHeaders: true})
		}, "COMPRESSION_ERROR"},
		{"headers padded beyond their end", func(p *peer) {
			p.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders, 1, []byte{9, 0x88})
		}, "PROTOCOL_ERROR"},
		{"HTTP/1.1", func(p *peer) { p.nc.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, "FRAME_SIZE_ERROR"},
		{"cut", func(p *peer) { p.nc.Close() }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := speak(t)
				p.settle(t)
				a, b := ask(t.Context(), c, getting()), ask(t.Context(), c, posting(9))
				p.said()
				tt.serve(p)
				for _, asked := range []*asking{a, b} {
					if asked.want(t, "", "http2"); isUnseen(asked.err) {
						t.Errorf("%v: to be made again", asked.err)
					}
				}
				if got := p.said(); tt.said != "" && (len(got) == 0 || got[len(got)-1] != "GOAWAY "+tt.said) {
					t.Errorf("the peer got %q, want GOAWAY %s", got, tt.said)
				}
				wantOver(t, c, p)
			})
		})
	}
}

// wantOver holds that a connection has ended, takes nothing more, and that those who share it out know.
func wantOver(t *testing.T, c *conn, p *peer) {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	if !p.ended || len(p.rooms) == 0 || p.rooms[len(p.rooms)-1] != 0 {
		t.Errorf("closed %v, and told room for %v", p.ended, p.rooms)
	}
	p.mu.Unlock()
	if _, err := c.do(t.Context(), getting()); !isUnseen(err) {
		t.Errorf("one more request: got %v", err)
	}
}

// The first frame is SETTINGS, or it is not HTTP/2 (RFC 9113, 3.4).
func TestSettingsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		a := ask(t.Context(), c, getting())
		p.said()
		p.WritePing(false, [8]byte{})
		a.want(t, "", "no SETTINGS first")
		p.wantSaid(t, "GOAWAY PROTOCOL_ERROR")
		wantOver(t, c, p)
	})
}

// How many requests a connection takes: what SETTINGS say, as often as they say it, and never more than our own bound.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		most := func(n uint32) {
			p.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: n})
			p.said()
		}
		most(2)
		for range 2 {
			ask(t.Context(), c, getting())
		}
		ask(t.Context(), c, getting()).want(t, "", errFull.Error())
		most(1)
		most(1)
		most(1 << 31)
		ask(t.Context(), c, getting())
		p.said()
		most(0)
		_, err := c.do(t.Context(), getting())
		if !isUnseen(err) || !errors.Is(err, errLeaving) {
			t.Errorf("got %v", err)
		}
		for id := uint32(1); id < 7; id += 2 {
			p.answer(id, "")
		}
		p.wantSaid(t, "GOAWAY NO_ERROR")
		wantOver(t, c, p)
		if want := []int{2, 1, perConnection, 0}; !slices.Equal(slices.Compact(p.rooms), want) {
			t.Errorf("told room for %v, want %v", p.rooms, want)
		}
	})
}

// TestGoAwaySaysWhy: in the words of the error, when the connection ends behind it.
func TestGoAwaySaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t)
		asked := ask(t.Context(), c, posting(9))
		p.WriteGoAway(1, http2.ErrCodeCompression, []byte("debug"))
		p.nc.Close()
		asked.want(t, "", "http2: Duo has ended the connection: COMPRESSION_ERROR")
		wantOver(t, c, p)
	})
}

// GOAWAY: what is above its last stream was not looked at, the others go on, and then the connection ends.
func TestGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t)
		var asked []*asking
		for range 3 {
			asked = append(asked, ask(t.Context(), c, posting(9)))
		}
		p.said()
		p.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil) // the first of two, of a server that shuts down
		late := ask(t.Context(), c, posting(9))
		late.want(t, "", errLeaving.Error())
		p.WriteGoAway(3, http2.ErrCodeNo, nil)
		asked[2].want(t, "", errLeaving.Error())
		if !isUnseen(late.err) || !isUnseen(asked[2].err) || asked[0].done || asked[1].done {
			t.Errorf("late %v, third %v; first %v, second %v", late.err, asked[2].err, asked[0].done, asked[1].done)
		}
		p.wantSaid(t)
		p.answer(3, "three")
		asked[1].want(t, "three", "")
		p.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("debug"))
		asked[0].want(t, "", errLeaving.Error())
		p.wantSaid(t, "GOAWAY NO_ERROR")
		wantOver(t, c, p)
	})
}

// REFUSED_STREAM says that nothing was done; no other reset does (RFC 9113, 8.7).
func TestRefused(t *testing.T) {
	for code := http2.ErrCodeNo; code <= http2.ErrCodeHTTP11Required; code++ {
		synctest.Test(t, func(t *testing.T) {
			c, p := speak(t)
			p.settle(t)
			a := ask(t.Context(), c, posting(9))
			p.WriteRSTStream(1, code)
			a.want(t, "", code.String())
			if isUnseen(a.err) != (code == http2.ErrCodeRefusedStream) {
				t.Errorf("%v", a.err)
			}
		})
	}
}

// Stream numbers come to an end, and the connection with them.
func TestLastStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t)
		c.nextID, c.handed = lastStream-2, lastStream-2
		a, b := ask(t.Context(), c, getting()), ask(t.Context(), c, getting())
		late := ask(t.Context(), c, getting())
		late.want(t, "", errLeaving.Error())
		if !slices.Contains(p.rooms, 0) {
			t.Error("nobody was told")
		}
		p.answer(lastStream-2, "one")
		p.answer(lastStream, "two")
		a.want(t, "one", "")
		b.want(t, "two", "")
		if !isUnseen(late.err) {
			t.Error(late.err)
		}
		wantOver(t, c, p)
	})
}

// Headers longer than a frame go in several.
func TestLongHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t)
		r := getting()
		r.params = bytes.Repeat([]byte("x"), 5*defaultFrame/2)
		a := ask(t.Context(), c, r)
		p.wantSaid(t, saidGET)
		p.answer(1, "body")
		a.want(t, "body", "")
	})
}

// A conn that is let go ends when its last request does, at once when there is none.
func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t)
		a := ask(t.Context(), c, getting())
		p.said()
		c.leave()
		p.wantSaid(t)
		p.answer(1, "body")
		a.want(t, "body", "")
		p.wantSaid(t, "GOAWAY NO_ERROR")
		wantOver(t, c, p)
	})
}

// faulty is a connection whose writes can be held up, or fail.
type faulty struct {
	net.Conn
	hold chan struct{} // nil = none
	fail bool
}

func (f *faulty) Write(b []byte) (int, error) {
	if f.hold != nil {
		<-f.hold
	}
	if f.fail {
		return 0, errors.New("broken pipe")
	}
	return f.Conn.Write(b)
}

// What was written at all may have been looked at; what was not, was not, and is written no more.
func TestUnwritten(t *testing.T) {
	for _, fail := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			p := newPeer(far)
			f := &faulty{Conn: near}
			c := newConn(f, func(int) {})
			p.settle(t)
			seen := ask(t.Context(), c, posting(9))
			p.said()
			f.hold = make(chan struct{})
			inHand := ask(t.Context(), c, posting(9)) // the writer has it
			waiting := ask(t.Context(), c, posting(9))
			if f.fail = fail; !fail {
				c.end(http2.ErrCodeNo, errDead)
			}
			close(f.hold)
			for name, want := range map[*asking]bool{seen: false, inHand: fail, waiting: true} {
				synctest.Wait()
				if !name.done || name.err == nil || isUnseen(name.err) != want {
					t.Errorf("fail %v: got %v, want unseen %v", fail, name.err, want)
				}
			}
			if got := strings.Join(p.said(), ", "); strings.Contains(got, "HEADERS 5") || strings.Contains(got, "HEADERS 3") == fail {
				t.Errorf("fail %v: the peer got %s", fail, got)
			}
			time.Sleep(time.Second)
			far.Close()
		})
	}
}

// A peer that makes us talk and does not listen is left.
func TestFlood(t *testing.T) {
	for name, serve := range map[string]func(*http2.Framer) error{
		"PING":     func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) },
		"SETTINGS": func(f *http2.Framer) error { return f.WriteSettings() },
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			c := newConn(near, func(int) {})
			framer := http2.NewFramer(far, nil) // nothing is read
			framer.WriteSettings()
			a := ask(t.Context(), c, getting())
			n := 0
			for ; n < 1_000_000 && serve(framer) == nil; n++ {
			}
			a.want(t, "", "ENHANCE_YOUR_CALM")
			if n == 1_000_000 || len(c.out) > 2*maxUnwritten {
				t.Errorf("%s: %d frames, %d octets wait", name, n, len(c.out))
			}
			far.Close()
		})
	}
}

// Many requests come and go at once, some of them given up.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t)
		for round := range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			var asked []*asking
			for i := range 50 {
				if i%3 == 0 {
					asked = append(asked, ask(ctx, c, getting()))
				} else {
					asked = append(asked, ask(t.Context(), c, posting(i)))
				}
			}
			cancel()
			for i, a := range asked {
				if i%3 != 0 {
					p.answer(uint32(round*100+2*i+1), "body")
				}
				a.want(t, "body", map[bool]string{true: context.Canceled.Error()}[i%3 == 0])
			}
		}
		if len(c.streams) != 0 {
			t.Errorf("%d streams", len(c.streams))
		}
	})
}
