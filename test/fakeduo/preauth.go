package fakeduo

import (
	"net/netip"
	"time"
)

// preauthAnswer is preauth's response.
type preauthAnswer struct {
	Result    string       `json:"result"`
	Message   string       `json:"status_msg"`
	Devices   []deviceJSON `json:"devices,omitempty"`
	EnrollURL string       `json:"enroll_portal_url,omitempty"`

	// Verified push: what the user has to type, and the transaction it belongs to.
	Txid       string `json:"txid,omitempty"`
	Code       string `json:"verification_code,omitempty"`
	Expiration int64  `json:"expiration,omitempty"`
}

type deviceJSON struct {
	ID           string   `json:"device"`
	Type         string   `json:"type"`
	Name         string   `json:"name"`
	DisplayName  string   `json:"display_name"`
	Number       string   `json:"number,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
	NextCode     string   `json:"sms_nextcode,omitempty"`
}

func (s *Server) preauth(c *call) (any, error) {
	a, err := s.user(c)
	if err != nil {
		return nil, err
	}
	if err := s.checkAddress(c.get("ipaddr")); err != nil {
		return nil, err
	}
	verified := c.get("client_supports_verified_push")
	if verified != "" && verified != "0" && verified != "1" {
		return nil, refuse(codeInvalid, "client_supports_verified_push")
	}
	if a == nil {
		a = &account{User: User{Preauth: "enroll"}} // what Duo's default policy for new users does
	}
	answer := preauthAnswer{Result: a.Preauth, Message: a.PreauthMessage}
	switch {
	case a.LockedOut:
		answer.set("deny", "Your account has been locked out due to excessive authentication failures")
	case a.Preauth == "" || a.Preauth == "auth":
		answer.set("auth", "Account is active")
		s.offer(&answer, a, verified == "1")
	case a.Preauth == "allow":
		answer.set("allow", "Account is active")
		s.memory.allowed(Allow{Time: time.Now(), Username: a.Username, Via: "preauth"})
	case a.Preauth == "deny":
		answer.set("deny", "Your account is disabled")
	case a.Preauth == "enroll":
		answer.set("enroll", "Enroll an authentication device to proceed")
		answer.EnrollURL = "https://" + c.http.Host + "/portal?code=fakeduo&akey=DAFAKEFAKEFAKEFAKE00"
	}
	return answer, nil
}

// set sets the result, and the message if the user has no other.
func (p *preauthAnswer) set(result, message string) {
	p.Result = result
	if p.Message == "" {
		p.Message = message
	}
}

// offer lists the user's devices. They have no push if the policy demands verified push and the client can't show a code.
func (s *Server) offer(p *preauthAnswer, a *account, verified bool) {
	for i := range a.Devices {
		d := &a.Devices[i]
		capabilities := d.Capabilities
		if a.VerifiedPush && !verified {
			capabilities = without(capabilities, "push")
		}
		dev := deviceJSON{
			ID: d.ID, Type: d.Type, Name: d.Name, DisplayName: d.display(), Number: d.Number,
			Capabilities: capabilities,
		}
		if d.Type == "phone" {
			dev.NextCode = "1"
		}
		p.Devices = append(p.Devices, dev)
	}
	if a.VerifiedPush && verified {
		v := s.ledger.prepare(a.UserID)
		p.Txid, p.Code, p.Expiration = v.txid, v.code, v.expires.Unix()
	}
}

func without(list []string, word string) []string {
	var rest []string
	for _, w := range list {
		if w != word {
			rest = append(rest, w)
		}
	}
	return rest
}

// user returns the account that username or user_id names; exactly one of the two must be given. It returns nil for an unknown
// user.
func (s *Server) user(c *call) (*account, error) {
	name, id := c.get("username"), c.get("user_id")
	switch {
	case name == "" && id == "":
		return nil, refuse(codeMissing, "username or user_id")
	case name != "" && id != "":
		return nil, refuse(codeInvalid, "username and user_id")
	}
	return s.users.find(name, id), nil
}

// checkAddress accepts IPv4, and IPv6 only if Config.IPv6 is set. Duo was seen to refuse IPv6 in 2023.
func (s *Server) checkAddress(ipaddr string) error {
	if ipaddr == "" {
		return nil
	}
	if a, err := netip.ParseAddr(ipaddr); err != nil || !a.Is4() && !s.cfg.IPv6 {
		return refuse(codeInvalid, "ipaddr")
	}
	return nil
}
