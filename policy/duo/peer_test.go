package duo

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing/synctest"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// peer is the other end of a connection, controlled by the test: it reads and records everything, and sends what the test
// says.
type peer struct {
	*http2.Framer
	nc    net.Conn
	block bytes.Buffer
	enc   *hpack.Encoder

	mu    sync.Mutex // guards the fields below
	heard []string
	ended bool
}

func newPeer(nc net.Conn) *peer {
	p := &peer{Framer: http2.NewFramer(nc, nc), nc: nc}
	p.AllowIllegalWrites = true
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.enc = hpack.NewEncoder(&p.block)
	go p.listen()
	return p
}

func (p *peer) listen() {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(p.nc, preface); err != nil || string(preface) != http2.ClientPreface {
		p.note("no preface")
		return
	}
	for {
		f, err := p.ReadFrame()
		if err != nil {
			p.mu.Lock()
			p.ended = true
			p.mu.Unlock()
			return
		}
		p.note(inWords(f))
	}
}

// closed reports whether the conn has closed.
func (p *peer) closed() bool {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

func (p *peer) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, line)
}

func inWords(f http2.Frame) string {
	id, end := f.Header().StreamID, ""
	if f.Header().Flags.Has(http2.FlagDataEndStream) {
		end = " end"
	}
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		path, _, _ := strings.Cut(f.PseudoValue("path"), "?")
		return fmt.Sprintf("HEADERS %d %s %s%s", id, f.PseudoValue("method"), path, end)
	case *http2.DataFrame:
		return fmt.Sprintf("DATA %d %d%s", id, len(f.Data()), end)
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("RST_STREAM %d %v", id, f.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %v", f.ErrCode)
	case *http2.WindowUpdateFrame:
		return fmt.Sprintf("WINDOW_UPDATE %d %d", id, f.Increment)
	case *http2.PingFrame:
		return fmt.Sprintf("PING ack %v %q", f.IsAck(), bytes.TrimRight(f.Data[:], "\x00"))
	case *http2.SettingsFrame:
		return fmt.Sprintf("SETTINGS ack %v", f.IsAck())
	}
	return f.Header().Type.String()
}

// said returns what the connection has sent since the last call.
func (p *peer) said() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	heard := p.heard
	p.heard = nil
	return heard
}

// fields encodes headers, given as name and value in turn.
func (p *peer) fields(pairs ...string) []byte {
	p.block.Reset()
	for pair := range slices.Chunk(pairs, 2) {
		p.enc.WriteField(hpack.HeaderField{Name: pair[0], Value: pair[1]})
	}
	return bytes.Clone(p.block.Bytes())
}

func (p *peer) headers(id uint32, end bool, pairs ...string) {
	p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.fields(pairs...), EndHeaders: true, EndStream: end})
}

// answer is a complete answer.
func (p *peer) answer(id uint32, body string) {
	p.headers(id, false, ":status", "200", "date", "Sat, 01 Jan 2000 00:00:00 GMT", "content-length", fmt.Sprint(len(body)))
	p.WriteData(id, true, []byte(body))
}
