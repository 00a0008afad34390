package fakeduo_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

// BenchmarkLogin is the fake's own share of preauth, auth and auth_status: no sockets. Signing, which a client
// does, is in it too.
func BenchmarkLogin(b *testing.B) {
	s := withJo(fakeduo.User{})
	push := params("username", "jo", "factor", "push", "device", "auto", "async", "1")
	b.ReportAllocs()
	for b.Loop() {
		s.ServeHTTP(httptest.NewRecorder(), signed(s, "POST", "/auth/v2/preauth", params("username", "jo")))
		s.ServeHTTP(httptest.NewRecorder(), signed(s, "POST", "/auth/v2/auth", push))
		list := s.Allows()
		txid := list[len(list)-1].Txid
		s.ServeHTTP(httptest.NewRecorder(), signed(s, "GET", "/auth/v2/auth_status", params("txid", txid)))
		s.Forget()
	}
}

// BenchmarkPending holds 20 000 sync pushes for 2 s each, 100 to an HTTP/2 connection, and lets them all
// through. The connections are there before: Go's client dials for every request while its pool is cold. With -short there are
// 2 000 pushes on 20 connections.
func BenchmarkPending(b *testing.B) {
	conns, streams := 200, 100
	if testing.Short() {
		conns = 20
	}
	s := fakeduo.New(fakeduo.Config{})
	if err := s.Start("127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	s.SetUser(fakeduo.User{Username: "jo", Delay: 2 * time.Second})
	pool := make([]*http.Client, conns)
	for i := range pool {
		tr := &http.Transport{ForceAttemptHTTP2: true}
		s.Transport(tr)
		pool[i] = &http.Client{Transport: tr}
		if _, _, err := get(pool[i], s); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		var wg sync.WaitGroup
		for i := range conns * streams {
			wg.Go(func() {
				r := signed(s, "POST", "/auth/v2/auth", params("username", "jo", "factor", "push", "device", "auto"))
				resp, err := pool[i%conns].Do(overNet(r))
				if err != nil {
					b.Error(err)
					return
				}
				resp.Body.Close()
			})
		}
		wg.Wait()
	}
	b.ReportMetric(float64(s.MaxConnections()), "connections")
	if n := len(s.Allows()); n != conns*streams*b.N {
		b.Errorf("%d pushes were allowed, want %d", n, conns*streams*b.N)
	}
	b.ReportMetric(float64(len(s.Allows()))/float64(b.N), "allows/op")
}
