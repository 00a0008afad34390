package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"
)

// These are the keys of the Duo application that all servers use in a run. They are obviously not real keys.
const (
	integrationKey = "DIBENCHBENCHBENCH000"
	secretKey      = "benchbenchbenchbenchbenchbenchbenchbench"
)

// duo is a Duo server that uses little processor time. It verifies each signature and checks nothing else. Each user
// has a phone and approves each push, except the user stranger. test/fakeduo would use more time, because it checks and
// stores every request.
type duo struct {
	delay  time.Duration // the time between a push and its approval
	signer *signer

	mu     sync.Mutex // guards the fields below
	seen   sightings
	open   int
	pushes map[string]*push         // by transaction ID
	own    map[string]time.Duration // how long Duo itself took for the calls of each user's logins
}

// push is one push that was sent to a phone.
type push struct {
	user string
	due  time.Time
	told bool // a status call has been answered that the push was sent
}

// sightings is what the Duo server reports about the calls that it has received.
type sightings struct {
	Preauths    int                      `json:"preauths"`
	Pushes      int                      `json:"pushes"`
	Polls       int                      `json:"polls"`
	Refused     int                      `json:"refused"`     // calls with a wrong signature or none
	Handshakes  int                      `json:"handshakes"`  // the number of connections
	Connections int                      `json:"connections"` // the highest number of connections at the same time
	OwnTimes    map[string]time.Duration `json:"own_times,omitempty"`
}

// serveDuo runs the Duo server. A flag says into which file it writes the certificate of its CA. It prints the address
// at which it listens.
func serveDuo(args []string) error {
	flags := flag.NewFlagSet("duo", flag.ContinueOnError)
	delay := flags.Duration("delay", 0, "between a push and its approval")
	http1 := flags.Bool("http1", false, "speak no HTTP/2")
	ca := flags.String("ca", "", "`FILE` to write the CA's certificate to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	leaf, authority, err := newCertificate()
	if err != nil {
		return err
	}
	if err := os.WriteFile(*ca, authority, 0o644); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d := &duo{delay: *delay, signer: newSigner()}
	d.forget()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(!*http1)
	srv := &http.Server{
		Handler:   d,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{leaf}},
		Protocols: protocols,
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: 128}, // the limit that common HTTP/2 servers have
		ConnState: d.changed,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, timedKey{}, c.(*tls.Conn).NetConn())
		},
		ErrorLog: log.New(io.Discard, "", 0), // rivals end as they like
	}
	fmt.Println("ready", ln.Addr())
	return srv.ServeTLS(timedListener{ln}, "", "")
}

// changed counts connections, including those that are closed before a request comes.
func (d *duo) changed(_ net.Conn, state http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch state {
	case http.StateNew:
		d.open++
		d.seen.Handshakes++
		d.seen.Connections = max(d.seen.Connections, d.open)
	case http.StateClosed, http.StateHijacked:
		d.open--
	}
}

// forget sets the counts to zero. Connections stay open.
func (d *duo) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = sightings{Connections: d.open}
	d.pushes = make(map[string]*push)
	d.own = make(map[string]time.Duration)
}

const okay = `{"stat": "OK", "response": `

func (d *duo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/bench/sightings":
		d.tell(w)
		return
	case "/bench/forget":
		d.forget()
		return
	case "/auth/v2/ping":
		answer(w, `{"time": `+strconv.FormatInt(time.Now().Unix(), 10)+`}`)
		return
	}
	params, ok := read(r)
	start := arrived(r) // not before the body has come
	if !ok || !d.signer.signed(r, params) {
		d.mu.Lock()
		d.seen.Refused++
		d.mu.Unlock()
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"stat": "FAIL", "code": 40103, "message": "Invalid signature in request credentials"}`)
		return
	}
	switch r.URL.Path {
	case "/auth/v2/check":
		answer(w, `{"time": `+strconv.FormatInt(start.Unix(), 10)+`}`)
	case "/auth/v2/preauth":
		d.preauth(w, r, params.Get("username"), start)
	case "/auth/v2/auth":
		d.auth(w, r, params, start)
	case "/auth/v2/auth_status":
		d.status(w, r, params.Get("txid"), start)
	default:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"stat": "FAIL", "code": 40401, "message": "Resource not found"}`)
	}
}

