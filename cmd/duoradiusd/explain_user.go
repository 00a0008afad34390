package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/conf"
	"duoradiusd/policy"
)

// explainFlags are the flags of "explain USER".
type explainFlags struct {
	client, ip, at string
	groups         []string
	directory      bool
}

func (f *explainFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.client, "client", "", "the [[client]] `NAME` to log in through")
	c.Flags().StringVar(&f.ip, "user-ip", "", "the user's `ADDRESS`, as the client would tell it")
	c.Flags().StringArrayVar(&f.groups, "group", nil, "a `GROUP` of the user's, as the directory would tell it; more than once for several")
	c.Flags().StringVar(&f.at, "at", "", `the `+"`TIME`"+` of the login: "2026-11-23 18:30", "18:30" for today; default: now`)
	c.Flags().BoolVar(&f.directory, "directory", false, "ask the directory for the user's groups")
}

// question reads the flags.
func (f *explainFlags) question(user string) (q daemon.Question, err error) {
	q = daemon.Question{Client: f.client, User: user, Groups: f.groups, Ask: f.directory, At: time.Now()}
	if f.ip != "" {
		if q.IP, err = netip.ParseAddr(f.ip); err != nil {
			return q, usageError{fmt.Errorf("--user-ip %q: no IP address", f.ip)}
		}
	}
	if f.at != "" {
		if q.At, err = parseTime(f.at, q.At); err != nil {
			return q, usageError{err}
		}
	}
	return q, nil
}

// parseTime parses a time in the local zone. A time of day without a date is today's.
func parseTime(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	t, err := time.ParseInLocation("2006-01-02 15:04", now.Format("2006-01-02 ")+s, now.Location())
	if err != nil {
		return t, fmt.Errorf(`--at %q: no time; want "2026-11-23 18:30", "18:30" or RFC 3339`, s)
	}
	return t, nil
}

// clientNamed returns the index of the [[client]] with this name. "" finds the client if there is only one.
func clientNamed(c *conf.Config, name string) (at int, err error) {
	if name == "" && len(c.Clients) == 1 {
		return 0, nil
	}
	if name == "" {
		return 0, usageError{fmt.Errorf("want --client NAME, one of: %s", strings.Join(clientNames(c), ", "))}
	}
	at = slices.IndexFunc(c.Clients, func(c conf.Client) bool { return c.Name == name })
	if at < 0 {
		return 0, fmt.Errorf("no [[client]] is named %q; there are: %s", name, strings.Join(clientNames(c), ", "))
	}
	return at, nil
}

func explainUser(ctx context.Context, out io.Writer, config *conf.Config, q daemon.Question) error {
	i, err := clientNamed(config, q.Client)
	if err != nil {
		return err
	}
	q.Client = config.Clients[i].Name
	e, known, err := daemon.Explain(ctx, config, q)
	if err != nil {
		return err
	}
	t := told{w: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), Explanation: e, config: config, client: config.Clients[i], question: q, groups: known.Groups}
	t.who()
	t.rules()
	t.end()
	t.reply()
	return t.w.Flush()
}

// told prints one Explanation, one line for each step.
type told struct {
	policy.Explanation
	w        *tabwriter.Writer
	config   *conf.Config
	client   conf.Client
	question daemon.Question
	groups   []string
}

func (t *told) line(step, format string, args ...any) {
	fmt.Fprintf(t.w, "%s\t%s\n", step, fmt.Sprintf(format, args...))
}

func (t *told) who() {
	q := t.question
	t.line("login", "%q through client %q, service %q", q.User, t.client.Name, t.client.Service)
	t.line("when", "%s", q.At.Format("Mon 2006-01-02 15:04 MST"))
	if q.IP.IsValid() {
		t.line("user address", "%s", q.IP)
	} else {
		t.line("user address", "you did not give --user-ip")
	}
	if t.Name == "" {
		return
	}
	t.line("user", "%s, %s", t.Name, t.listed())
	t.line("at Duo", "%s", t.atDuo())
	t.line("first factor", "%s", t.firstFactor())
	for i, g := range t.groups { // one line each, because a DN holds commas
		step := ""
		if i == 0 {
			step = "groups"
		}
		t.line(step, "%s", g)
	}
}

