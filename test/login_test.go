package test

import (
	"context"
	"net/netip"
	"testing"

	"duoradiusd/test/nas"
)

// attempt is one login as a NAS sends it.
type attempt struct {
	secret string
	userIP string // Calling-Station-Id; "" means none
	place  nas.Placement
	local  netip.Addr // the NAS's own address; the zero Addr means 127.0.0.1
	change []func(*nas.Request)
}

// option changes an attempt.
type option func(*attempt)

func withSecret(secret string) option { return func(a *attempt) { a.secret = secret } }
func withUserIP(ip string) option     { return func(a *attempt) { a.userIP = ip } }
func withMA(p nas.Placement) option   { return func(a *attempt) { a.place = p } }
func fromAddr(local string) option    { return func(a *attempt) { a.local = netip.MustParseAddr(local) } }
func with(change func(*nas.Request)) option {
	return func(a *attempt) { a.change = append(a.change, change) }
}

func newAttempt(opts []option) *attempt {
	a := &attempt{secret: vpnSecret, userIP: "203.0.113.7", place: nas.First}
	for _, o := range opts {
		o(a)
	}
	return a
}

// request builds the Access-Request.
func (a *attempt) request(user, password string) *nas.Request {
	r := nas.AccessRequest(a.secret, user, password).Sign(a.place)
	if a.userIP != "" {
		r.AddString(nas.CallingStationID, a.userIP)
	}
	for _, change := range a.change {
		change(r)
	}
	return r
}

// status builds a Status-Server of the same kind.
func (a *attempt) status() *nas.Request {
	r := nas.StatusServer(a.secret).Sign(a.place)
	for _, change := range a.change {
		change(r)
	}
	return r
}

func (a *attempt) dial(d *daemon) (*nas.NAS, error) {
	return nas.Dial(d.Addr(), netip.AddrPortFrom(a.local, 0))
}

// login sends one datagram from a new socket and returns the reply, which must be right in every way. By default the user
// is at 203.0.113.7 and the Message-Authenticator comes first.
func login(t testing.TB, d *daemon, user, password string, opts ...option) *nas.Response {
	t.Helper()
	r, err := try(t, d, user, password, opts...)
	if err != nil {
		t.Fatalf("%s logs in: %v", user, err)
	}
	return r
}

// try is like login, for requests that may get no reply, and for other goroutines than the test's own.
func try(t testing.TB, d *daemon, user, password string, opts ...option) (*nas.Response, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d.forbidTyped(password)
	a := newAttempt(opts)
	n, err := a.dial(d)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	r, err := n.Exchange(ctx, a.request(user, password), nas.Retransmit{})
	if err == nil {
		d.forbidState(r)
	}
	return r, err
}

// forbidState checks that the State of a challenge is not in the log: a reader of the log could continue the login with it.
func (d *daemon) forbidState(r *nas.Response) {
	if state := r.State(); state != nil {
		d.forbid(string(state))
	}
}

func pushRequest(user string) *nas.Request {
	return newAttempt(nil).request(user, "push")
}
