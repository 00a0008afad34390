package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// signer verifies the signatures of Duo's Auth API (https://duo.com/docs/authapi#authentication). They are HMAC-SHA512,
// or HMAC-SHA1, which Duo accepted in the past. FreeRADIUS 3.2 can only make HMAC-SHA1 in its own language.
type signer struct{ sha512, sha1 sync.Pool }

func newSigner() *signer {
	s := &signer{}
	s.sha512.New = func() any { return hmac.New(sha512.New, []byte(secretKey)) }
	s.sha1.New = func() any { return hmac.New(sha1.New, []byte(secretKey)) }
	return s
}

const maxSkew = 300 * time.Second

func (s *signer) signed(r *http.Request, params url.Values) bool {
	encoded, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Basic ")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	key, signature, _ := strings.Cut(string(raw), ":")
	if !ok || err != nil || key != integrationKey {
		return false
	}
	date := r.Header.Get("Date")
	if date == "" {
		date = r.Header.Get("X-Duo-Date")
	}
	at, err := time.Parse(time.RFC1123Z, date)
	if err != nil || time.Since(at).Abs() > maxSkew {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	pool := &s.sha512
	if len(signature) == 2*sha1.Size {
		pool = &s.sha1
	}
	mac := pool.Get().(hash.Hash)
	defer pool.Put(mac)
	mac.Reset()
	mac.Write([]byte(date + "\n" + r.Method + "\n" + strings.ToLower(host) + "\n" + r.URL.Path + "\n" + canonical(params)))
	var sum [sha512.Size]byte
	return hex.EncodeToString(mac.Sum(sum[:0])) == signature
}

// canonical returns the parameters sorted by key. All characters except A-Z a-z 0-9 _ . ~ - are escaped.
func canonical(params url.Values) string {
	keys := make([]string, 0, len(params))
	for k := range params {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(k) + "=" + escape(params.Get(k)))
	}
	return b.String()
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
