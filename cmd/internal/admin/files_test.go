package admin

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
)

const (
	alertsFile    = "../../../conf/prometheus/alerts.yml"
	dashboardFile = "../../../conf/grafana/duoradiusd.json"
)

// exposed is what /metrics shows of one metric.
type exposed struct {
	labels map[string][]string // and their values
}

// everything returns all metrics of a daemon that has all there is, by name; a histogram under its three names.
func everything(t *testing.T) map[string]*exposed {
	t.Helper()
	h := newHouse(t)
	h.first = []FirstFactor{{Name: "directory", Server: "ldaps://dc1.example.com"}}
	h.certificates = []Certificate{{Name: "/etc/duoradiusd/admin.pem"}}
	h.Observe(event(func(e *radiusd.Event) { e.Steps = []policy.Step{{Name: "first factor"}} }))
	all := make(map[string]*exposed)
	label := regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
	for series := range h.series() {
		name, labels, _ := strings.Cut(series, "{")
		if all[name] == nil {
			all[name] = &exposed{labels: make(map[string][]string)}
		}
		for _, m := range label.FindAllStringSubmatch(labels, -1) {
			all[name].labels[m[1]] = append(all[name].labels[m[1]], m[2])
		}
	}
	// What appears only when it is known.
	for _, name := range []string{"duoradiusd_client_patience_seconds"} {
		if all[name] != nil {
			t.Errorf("%s need not be added", name)
		}
		all[name] = &exposed{labels: map[string][]string{"client": {"vpn"}}}
	}
	for _, e := range all { // Prometheus' own
		e.labels["instance"], e.labels["job"] = []string{"127.0.0.1:9812"}, []string{"duoradiusd"}
	}
	all["up"] = &exposed{labels: map[string][]string{"instance": nil, "job": {"duoradiusd"}}}
	// These need not have happened.
	reasons := &all["duoradiusd_logins_total"].labels
	for _, r := range []policy.Reason{policy.ReasonDenied, policy.ReasonDuoConfig, policy.ReasonFailedOpen, policy.ReasonNoFirstFactor} {
		(*reasons)["reason"] = append((*reasons)["reason"], string(r))
	}
	(all["duoradiusd_dropped_total"].labels)["reason"] = radiusd.DropReasons()
	return all
}

var (
	selector = regexp.MustCompile(`\b((?:duoradiusd|process|go)_\w+|up)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`\b(?:by|on|without) \(([^)]*)\)`)
)

// objections says which metrics, labels and values of an expression there are none of.
func objections(expr string, all map[string]*exposed) (list []string) {
	labels := map[string]bool{"le": true}
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		e := all[m[1]]
		if e == nil {
			list = append(list, "no metric "+m[1])
			continue
		}
		for name := range e.labels {
			labels[name] = true
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			values, ok := e.labels[l[1]]
			if !ok {
				list = append(list, m[1]+" has no label "+l[1])
				continue
			}
			for value := range strings.SplitSeq(l[3], "|") {
				if !strings.HasPrefix(value, "$") && !slices.Contains(values, value) {
					list = append(list, m[1]+" never has "+l[1]+" "+value)
				}
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for name := range strings.SplitSeq(g[1], ", ") {
			if !labels[name] {
				list = append(list, "grouped by "+name+", which none of them has")
			}
		}
	}
	return list
}

// expressionsOfAlerts returns what stands behind expr: in the rules, which are plain enough to be read by line.
func expressionsOfAlerts(t *testing.T) (list []string) {
	t.Helper()
	b, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?ms)^        expr: (.*?)^        \w+:`).FindAllStringSubmatch(string(b), -1) {
		list = append(list, m[1])
	}
	if rules := strings.Count(string(b), "- alert: "); rules != len(list) || rules < 9 {
		t.Fatalf("%d expressions in %d rules", len(list), rules)
	}
	return list
}

func expressionsOfDashboard(t *testing.T) (list []string) {
	t.Helper()
	b, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Templating struct {
			List []struct{ Query any }
		}
		Panels []struct {
			Type, Title string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &dashboard); err != nil {
		t.Fatal(err)
	}
	taken := make(map[[2]int]string)
	for _, p := range dashboard.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			list = append(list, target.Expr)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q and %q overlap, or stand over", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	for _, v := range dashboard.Templating.List {
		if q, ok := v.Query.(map[string]any); ok {
			name := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(q["query"].(string))
			list = append(list, "sum by ("+name[2]+") ("+name[1]+")")
		}
	}
	return list
}

// TestFiles: the dashboard and the alerts ask for what there is.
func TestFiles(t *testing.T) {
	all := everything(t)
	used := make(map[string]bool)
	for _, expr := range append(expressionsOfAlerts(t), expressionsOfDashboard(t)...) {
		for _, o := range objections(expr, all) {
			t.Errorf("%s\nin: %s", o, expr)
		}
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			used[strings.TrimSuffix(m[1], "_bucket")] = true
		}
	}
	for name := range all {
		name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "duoradiusd_") && !used[name] {
			t.Errorf("%s is in neither of them", name)
		}
	}
	for expr, want := range map[string]string{
		"duoradiusd_nothing":                                                            "no metric duoradiusd_nothing",
		`rate(duoradiusd_logins_total{user="jo"}[5m])`:                                  "duoradiusd_logins_total has no label user",
		`duoradiusd_logins_total{reason=~"approved|fruad"}`:                             "duoradiusd_logins_total never has reason fruad",
		`duoradiusd_dropped_total{reason="wrong message-authenticator"}`:                "duoradiusd_dropped_total never has reason wrong message-authenticator",
		"sum by (client) (duoradiusd_ready)":                                            "grouped by client, which none of them has",
		"histogram_quantile(.9, sum by (le) (duoradiusd_login_duration_seconds_buckt))": "no metric duoradiusd_login_duration_seconds_buckt",
	} {
		if got := strings.Join(objections(expr, all), "; "); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// TestPromtool: Prometheus itself reads the rules, and they fire when they should and only then.
func TestPromtool(t *testing.T) {
	program, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("REQUIRE_REAL_CLIENTS") == "1" {
			t.Fatal("promtool is not installed, and REQUIRE_REAL_CLIENTS=1")
		}
		t.Skip("promtool is not installed")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		c := exec.CommandContext(t.Context(), program, args...)
		c.Dir = filepath.Dir(alertsFile)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	c := exec.CommandContext(t.Context(), program, "check", "metrics")
	c.Stdin = strings.NewReader(newHouse(t).get("/metrics"))
	out, err := c.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// TestAlertsAreTested: each by name.
func TestAlertsAreTested(t *testing.T) {
	rules, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(strings.TrimSuffix(alertsFile, ".yml") + "_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		if !regexp.MustCompile(`- alertname: ` + m[1] + `\n\s+eval_time: .*\n\s+exp_alerts:`).Match(tests) {
			t.Errorf("%s is never seen to fire", m[1])
		}
	}
}
