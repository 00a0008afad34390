package memory

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/policy/guard"
)

// crowded returns a Memory that remembers n approvals.
func crowded(n int) *Memory {
	m := New(n)
	now := time.Now()
	for i := range n {
		m.approvals.add(policy.ApprovalKey{User: fmt.Sprintf("firstname.lastname%d", i), Duo: policy.Identity{Username: fmt.Sprintf("firstname.lastname%d", i)},
			Application: "DIXXXXXXXXXXXXXXXXXX", Service: "vpn", IP: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})}, factor.Push, now, 8*time.Hour)
	}
	return m
}

func BenchmarkSave(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := crowded(n)
			var out bytes.Buffer
			b.ReportAllocs()
			for b.Loop() {
				out.Reset()
				if err := m.Save(&out); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(out.Len())/float64(n), "octets/approval")
		})
	}
}

// BenchmarkSavePending measures how long others wait while twenty thousand pushes are saved.
func BenchmarkSavePending(b *testing.B) {
	m := New(1)
	for i := range 20_000 {
		user := fmt.Sprintf("firstname.lastname%d", i)
		_, _, err := m.transactions.Claim(b.Context(), policy.NewTransaction{
			Transaction: policy.Transaction{Phone: policy.Phone{Duo: policy.Identity{Username: user}, Person: user}, Name: user, Factor: factor.Push, Txid: fmt.Sprintf("%032x", i), Began: true},
			Key:         policy.JoinKey{Client: "vpn", User: user, IP: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})},
			Account:     policy.Account{Groups: []string{"staff", "vpn-users"}},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	var held time.Duration
	for b.Loop() {
		start := time.Now()
		n := 0
		for list := range m.transactions.save() {
			n += len(list)
		}
		held += time.Since(start)
		if n != 20_000 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(held.Milliseconds())/float64(b.N), "ms-held")
}

func BenchmarkRestore(b *testing.B) {
	const n = 100_000
	var saved bytes.Buffer
	if err := crowded(n).Save(&saved); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		m := New(n)
		if _, err := m.Restore(bytes.NewReader(saved.Bytes()), nil, nothing, guard.PushLimits{}); err != nil || m.approvals.len() != n {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoginWhileSaving measures remembered logins while a hundred thousand approvals are saved again and again.
func BenchmarkLoginWhileSaving(b *testing.B) {
	for _, saving := range []bool{false, true} {
		b.Run(fmt.Sprint(saving), func(b *testing.B) {
			m := crowded(100_000)
			var stop atomic.Bool
			done := make(chan struct{})
			go func() {
				defer close(done)
				for saving && !stop.Load() {
					var out bytes.Buffer
					if err := m.Save(&out); err != nil {
						b.Error(err)
					}
				}
			}()
			p := policy.New(policy.Settings{BindTo: []policy.Binding{policy.BindService, policy.BindUserIP}}, m.Runtime())
			a := policy.Attempt{Client: &policy.Client{Name: "vpn", Service: "vpn", Application: "DIXXXXXXXXXXXXXXXXXX", Factors: []factor.Factor{factor.Push}, Remember: 8 * time.Hour},
				User: "firstname.lastname77", UserIP: netip.MustParseAddr("10.0.0.77"), Authentic: true}
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if v := p.Decide(context.Background(), a); v.Reason != policy.ReasonRemembered {
					b.Fatal(v.Reason)
				}
				took = append(took, time.Since(start))
			}
			stop.Store(true)
			<-done
			slices.Sort(took)
			for _, q := range []float64{0.5, 0.99, 0.9999} {
				b.ReportMetric(float64(took[int(float64(len(took))*q)].Microseconds()), fmt.Sprintf("p%g-µs", q*100))
			}
			b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
		})
	}
}
