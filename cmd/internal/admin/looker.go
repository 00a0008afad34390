package admin

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"

	"duoradiusd/radiusd"
)

// looker is the numbers that others keep: it asks for them at each scrape.
type looker struct {
	daemon Daemon
	one    []single
	desc   map[string]*prometheus.Desc // of those with labels
}

// single is a metric without labels.
type single struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func() float64
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

func newLooker(d Daemon) *looker {
	l := &looker{daemon: d, desc: make(map[string]*prometheus.Desc)}
	add := func(kind prometheus.ValueType, name, help string, value func() float64) {
		l.one = append(l.one, single{prometheus.NewDesc(namespace+"_"+name, help, nil, nil), kind, value})
	}
	add(gauge, "ready", "1 when logins can be answered, 0 when not.", func() float64 { return one(d.Ready() == nil) })
	add(gauge, "logins_in_flight", "Logins in progress.", func() float64 { n, _ := d.Server.Pending(); return float64(n) })
	add(gauge, "replies_kept", "Replies kept for repetitions of their requests.", func() float64 { _, n := d.Server.Pending(); return float64(n) })
	add(gauge, "pushes_pending", "Pushes, calls and passcode checks that wait for Duo's answer.",
		func() float64 { return float64(d.Memory.Counts().Transactions) })
	add(counter, "joins_total", "Logins that were given a push which another login had begun.",
		func() float64 { return float64(d.Memory.Counts().Joins) })
	add(counter, "fraud_reports_total", "Pushes that their users reported as fraud.", func() float64 { return float64(d.Frauds()) })
	add(gauge, "approvals", "Approvals that are remembered, expired ones that nobody asked for since included.",
		func() float64 { return float64(d.Memory.Approvals.Len()) })
	add(counter, "auth_log_lost_lines_total", "Lines of auth_log that could not be written.",
		func() float64 { return float64(d.LostLines()) })

	for _, v := range []struct {
		name, help string
		labels     []string
	}{
		{"dropped_total", "Packets that got no reply, by the reason that the log gives.", []string{"reason"}},
		{"requests_total", "Access-Requests, by their Message-Authenticator: valid, absent, wrong.", []string{"client", "message_authenticator"}},
		{"duplicates_total", "Repeated requests, by what they got: silence while in progress, or the reply again.", []string{"client", "answer"}},
		{"given_up_total", "Requests that a client was seen to give up before their answer.", []string{"client"}},
		{"client_patience_seconds", "How long a client waits before it gives up, where it was seen to.", []string{"client"}},
		{"duo_state", "1 for the state that a Duo application is in: up, slow, down.", []string{"application", "state"}},
		{"duo_degraded_total", "How often a Duo application became slow or could not be asked.", []string{"application"}},
		{"first_factor_up", "1 when a server of a first factor answers, 0 when not.", []string{"first_factor", "server"}},
	} {
		l.desc[v.name] = prometheus.NewDesc(namespace+"_"+v.name, v.help, v.labels, nil)
	}
	return l
}

func (l *looker) Describe(to chan<- *prometheus.Desc) {
	for _, s := range l.one {
		to <- s.desc
	}
	for _, d := range l.desc {
		to <- d
	}
}

func (l *looker) Collect(to chan<- prometheus.Metric) {
	for _, s := range l.one {
		to <- prometheus.MustNewConstMetric(s.desc, s.kind, s.value())
	}
	send := func(name string, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(l.desc[name], kind, value, labels...)
	}
	drops := l.daemon.Server.Drops()
	for _, reason := range radiusd.DropReasons() {
		send("dropped_total", counter, float64(drops[reason]), reason)
	}
	for _, c := range l.daemon.Server.Clients() {
		send("requests_total", counter, float64(c.Authenticated), c.Name, "valid")
		send("requests_total", counter, float64(c.Unauthenticated), c.Name, "absent")
		send("requests_total", counter, float64(c.Wrong), c.Name, "wrong")
		send("duplicates_total", counter, float64(c.Patience.Silent), c.Name, "silence")
		send("duplicates_total", counter, float64(c.Patience.Served), c.Name, "reply")
		send("given_up_total", counter, float64(c.Patience.GaveUp), c.Name)
		if c.Patience.After > 0 {
			send("client_patience_seconds", gauge, c.Patience.After.Seconds(), c.Name)
		}
	}
	for _, a := range l.daemon.Applications() {
		name := cmp.Or(a.Name, "[duo]")
		for _, state := range []string{"up", "slow", "down"} {
			send("duo_state", gauge, one(a.State == state), name, state)
		}
		send("duo_degraded_total", counter, float64(a.Degraded), name)
	}
	for _, f := range l.daemon.FirstFactors() {
		send("first_factor_up", gauge, one(f.Up), f.Name, f.Server)
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