func (t *told) listed() string {
	if t.User == nil {
		return fmt.Sprintf("whom no [[user]] lists (unlisted = %q)", t.config.Username.Unlisted)
	}
	say := fmt.Sprintf("[[user]] %q", t.User.Name)
	for _, u := range t.config.Users {
		if u.Name == t.User.Name && u.Comment != "" {
			say += ": " + u.Comment
		}
	}
	if t.User.Services != nil {
		say += fmt.Sprintf("; a second factor at %s, elsewhere %s", cmp.Or(list(t.User.Services), "no service"), t.User.Elsewhere)
	}
	return say
}

// atDuo describes the name that Duo is asked about. If a directory has that name, it is known only with --directory.
func (t *told) atDuo() string {
	named := t.User != nil && t.User.Duo != (policy.Identity{})
	if f := t.factor(); f != nil && f.DuoUsernameAttribute != "" && !t.question.Ask && !named {
		return fmt.Sprintf("the directory decides: the user's %s (--directory asks it)", f.DuoUsernameAttribute)
	}
	return duoIdentity(t.Duo)
}

// factor returns the client's first factor; nil if it has none.
func (t *told) factor() *conf.FirstFactor {
	for i := range t.config.FirstFactors {
		if t.config.FirstFactors[i].Name == t.client.FirstFactor {
			return &t.config.FirstFactors[i]
		}
	}
	return nil
}

func duoIdentity(i policy.Identity) string {
	if i.UserID != "" {
		return "user ID " + i.UserID
	}
	return "user name " + i.Username
}

func (t *told) firstFactor() string {
	if f := t.factor(); f != nil {
		say := fmt.Sprintf("%q (%s)", f.Name, f.Type)
		switch {
		case !f.HasGroups() || len(t.groups) > 0:
		case t.question.Ask:
			say += fmt.Sprintf("; the directory tells no group of %s's", t.Name)
		default:
			say += "; the user is taken to be in no group (--group, --directory)"
		}
		return say
	}
	return "none: the client has checked it"
}

// mostRules bounds how many rules that do not fit are printed on lines of their own.
const mostRules = 20

func (t *told) rules() {
	switch {
	case len(t.config.Rules) == 0:
		t.line("rules", "none")
		return
	case t.Early && t.Rule == nil:
		t.line("rules", "not reached")
		return
	}
	misfits := len(t.Rules)
	if t.Rule != nil {
		misfits--
	}
	for _, r := range t.Rules[:min(misfits, mostRules)] {
		t.line(ruleAt(r), "%sdoes not fit: %s", ruleName(r), t.misfit(r))
	}
	if more := misfits - mostRules; more > 0 {
		t.line("...", "%d more do not fit", more)
	}
	if t.Rule != nil {
		r := t.Rules[misfits]
		t.line(ruleAt(r), "%sfits: second_factor = %q", ruleName(r), cmp.Or(string(t.Rule.Need), string(policy.NeedRequired)))
		return
	}
	t.line("rules", "none fits")
}

func ruleAt(r policy.RuleFit) string { return fmt.Sprintf("rule %d", r.Index+1) }

func ruleName(r policy.RuleFit) string {
	if r.Rule.Name == "" {
		return ""
	}
	return fmt.Sprintf("%q ", r.Rule.Name)
}

func (t *told) misfit(r policy.RuleFit) string {
	given := map[string]string{
		"users": shortList(r.Rule.Users), "groups": shortList(t.config.Rules[r.Index].Groups), "clients": shortList(r.Rule.Clients),
		"services": shortList(r.Rule.Services), "networks": shortList(r.Rule.Networks), "hours": shortList(r.Rule.Hours),
	}[r.Misfit]
	return r.Misfit + " = " + given
}

// shortList prints the first few of a list.
func shortList[T any](items []T) string {
	const most = 5
	if len(items) <= most {
		return list(items)
	}
	return fmt.Sprintf("%s and %d more", list(items[:most]), len(items)-most)
}

// ends describes the reasons for which the configuration alone ends a login.
var ends = map[policy.Reason]string{
	policy.ReasonBadName:      "rejected: this is no user name (empty, too long, or with characters that can't be seen)",
	policy.ReasonProbe:        "rejected at once: a health check (probe_users)",
	policy.ReasonDeniedByRule: "rejected: the rule says deny",
	policy.ReasonUnlisted:     `rejected: no [[user]] lists this name, and unlisted = "reject"`,
	policy.ReasonElsewhere:    `rejected: the user is not listed for this service, and elsewhere = "reject"`,
	policy.ReasonExempt:       "accepted after the first factor: no second factor is asked here",
}

