package fakeldap

import (
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// bind answers a BindRequest (RFC 4511 §4.2). It is as lax as RFC 4511 permits a directory to be.
func (c *conn) bind(m message) next {
	parts := m.op.Children
	if len(parts) != 3 || parts[0].Value != int64(3) || parts[2].ClassType != ber.ClassContext || parts[2].Tag != 0 {
		c.s.memory.violated(c.number, "a bind other than version 3, simple")
		return end
	}
	name, password := parts[1].Data.String(), parts[2].Data.String()
	r := c.s.memory.begin(Request{Op: "bind", Conn: c.number, TLS: c.tls, BoundAs: c.bound, DN: name, Password: password,
		Controls: m.controls})
	f := c.s.faults.next("bind", name)
	res := c.s.judge(name, password)
	if c.s.cfg.StartTLS && !c.tls {
		res = result{code: ldap.LDAPResultConfidentialityRequired}
	}
	if !m.asked(ldap.ControlTypeBeheraPasswordPolicy) {
		res.control = nil
	}
	how, _ := c.finish(m, r, f, ldap.ApplicationBindResponse, res)
	c.bound, c.user = "", false // §4.2.1: whatever became of it
	if res.code == 0 && f.Code == 0 && password != "" {
		c.bound, c.user = name, !sameDN(name, c.s.cfg.BindDN)
	}
	return how
}

func (s *Server) judge(name, password string) result {
	if name == "" || password == "" {
		return result{} // anonymous, or "unauthenticated": RFC 4513 §5.1.1-2
	}
	e, ok := s.tree.get(name)
	right := ok && e.Password != "" && password == e.Password
	switch {
	case ok && e.BindCode != 0:
		return result{code: e.BindCode, diagnostic: e.Diagnostic}
	case ok && e.Data != "" && (right || e.Data == "775"):
		return s.refuse(e.Data)
	case right && e.Policy != nil:
		res := result{control: passwordPolicy(*e.Policy)}
		if *e.Policy != ldap.BeheraChangeAfterReset {
			res.code = ldap.LDAPResultInvalidCredentials
		}
		return res
	case right:
		return result{}
	case !ok:
		return s.refuse("525")
	}
	return s.refuse("52e")
}

// refuse is invalidCredentials, in Active Directory's words or in none.
func (s *Server) refuse(data string) result {
	res := result{code: ldap.LDAPResultInvalidCredentials}
	if s.cfg.ActiveDirectory {
		res.diagnostic = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data " + data + ", v2580\x00"
	}
	return res
}

// passwordPolicy is the response control of draft-behera-ldap-password-policy-11 §6.2, with an error.
func passwordPolicy(code int) *ber.Packet {
	value := ber.NewSequence("PasswordPolicyResponseValue")
	value.AppendChild(ber.NewInteger(ber.ClassContext, ber.TypePrimitive, 1, uint64(code), "error"))
	control := ber.NewSequence("Control")
	control.AppendChild(octets(ldap.ControlTypeBeheraPasswordPolicy))
	control.AppendChild(octets(string(value.Bytes())))
	return control
}

// asked reports whether a request has a control.
func (m *message) asked(control string) bool {
	for _, c := range m.controls {
		if strings.EqualFold(c, control) {
			return true
		}
	}
	return false
}
