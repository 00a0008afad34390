package admin

import (
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/radiusd"
)

const namespace = "duoradiusd"

// buckets are in seconds. They reach from a remembered approval to a push that is answered at the last moment.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 45, 60}

// metrics holds the series that logins change. The labels' values come from the configuration or from closed sets, never from
// the network, so nobody who logs in can make a series.
type metrics struct {
	daemon   Daemon
	registry *prometheus.Registry
	logins   *prometheus.CounterVec
	hits     *prometheus.CounterVec
	whole    *prometheus.HistogramVec
	first    *prometheus.HistogramVec
	duo      *prometheus.HistogramVec
	steps    *prometheus.HistogramVec
	pushes   *prometheus.CounterVec

	mu      sync.RWMutex // guards clients
	clients map[string]*clientMetrics
}

// clientMetrics holds the series of one client, so that they are looked up only once.
type clientMetrics struct {
	hits              prometheus.Counter
	whole, first, duo prometheus.Observer

	mu     sync.RWMutex // guards logins
	logins map[ending]prometheus.Counter
}

// ending is how a login ended.
type ending struct {
	code   string
	reason policy.Reason
}

// awaited are the endings whose first occurrence must already raise an alert. To Prometheus a counter that appears with the
// value 1 has not increased, so these series appear with 0.
var awaited = []ending{
	{"Access-Accept", policy.ReasonApproved},
	{"Access-Accept", policy.ReasonFailedOpen},
	{"Access-Reject", policy.ReasonFraud},
	{"Access-Reject", policy.ReasonNoAnswer},
	{"Access-Reject", policy.ReasonNoFirstFactor},
	{"Access-Reject", policy.ReasonDuoUnavailable},
	{"Access-Reject", policy.ReasonDuoConfig},
}

func newMetrics(d Daemon) *metrics {
	client := []string{"client"}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, client)
	}
	m := &metrics{
		daemon:   d,
		registry: prometheus.NewRegistry(),
		clients:  make(map[string]*clientMetrics),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "logins_total",
			Help: "Logins that ended, by the code of the reply and the reason that the log gives."}, []string{"client", "outcome", "reason"}),
		hits: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "remembered_hits_total",
			Help: "Logins that an earlier approval answered."}, client),
		whole: histogram("login_duration_seconds", "From the request to its answer, where it was answered; health probes apart."),
		first: histogram("first_factor_duration_seconds", "The part of a login that the first factor took, where it was asked."),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "step_duration_seconds", Buckets: buckets,
			Help: "How long each step of a login took, of those that ask somebody."}, []string{"step"}),
		pushes: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "pushes_total",
			Help: "Logins whose user was asked by push or call, by what came of it."}, []string{"factor", "reason"}),
		duo: histogram("duo_duration_seconds", "The part of a login that Duo and the user took, where they were asked."),
	}
	m.registry.MustRegister(m.logins, m.hits, m.whole, m.first, m.duo, m.steps, m.pushes, newCollector(d),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info", Help: "What was built; always 1.",
			ConstLabels: prometheus.Labels{"version": d.Version, "goversion": runtime.Version()}}, func() float64 { return 1 }))
	return m
}

func (m *metrics) observe(e *radiusd.Event) {
	c := m.client(e.Client)
	c.ended(m, e.Client, ending{e.Code, e.Reason}).Inc()
	if e.Reason == policy.ReasonRemembered {
		c.hits.Inc()
	}
	if e.Reason == policy.ReasonProbe {
		return
	}
	if e.Code != "none" {
		c.whole.Observe(e.Took.Seconds())
	}
	if e.FirstTook > 0 {
		c.first.Observe(e.FirstTook.Seconds())
	}
	if e.DuoTook > 0 {
		observe(c.duo, e.DuoTook.Seconds(), e.Txid)
	}
	for _, step := range e.Steps {
		m.steps.WithLabelValues(label(step.Name)).Observe(step.Took.Seconds())
	}
	if (e.Factor == factor.Push || e.Factor == factor.Phone) && e.Code != "Access-Challenge" {
		m.pushes.WithLabelValues(string(e.Factor), string(e.Reason)).Inc()
	}
}

// label returns a step's name as a label: "Duo preauth" becomes duo_preauth. The names are a closed set of package policy.
func label(step string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSuffix(step, "?")), " ", "_")
}

// maxTxid limits the txid in an exemplar. Duo's have 36 characters. Beyond 128 characters client_golang panics.
const maxTxid = 64

// observe records seconds, with Duo's txid as an exemplar. By the txid, an administrator finds one of the series' logins in
// the log, on the status page and in Duo's Admin Panel.
func observe(o prometheus.Observer, seconds float64, txid string) {
	with, ok := o.(prometheus.ExemplarObserver)
	if !ok || txid == "" || len(txid) > maxTxid {
		o.Observe(seconds)
		return
	}
	with.ObserveWithExemplar(seconds, prometheus.Labels{"txid": txid})
}

func (m *metrics) client(name string) *clientMetrics {
	m.mu.RLock()
	c := m.clients[name]
	m.mu.RUnlock()
	if c != nil {
		return c
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c = m.clients[name]; c != nil {
		return c
	}
	c = &clientMetrics{
		hits:   m.hits.WithLabelValues(name),
		whole:  m.whole.WithLabelValues(name),
		first:  m.first.WithLabelValues(name),
		duo:    m.duo.WithLabelValues(name),
		logins: make(map[ending]prometheus.Counter),
	}
	m.clients[name] = c
	for _, e := range awaited {
		c.ended(m, name, e)
	}
	return c
}

func (c *clientMetrics) ended(m *metrics, name string, e ending) prometheus.Counter {
	c.mu.RLock()
	counter := c.logins[e]
	c.mu.RUnlock()
	if counter != nil {
		return counter
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	counter = m.logins.WithLabelValues(name, outcome(e.code), string(e.reason))
	c.logins[e] = counter
	return counter
}

// outcome returns a reply's code as a label: accept, reject, challenge, none.
func outcome(code string) string { return strings.ToLower(strings.TrimPrefix(code, "Access-")) }

// handler serves the metrics. They include clients through which nobody has logged in.
func (m *metrics) handler() http.Handler {
	h := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, Timeout: 10 * time.Second, EnableOpenMetrics: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range m.daemon.Server.Clients() {
			m.client(c.Name)
		}
		h.ServeHTTP(w, r)
	})
}
