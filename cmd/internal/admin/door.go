package admin

import (
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Handler serves everything. Whatever method a path does not have is answered by 405.
func (a *Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.page)
	mux.Handle("GET /metrics", a.metrics.handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "serving") })
	mux.HandleFunc("GET /readyz", a.ready)
	mux.HandleFunc("POST /forget", a.forget)
	if a.daemon.Profiles {
		mux.HandleFunc("GET /debug/pprof/", ownPage(pprof.Index)) // all profiles that are there when somebody asks
		mux.HandleFunc("GET /debug/pprof/profile", ownPage(pprof.Profile))
		mux.HandleFunc("GET /debug/pprof/trace", ownPage(pprof.Trace))
	}
	return a.door(mux)
}

// ownPage refuses what a page from elsewhere has a browser ask for, as far as browsers tell: they do to localhost and over
// HTTPS. That page could read nothing (see door), but a profile costs something for as long as it is made, and only one is
// made at a time.
func ownPage(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin": // no browser, the address bar, our own page
			next(w, r)
		default:
			http.Error(w, "Another page's links to profiles are not followed.", http.StatusForbidden)
		}
	}
}

// door lets nobody in who was led here by a page from elsewhere. A name that resolves to this machine for a moment (DNS
// rebinding) would make a stranger's page one of ours: nobody can do so with an address.
func (a *Admin) door(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policyOfPage)
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// With no-referrer, browsers would send our own forms with Origin: null.
		h.Set("Referrer-Policy", "same-origin")
		if !a.knows(r.Host) {
			http.Error(w, "Ask for this machine by its address, by localhost or by its own name.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// knows reports whether host, with a port or without, is a name or an address that nobody else can lend us. Every browser
// tells one; some health checks do not.
func (a *Admin) knows(host string) bool {
	if host == "" {
		return true
	}
	if name, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return slices.ContainsFunc(a.names, func(name string) bool { return strings.EqualFold(name, host) })
}

func (a *Admin) ready(w http.ResponseWriter, _ *http.Request) {
	if err := a.daemon.Ready(); err != nil {
		http.Error(w, oneLine(err.Error()), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// maxForm is in octets: a token, and a name that may be percent-encoded throughout.
const maxForm = 4 << 10

// forget takes away a user's approvals, by the form on the page and by nothing else.
func (a *Admin) forget(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "Another page's form is not ours.", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "This form can't be read.", http.StatusBadRequest)
		return
	}
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("token")), []byte(a.token)) != 1 {
		http.Error(w, "This form is of an earlier start of the daemon. Go back, load the page anew, and try again.", http.StatusForbidden)
		return
	}
	user := strings.TrimSpace(r.PostForm.Get("user"))
	if user == "" {
		http.Error(w, "Whose approvals? Go back and give a user's name.", http.StatusBadRequest)
		return
	}
	n := a.daemon.Forget(user)
	http.Redirect(w, r, fmt.Sprintf("/?forgotten=%d#approvals", n), http.StatusSeeOther)
}
