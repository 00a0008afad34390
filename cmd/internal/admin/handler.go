package admin

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Handler serves all pages. It answers 405 to a method that a path does not have.
func (a *Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.page)
	mux.Handle("GET /metrics", a.metrics.handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "serving") })
	mux.HandleFunc("GET /readyz", a.ready)
	mux.HandleFunc("POST /forget", a.change(a.forget))
	mux.HandleFunc("POST /clear", a.change(a.clear))
	mux.HandleFunc("POST /reload", a.reload)
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) { a.loginPage(w, r, http.StatusOK, "") })
	mux.HandleFunc("POST /login", a.login)
	mux.HandleFunc("POST /logout", a.logout)
	if a.daemon.Profiles {
		mux.HandleFunc("GET /debug/pprof/", ownPage(pprof.Index)) // all profiles that exist when the page is asked for
		mux.HandleFunc("GET /debug/pprof/profile", ownPage(pprof.Profile))
		mux.HandleFunc("GET /debug/pprof/trace", ownPage(pprof.Trace))
	}
	return a.checkHost(a.protect(mux))
}

// ownPage refuses requests that another site's page makes a browser send. Browsers send Sec-Fetch-Site, which names the site,
// only to localhost and over HTTPS. Such a page could read nothing (see checkHost). But making a profile costs processor time,
// and only one profile can be made at a time.
func ownPage(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin": // no browser, the address bar, or our own page
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
		// With no-referrer, browsers would send our own forms with the header "Origin: null".
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

// maxForm limits a form, in octets. A form has a token, and a name in which every octet may be percent-encoded.
const maxForm = 4 << 10

// change serves a form that changes something, for a person who may do so.
func (a *Admin) change(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !a.ownForm(w, r) {
			return
		}
		if !personOf(r).helpDesk {
			http.Error(w, "You may look, but not change anything: [admin] help_desk does not name you.", http.StatusForbidden)
			return
		}
		next(w, r)
	}
}

// forget removes a user's approvals. Only the form on the page can do it.
func (a *Admin) forget(w http.ResponseWriter, r *http.Request) {
	user := strings.TrimSpace(r.PostForm.Get("user"))
	if user == "" {
		http.Error(w, "Whose approvals? Go back and give a user's name.", http.StatusBadRequest)
		return
	}
	n, err := a.daemon.Forget(r.Context(), user)
	if err != nil {
		a.failed(w, "forget approvals", err)
		return
	}
	a.daemon.Log.Info("admin: approvals forgotten by the page", "by", personOf(r).name, "user", user, "approvals", n)
	http.Redirect(w, r, fmt.Sprintf("/?forgotten=%d#approvals", n), http.StatusSeeOther)
}

// clear lets a person whom [guard] holds back try again.
func (a *Admin) clear(w http.ResponseWriter, r *http.Request) {
	user, source := r.PostForm.Get("user"), r.PostForm.Get("source")
	n, err := a.daemon.ClearHeld(r.Context(), user, source)
	if err != nil {
		a.failed(w, "clear what [guard] counts", err)
		return
	}
	a.daemon.Log.Info("admin: [guard] cleared by the page", "by", personOf(r).name, "user", user, "address", source, "counts", n)
	http.Redirect(w, r, fmt.Sprintf("/?cleared=%d#held", n), http.StatusSeeOther)
}

func (a *Admin) failed(w http.ResponseWriter, what string, err error) {
	a.daemon.Log.Error("admin: could not "+what, "error", err)
	http.Error(w, "That could not be done; the log says why.", http.StatusServiceUnavailable)
}

func (a *Admin) logout(w http.ResponseWriter, r *http.Request) {
	if !a.ownForm(w, r) {
		return
	}
	a.sessions.end(w, r)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// mayReload reports whether the page may read the configuration again. It may over loopback, if [admin] has no users. A user
// who may log in to look at logins is not meant to change the configuration.
func (a *Admin) mayReload(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return a.daemon.Reload != nil && a.daemon.Password == nil && err == nil && at.Addr().Unmap().IsLoopback()
}

func (a *Admin) reload(w http.ResponseWriter, r *http.Request) {
	if !a.ownForm(w, r) {
		return
	}
	if !a.mayReload(r) {
		http.Error(w, "The page reloads over loopback only, where [admin] users is not set. Use duoradiusd reload.", http.StatusForbidden)
		return
	}
	said := time.Now().Format("15:04:05") + ": the new configuration is in force."
	if problems := a.daemon.Reload(); len(problems) > 0 {
		said = time.Now().Format("15:04:05") + ": the old configuration stays in force. " + strings.Join(problems, " · ")
	}
	a.mu.Lock()
	a.reloaded = said
	a.mu.Unlock()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
