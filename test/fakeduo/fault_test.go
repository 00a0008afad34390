package fakeduo_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

const checkPath = "/auth/v2/check"

func TestFaultAnswers(t *testing.T) {
	for _, tt := range []struct {
		fault  fakeduo.Fault
		status int
		body   string
		header string
	}{
		{fakeduo.Fault{Status: 500}, 500, `{"stat":"FAIL","code":50000,"message":"Internal server error"}`, ""},
		{fakeduo.Fault{Status: 503}, 503, `{"stat":"FAIL","code":50300,"message":"Service unavailable"}`, ""},
		{fakeduo.Fault{Status: 429, RetryAfter: "3", XRetryAfter: "Thu, 01 Jan 2026 00:00:00 GMT"}, 429,
			`{"stat":"FAIL","code":42901,"message":"Too many requests"}`, "3|Thu, 01 Jan 2026 00:00:00 GMT"},
		{fakeduo.Fault{Status: 429}, 429, `{"stat":"FAIL","code":42901,"message":"Too many requests"}`, ""},
		{fakeduo.Fault{Code: 40301, Detail: "Wrong integration type for this API."}, 403,
			`{"stat":"FAIL","code":40301,"message":"Access forbidden","message_detail":"Wrong integration type for this API."}`, ""},
		{fakeduo.Fault{Body: `{"stat":`}, 200, `{"stat":`, ""},
		{fakeduo.Fault{Status: 502, Body: "<html>502</html>"}, 502, "<html>502</html>", ""},
		{fakeduo.Fault{Trickle: time.Microsecond, Body: "drip"}, 200, "drip", ""},
	} {
		s := started(t, fakeduo.Config{})
		s.Inject(checkPath, tt.fault)
		resp, err := client(t, s, true).Do(overNet(signed(s, "GET", checkPath, nil)))
		if err != nil {
			t.Errorf("%v: %v", tt.fault, err)
			continue
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		header := ""
		if x := resp.Header.Get("X-Retry-After"); x != "" {
			header = "|" + x
		}
		if header = resp.Header.Get("Retry-After") + header; resp.StatusCode != tt.status || string(b) != tt.body || header != tt.header {
			t.Errorf("%v: got %d %q %s, want %d %q %s", tt.fault, resp.StatusCode, header, b, tt.status, tt.header, tt.body)
		}
		if got := s.Requests()[0]; got.Fault != tt.fault.String() || got.Status != tt.status {
			t.Errorf("%v: remembered %q %d", tt.fault, got.Fault, got.Status)
		}
	}
}

// Faults come in the order of injection, on their path only, and as often as they were meant to.
func TestInjectOrder(t *testing.T) {
	s := withJo(fakeduo.User{})
	s.Inject(checkPath, fakeduo.Fault{Status: 500, Times: 2})
	s.Inject("", fakeduo.Fault{Status: 503})
	s.Inject("/auth/v2/preauth", fakeduo.Fault{Status: 429, Times: -1})
	check := func() int { return serve(t, s, signed(s, "GET", checkPath, nil)).HTTP }
	preauth := func() int { return post(t, s, "/auth/v2/preauth", "username", "jo").HTTP }
	for i, got := range []int{check(), preauth(), preauth(), check(), check(), preauth()} {
		if want := []int{500, 503, 429, 500, 200, 429}[i]; got != want {
			t.Errorf("request %d: got %d, want %d", i+1, got, want)
		}
	}
	s.Heal()
	if got := preauth(); got != 200 {
		t.Errorf("healed: got %d", got)
	}
}

// Whether the push was begun is the difference between the two cuts.
func TestCut(t *testing.T) {
	for _, tt := range []struct {
		name   string
		http2  bool
		fault  fakeduo.Fault
		pushes int
		fault2 string
	}{
		{"before, HTTP/1.1", false, fakeduo.Fault{CutBefore: true}, 0, "cut before"},
		{"before, HTTP/2", true, fakeduo.Fault{CutBefore: true}, 0, "cut before"},
		{"after, HTTP/1.1", false, fakeduo.Fault{CutAfter: true}, 1, "cut after"},
		{"after, HTTP/2", true, fakeduo.Fault{CutAfter: true}, 1, "cut after"},
		{"after, HTTP/2 stream", true, fakeduo.Fault{CutAfter: true, Stream: true}, 1, "cut after"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := started(t, fakeduo.Config{})
			s.SetUser(fakeduo.User{Username: "jo", Tap: fakeduo.Ask})
			s.Inject("/auth/v2/auth", tt.fault)
			c := client(t, s, tt.http2)
			resp, err := c.Do(overNet(signed(s, "POST", "/auth/v2/auth",
				params("username", "jo", "factor", "push", "device", "auto", "async", "1"))))
			if err == nil {
				t.Errorf("got %s, want an error", resp.Status)
				resp.Body.Close()
			}
			if got := s.Pushes(); got != tt.pushes {
				t.Errorf("pushes: got %d, want %d", got, tt.pushes)
			}
			if got := s.Requests(); len(got) != 1 || got[0].Status != 0 || got[0].Fault != tt.fault2 {
				t.Errorf("remembered: got %+v", got)
			}
			if status, _, err := get(c, s); err != nil || status != 200 {
				t.Errorf("next request: got %d, %v", status, err)
			}
			if got := s.Requests()[1].Conn == 1; got != tt.fault.Stream {
				t.Errorf("the connection lives: got %t, want %t", got, tt.fault.Stream)
			}
		})
	}
}