func read(r *http.Request) (url.Values, bool) {
	form := r.URL.RawQuery
	if r.Method == http.MethodPost {
		b, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		if err != nil {
			return nil, false
		}
		form = string(b)
	}
	params, err := url.ParseQuery(form)
	return params, err == nil
}

// answer writes a response with its Content-Length, in one piece.
func answer(w http.ResponseWriter, response string) {
	body := okay + response + "}"
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	io.WriteString(w, body)
}

func (d *duo) tell(w http.ResponseWriter) {
	d.mu.Lock()
	seen := d.seen
	seen.OwnTimes = d.own
	b, err := json.Marshal(seen)
	d.mu.Unlock()
	if err == nil {
		w.Write(b)
	}
}

func (d *duo) preauth(w http.ResponseWriter, r *http.Request, user string, start time.Time) {
	d.mu.Lock()
	d.seen.Preauths++
	d.mu.Unlock()
	answer(w, `{"result": "auth", "status_msg": "Account is active", "devices": [{"device": "DPBENCHBENCHBENCH000", `+
		`"type": "phone", "name": "", "display_name": "iOS (XXX-XXX-0100)", "number": "XXX-XXX-0100", `+
		`"capabilities": ["auto", "push", "sms", "phone", "mobile_otp"], "sms_nextcode": "1"}]}`)
	d.took(r, user, start)
}

// stranger is the name of the one user whom Duo denies.
const stranger = "stranger"

func decision(user string) string {
	if user == stranger {
		return denied
	}
	return allowed
}

const (
	allowed = `{"result": "allow", "status": "allow", "status_msg": "Success. Logging you in..."}`
	denied  = `{"result": "deny", "status": "deny", "status_msg": "Login request denied."}`
	waiting = `{"result": "waiting", "status": "pushed", "status_msg": "Pushed a login request to your device..."}`
)

func (d *duo) auth(w http.ResponseWriter, r *http.Request, params url.Values, start time.Time) {
	user := params.Get("username")
	d.mu.Lock()
	d.seen.Pushes++
	txid := fmt.Sprintf("00000000-0000-4000-8000-%012d", d.seen.Pushes)
	if params.Get("async") == "1" {
		d.pushes[txid] = &push{user: user, due: start.Add(d.delay)}
		d.mu.Unlock()
		answer(w, `{"txid": "`+txid+`"}`)
		d.took(r, user, start)
		return
	}
	d.mu.Unlock()
	time.Sleep(d.delay)
	answer(w, decision(user))
	d.took(r, user, start)
}

// status answers the first call for a push at once, that the push was sent, unless the user has decided already. Later
// calls wait until the user has decided.
func (d *duo) status(w http.ResponseWriter, r *http.Request, txid string, start time.Time) {
	d.mu.Lock()
	d.seen.Polls++
	p := d.pushes[txid]
	if p == nil {
		d.mu.Unlock()
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"stat": "FAIL", "code": 40002, "message": "Invalid request parameters"}`)
		return
	}
	told := p.told
	p.told = true
	d.mu.Unlock()
	left := p.due.Sub(start)
	if left > 0 && !told {
		answer(w, waiting)
		d.took(r, p.user, start)
		return
	}
	if left > 0 {
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	answer(w, decision(p.user))
	d.took(r, p.user, start)
}

// took adds to what Duo itself took for a user's login, when the answer is written.
func (d *duo) took(r *http.Request, user string, since time.Time) {
	timed(r).atWrite(func(now time.Time) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.own[user] += now.Sub(since)
	})
}
