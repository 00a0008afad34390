package policy_test

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	. "duoradiusd/policy"
)

// silentDuo is a SecondFactor whose users do not answer until the benchmark tells it that they have.
type silentDuo struct {
	waits    sync.WaitGroup
	answered chan struct{}
}

func (d *silentDuo) Preauth(context.Context, PreauthRequest) (Preauth, error) {
	return Preauth{Result: PreauthAuth, Devices: []Device{smartphone}}, nil
}

func (d *silentDuo) Auth(ctx context.Context, r *AuthRequest) (AuthResult, error) {
	r.Started("0a1b2c3d-4e5f-6789-abcd-ef0123456789")
	d.waits.Done()
	select {
	case <-d.answered:
		return AuthResult{Allowed: true, Status: "allow"}, nil
	case <-ctx.Done():
		return AuthResult{}, ctx.Err()
	}
}

// BenchmarkPending measures the memory of a login that waits for its user, without that of the caller and the SecondFactor:
// the stack of the transaction's goroutine, and the heap.
func BenchmarkPending(b *testing.B) {
	logins := 20_000
	if testing.Short() {
		logins = 2_000
	}
	for b.Loop() {
		duo := &silentDuo{answered: make(chan struct{})}
		m := newProcess(1000)
		client := &Client{Name: "vpn", Service: "vpn", Second: duo, Factors: allFactors, Remember: time.Hour, PushTimeout: time.Minute}
		p := New(Settings{BindTo: []Binding{BindService, BindUserIP}}, m.Runtime)
		before := used()
		var done sync.WaitGroup
		duo.waits.Add(logins)
		for n := range logins {
			done.Go(func() {
				a := Attempt{Client: client, ClientAddr: netip.MustParseAddr("192.0.2.10"), User: fmt.Sprint("user", n), UserIP: home, Authentic: true}
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				if v := p.Decide(ctx, a); v.Reason != ReasonApproved {
					b.Error(line(v), v.Err)
				}
			})
		}
		duo.waits.Wait()
		after := used()
		b.ReportMetric(float64(logins), "logins")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/float64(logins), "stack-B/login")
		b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/float64(logins), "heap-B/login")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(logins), "live-B/login")
		b.ReportMetric(float64(after.Sys-before.Sys)/float64(logins), "sys-B/login")
		close(duo.answered)
		done.Wait()
		m.Close()
	}
}

func used() (s runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s
}

func (*silentDuo) Outage(context.Context) error { return nil }
