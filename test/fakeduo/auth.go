package fakeduo

import (
	"net/url"
	"slices"
	"strings"
)

// maxPushinfo is the documented bound: less than 20 000 bytes.
const maxPushinfo = 20_000

// factors lists the parameters that each factor takes beside the common ones.
var factors = map[string][]string{
	"auto":     {"device", "type", "display_username", "pushinfo", "txid"},
	"push":     {"device", "type", "display_username", "pushinfo", "txid"},
	"phone":    {"device"},
	"sms":      {"device"},
	"passcode": {"passcode"},
}

// required names the parameter that each factor needs.
var required = map[string]string{
	"auto": "device", "push": "device", "phone": "device", "sms": "device", "passcode": "passcode",
}

// auth begins a login, and with a passcode ends it too.
func (s *Server) auth(c *call) (any, error) {
	a, err := s.user(c)
	if err != nil {
		return nil, err
	}
	if err := s.checkAuth(c); err != nil {
		return nil, err
	}
	if a == nil {
		return nil, refuse(codeInvalid, "username")
	}
	t, err := newTransaction(c, a)
	if err != nil {
		return nil, err
	}
	if err := s.begin(c, a, t); err != nil {
		return nil, err
	}
	if c.get("async") == "1" {
		return struct {
			Txid string `json:"txid"`
		}{t.Txid}, nil
	}
	return s.ledger.outcome(c.http.Context(), t)
}

// checkAuth holds the parameters against the rules, whoever the user is.
func (s *Server) checkAuth(c *call) error {
	factor := c.get("factor")
	allowed, ok := factors[factor]
	switch {
	case factor == "":
		return refuse(codeMissing, "factor")
	case !ok:
		return refuse(codeInvalid, "factor")
	case c.get(required[factor]) == "":
		return refuse(codeMissing, required[factor])
	}
	for _, name := range []string{"device", "type", "display_username", "pushinfo", "txid", "passcode"} {
		if c.params.Has(name) && !slices.Contains(allowed, name) {
			return refuse(codeInvalid, name+": not with factor "+factor)
		}
	}
	if async := c.get("async"); async != "" && async != "0" && async != "1" {
		return refuse(codeInvalid, "async")
	}
	if len(c.get("pushinfo")) >= maxPushinfo {
		return refuse(codeInvalid, "pushinfo: too long")
	}
	return s.checkAddress(c.get("ipaddr"))
}

// newTransaction settles which device is meant, and with auto which factor: the best the user has.
func newTransaction(c *call, a *account) (*transaction, error) {
	info, err := parsePairs(c.get("pushinfo"))
	if err != nil {
		return nil, err
	}
	t := &transaction{Transaction: Transaction{
		Username: a.Username, UserID: a.UserID, Factor: c.get("factor"),
		Type: c.get("type"), DisplayUsername: c.get("display_username"), Hostname: c.get("hostname"),
		IPAddr: c.get("ipaddr"), PushInfo: info, Tap: a.Tap,
	}, words: [2]string{a.AuthResult, a.AuthStatus}}
	if t.Factor == "passcode" {
		return t, nil
	}
	try := []string{t.Factor}
	if t.Factor == "auto" {
		try = []string{"push", "phone", "sms"}
	}
	for _, factor := range try {
		if factor == "push" && a.VerifiedPush && c.get("txid") == "" {
			continue // no code was shown, so the policy has no push for this login
		}
		if d := a.device(c.get("device"), factor); d != nil {
			t.Factor, t.Device, t.DeviceName = factor, d.ID, d.display()
			return t, nil
		}
	}
	return nil, refuse(codeInvalid, "no capable device")
}

// begin adds t to the ledger. It is settled at once if the account or the factor decides, and rings otherwise.
func (s *Server) begin(c *call, a *account, t *transaction) error {
	if txid := c.get("txid"); txid != "" {
		code, ok := s.ledger.claim(txid, a.UserID)
		if !ok {
			return refuse(codeInvalid, "txid")
		}
		t.Txid, t.VerificationCode = txid, code
	}
	switch {
	case a.LockedOut:
		s.ledger.settled(t, "locked_out", "")
	case a.Preauth == "allow":
		s.ledger.settled(t, "bypass", "")
	case a.Preauth == "deny":
		s.ledger.settled(t, "deny", a.PreauthMessage)
	case t.Factor == "sms":
		s.ledger.settled(t, "sent", "")
	case t.Factor == "passcode":
		status := s.users.use(a, c.get("passcode"))
		message := ""
		if status == "deny" {
			message = "Incorrect passcode. Please try again."
		}
		s.ledger.settled(t, status, message)
	default:
		s.memory.pushed()
		s.ledger.ring(t, a.delay())
	}
	return nil
}

// authStatus is the long poll.
func (s *Server) authStatus(c *call) (any, error) {
	txid := c.get("txid")
	if txid == "" {
		return nil, refuse(codeMissing, "txid")
	}
	v, err := s.ledger.poll(c.http.Context(), txid)
	if err != nil {
		return nil, err
	}
	return struct {
		verdict
		Delayed bool `json:"auth_delayed"`
	}{verdict: v}, nil
}

// Pair is one line of pushinfo as the user sees it.
type Pair struct{ Key, Value string }

// parsePairs parses pushinfo in order, which url.ParseQuery does not keep.
func parsePairs(pushinfo string) ([]Pair, error) {
	if pushinfo == "" {
		return nil, nil
	}
	var pairs []Pair
	for part := range strings.SplitSeq(pushinfo, "&") {
		k, v, ok := strings.Cut(part, "=")
		key, err1 := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if !ok || key == "" || err1 != nil || err2 != nil {
			return nil, refuse(codeInvalid, "pushinfo: want k=v&k=v, escaped")
		}
		pairs = append(pairs, Pair{key, value})
	}
	return pairs, nil
}
