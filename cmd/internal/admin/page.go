package admin

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"duoradiusd/cmd/internal/history"
	"duoradiusd/internal/display"
	"duoradiusd/policy"
	"duoradiusd/policy/guard"
	"duoradiusd/policy/reasons"
	"duoradiusd/radiusd"
)

// These limit how much of a long list or text the page shows.
const (
	shownPending   = 50
	shownApprovals = 100
	shownHeld      = 50
	shownLogins    = 200
)

var (
	//go:embed page.html
	markup string
	//go:embed login.html
	loginMarkup string
	//go:embed page.css
	style string

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
		"clock": clock, "count64": display.Count[int], "exact": exact, "took": took, "tone": tone, "outcome": outcome, "count": display.Count[uint64],
	}).Parse(markup))
	loginTemplate = template.Must(template.New("login").Parse(loginMarkup))

	// policyOfPage lets a browser only apply our style and send our form.
	policyOfPage = "default-src 'none'; img-src data:; style-src 'sha256-" + digest(style) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// view is the content of the page.
type view struct {
	Style     template.CSS
	Version   string
	Now       time.Time
	Uptime    string
	NotReady  string // why the daemon is not ready; "" if it is
	Listens   string
	Serves    string
	Refresh   int // seconds; 0: the page does not refresh by itself
	Forgotten string

	Applications []Application
	FirstFactors []FirstFactor
	Cluster      *Cluster // nil: the daemon is alone
	Clients      []clientRow
	InFlight     int
	Pushes       int
	Pending      []radiusd.PendingLogin
	Logins       []loginRow
	Query        history.Query
	Reasons      []policy.Reason // the reasons that a person can choose
	Approvals    []policy.Approval
	Kept         int // the number of approvals
	Held         []guard.Count
	MoreHeld     int // how many more are held back and not shown
	Hour         summary
	PushEnds     []tally
	Reloaded     string
	MayReload    bool
	Person       person
	MayLogOut    bool
	Ends         []tally
	Drops        []tally
	Token        string
}

// tally is how often something happened.
type tally struct {
	What  string
	Count uint64
}

func tallies[K ~string](counts map[K]uint64) (list []tally) {
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, tally{string(what), counts[what]})
	}
	slices.SortStableFunc(list, func(a, b tally) int { return cmp.Compare(b.Count, a.Count) })
	return list
}

