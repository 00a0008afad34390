package admin

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const gzip = "\x1f\x8b" // its first octets (RFC 1952 §2.3.1)

// TestProfiles: they are there where the daemon is told to, with the same checks as the other pages.
func TestProfiles(t *testing.T) {
	page := header("Sec-Fetch-Site", "same-origin")
	for _, tt := range []struct {
		method, path string
		change       func(*http.Request)
		status       int
		holds        string
	}{
		{"GET", "/debug/pprof/", page, 200, "goroutine"},
		{"GET", "/debug/pprof/", header("Sec-Fetch-Site", "none"), 200, "heap"},
		{"GET", "/debug/pprof/heap", page, 200, gzip},
		{"GET", "/debug/pprof/goroutine?debug=1", page, 200, "goroutine profile: total"},
		{"GET", "/debug/pprof/profile?seconds=1", page, 200, gzip},
		{"GET", "/debug/pprof/trace?seconds=0.01", page, 200, "go 1."},
		{"GET", "/debug/pprof/cmdline", page, 404, ""}, // an argument of ours may tell where secrets are
		{"GET", "/debug/pprof/nothing", page, 404, ""},
		{"POST", "/debug/pprof/", page, 405, ""},
		{"POST", "/debug/pprof/profile?seconds=1", page, 405, ""},
		{"POST", "/debug/pprof/symbol", page, 405, ""},
		{"GET", "/debug/pprof/heap", host("evil.example"), 421, ""},
		{"GET", "/debug/pprof/profile?seconds=60", host("evil.example:9812"), 421, ""},
		{"GET", "/debug/pprof/profile?seconds=60", header("Sec-Fetch-Site", "cross-site"), 403, ""},
		{"GET", "/debug/pprof/trace?seconds=60", header("Sec-Fetch-Site", "same-site"), 403, ""},
		{"GET", "/debug/pprof/", header("Sec-Fetch-Site", "cross-site"), 403, ""},
	} {
		t.Run(tt.method+tt.path, func(t *testing.T) {
			h := newHouse(t)
			if r := h.ask(tt.method, tt.path, nil, tt.change); r.StatusCode == 200 {
				t.Errorf("not wanted, and there: %d", r.StatusCode)
			}
			h.daemon.Profiles = true
			r := h.ask(tt.method, tt.path, nil, tt.change)
			body := []byte(text(t, r))
			if r.StatusCode != tt.status || !bytes.Contains(body, []byte(tt.holds)) {
				t.Errorf("%d, want %d, with %q: %.200q", r.StatusCode, tt.status, tt.holds, body)
			}
			if got := r.Header.Get("X-Frame-Options"); got != "DENY" {
				t.Errorf("X-Frame-Options %q", got)
			}
		})
	}
}

// TestProfileLong: a profile may take longer than the server gives to other answers.
func TestProfileLong(t *testing.T) {
	h := newHouse(t)
	h.daemon.Profiles = true
	s := httptest.NewUnstartedServer(h.Handler())
	s.Config.WriteTimeout = 100 * time.Millisecond
	s.Start()
	defer s.Close()
	r, err := http.Get(s.URL + "/debug/pprof/profile?seconds=1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body := text(t, r); r.StatusCode != 200 || !strings.HasPrefix(body, gzip) {
		t.Errorf("%d, %d octets: %.200q", r.StatusCode, len(body), body)
	}
}
