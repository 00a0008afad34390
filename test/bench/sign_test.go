package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// TestSigned checks the verifier with signatures that were made as Duo's page says
// (https://duo.com/docs/authapi#authentication). Every row shows that the signatures of Duo's own SDK are accepted.
func TestSigned(t *testing.T) {
	now := time.Now().Format(time.RFC1123Z)
	good := url.Values{"username": {"jö b"}, "factor": {"push"}}
	for _, tt := range []struct {
		name, key, date, path string
		params                url.Values
		hash                  func() hash.Hash
		want                  bool
	}{
		{"SHA-512", secretKey, now, "/auth/v2/auth", good, sha512.New, true},
		{"SHA-1", secretKey, now, "/auth/v2/auth", good, sha1.New, true},
		{"wrong key", "another", now, "/auth/v2/auth", good, sha512.New, false},
		{"another path", secretKey, now, "/auth/v2/preauth", good, sha512.New, false},
		{"other parameters", secretKey, now, "/auth/v2/auth", url.Values{"username": {"al"}}, sha512.New, false},
		{"old", secretKey, time.Now().Add(-6 * time.Minute).Format(time.RFC1123Z), "/auth/v2/auth", good, sha512.New, false},
		{"no date", secretKey, "", "/auth/v2/auth", good, sha512.New, false},
	} {
		mac := hmac.New(tt.hash, []byte(tt.key))
		mac.Write([]byte(tt.date + "\nPOST\n127.0.0.1\n" + tt.path + "\nfactor=push&username=" + escape(tt.params.Get("username"))))
		r := httptest.NewRequest(http.MethodPost, "https://127.0.0.1:8443/auth/v2/auth", nil)
		r.Header.Set("Date", tt.date)
		r.SetBasicAuth(integrationKey, hex.EncodeToString(mac.Sum(nil)))
		if got := newSigner().signed(r, good); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := canonical(good); got != "factor=push&username=j%C3%B6%20b" {
		t.Errorf("canonical parameters %q", got)
	}
}