func (a *Admin) page(w http.ResponseWriter, r *http.Request) {
	v, err := a.view(r, time.Now())
	if err != nil {
		a.daemon.Log.Error("admin: the status page can't list what is remembered", "error", err)
		http.Error(w, "What is remembered can't be listed; the log says why.", http.StatusServiceUnavailable)
		return
	}
	if n, err := strconv.Atoi(r.FormValue("refresh")); err == nil && n >= 5 && n <= 3600 {
		v.Refresh = n
		w.Header().Set("Refresh", strconv.Itoa(n))
	}
	if n, err := strconv.ParseUint(r.FormValue("forgotten"), 10, 31); err == nil {
		v.Forgotten = fmt.Sprintf("%s forgotten.", display.Count(n, "approval"))
	}
	if n, err := strconv.ParseUint(r.FormValue("cleared"), 10, 31); err == nil {
		v.Forgotten = fmt.Sprintf("%s of [guard] cleared.", display.Count(n, "count"))
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		a.daemon.Log.Error("admin: the status page can't be made", "error", err)
		http.Error(w, "The page can't be made; the log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes())
}

func (a *Admin) view(r *http.Request, now time.Time) (*view, error) {
	d := &a.daemon
	approvals, err := d.Approvals(r.Context(), "", shownApprovals)
	if err != nil {
		return nil, err
	}
	v := &view{
		Style: template.CSS(style), Version: d.Version, Now: now, Uptime: uptime(now.Sub(a.started)), Serves: d.Serves(),
		Applications: d.Applications(), FirstFactors: d.FirstFactors(), Cluster: d.cluster(),
		Pushes: d.Memory.Counts().Transactions, Pending: d.Server.PendingLogins(shownPending),
		Approvals: approvals, Kept: d.Memory.Counts().Approvals,
		Ends: tallies(d.Server.Outcomes()), Drops: tallies(d.Server.Drops()), Token: a.formToken(r),
		Hour: a.activity.summary("", now), PushEnds: a.activity.outcomes(),
		MayReload: a.mayReload(r), Person: personOf(r), MayLogOut: d.Password != nil,
	}
	v.Query = history.Query{User: strings.TrimSpace(r.FormValue("user")), Client: r.FormValue("client"), Reason: r.FormValue("reason"), Most: shownLogins}
	v.Logins = a.loginRows(v.Query)
	for _, reason := range reasons.All() {
		v.Reasons = append(v.Reasons, reason.Reason)
	}
	v.InFlight, _ = d.Server.Pending()
	if v.Held, err = d.Guard(r.Context()); err != nil {
		return nil, err
	}
	v.Held = slices.DeleteFunc(v.Held, func(c guard.Count) bool { return c.HeldUntil.IsZero() })
	if v.MoreHeld = len(v.Held) - shownHeld; v.MoreHeld > 0 {
		v.Held = v.Held[:shownHeld]
	}
	if err := d.Ready(); err != nil {
		v.NotReady = oneLine(err.Error())
	}
	var listens []string
	for _, address := range d.Server.Addresses() {
		listens = append(listens, address.String())
	}
	slices.Sort(listens)
	v.Listens = cmp.Or(strings.Join(listens, ", "), "nothing")
	for _, c := range d.Server.Clients() {
		v.Clients = append(v.Clients, clientRow{c, a.activity.summary(c.Name, now)})
	}
	a.mu.Lock()
	v.Reloaded = a.reloaded
	a.mu.Unlock()
	return v, nil
}

// loginRow is a login, with the meaning of its reason.
type loginRow struct {
	history.Login
	Meaning, Cure string
}

// loginRows lists the logins that q asks for. The user in q may be written in any form.
func (a *Admin) loginRows(q history.Query) (rows []loginRow) {
	if q.User != "" {
		q.User = a.daemon.Canonical(q.User)
	}
	for _, l := range a.daemon.Logins.List(q) {
		row := loginRow{Login: l, Cure: cmp.Or(l.Hint, reasons.Cure(l.Reason))}
		for _, r := range reasons.All() {
			if r.Reason == l.Reason {
				row.Meaning = r.Meaning
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// MayChange reports whether the person who looks may forget and clear.
func (v *view) MayChange() bool { return v.Person.helpDesk }

// Name returns the name of the person who looks.
func (v *view) Name() string { return v.Person.name }

// Filtered reports whether the page shows only a part of the logins.
func (v *view) Filtered() bool {
	return v.Query.User != "" || v.Query.Client != "" || v.Query.Reason != ""
}

// loginPage asks for name and password, and says what was wrong with the last try.
func (a *Admin) loginPage(w http.ResponseWriter, r *http.Request, status int, wrong string) {
	var b bytes.Buffer
	v := struct {
		Style        template.CSS
		Token, Wrong string
	}{template.CSS(style), a.formToken(r), wrong}
	if err := loginTemplate.Execute(&b, v); err != nil {
		a.failed(w, "make the login page", err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// More returns how many approvals are not shown.
func (v *view) More() int {
	if len(v.Approvals) < shownApprovals {
		return 0
	}
	return v.Kept - len(v.Approvals)
}

// clientRow says what the daemon has seen of a client.
type clientRow struct {
	radiusd.ClientReport
	Hour summary
}

// Share says how many of the client's requests have a valid Message-Authenticator.
func (c clientRow) Share() string {
	if c.Packets == 0 {
		return "no requests yet"
	}
	s := fmt.Sprintf("%d %% of %s", 100*c.Authenticated/c.Packets, display.Count(c.Packets, "request"))
	if c.Wrong > 0 {
		s += fmt.Sprintf("; %d wrong", c.Wrong)
	}
	return s
}

// Ratchet says whether the client must send a Message-Authenticator.
func (c clientRow) Ratchet() string {
	switch c.MessageAuthenticator {
	case radiusd.Require:
		return "required"
	case radiusd.Accept:
		return "not required"
	}
	required, seen := 0, 0
	for _, r := range c.Ratchets {
		if r.Required {
			required++
		}
		seen += r.With
	}
	switch {
	case required > 0 && required == len(c.Ratchets):
		return "auto: required, because it always sent it"
	case required > 0:
		return fmt.Sprintf("auto: required of %d of %d addresses", required, len(c.Ratchets))
	case seen > 0:
		return fmt.Sprintf("auto: not required yet, seen %s in a row", display.Count(seen, "time"))
	}
	return "auto: not required yet"
}

// Rhythm says how often the client repeats a request.
func (c clientRow) Rhythm() string {
	p := c.Patience
	copies := p.Silent + p.Served
	switch {
	case copies == 0:
		return "never seen to ask again"
	case p.Interval == 0:
		return display.Count(copies, "repetition")
	case p.Longest > p.Interval*3/2:
		return fmt.Sprintf("asks again every %s, up to %s (%s)", took(p.Interval), took(p.Longest), display.Count(copies, "repetition"))
	}
	return fmt.Sprintf("asks again every %s (%s)", took(p.Interval), display.Count(copies, "repetition"))
}

// Stamina says how long the client repeats a request.
func (c clientRow) Stamina() string {
	p := c.Patience
	if p.GaveUp == 0 || p.Advice != "" {
		return p.Advice
	}
	return fmt.Sprintf("gave up %s, after %s", display.Count(p.GaveUp, "time"), took(p.After))
}

// Advised reports whether the client's administrator should change something.
func (c clientRow) Advised() bool { return c.Patience.Advice != "" }

// clock returns a time of today without its date, and any other time with it.
func clock(now, t time.Time) string {
	t = t.In(now.Location())
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

func exact(t time.Time) string { return t.Format(time.RFC3339) }

// took returns a duration as people say it.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "< 1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + " s"
	}
	return uptime(d)
}

// uptime returns a duration in its two largest units.
func uptime(d time.Duration) string {
	s := int(d.Seconds())
	switch days, hours, minutes := s/86400, s/3600%24, s/60%60; {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min %d s", minutes, s%60)
	}
	return fmt.Sprintf("%d s", s)
}

// tone returns the colour of a word. A person who sees no colours reads the word.
func tone(word string) string {
	switch word {
	case "up", "Access-Accept":
		return "good"
	case "down", "refused", "Access-Reject":
		return "bad"
	case "slow", string(policy.ReasonFailedOpen), string(policy.ReasonFraud):
		return "warn"
	}
	return "calm"
}
