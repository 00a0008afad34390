package duo

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// tape is a connection that plays what is on it once it is let go, and then ends.
type tape struct {
	*bytes.Reader
	begin chan struct{}
}

func (t *tape) Read(b []byte) (int, error) {
	<-t.begin
	return t.Reader.Read(b)
}

func (*tape) Write(b []byte) (int, error)      { return len(b), nil }
func (*tape) Close() error                     { return nil }
func (*tape) LocalAddr() net.Addr              { return nil }
func (*tape) RemoteAddr() net.Addr             { return nil }
func (*tape) SetDeadline(time.Time) error      { return nil }
func (*tape) SetReadDeadline(time.Time) error  { return nil }
func (*tape) SetWriteDeadline(time.Time) error { return nil }

// FuzzReader: whatever a peer sends, every request comes to an end, and an answer is whole or none.
func FuzzReader(f *testing.F) {
	seed := func(write func(w *http2.Framer, fields func(...string) []byte)) {
		var out, block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		write(http2.NewFramer(&out, nil), func(pairs ...string) []byte {
			block.Reset()
			for i := 0; i < len(pairs); i += 2 {
				enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
			}
			return bytes.Clone(block.Bytes())
		})
		f.Add(out.Bytes())
	}
	seed(func(w *http2.Framer, fields func(...string) []byte) {
		w.WriteSettingsAck()
		w.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: fields(":status", "200", "content-length", "4"), EndHeaders: true})
		w.WriteData(1, true, []byte("body"))
		w.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: fields(":status", "103"), EndHeaders: true})
		w.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: fields(":status", "429", "retry-after", "3")})
		w.WriteContinuation(3, true, fields("date", "x"))
		w.WriteDataPadded(3, false, []byte("x"), make([]byte, 3))
		w.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: fields("x", "y"), EndHeaders: true, EndStream: true})
	})
	seed(func(w *http2.Framer, fields func(...string) []byte) {
		w.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		w.WriteWindowUpdate(3, 5)
		w.WriteWindowUpdate(0, 5)
		w.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
		w.WritePing(false, [8]byte{1})
		w.WritePing(true, [8]byte{})
		w.WriteRSTStream(1, http2.ErrCodeRefusedStream)
		w.WriteGoAway(3, http2.ErrCodeNo, []byte("bye"))
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		var in bytes.Buffer
		http2.NewFramer(&in, nil).WriteSettings()
		in.Write(data)
		nc := &tape{bytes.NewReader(in.Bytes()), make(chan struct{})}
		over := make(chan struct{})
		var once sync.Once
		c := newConn(nc, func(room int) {
			if room == 0 {
				once.Do(func() { close(over) })
			}
		})
		streams := []*stream{}
		for _, r := range []*request{getting(), posting(100_000), getting()} {
			s, err := c.start(r)
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		close(nc.begin)
		for _, s := range streams {
			select {
			case <-s.done:
			case <-ctx.Done():
				t.Fatal("a request hangs")
			}
			if s.err == nil && (s.status < 200 || s.length >= 0 && s.length != int64(len(s.body)) || len(s.body) > maxBody) {
				t.Errorf("got status %d, %d octets of %d", s.status, len(s.body), s.length)
			}
		}
		select {
		case <-over:
		case <-ctx.Done():
			t.Fatal("the connection goes on")
		}
	})
}
