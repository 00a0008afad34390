package duo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// What an answer may look like, and what none may: the connection goes on after each.
func TestAnswers(t *testing.T) {
	ok := func(p *peer) { p.headers(1, false, ":status", "200") }
	const reset = "RST_STREAM 1 PROTOCOL_ERROR"
	for _, tt := range []struct {
		name  string
		serve func(p *peer)
		body  string
		err   string
		said  []string
	}{
		{"whole", func(p *peer) { p.answer(1, "body") }, "body", "", nil},
		{"in parts", func(p *peer) { ok(p); p.WriteData(1, false, []byte("bo")); p.WriteData(1, true, []byte("dy")) }, "body", "", nil},
		{"empty end", func(p *peer) { ok(p); p.WriteData(1, false, []byte("body")); p.WriteData(1, true, nil) }, "body", "", nil},
		{"no body", func(p *peer) { p.headers(1, true, ":status", "200") }, "", "", nil},
		{"trailers", func(p *peer) { ok(p); p.WriteData(1, false, []byte("body")); p.headers(1, true, "x", "y") }, "body", "", nil},
		{"interim", func(p *peer) { p.headers(1, false, ":status", "103", "link", "x"); p.answer(1, "body") }, "body", "", nil},
		{"padded", func(p *peer) { ok(p); p.WriteDataPadded(1, true, []byte("body"), make([]byte, 9)) }, "body", "", nil},
		{"padded, more to come", func(p *peer) {
			ok(p)
			p.WriteDataPadded(1, false, []byte("bo"), make([]byte, 9))
			p.WriteData(1, true, []byte("dy"))
		}, "body", "", []string{"WINDOW_UPDATE 1 10"}},
		{"in CONTINUATIONs", func(p *peer) {
			block := p.fields(":status", "200", "x-long", strings.Repeat("x", 1000))
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:3]})
			p.WriteContinuation(1, false, block[3:7])
			p.WriteContinuation(1, true, block[7:])
			p.WriteData(1, true, []byte("body"))
		}, "body", "", nil},
		{"priority and what nobody knows", func(p *peer) {
			p.WritePriority(1, http2.PriorityParam{StreamDep: 3})
			p.WriteRawFrame(0xbe, 0xff, 1, []byte("x"))
			p.WriteRawFrame(0xbe, 0xff, 0, nil)
			p.answer(1, "body")
		}, "body", "", nil},

		{"body first", func(p *peer) { p.WriteData(1, true, []byte("body")) }, "", errEarly.Error(), []string{reset}},
		{"longer than said", func(p *peer) {
			p.headers(1, false, ":status", "200", "content-length", "3")
			p.WriteData(1, true, []byte("body"))
		}, "", errLength.Error(), []string{reset}},
		{"longer than said, and no end", func(p *peer) {
			p.headers(1, false, ":status", "200", "content-length", "3")
			p.WriteData(1, false, []byte("body"))
		}, "", errLength.Error(), []string{reset}},
		{"shorter than said", func(p *peer) {
			p.headers(1, false, ":status", "200", "content-length", "5")
			p.WriteData(1, true, []byte("body"))
		}, "", errLength.Error(), []string{reset}},
		{"a length and no body", func(p *peer) { p.headers(1, true, ":status", "200", "content-length", "5") }, "", errLength.Error(), []string{reset}},
		{"two lengths", func(p *peer) { p.headers(1, false, ":status", "200", "content-length", "4", "content-length", "5") },
			"", errLength.Error(), []string{reset}},
		{"a negative length", func(p *peer) { p.headers(1, false, ":status", "200", "content-length", "-1") }, "", errLength.Error(), []string{reset}},
		{"a length beyond the bound", func(p *peer) { p.headers(1, false, ":status", "200", "content-length", "1048577") },
			"", "too large", []string{"RST_STREAM 1 CANCEL"}},
		{"no status", func(p *peer) { p.headers(1, false, "date", "x") }, "", errStatus.Error(), []string{reset}},
		{"no status at all", func(p *peer) { p.headers(1, true) }, "", errStatus.Error(), []string{reset}},
		{"status of a request", func(p *peer) { p.headers(1, true, ":path", "/") }, "", errStatus.Error(), []string{reset}},
		{"odd status", func(p *peer) { p.headers(1, true, ":status", "+20") }, "", errStatus.Error(), []string{reset}},
		{"long status", func(p *peer) { p.headers(1, true, ":status", "0200") }, "", errStatus.Error(), []string{reset}},
		{"two of them", func(p *peer) { p.headers(1, true, ":status", "200", ":status", "200") }, "", "PROTOCOL_ERROR", []string{reset}},
		{"status last", func(p *peer) { p.headers(1, true, "date", "x", ":status", "200") }, "", "PROTOCOL_ERROR", []string{reset}},
		{"unknown pseudo-header", func(p *peer) { p.headers(1, true, ":status", "200", ":x", "y") }, "", "PROTOCOL_ERROR", []string{reset}},
		{"a name in capitals", func(p *peer) { p.headers(1, true, ":status", "200", "Date", "x") }, "", "PROTOCOL_ERROR", []string{reset}},
		{"a line break", func(p *peer) { p.headers(1, true, ":status", "200", "date", "x\r\ny: z") }, "", "PROTOCOL_ERROR", []string{reset}},
		{"interim at the end", func(p *peer) { p.headers(1, true, ":status", "100") }, "", errStatus.Error(), []string{reset}},
		{"101", func(p *peer) { p.headers(1, false, ":status", "101") }, "", errStatus.Error(), []string{reset}},
		{"headers twice", func(p *peer) { ok(p); p.headers(1, false, ":status", "200") }, "", errHeaders.Error(), []string{reset}},
		{"trailers, and no end", func(p *peer) { ok(p); p.headers(1, false, "x", "y") }, "", errHeaders.Error(), []string{reset}},
		{"status in trailers", func(p *peer) { ok(p); p.headers(1, true, ":status", "200") }, "", errHeaders.Error(), []string{reset}},
		{"headers too long", func(p *peer) {
			p.headers(1, true, ":status", "200", "x", strings.Repeat("x", maxHeader-100), "y", strings.Repeat("y", 100))
		}, "", errLarge.Error(), []string{"RST_STREAM 1 CANCEL"}},
		{"reset", func(p *peer) { p.WriteRSTStream(1, http2.ErrCodeInternal) }, "", "INTERNAL_ERROR", nil},
		{"reset in the middle", func(p *peer) { ok(p); p.WriteRSTStream(1, http2.ErrCodeNo) }, "", "NO_ERROR", nil},
		{"a window of 0 more", func(p *peer) { p.WriteWindowUpdate(1, 0) }, "", "PROTOCOL_ERROR", []string{reset}},
		{"a window too wide", func(p *peer) { p.WriteWindowUpdate(1, 1<<31-1) }, "", errWindow.Error(), []string{"RST_STREAM 1 FLOW_CONTROL_ERROR"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := speak(t)
				p.settle(t)
				a := ask(t.Context(), c, getting())
				p.wantSaid(t, saidGET)
				tt.serve(p)
				a.want(t, tt.body, tt.err)
				p.wantSaid(t, tt.said...)
				if isUnseen(a.err) {
					t.Errorf("%v: to be made again", a.err)
				}

				next := ask(t.Context(), c, getting())
				p.wantSaid(t, "HEADERS 3 GET /auth/v2/auth_status end")
				p.answer(3, "next")
				next.want(t, "next", "")
				if r := next.resp; r != nil && (r.status != 200 || r.date != "Sat, 01 Jan 2000 00:00:00 GMT") {
					t.Errorf("got %+v", r)
				}
			})
		})
	}
}

