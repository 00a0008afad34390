package admin

import (
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"
	"sync"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
	"duoradiusd/radiusd"
)

const minutes = 60 // how many minutes the page shows

// activity counts the logins of the last hour by minute, for the plots of the page.
type activity struct {
	mu      sync.Mutex // guards all below
	all     hour
	clients map[string]*hour
	pushes  map[string]uint64 // pushes by their result, since the start
}

// hour is a ring of minutes. Each slot holds the number of its minute.
type hour [minutes]minute

type minute struct {
	number           int64 // since 1970
	accepts, rejects int
	steps            [6]latency // in the order of plottedSteps
}

// plottedSteps are the steps of a login that ask somebody. Package policy gives them these names.
var plottedSteps = [...]string{"first factor", "Duo preauth", "Duo push", "Duo phone", "Duo passcode", "Duo sms"}

// latency sums how long a step took, for its mean.
type latency struct {
	sum   time.Duration
	count int
}

func (l *latency) add(d time.Duration) {
	if d > 0 {
		l.sum += d
		l.count++
	}
}

func (l latency) mean() time.Duration {
	if l.count == 0 {
		return 0
	}
	return l.sum / time.Duration(l.count)
}

func (h *hour) add(e *radiusd.Event) {
	now := e.Time.Unix() / 60
	m := &h[now%minutes]
	if m.number != now {
		*m = minute{number: now}
	}
	switch e.Code {
	case "Access-Accept":
		m.accepts++
	case "Access-Reject":
		m.rejects++
	}
	for _, step := range e.Steps {
		if i := slices.Index(plottedSteps[:], step.Name); i >= 0 {
			m.steps[i].add(step.Took)
		}
	}
}

// last returns the minutes up to now, the oldest first.
func (h *hour) last(now time.Time) (list [minutes]minute) {
	latest := now.Unix() / 60
	for i := range list {
		number := latest - minutes + 1 + int64(i)
		if m := h[number%minutes]; m.number == number {
			list[i] = m
		}
	}
	return list
}

func (a *activity) add(e *radiusd.Event) {
	if e.Reason == policy.ReasonProbe {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.clients == nil {
		a.clients, a.pushes = make(map[string]*hour), make(map[string]uint64)
	}
	a.all.add(e)
	if a.clients[e.Client] == nil {
		a.clients[e.Client] = new(hour) // the configuration sets the names, so there are not many
	}
	a.clients[e.Client].add(e)
	if e.Factor == factor.Push || e.Factor == factor.Phone {
		if e.Code != "Access-Challenge" {
			a.pushes[string(e.Reason)]++
		}
	}
}

// summary is an hour in words and as plots.
type summary struct {
	Logins, Rejects int
	Plot            template.HTML
	Steps           []stepSummary // only steps that happened
}

// stepSummary says how long one step of the logins took.
type stepSummary struct {
	Name string
	Mean time.Duration
	Plot template.HTML
}

func (a *activity) summary(client string, now time.Time) summary {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := &a.all
	if client != "" {
		if h = a.clients[client]; h == nil {
			h = new(hour)
		}
	}
	list := h.last(now)
	var s summary
	for _, m := range list {
		s.Logins += m.accepts + m.rejects
		s.Rejects += m.rejects
	}
	s.Plot = plot(list, s)
	for i, name := range plottedSteps {
		var whole latency
		var means [minutes]time.Duration
		for j, m := range list {
			whole.sum, whole.count = whole.sum+m.steps[i].sum, whole.count+m.steps[i].count
			means[j] = m.steps[i].mean()
		}
		if whole.count > 0 {
			s.Steps = append(s.Steps, stepSummary{name, whole.mean(), plotLatency(name, means)})
		}
	}
	return s
}

// outcomes returns how many pushes and calls ended in each way since the start.
func (a *activity) outcomes() []tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	return tallies(a.pushes)
}

// These are the sizes of a plot, in units of its viewBox.
const (
	barWidth   = 4
	plotHeight = 40
)

// plot draws logins per minute as bars, with the rejected ones on top. The result holds only numbers.
func plot(list [minutes]minute, s summary) template.HTML {
	most := 1
	for _, m := range list {
		most = max(most, m.accepts+m.rejects)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="plot" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="logins per minute in the last hour: %d, of them %d rejected; at most %d in a minute">`,
		minutes*barWidth, plotHeight, s.Logins, s.Rejects, slices.Max([]int{most, 0}))
	for i, m := range list {
		height := func(n int) int { return (n*plotHeight + most - 1) / most }
		accepts, all := height(m.accepts), height(m.accepts+m.rejects)
		if accepts > 0 {
			fmt.Fprintf(&b, `<rect class="accepts" x="%d" y="%d" width="%d" height="%d"/>`, i*barWidth, plotHeight-accepts, barWidth-1, accepts)
		}
		if all > accepts {
			fmt.Fprintf(&b, `<rect class="rejects" x="%d" y="%d" width="%d" height="%d"/>`, i*barWidth, plotHeight-all, barWidth-1, all-accepts)
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// plotLatency draws the mean time of a step in each minute as bars. The result holds only numbers and a name of our own.
func plotLatency(step string, means [minutes]time.Duration) template.HTML {
	most := max(slices.Max(means[:]), time.Microsecond)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="plot latency" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="%s: mean in each minute of the last hour, at most %s">`,
		minutes*barWidth, plotHeight, step, html.EscapeString(took(most)))
	for i, mean := range means {
		if mean > 0 {
			height := max(int(mean*plotHeight/most), 1)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d"/>`, i*barWidth, plotHeight-height, barWidth-1, height)
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}
