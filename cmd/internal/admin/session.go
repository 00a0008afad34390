package admin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	sessionLife   = 8 * time.Hour
	sessionCookie = "duoradiusd"
	mostSessions  = 1000 // a new session replaces the least recently used one
)

// These limit wrong passwords, as [guard] does for RADIUS logins.
const (
	wrongOfUser   = 10
	wrongOfSource = 50
	wrongRefill   = 30 * time.Second // how long it takes until one more password may be tried
	watched       = 10_000           // how many users and sources are counted
)

// person is the person who looks at the page. If [admin] users is not set, nobody is asked, and everybody is the same person.
type person struct {
	name     string
	helpDesk bool // may clear and forget
}

type session struct {
	person
	ends time.Time
}

// sessions knows which persons have logged in. It is empty after a restart.
type sessions struct {
	check    func(ctx context.Context, user, password string) bool // nil: no users, nobody is asked
	helpDesk []string

	mu      sync.Mutex // guards all below
	open    *simplelru.LRU[string, session]
	users   *simplelru.LRU[string, time.Time] // when each user has the whole budget of wrong passwords again
	sources *simplelru.LRU[string, time.Time]
}

func newSessions(check func(context.Context, string, string) bool, helpDesk []string) *sessions {
	return &sessions{check: check, helpDesk: helpDesk, open: newLRU[session](mostSessions),
		users: newLRU[time.Time](watched), sources: newLRU[time.Time](watched)}
}

func newLRU[V any](size int) *simplelru.LRU[string, V] {
	lru, err := simplelru.NewLRU[string, V](size, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return lru
}

// spend takes one try from key's budget of most tries, and reports whether there was one left. The LRU holds the time at which
// the budget is whole again. The caller holds s.mu.
func spend(lru *simplelru.LRU[string, time.Time], key string, most int) bool {
	now := time.Now()
	whole, _ := lru.Get(key)
	missing := max(whole.Sub(now), 0)
	if missing > time.Duration(most-1)*wrongRefill {
		return false
	}
	lru.Add(key, now.Add(missing+wrongRefill))
	return true
}

// password checks a user's password. held means that too many wrong passwords came before, so this one was not checked.
func (s *sessions) password(r *http.Request, user, password string) (p person, held bool) {
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	s.mu.Lock()
	// The try counts as wrong until the password is known to be right, or tries side by side would not be limited.
	held = !spend(s.sources, source, wrongOfSource) || !spend(s.users, strings.ToLower(user), wrongOfUser)
	s.mu.Unlock()
	if held || !s.check(r.Context(), user, password) {
		return person{}, held
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users.Remove(strings.ToLower(user))
	s.sources.Remove(source)
	return person{user, slices.ContainsFunc(s.helpDesk, func(name string) bool { return strings.EqualFold(name, user) })}, false
}

// begin opens a session and sets its cookie.
func (s *sessions) begin(w http.ResponseWriter, r *http.Request, p person) {
	id := rand.Text()
	s.mu.Lock()
	s.open.Add(id, session{p, time.Now().Add(sessionLife)})
	s.mu.Unlock()
	setCookie(w, r, id, int(sessionLife.Seconds()))
}

func setCookie(w http.ResponseWriter, r *http.Request, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true,
		Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
}

// end closes the session of a request.
func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(sessionCookie); err == nil {
		s.mu.Lock()
		s.open.Remove(c.Value)
		s.mu.Unlock()
	}
	setCookie(w, r, "", -1)
}

// who returns the person of the request's cookie, or of its Authorization: Basic, which is for programs.
func (s *sessions) who(r *http.Request) (p person, ok bool) {
	if s.check == nil {
		return person{helpDesk: true}, true
	}
	if c, err := r.Cookie(sessionCookie); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		opened, ok := s.open.Get(c.Value)
		if ok && time.Now().Before(opened.ends) {
			return opened.person, true
		}
		return person{}, false
	}
	if user, password, ok := r.BasicAuth(); ok && r.URL.Path == "/metrics" {
		p, _ := s.password(r, user, password)
		return p, p.name != ""
	}
	return person{}, false
}

type personKey struct{}

// personOf returns the person who has sent the request; see protect.
func personOf(r *http.Request) person {
	p, _ := r.Context().Value(personKey{}).(person)
	return p
}

// open are the paths that need no login: the health checks and the login page.
var open = []string{"/healthz", "/readyz", "/login"}

// protect lets in only persons who are logged in. Others see the login form. A program is told that it may use Basic.
func (a *Admin) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(open, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		p, ok := a.sessions.who(r)
		switch {
		case ok:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), personKey{}, p)))
		case r.URL.Path == "/metrics":
			w.Header().Set("WWW-Authenticate", `Basic realm="duoradiusd", charset="UTF-8"`)
			http.Error(w, "Log in.", http.StatusUnauthorized)
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		default:
			http.Error(w, "Your session has ended. Go back, load the page anew and log in.", http.StatusUnauthorized)
		}
	})
}

// login checks the form of the login page.
func (a *Admin) login(w http.ResponseWriter, r *http.Request) {
	if a.sessions.check == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if !a.ownForm(w, r) {
		return
	}
	user := strings.TrimSpace(r.PostForm.Get("user"))
	p, held := a.sessions.password(r, user, r.PostForm.Get("password"))
	switch {
	case held:
		a.loginPage(w, r, http.StatusTooManyRequests, "Too many wrong passwords. Try again in a minute.")
	case p.name == "":
		a.daemon.Log.Warn("admin: a wrong user or password", "from", r.RemoteAddr)
		a.loginPage(w, r, http.StatusForbidden, "Wrong user name or password.")
	default:
		a.sessions.begin(w, r, p)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// ownForm reads the form of a POST and reports whether the form is from one of our own pages. If not, it answers the request.
func (a *Admin) ownForm(w http.ResponseWriter, r *http.Request) bool {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "Another page's form is not ours.", http.StatusForbidden)
		return false
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "This form can't be read.", http.StatusBadRequest)
		return false
	}
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("token")), []byte(a.formToken(r))) != 1 {
		http.Error(w, "This form is of an earlier start of the daemon. Go back, load the page anew, and try again.", http.StatusForbidden)
		return false
	}
	return true
}

// formToken returns the token of the forms on a page that was made for r. It differs from session to session, so that a person
// who can see the login page can't forge another person's forms.
func (a *Admin) formToken(r *http.Request) string {
	mac := hmac.New(sha256.New, []byte(a.token))
	if c, err := r.Cookie(sessionCookie); err == nil && a.sessions.check != nil {
		mac.Write([]byte(c.Value))
	}
	return hex.EncodeToString(mac.Sum(nil))
}
