package duo

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// param is one parameter of a call.
type param struct{ name, value string }

// params are a call's parameters, sorted by name, each name once.
type params []param

// add puts a parameter in its place; one without a value is left out.
func (p *params) add(name, value string) {
	if value == "" {
		return
	}
	at, _ := slices.BinarySearchFunc(*p, name, func(p param, name string) int { return cmp.Compare(p.name, name) })
	*p = slices.Insert(*p, at, param{name, value})
}

// encode returns the parameters as application/x-www-form-urlencoded: they go into a query or a body as they are.
func (p params) encode() []byte {
	if len(p) == 0 {
		return nil
	}
	size := 0
	for _, param := range p {
		size += len(param.name) + len(param.value) + 2
	}
	b := make([]byte, 0, size+size/8)
	for _, param := range p {
		if len(b) > 0 {
			b = append(b, '&')
		}
		b = appendEscaped(b, param.name)
		b = append(b, '=')
		b = appendEscaped(b, param.value)
	}
	return b
}

func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0:
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// signer signs as Duo's version 2 does, with SHA-512 (https://duo.com/docs/authapi, "Authentication").
type signer struct {
	integrationKey string
	host           string    // the name alone, in lower case: Duo signs no port
	scratch        sync.Pool // of *scratch
	written        atomic.Pointer[written]
}

// written is the Date of all calls of one second.
type written struct {
	second int64
	date   string
}

func (s *signer) date(now time.Time) string {
	w := s.written.Load()
	if w == nil || w.second != now.Unix() {
		w = &written{now.Unix(), now.UTC().Format(time.RFC1123Z)}
		s.written.Store(w)
	}
	return w.date
}

// scratch is what a signature is made in: a MAC that is keyed already, and room.
type scratch struct {
	mac  hash.Hash
	line []byte
	sum  [sha512.Size]byte
}

func newSigner(integrationKey, secretKey, host string) *signer {
	key := []byte(secretKey)
	return &signer{
		integrationKey: integrationKey,
		host:           strings.ToLower(host),
		scratch:        sync.Pool{New: func() any { return &scratch{mac: hmac.New(sha512.New, key)} }},
	}
}

// sign returns the headers Date and Authorization of a call made now with encoded parameters.
func (s *signer) sign(now time.Time, method, path string, encoded []byte) (date, authorization string) {
	t := s.scratch.Get().(*scratch)
	defer s.scratch.Put(t)
	date = s.date(now)
	b := append(t.line[:0], date...)
	b = append(b, '\n')
	b = append(b, method...)
	b = append(b, '\n')
	b = append(b, s.host...)
	b = append(b, '\n')
	b = append(b, path...)
	b = append(b, '\n')
	for { // a space is %20 here
		i := bytes.IndexByte(encoded, '+')
		if i < 0 {
			break
		}
		b = append(append(b, encoded[:i]...), "%20"...)
		encoded = encoded[i+1:]
	}
	b = append(b, encoded...)
	t.mac.Reset()
	t.mac.Write(b)

	b = append(append(b[:0], s.integrationKey...), ':')
	b = hex.AppendEncode(b, t.mac.Sum(t.sum[:0]))
	plain := len(b)
	b = append(b, "Basic "...)
	b = base64.StdEncoding.AppendEncode(b, b[:plain])
	t.line = b[:0]
	return date, string(b[plain:])
}
