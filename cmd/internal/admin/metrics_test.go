package admin

import (
	"bufio"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
)

// series returns the value of each series on /metrics.
func (h *house) series() map[string]string {
	h.t.Helper()
	m := make(map[string]string)
	for s := bufio.NewScanner(strings.NewReader(h.get("/metrics"))); s.Scan(); {
		if line := s.Text(); !strings.HasPrefix(line, "#") {
			at := strings.LastIndexByte(line, ' ')
			m[line[:at]] = line[at+1:]
		}
	}
	return m
}

// TestMetrics: every kind of number reaches Prometheus.
func TestMetrics(t *testing.T) {
	h := newHouse(t, "lab")
	h.duo = append(h.duo, Application{Name: "contractors", State: "down", Degraded: 3})
	h.first = []FirstFactor{{Name: "directory", Server: "ldaps://dc1.example.com", Up: true}, {Name: "directory", Server: "ldaps://dc2.example.com"}}
	h.frauds, h.lost = 5, 6
	h.Observe(event())
	h.Observe(event(func(e *radiusd.Event) { e.Reason, e.FirstTook, e.DuoTook, e.Took = policy.ReasonRemembered, 0, 0, 0 }))
	h.Observe(event(func(e *radiusd.Event) { e.Reason, e.Code = policy.ReasonProbe, "Access-Reject" }))
	h.Observe(event(func(e *radiusd.Event) { e.Reason, e.Code = policy.ReasonAbandoned, "none" }))
	h.Observe(event(func(e *radiusd.Event) {
		e.Client, e.Reason, e.Code = "lab", policy.ReasonChallenged, "Access-Challenge"
	}))
	got := h.series()
	for name, want := range map[string]string{
		`duoradiusd_logins_total{client="vpn",outcome="accept",reason="approved"}`:              "1",
		`duoradiusd_logins_total{client="vpn",outcome="accept",reason="remembered"}`:            "1",
		`duoradiusd_logins_total{client="vpn",outcome="reject",reason="probe"}`:                 "1",
		`duoradiusd_logins_total{client="vpn",outcome="none",reason="abandoned"}`:               "1",
		`duoradiusd_logins_total{client="lab",outcome="challenge",reason="challenged"}`:         "1",
		`duoradiusd_logins_total{client="vpn",outcome="reject",reason="fraud"}`:                 "0",
		`duoradiusd_logins_total{client="lab",outcome="accept",reason="failed-open"}`:           "0",
		`duoradiusd_remembered_hits_total{client="vpn"}`:                                        "1",
		`duoradiusd_login_duration_seconds_count{client="vpn"}`:                                 "2", // neither the probe nor the abandoned one
		`duoradiusd_login_duration_seconds_sum{client="vpn"}`:                                   "4.2",
		`duoradiusd_login_duration_seconds_bucket{client="vpn",le="0.001"}`:                     "1",
		`duoradiusd_login_duration_seconds_bucket{client="vpn",le="5"}`:                         "2",
		`duoradiusd_first_factor_duration_seconds_count{client="vpn"}`:                          "2",
		`duoradiusd_duo_duration_seconds_count{client="vpn"}`:                                   "2",
		`duoradiusd_logins_in_flight`:                                                           "0",
		`duoradiusd_replies_kept`:                                                               "0",
		`duoradiusd_pushes_pending`:                                                             "0",
		`duoradiusd_joins_total`:                                                                "0",
		`duoradiusd_fraud_reports_total`:                                                        "5",
		`duoradiusd_auth_log_lost_lines_total`:                                                  "6",
		`duoradiusd_approvals`:                                                                  "0",
		`duoradiusd_ready`:                                                                      "1",
		`duoradiusd_dropped_total{reason="wrong Message-Authenticator"}`:                        "0",
		`duoradiusd_requests_total{client="lab",message_authenticator="wrong"}`:                 "0",
		`duoradiusd_duplicates_total{answer="silence",client="lab"}`:                            "0",
		`duoradiusd_given_up_total{client="lab"}`:                                               "0",
		`duoradiusd_duo_state{application="[duo]",state="up"}`:                                  "1",
		`duoradiusd_duo_state{application="contractors",state="up"}`:                            "0",
		`duoradiusd_duo_state{application="contractors",state="down"}`:                          "1",
		`duoradiusd_duo_degraded_total{application="contractors"}`:                              "3",
		`duoradiusd_first_factor_up{first_factor="directory",server="ldaps://dc1.example.com"}`: "1",
		`duoradiusd_first_factor_up{first_factor="directory",server="ldaps://dc2.example.com"}`: "0",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %s", name, got[name], want)
		}
	}
	for _, prefix := range []string{`duoradiusd_build_info{goversion="go1.`, "go_goroutines", "process_open_fds"} {
		found := false
		for name := range got {
			found = found || strings.HasPrefix(name, prefix)
		}
		if !found {
			t.Errorf("no %s", prefix)
		}
	}
}

// TestCardinality: nobody who logs in, or tries to, can make a series; and no name or address of a user is in them.
func TestCardinality(t *testing.T) {
	h := newHouse(t)
	h.Observe(event())
	before := len(h.series())
	for i := range 10_000 {
		h.Observe(event(func(e *radiusd.Event) {
			e.User, e.Txid, e.Err = fmt.Sprint("user", i), fmt.Sprint("txid", i), fmt.Sprint("error", i)
			e.UserIP = netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
			e.ClientAddr = e.UserIP
		}))
	}
	after := h.series()
	if len(after) != before {
		t.Errorf("%d series, want %d", len(after), before)
	}
	for name := range after {
		for _, word := range []string{"alice", "user", "203.0", "192.0.2", "txid", "error"} {
			if strings.Contains(name, word) {
				t.Errorf("%q in %s", word, name)
			}
		}
	}
}

// TestObserve_Allocates nothing, once the client and the reason were seen; but for Duo's exemplar.
func TestObserve_Allocates(t *testing.T) {
	h := newHouse(t)
	e := event(func(e *radiusd.Event) { e.Reason, e.Txid, e.DuoTook = policy.ReasonRemembered, "", 0 })
	if got := testing.AllocsPerRun(1000, func() { h.Admin.Observe(e) }); got > 1 { // the Event itself may move to the heap
		t.Errorf("%v allocations a login", got)
	}
}

func BenchmarkObserve(b *testing.B) {
	h := newHouse(b)
	e := event()
	b.ReportAllocs()
	for b.Loop() {
		h.Observe(e)
	}
}

func BenchmarkObserveParallel(b *testing.B) {
	h := newHouse(b)
	e := event()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.Observe(e)
		}
	})
}

// TestExemplars: by its txid a login is found in the metrics, for those who scrape OpenMetrics.
func TestExemplars(t *testing.T) {
	h := newHouse(t)
	long := strings.Repeat("x", 200)
	for _, txid := range []string{"", long, "6fa88143-a044-435c-a332-9b111e4cdc23"} {
		h.Observe(event(func(e *radiusd.Event) { e.Txid, e.DuoTook = txid, time.Second }))
	}
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Host = "localhost"
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	h.metrics.handler().ServeHTTP(w, r)
	const want = `duoradiusd_duo_duration_seconds_bucket{client="vpn",le="1.0"} 3 # {txid="6fa88143-a044-435c-a332-9b111e4cdc23"}`
	if !strings.Contains(w.Body.String(), want) {
		t.Errorf("no line %s", want)
	}
	if strings.Contains(w.Body.String(), long) {
		t.Error("a txid without end")
	}
}
