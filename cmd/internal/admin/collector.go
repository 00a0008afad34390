package admin

import (
	"cmp"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"duoradiusd/policy/guard"
	"duoradiusd/radiusd"
)

// collector is a prometheus.Collector of the numbers that other packages keep. It reads them at each scrape.
type collector struct {
	daemon Daemon
	single []single                    // metrics without labels
	desc   map[string]*prometheus.Desc // the metrics with labels
}

// single is a metric without labels, and the function that reads its value.
type single struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func() float64
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

func newCollector(d Daemon) *collector {
	c := &collector{daemon: d, desc: make(map[string]*prometheus.Desc)}
	add := func(kind prometheus.ValueType, name, help string, value func() float64) {
		c.single = append(c.single, single{prometheus.NewDesc(namespace+"_"+name, help, nil, nil), kind, value})
	}
	add(gauge, "ready", "1 when logins can be answered, 0 when not.", func() float64 { return boolean(d.Ready() == nil) })
	add(gauge, "logins_in_flight", "Logins in progress.", func() float64 { n, _ := d.Server.Pending(); return float64(n) })
	add(gauge, "replies_kept", "Replies kept for repetitions of their requests.", func() float64 { _, n := d.Server.Pending(); return float64(n) })
	add(gauge, "pushes_pending", "Pushes, calls and passcode checks that wait for Duo's answer.",
		func() float64 { return float64(d.Memory.Counts().Transactions) })
	add(counter, "joins_total", "Logins that were given a push which another login had begun.",
		func() float64 { return float64(d.Memory.Counts().Joins) })
	add(counter, "fraud_reports_total", "Pushes that their users reported as fraud.", func() float64 { return float64(d.Frauds()) })
	add(gauge, "approvals", "Approvals that are remembered, expired ones that nobody asked for since included.",
		func() float64 { return float64(d.Memory.Counts().Approvals) })
	add(counter, "auth_log_lost_lines_total", "Lines of auth_log that could not be written.",
		func() float64 { return float64(d.LostLines()) })

	if d.cluster() != nil { // as at the start, because a change of [cluster] needs a restart
		add(gauge, "cluster_up", "1 when the store that several daemons share answers, 0 when not.", func() float64 { return boolean(d.cluster().Up) })
		add(counter, "cluster_failures_total", "How often the store could not be asked.", func() float64 { return float64(d.cluster().Failures) })
		add(counter, "cluster_taken_over_total", "Pushes of daemons that were gone, whose answer this one has asked for.", func() float64 { return float64(d.cluster().TakenOver) })
		add(counter, "cluster_lost_total", "Pushes of which nobody knows whether they rang.", func() float64 { return float64(d.cluster().Lost) })
	}

	for _, v := range []struct {
		name, help string
		labels     []string
	}{
		{"dropped_total", "Packets that got no reply, by the reason that the log gives.", []string{"reason"}},
		{"requests_total", "Access-Requests, by their Message-Authenticator: valid, absent, wrong.", []string{"client", "message_authenticator"}},
		{"duplicates_total", "Repeated requests, by what they got: silence while in progress, or the reply again.", []string{"client", "answer"}},
		{"given_up_total", "Requests that a client was seen to give up before their answer.", []string{"client"}},
		{"client_patience_seconds", "How long a client waits before it gives up, where it was seen to.", []string{"client"}},
		{"duo_state", "1 for the state that a Duo application is in: up, slow, down, refused (it does not accept the keys).", []string{"application", "state"}},
		{"duo_degraded_total", "How often a Duo application became slow or could not be asked.", []string{"application"}},
		{"guard_held_back", "Persons, sources and phones that [guard] holds back now, by the limit.", []string{"limit"}},
		{"certificate_days_left", "Days until a certificate that the daemon uses or trusts ends; negative when it has.", []string{"certificate"}},
		{"first_factor_up", "1 when a server of a first factor answers, 0 when not.", []string{"first_factor", "server"}},
	} {
		c.desc[v.name] = prometheus.NewDesc(namespace+"_"+v.name, v.help, v.labels, nil)
	}
	return c
}

func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, s := range c.single {
		to <- s.desc
	}
	for _, d := range c.desc {
		to <- d
	}
}

func (c *collector) Collect(to chan<- prometheus.Metric) {
	for _, s := range c.single {
		to <- prometheus.MustNewConstMetric(s.desc, s.kind, s.value())
	}
	send := func(name string, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(c.desc[name], kind, value, labels...)
	}
	drops := c.daemon.Server.Drops()
	for _, reason := range radiusd.DropReasons() {
		send("dropped_total", counter, float64(drops[reason]), reason)
	}
	for _, client := range c.daemon.Server.Clients() {
		send("requests_total", counter, float64(client.Authenticated), client.Name, "valid")
		send("requests_total", counter, float64(client.Unauthenticated), client.Name, "absent")
		send("requests_total", counter, float64(client.Wrong), client.Name, "wrong")
		send("duplicates_total", counter, float64(client.Patience.Silent), client.Name, "silence")
		send("duplicates_total", counter, float64(client.Patience.Served), client.Name, "reply")
		send("given_up_total", counter, float64(client.Patience.GaveUp), client.Name)
		if client.Patience.After > 0 {
			send("client_patience_seconds", gauge, client.Patience.After.Seconds(), client.Name)
		}
	}
	for _, a := range c.daemon.Applications() {
		name := cmp.Or(a.Name, "[duo]")
		for _, state := range []string{"up", "slow", "down", "refused"} {
			send("duo_state", gauge, boolean(a.State == state), name, state)
		}
		send("duo_degraded_total", counter, float64(a.Degraded), name)
	}
	held, err := c.daemon.Guard(context.Background())
	if err == nil { // otherwise the series is missing, and an alert may look for that
		byLimit := map[string]int{guard.LimitPasswords: 0, guard.LimitPasscodes: 0, guard.LimitPerSource: 0, guard.LimitPushes: 0}
		for _, h := range held {
			if h.HeldUntil.After(time.Now()) {
				byLimit[h.Limit]++
			}
		}
		for limit, n := range byLimit {
			send("guard_held_back", gauge, float64(n), limit)
		}
	}
	for _, certificate := range c.daemon.Certificates() {
		send("certificate_days_left", gauge, time.Until(certificate.Ends).Hours()/24, certificate.Name)
	}
	for _, f := range c.daemon.FirstFactors() {
		send("first_factor_up", gauge, boolean(f.Up), f.Name, f.Server)
	}
}

// boolean returns a truth value as Prometheus writes it.
func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