func (t *told) end() {
	if why := t.Verdict.Reason; why != "" {
		say := ends[why]
		if why == policy.ReasonExempt {
			t.line("second factor", "not required: %s", t.exemptBy())
		}
		if t.Early {
			say += "; nobody is asked"
		}
		t.line("it comes to", "%s", say)
		return
	}
	t.line("second factor", "required: %s", t.requiredBy())
	t.line("remembered", "%s", t.lifetime())
	t.line("asked", "%s", t.asked())
	t.line("Duo can't be asked", "failmode = %q%s", cmp.Or(string(t.Failmode), string(policy.FailmodeSecure)), map[policy.Failmode]string{
		policy.FailmodeSafe: ": accepted on the first factor alone", policy.FailmodeSilent: ": no answer, so that the client asks its next server",
	}[t.Failmode])
}

func (t *told) exemptBy() string {
	switch {
	case t.Rule != nil:
		return "the rule says exempt"
	case t.User != nil:
		return fmt.Sprintf("service %q is not among the user's", t.client.Service)
	}
	return `no [[user]] lists this name, and unlisted = "first-factor"`
}

func (t *told) requiredBy() string {
	switch {
	case t.Rule != nil:
		return "the rule says so"
	case t.User != nil && t.User.Services != nil:
		return fmt.Sprintf("service %q is among the user's", t.client.Service)
	case t.User != nil:
		return "the user's list of services is not limited"
	}
	return `no [[user]] lists this name, and unlisted = "ask"`
}

func (t *told) lifetime() string {
	switch {
	case !t.question.IP.IsValid():
		return "never without the user's address, and you did not give --user-ip"
	case t.Lifetime == 0:
		return "never: " + t.lifetimeBy()
	}
	say := fmt.Sprintf("an approval counts %s (%s), for this user", duration(t.Lifetime), t.lifetimeBy())
	for _, b := range t.BindTo {
		say += " and " + string(b)
	}
	if t.Idle > 0 {
		say += fmt.Sprintf(", and ends when unused for %s", duration(t.Idle))
	}
	if t.Uses > 0 {
		say += fmt.Sprintf(", %d times at most", t.Uses)
	}
	return say + "; the packet must have a valid Message-Authenticator"
}

func (t *told) lifetimeBy() string {
	var by []string
	if t.User != nil && t.User.Remember != nil {
		by = append(by, "the user's remember")
	}
	if t.Rule != nil && t.Rule.Remember != nil {
		by = append(by, "the rule's remember")
	}
	switch len(by) {
	case 0:
		return "the client's remember"
	case 1:
		return by[0]
	}
	return "the shorter of " + strings.Join(by, " and ")
}

func (t *told) asked() string {
	factors := list(t.Factors)
	switch t.Mode {
	case policy.ModeChallenge:
		return "by Access-Challenge, with a menu of the user's devices; allowed: " + factors
	case policy.ModePasscode:
		return "only what is typed counts: " + factors
	}
	how := "the first of these that a device of the user can do: " + factors
	if t.client.FirstFactor != conf.NoFirstFactor && t.client.Delimiter != "" {
		how += fmt.Sprintf(`; or what is typed after the password: "password%spush", "password%s123456"`, t.client.Delimiter, t.client.Delimiter)
	}
	return how
}

func (t *told) reply() {
	if t.Verdict.Reason != "" && t.Verdict.Reason != policy.ReasonExempt {
		return
	}
	for i, a := range t.Attributes {
		step := ""
		if i == 0 {
			step = "Access-Accept has"
		}
		t.line(step, "%s = %s", conf.AttributeName(a.AttributeID), conf.AttributeValue(a))
	}
	if t.AttributesErr != nil {
		t.leftOut()
	}
	if relays(t.config, t.client) {
		t.line("and of upstream's", "%s", passed(t.client))
	}
}

// leftOut names the attributes that have no value, or none that they can have, a line each.
func (t *told) leftOut() {
	step, ask := "left out", ""
	if !t.question.Ask {
		ask = " (--directory asks it)"
	}
	for why := range strings.Lines(t.AttributesErr.Error()) {
		t.line(step, "%s%s", strings.TrimSuffix(why, "\n"), ask)
		step = ""
	}
}
