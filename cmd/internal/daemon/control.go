package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"duoradiusd/internal/system"
)

// Control is the daemon's control socket: HTTP over a Unix socket, for the commands of duoradiusd.
//
//	GET    /clients                a list of radiusd.ClientReport
//	GET    /status                 a Status
//	GET    /cluster                a shared.Status
//	GET    /logins[?QUERY]         a LoginsPage; see loginsPage for the query
//	POST   /reload                 a Reloaded
//	GET    /approvals[?user=NAME]  a list of policy.Approval, the most recently used first
//	DELETE /approvals?user=NAME    a Forgotten: that user's are
//	DELETE /approvals?all=true     a Forgotten: everybody's are
//	GET    /guard                  a list of guard.Count
//	DELETE /guard?user=NAME        a Cleared: what is counted against that user
//	DELETE /guard?address=ADDRESS  a Cleared: what is counted against everybody there
//
// Every answer is JSON, except an error, which is text.
type Control struct {
	server *http.Server
	path   string
}

// Reloaded is what became of a request to read the configuration again.
type Reloaded struct {
	Reloaded bool     `json:"reloaded"`
	Serves   string   `json:"serves"`             // summary of the configuration in force now, the new one or the old one
	Problems []string `json:"problems,omitempty"` // why the new configuration is not in force
	Warnings []string `json:"warnings,omitempty"` // what does not work although the new configuration is in force
}

// Forgotten is what became of a request to forget approvals.
type Forgotten struct {
	User      string `json:"user,omitempty"` // by the one name of whoever was named; "" for everybody
	Forgotten int    `json:"forgotten"`      // approvals
}

// Serve opens the control socket at path and serves it until Close. reload reads the configuration again and puts it
// into force.
func (d *Daemon) Serve(path string, reload func() error) (*Control, error) {
	l, err := system.ListenControl(path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	c := &Control{path: path, server: &http.Server{Handler: d.control(reload), ReadHeaderTimeout: 5 * time.Second}}
	go c.server.Serve(l)
	return c, nil
}

func (d *Daemon) control(reload func() error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /clients", func(w http.ResponseWriter, _ *http.Request) { answer(w, d.server.Clients()) })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, d.Status()) })
	mux.HandleFunc("GET /logins", d.loginsPage)
	mux.HandleFunc("GET /cluster", func(w http.ResponseWriter, r *http.Request) {
		s, err := d.ClusterStatus(r.Context())
		answerOrFail(w, s, err)
	})
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, req *http.Request) {
		r := Reloaded{Reloaded: true}
		if err := reload(); err != nil {
			r = Reloaded{Problems: strings.Split(strings.TrimSpace(err.Error()), "\n")}
		}
		r.Serves = d.Summary()
		if r.Reloaded {
			r.Warnings = d.keyWarnings(req.Context())
		}
		answer(w, r)
	})
	mux.HandleFunc("GET /approvals", func(w http.ResponseWriter, r *http.Request) {
		list, err := d.Approvals(r.Context(), r.URL.Query().Get("user"), 0)
		answerOrFail(w, list, err)
	})
	mux.HandleFunc("DELETE /approvals", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch user, all := q.Get("user"), q.Get("all") == "true"; {
		case (user == "") != all:
			http.Error(w, "want user=NAME or all=true", http.StatusBadRequest)
		case all:
			n, err := d.ForgetAll(r.Context())
			answerOrFail(w, Forgotten{Forgotten: n}, err)
		default:
			n, err := d.Forget(r.Context(), user)
			answerOrFail(w, Forgotten{User: d.canonical(user), Forgotten: n}, err)
		}
	})
	mux.HandleFunc("GET /guard", func(w http.ResponseWriter, r *http.Request) {
		list, err := d.GuardCounts(r.Context())
		answerOrFail(w, list, err)
	})
	mux.HandleFunc("DELETE /guard", d.clearGuard)
	return mux
}

func (d *Daemon) clearGuard(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch user, address := q.Get("user"), q.Get("address"); {
	case (user == "") == (address == ""):
		http.Error(w, "want user=NAME or address=ADDRESS", http.StatusBadRequest)
	case user != "":
		cleared, err := d.ClearUser(r.Context(), user)
		answerOrFail(w, cleared, err)
	default:
		cleared, err := d.ClearAddress(r.Context(), address)
		answerOrFail(w, cleared, err)
	}
}

// answerOrFail writes v, or the error of a store that can't be asked.
func answerOrFail(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	answer(w, v)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// Close ends the control socket and removes it.
func (c *Control) Close() {
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.server.Shutdown(ctx)
}