// An answer may be replaced after the effect took place.
func TestEffect(t *testing.T) {
	for _, effect := range []bool{false, true} {
		s := withJo(fakeduo.User{})
		s.Inject("/auth/v2/auth", fakeduo.Fault{Status: 502, Effect: effect})
		got := auth(t, s, "username", "jo", "factor", "push", "device", "auto", "async", "1")
		if got.HTTP != 502 || (s.Pushes() == 1) != effect {
			t.Errorf("effect %t: got %d and %d pushes", effect, got.HTTP, s.Pushes())
		}
	}
}

func TestHang(t *testing.T) {
	s := started(t, fakeduo.Config{})
	c := client(t, s, true)
	s.Inject(checkPath, fakeduo.Fault{Hang: true, Times: 2})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	gone := make(chan error)
	go func() {
		_, err := c.Do(overNet(signed(s, "GET", checkPath, nil)).WithContext(ctx))
		gone <- err
	}()
	await(t, func() bool { return s.Count(checkPath) == 1 })
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("hung: got %v", err)
	}
	done := make(chan int)
	go func() { status, _, _ := get(c, s); done <- status }()
	await(t, func() bool { return s.Count(checkPath) == 2 && s.Requests()[1].Fault == "hang" })
	s.Heal()
	if got := <-done; got != 200 {
		t.Errorf("healed: got %d, want 200", got)
	}
}

func TestDelay(t *testing.T) {
	s := withJo(fakeduo.User{})
	s.Inject("", fakeduo.Fault{Delay: 20 * time.Millisecond, Status: 503})
	start := time.Now()
	if got := serve(t, s, signed(s, "GET", checkPath, nil)); got.HTTP != 503 || time.Since(start) < 20*time.Millisecond {
		t.Errorf("got %d after %v", got.HTTP, time.Since(start))
	}
}

func TestDownUp(t *testing.T) {
	s := started(t, fakeduo.Config{})
	s.SetUser(fakeduo.User{Username: "jo", Tap: fakeduo.Ask})
	txid := pushed(t, s)
	c, addr := client(t, s, true), s.Addr()
	polling := make(chan error)
	status(t, s, txid)
	go func() {
		_, err := c.Do(overNet(signed(s, "GET", "/auth/v2/auth_status", params("txid", txid))))
		polling <- err
	}()
	await(t, func() bool { return s.Count("/auth/v2/auth_status") == 2 })
	s.Down()
	if err := <-polling; err == nil {
		t.Error("a poll outlived the connection")
	}
	if _, _, err := get(c, s); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("down: got %v, want connection refused", err)
	}
	if err := s.Up(); err != nil || s.Addr() != addr {
		t.Fatalf("up: got %v at %s, want %s", err, s.Addr(), addr)
	}
	if err := s.Answer(txid, fakeduo.Approve); err != nil {
		t.Errorf("the phone rang on: %v", err)
	}
	if got, _, err := get(c, s); err != nil || got != 200 {
		t.Errorf("up: got %d, %v", got, err)
	}
	s.Close()
	if err := s.Up(); err == nil {
		t.Error("up after Close")
	}
}

// The same seed spoils the same requests, about as many as asked for.
func TestChaos(t *testing.T) {
	run := func(seed int64) (faults []string) {
		s := withJo(fakeduo.User{})
		s.Chaos(seed, 0.2, fakeduo.Fault{Status: 500}, fakeduo.Fault{Status: 429})
		for range 200 {
			serve(t, s, signed(s, "GET", checkPath, nil))
		}
		for _, r := range s.Requests() {
			faults = append(faults, r.Fault)
		}
		return faults
	}
	one, again, other := run(1), run(1), run(2)
	bad, same := 0, 0
	for i := range one {
		if one[i] != again[i] {
			t.Fatalf("request %d: got %q and %q", i, one[i], again[i])
		}
		if one[i] != "" {
			bad++
		}
		if one[i] == other[i] {
			same++
		}
	}
	if bad < 20 || bad > 60 || same == len(one) {
		t.Errorf("got %d of 200 bad, %d the same with another seed", bad, same)
	}
}

// A client that gets none of this right must still be able to get through.
func TestChaosDefaults(t *testing.T) {
	s := started(t, fakeduo.Config{})
	s.Chaos(7, 0.5)
	c := client(t, s, true)
	good := 0
	for range 40 {
		if status, _, err := get(c, s); err == nil && status == http.StatusOK {
			good++
		}
	}
	if good < 8 || good == 40 {
		t.Errorf("got %d of 40 through", good)
	}
}

func TestStartTwice(t *testing.T) {
	s := started(t, fakeduo.Config{})
	if err := s.Start("127.0.0.1:0"); err == nil {
		t.Error("started twice")
	}
	if err := s.Up(); err == nil {
		t.Error("up while up")
	}
	if err := fakeduo.New(fakeduo.Config{}).Start(s.Addr()); err == nil {
		t.Error("two on one port")
	} else if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "listen" {
		t.Errorf("got %v", err)
	}
}
