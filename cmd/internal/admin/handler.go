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

// Handler serves all pages. A method that a path does not have is answered by 405.
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
	return a.checkHost(mux)
}

// ownPage refuses requests that another site's page makes a browser send. Browsers name the site (Sec-Fetch-Site) to
// localhost and over HTTPS only. Such a page could read nothing (see checkHost), but a profile costs processor time while it
// is made, and only one can be made at a time.
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

// checkHost sets the security headers and refuses requests for a host name that is not this machine's. With DNS rebinding, a
// stranger's name resolves to this machine for a moment, and the browser takes the stranger's page and ours for one site.
// An address in place of a name can't be rebound.
func (a *Admin) checkHost(next http.Handler) http.Handler {
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

// knows reports whether host, with a port or without, is an address, localhost or this machine's name. Every browser sends a
// host; some health checks send none.
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

// maxForm bounds a form, in octets: a token, and a name whose every octet may be percent-encoded.
const maxForm = 4 << 10

// forget removes a user's approvals. Only the form on the page can do it.
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
	n, err := a.daemon.Forget(r.Context(), user)
	if err != nil {
		a.daemon.Log.Error("admin: forget", "user", user, "error", err)
		http.Error(w, "The approvals can't be forgotten now; the log says why.", http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, fmt.Sprintf("/?forgotten=%d#approvals", n), http.StatusSeeOther)
}