// What comes for a stream that is over is nothing to anybody, but counts in the connection's window.
func TestAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		a := ask(ctx, c, getting())
		p.wantSaid(t, saidGET)
		gone := errors.New("gone")
		cancel(gone)
		a.want(t, "", "gone")
		p.wantSaid(t, "RST_STREAM 1 CANCEL")
		p.headers(1, false, ":status", "200")
		for sent := 0; sent < connWindow/2; sent += defaultFrame {
			p.WriteData(1, false, make([]byte, defaultFrame))
		}
		p.WriteData(1, true, []byte("x"))
		p.WriteWindowUpdate(1, 5)
		p.WriteRSTStream(1, http2.ErrCodeStreamClosed)
		p.wantSaid(t, fmt.Sprintf("WINDOW_UPDATE 0 %d", connWindow/2+1))
		next := ask(t.Context(), c, getting())
		p.answer(3, "next")
		next.want(t, "next", "")
	})
}

// An answer longer than the bound is read no further, whatever its length is said to be.
func TestLongAnswer(t *testing.T) {
	for _, size := range []int{maxBody, maxBody + 1} {
		synctest.Test(t, func(t *testing.T) {
			c, p := speak(t)
			p.settle(t)
			a := ask(t.Context(), c, getting())
			p.headers(1, false, ":status", "200")
			for left := size; left > 0; {
				n := min(left, defaultFrame)
				left -= n
				p.WriteData(1, left == 0, make([]byte, n))
			}
			if size <= maxBody {
				a.want(t, string(make([]byte, size)), "")
				p.wantSaid(t, saidGET)
				return
			}
			a.want(t, "", "too large")
			p.wantSaid(t, saidGET, "RST_STREAM 1 CANCEL")
		})
	}
}

// The caller's context ends a request at once, wherever it is: before a window opens, and while the peer does not read.
func TestAbandon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := speak(t)
		p.settle(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		a := ask(ctx, c, posting(100))
		time.Sleep(time.Second)
		a.want(t, "", context.DeadlineExceeded.Error())
		if took := time.Since(start); took != time.Second || isUnseen(a.err) {
			t.Errorf("took %v, %v", took, a.err)
		}
		p.wantSaid(t, saidPOST, "RST_STREAM 1 CANCEL")
		p.WriteWindowUpdate(1, 1000) // too late for anything
		p.wantSaid(t)
		if len(c.streams) != 0 || len(c.blocked) != 0 {
			t.Errorf("%d streams, %d blocked", len(c.streams), len(c.blocked))
		}
	})
}
