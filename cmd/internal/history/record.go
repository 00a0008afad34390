package history

import (
	"cmp"
	"net/netip"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/reasons"
)

// Record is a Login as the control socket tells it, in JSON. A duration is in milliseconds.
type Record struct {
	Number        uint64     `json:"number"`
	Time          time.Time  `json:"time"`
	User          string     `json:"user"`
	Client        string     `json:"client"`
	ClientAddr    netip.Addr `json:"client_addr,omitzero"`
	Service       string     `json:"service"`
	UserIP        netip.Addr `json:"user_ip,omitzero"`
	Code          string     `json:"code"`
	Reason        string     `json:"reason"`
	Factor        string     `json:"factor,omitempty"`
	Txid          string     `json:"txid,omitempty"`
	TookMS        int64      `json:"took_ms"`
	FirstFactorMS int64      `json:"first_factor_ms"`
	DuoMS         int64      `json:"duo_ms"`
	Error         string     `json:"error,omitempty"`
	LoginID       string     `json:"login_id"`
	Rule          string     `json:"rule,omitempty"`
	DuoUser       string     `json:"duo_user,omitempty"`
	DuoMessage    string     `json:"duo_message,omitempty"`
	Cure          string     `json:"cure,omitempty"` // what an administrator can do about it

	Steps []Step `json:"steps,omitempty"`
}

// Step is a policy.Step as the control socket and auth_log tell it.
type Step struct {
	Name   string `json:"name"`
	Asked  string `json:"asked,omitempty"`
	Answer string `json:"answer"`
	TookMS int64  `json:"took_ms"`
}

// Steps returns the steps of a login in the form of the control socket.
func Steps(steps []policy.Step) []Step {
	list := make([]Step, len(steps))
	for i, s := range steps {
		list[i] = Step{s.Name, s.Asked, s.Answer, s.Took.Milliseconds()}
	}
	return list
}

// Record returns l in the form of the control socket.
func (l *Login) Record() Record {
	return Record{
		Number: l.Number, Time: l.Time, User: l.User, Client: l.Client, ClientAddr: l.ClientAddr, Service: l.Service,
		UserIP: l.UserIP, Code: l.Code, Reason: string(l.Reason), Factor: string(l.Factor), Txid: l.Txid,
		TookMS: l.Took.Milliseconds(), FirstFactorMS: l.FirstTook.Milliseconds(), DuoMS: l.DuoTook.Milliseconds(), Error: l.Err,
		LoginID: l.LoginID, Rule: l.Rule, DuoUser: l.DuoUser, DuoMessage: l.DuoMessage, Cure: cmp.Or(l.Hint, reasons.Cure(l.Reason)), Steps: Steps(l.Steps),
	}
}

// Records returns logins in the form of the control socket.
func Records(logins []Login) []Record {
	list := make([]Record, len(logins))
	for i := range logins {
		list[i] = logins[i].Record()
	}
	return list
}
