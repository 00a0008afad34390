package duo

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// fieldsOf decodes a request's headers as a server does. It holds that no table, ours or the server's, keeps any.
func fieldsOf(t *testing.T, r *request) http.Header {
	t.Helper()
	h := http.Header{}
	dec := hpack.NewDecoder(0, func(f hpack.HeaderField) {
		if !f.Sensitive && f.Name != ":method" && f.Name != ":scheme" {
			t.Errorf("%s may be kept in a table", f.Name)
		}
		name := f.Name
		if name[0] != ':' {
			name = http.CanonicalHeaderKey(name)
		}
		h[name] = append(h[name], f.Value)
	})
	if _, err := dec.Write(r.appendBlock(nil)); err != nil {
		t.Fatal(err)
	}
	if err := dec.Close(); err != nil {
		t.Fatal(err)
	}
	for name, list := range h {
		if len(list) > 1 {
			t.Errorf("%s: %q", name, list)
		}
		if name[0] == ':' {
			h[http.CanonicalHeaderKey(name)] = list
		}
	}
	return h
}

// Values of every length that takes another octet to say.
func TestBlock(t *testing.T) {
	if b := getting().appendBlock(nil); b[0] != 0x20 { // or a server that has made its table smaller ends the connection
		t.Errorf("it begins with %#x", b[0])
	}
	for _, n := range []int{0, 1, 126, 127, 128, 254, 255, 256, 16_510, 16_511, 16_512, 1 << 20} {
		r := &request{
			method: "POST", path: authPath, params: make([]byte, n), host: strings.Repeat("h", n), agent: "a",
			date: "d", authorization: strings.Repeat("x", n+1),
		}
		h := fieldsOf(t, r)
		if len(h.Get(":authority")) != n || len(h.Get("Authorization")) != n+1 || h.Get("Date") != "d" || h.Get("User-Agent") != "a" {
			t.Errorf("%d: got %d octets and %d", n, len(h.Get(":authority")), len(h.Get("Authorization")))
		}
		if h.Get("Content-Type") != formType || h.Get("Content-Length") != strconv.Itoa(n) {
			t.Errorf("%d: got %v, %v", n, h["Content-Type"], h["Content-Length"])
		}
	}
}
