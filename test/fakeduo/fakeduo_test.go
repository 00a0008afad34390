package fakeduo_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

// params builds parameters from name, value, name, value.
func params(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// signed returns a request signed as it should be, by version 2, for the server itself: no sockets.
func signed(s *fakeduo.Server, method, path string, p url.Values) *http.Request {
	date := time.Now().UTC().Format(time.RFC1123Z)
	sig := fakeduo.Sign(s.SecretKey(), fakeduo.CanonicalV2(date, method, "127.0.0.1", path, p))
	target, body := path, io.Reader(nil)
	if method == http.MethodPost {
		body = strings.NewReader(p.Encode())
	} else if len(p) > 0 {
		target += "?" + p.Encode()
	}
	r := httptest.NewRequest(method, target, body)
	r.Host = "127.0.0.1"
	r.Header.Set("Date", date)
	r.SetBasicAuth(s.IntegrationKey(), sig)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// answer is Duo's envelope with every field a test looks at.
type answer struct {
	HTTP     int `json:"-"`
	Stat     string
	Code     int
	Message  string
	Detail   string `json:"message_detail"`
	Response struct {
		Time       int64
		Result     string
		Status     string
		StatusMsg  string `json:"status_msg"`
		Txid       string
		Code       string `json:"verification_code"`
		Expiration int64
		EnrollURL  string `json:"enroll_portal_url"`
		Devices    []struct {
			Device, Type, Name, Number string
			DisplayName                string `json:"display_name"`
			Capabilities               []string
		}
	}
}

// serve hands r to the server and reads the envelope.
func serve(t *testing.T, s *fakeduo.Server, r *http.Request) answer {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	a := answer{HTTP: w.Code}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%s %s: %v in %q", r.Method, r.URL, err, w.Body)
	}
	return a
}

func post(t *testing.T, s *fakeduo.Server, path string, pairs ...string) answer {
	t.Helper()
	return serve(t, s, signed(s, "POST", path, params(pairs...)))
}

func auth(t *testing.T, s *fakeduo.Server, pairs ...string) answer {
	t.Helper()
	return post(t, s, "/auth/v2/auth", pairs...)
}

func status(t *testing.T, s *fakeduo.Server, txid string) answer {
	t.Helper()
	return serve(t, s, signed(s, "GET", "/auth/v2/auth_status", params("txid", txid)))
}

// pushed begins an asynchronous push for jo and returns its txid.
func pushed(t *testing.T, s *fakeduo.Server, pairs ...string) string {
	t.Helper()
	a := auth(t, s, append([]string{"username", "jo", "factor", "push", "device", "auto", "async", "1"}, pairs...)...)
	if a.Stat != "OK" || a.Response.Txid == "" {
		t.Fatalf("push: got %+v, want a txid", a)
	}
	return a.Response.Txid
}

// withJo returns a server that knows jo and listens nowhere.
func withJo(u fakeduo.User) *fakeduo.Server {
	s := fakeduo.New(fakeduo.Config{})
	u.Username = "jo"
	s.SetUser(u)
	return s
}

// started returns a server on a port of its own.
func started(t *testing.T, cfg fakeduo.Config) *fakeduo.Server {
	t.Helper()
	s := fakeduo.New(cfg)
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// client returns an HTTP client for a started server, over HTTP/2 if that is wanted and offered.
func client(t *testing.T, s *fakeduo.Server, http2 bool) *http.Client {
	t.Helper()
	tr := &http.Transport{ForceAttemptHTTP2: http2}
	s.Transport(tr)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

// overNet makes a request built by signed fit for a client.
func overNet(r *http.Request) *http.Request {
	r.URL.Scheme, r.URL.Host, r.RequestURI = "https", "127.0.0.1", ""
	return r
}

// get sends a signed check over c and returns status and body.
func get(c *http.Client, s *fakeduo.Server) (int, string, error) {
	resp, err := c.Do(overNet(signed(s, "GET", "/auth/v2/check", nil)))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
