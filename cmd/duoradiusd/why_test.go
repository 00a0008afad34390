package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/cmd/internal/history"
	"duoradiusd/internal/system"
)

// answers is a control socket that answers each path with a value, and returns its path.
func answers(t *testing.T, values map[string]any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c")
	if system.ControlSocket() == "" || strings.HasPrefix(system.ControlSocket(), `\\`) {
		t.Skip("the control socket of this system is no file")
	}
	l, err := system.ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, ok := values[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		json.NewEncoder(w).Encode(v)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return path
}

// record is a login of alice's as the daemon's memory has it.
func record(id string, at time.Time, reason string) history.Record {
	return history.Record{Time: at, User: "alice", Client: "vpn", Code: "Access-Reject", Reason: reason, LoginID: id, TookMS: 1500,
		Cure:  "what to change",
		Steps: []history.Step{{Name: "first factor", Asked: "alice", Answer: "right", TookMS: 12}, {Name: "Duo push", Answer: "deny", TookMS: 1400}}}
}

// logLine is the line of auth_log of a login.
func logLine(user, id string, at time.Time, reason string) string {
	return fmt.Sprintf(`{"timestamp":%q,"username":%q,"client":"vpn","code":"Access-Reject","reason":%q,"took_ms":7,"login_id":%q}`+"\n",
		at.UTC().Format("2006-01-02T15:04:05.000000Z"), user, reason, id)
}

// whyOf runs the command and returns what it prints and its exit status.
func whyOf(t *testing.T, socket string, args ...string) (out, errors string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(append([]string{"why", "alice", "--socket", socket}, args...), &o, &e)
	return o.String(), e.String(), status
}

// TestWhy: the daemon's memory and auth_log together, each login once, the newest first.
func TestWhy(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	log := filepath.Join(t.TempDir(), "auth.log")
	text := "torn\"}\n" + logLine("Alice", "A1", now.Add(-time.Hour), "bad-password") + logLine("bob", "B1", now, "fraud") +
		logLine("alice", "A2", now, "denied") + `{"timestamp":"` // A2 is in the memory too
	if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	page := daemon.LoginsPage{User: "alice", Logins: []history.Record{record("A3", now.Add(time.Minute), "no-answer"), record("A2", now, "denied")}}
	socket := answers(t, map[string]any{"/logins": page, "/status": map[string]any{"auth_log": map[string]any{"path": log}}})

	out, _, status := whyOf(t, socket)
	if status != 0 {
		t.Fatalf("status %d", status)
	}
	at := 0
	for _, want := range []string{
		`alice through client "vpn": Access-Reject, no-answer`,
		"     12 ms  first factor (alice): right\n",
		"     1.4 s  Duo push: deny\n",
		"The user did not answer in time.",
		"→ what to change\n",
		"login_id=A3, took 1.5 s\n",
		"Access-Reject, denied\n", "login_id=A2, took 1.5 s\n",
		`Alice through client "vpn": Access-Reject, bad-password`, "login_id=A1, took 7 ms\n",
	} {
		i := strings.Index(out[at:], want)
		if i < 0 {
			t.Fatalf("no %q behind the others in\n%s", want, out)
		}
		at += i
	}
	if strings.Count(out, "login_id=") != 3 || strings.Contains(out, "fraud") {
		t.Errorf("not three logins of alice:\n%s", out)
	}
	var list []history.Record
	if out, _, _ := whyOf(t, socket, "--json", "-n", "2"); json.Unmarshal([]byte(out), &list) != nil || len(list) != 2 || list[0].LoginID != "A3" || list[1].LoginID != "A2" {
		t.Errorf("-n 2: %s", out)
	}
	if out, errors, status := whyOf(t, socket, "-n", "0"); status != 0 || out+errors != "" { // there are logins, and none is asked for
		t.Errorf("-n 0: status %d: %q, %q", status, out, errors)
	}
}

// TestWhyReadsTheEndOfAuthLog: its last 64 MiB, however long it is.
func TestWhyReadsTheEndOfAuthLog(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	log := filepath.Join(t.TempDir(), "auth.log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first := logLine("alice", "OLD", now, "denied")
	last := "\n" + logLine("alice", "NEW", now, "denied")
	for _, part := range []struct {
		at   int64
		text string
	}{{0, first}, {int64(len(first)) + mostOfAuthLog, last}} { // a hole between them
		if _, err := f.WriteAt([]byte(part.text), part.at); err != nil {
			t.Fatal(err)
		}
	}
	list, err := readAuthLog(log, "alice")
	if err != nil || len(list) != 1 || list[0].LoginID != "NEW" {
		t.Errorf("got %+v: %v", list, err)
	}
}

// TestWhyWithoutLogins: nobody is known by the name, or auth_log can't be read. The exit status is 1 in both forms of the output.
func TestWhyWithoutLogins(t *testing.T) {
	nothing := daemon.LoginsPage{User: "alice", Logins: []history.Record{}}
	socket := answers(t, map[string]any{"/logins": nothing, "/status": map[string]any{}})
	if _, errors, status := whyOf(t, socket); status != 1 || !strings.Contains(errors, "no login of alice is known: neither since the daemon's start nor in auth_log") {
		t.Errorf("status %d: %s", status, errors)
	}
	if out, errors, status := whyOf(t, socket, "--json"); status != 1 || out != "[]\n" || !strings.Contains(errors, "no login of alice is known") {
		t.Errorf("--json: status %d: %q, %q", status, out, errors)
	}
	missing := map[string]any{"auth_log": map[string]any{"path": filepath.Join(t.TempDir(), "missing")}}
	socket = answers(t, map[string]any{"/logins": nothing, "/status": missing})
	if _, errors, status := whyOf(t, socket); status != 1 || !strings.Contains(errors, "auth_log is left out: ") {
		t.Errorf("status %d: %s", status, errors)
	}
}

// TestWhyOfWhatTerminalsObey: a name or an answer can't speak to the terminal.
func TestWhyOfWhatTerminalsObey(t *testing.T) {
	r := record("A1", time.Now(), "denied")
	r.User, r.DuoMessage, r.Error, r.Rule, r.Steps[0].Answer = "a\x1b[31m", "b\x1b[31m", "c\x1b[31m", "d\x1b[31m", "e\x1b[31m"
	socket := answers(t, map[string]any{"/logins": daemon.LoginsPage{User: "alice", Logins: []history.Record{r}}, "/status": map[string]any{}})
	if out, _, _ := whyOf(t, socket); strings.Contains(out, "\x1b") || out == "" {
		t.Errorf("got %q", out)
	}
}
