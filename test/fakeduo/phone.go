package fakeduo

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

//go:embed phone.html
var phoneHTML string

// How much the page shows, because a load test has more users than fit on the page.
const (
	maxPending = 20
	maxHistory = 12
	maxCodes   = 12
)

// phone is the web page that is the phone of all users.
type phone struct {
	server *Server
	token  string // proves that a form came from our own page
	page   *template.Template
}

// screen is what the page shows.
type screen struct {
	Nonce string // of style and script, for the content security policy
	Token string
	view
}

type view struct {
	Pending []Transaction
	More    int // pending ones not shown
	Codes   []shownCode
	History []Transaction
}

type shownCode struct{ Username, Code string }

// Phone returns a page with the pushes of all users with Tap Ask, where they can be approved, denied or reported, and with each
// user's passcode. Serve it on loopback only, because whoever can open it can approve. Its path must end in a slash; its links
// are relative.
func (s *Server) Phone() http.Handler {
	funcs := template.FuncMap{
		"clock":  func(t time.Time) string { return t.Format("15:04:05") },
		"millis": func(t time.Time) int64 { return t.UnixMilli() },
		"span":   func(t Transaction) int64 { return t.Expires.Sub(t.Started).Milliseconds() },
		"spaced": spaced,
		"shown":  shown,
	}
	p := &phone{
		server: s,
		token:  rand.Text(),
		page:   template.Must(template.New("phone").Funcs(funcs).Parse(phoneHTML)),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.show)
	mux.HandleFunc("GET /state", p.state)
	mux.HandleFunc("POST /answer", p.answer)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ownHost(r) {
			http.Error(w, "fakeduo: this host name is not ours", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ownHost accepts requests for a loopback name or for the address at which they arrived. It refuses any other name, which may be
// a web site's name that resolves to this address (DNS rebinding).
func ownHost(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return false
	}
	if addr.IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	served, err := netip.ParseAddrPort(local.String())
	return err == nil && served.Addr().Unmap() == addr.Unmap()
}

// show is the whole page.
func (p *phone) show(w http.ResponseWriter, _ *http.Request) {
	nonce := rand.Text()
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; script-src 'nonce-"+
		nonce+"'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	p.render(w, "page", screen{nonce, p.token, p.server.view()})
}

// state is the part of the page that changes; its script asks for it every second.
func (p *phone) state(w http.ResponseWriter, _ *http.Request) {
	p.render(w, "state", screen{"", p.token, p.server.view()})
}

// render builds the page in memory first, so that an error does not leave half a page with status 200.
func (p *phone) render(w http.ResponseWriter, name string, data screen) {
	var b bytes.Buffer
	if err := p.page.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "fakeduo: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	w.Write(b.Bytes())
}

var phoneTaps = map[string]Tap{"approve": Approve, "deny": Deny, "fraud": Fraud}

// answer handles a button. It is no error if the transaction has been settled in the meantime: the page shows how it ended.
func (p *phone) answer(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	if subtle.ConstantTimeCompare([]byte(r.PostFormValue("token")), []byte(p.token)) != 1 {
		http.Error(w, "fakeduo: not sent from this page; reload it", http.StatusForbidden)
		return
	}
	tap, ok := phoneTaps[r.PostFormValue("answer")]
	if !ok {
		http.Error(w, "fakeduo: answer: want approve, deny or fraud", http.StatusBadRequest)
		return
	}
	txid := r.PostFormValue("txid")
	t, ok := p.server.ledger.find(txid)
	if !ok {
		http.Error(w, "fakeduo: no such login request", http.StatusNotFound)
		return
	}
	if tap == Approve && t.VerificationCode != "" && r.PostFormValue("code") != t.VerificationCode {
		http.Error(w, "fakeduo: that is not the verification code; go back and look again", http.StatusBadRequest)
		return
	}
	p.server.Answer(txid, tap)
	w.Header().Set("Location", "./") // relative, so that it holds under any path
	w.WriteHeader(http.StatusSeeOther)
}

// view gathers what is to be seen, newest first.
func (s *Server) view() view {
	v := view{Codes: s.users.codes(maxCodes)}
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range slices.Backward(l.order) {
		switch {
		case t.Pending() && t.Tap == Ignore: // that phone is in another room
		case t.Pending() && len(v.Pending) < maxPending:
			v.Pending = append(v.Pending, t.Transaction)
		case t.Pending():
			v.More++
		case len(v.History) < maxHistory:
			v.History = append(v.History, t.Transaction)
		}
	}
	return v
}

// shown reports whether a text needs no line of its own on the push: it is empty, or pushinfo has it already.
func shown(t Transaction, text string) bool {
	return text == "" || slices.ContainsFunc(t.PushInfo, func(p Pair) bool { return p.Value == text })
}

// spaced writes a passcode as phones do: 123 456.
func spaced(code string) string {
	if len(code) != 6 {
		return code
	}
	return code[:3] + " " + code[3:]
}
