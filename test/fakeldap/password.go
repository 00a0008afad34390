package fakeldap

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

const passwordModifyName = "1.3.6.1.4.1.4203.1.11.1" // RFC 3062

// modify takes a change of unicodePwd as Active Directory does, and nothing else: over TLS, by one request that deletes the
// old value and adds the new one (MS-ADTS §3.1.1.3.1.5.1).
func (c *conn) modify(m message) next {
	r := Request{Op: "modify", Conn: c.number, TLS: c.tls, BoundAs: c.bound, Controls: m.controls}
	var values [2]string
	ok := len(m.op.Children) == 2 && len(m.op.Children[1].Children) == 2
	for i := 0; ok && i < 2; i++ {
		values[i], ok = unicodePwd(m.op.Children[1].Children[i], []int64{ldap.DeleteAttribute, ldap.AddAttribute}[i])
	}
	if !ok {
		c.s.memory.violated(c.number, "a modify other than a change of unicodePwd")
		return end
	}
	r.DN = m.op.Children[0].Data.String()
	rec := c.s.memory.begin(r)
	res := c.s.change(r, values[0], values[1])
	if !c.tls {
		res = result{code: ldap.LDAPResultUnwillingToPerform, diagnostic: "0000001F: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0"}
	}
	how, _ := c.finish(m, rec, c.s.faults.next("modify", r.DN), ldap.ApplicationModifyResponse, res)
	return how
}

// unicodePwd returns the password of one change of a modify request.
func unicodePwd(change *ber.Packet, operation int64) (string, bool) {
	if len(change.Children) != 2 || change.Children[0].Value != operation {
		return "", false
	}
	attribute := change.Children[1].Children
	if len(attribute) != 2 || attribute[0].Data.String() != "unicodePwd" || len(attribute[1].Children) != 1 {
		return "", false
	}
	raw := attribute[1].Children[0].Data.Bytes()
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
	text := string(utf16.Decode(units))
	if len(raw)%2 != 0 || len(text) < 2 || !strings.HasPrefix(text, `"`) || !strings.HasSuffix(text, `"`) {
		return "", false
	}
	return text[1 : len(text)-1], true
}

// passwordModify answers the operation of RFC 3062.
func (c *conn) passwordModify(m message) next {
	r := Request{Op: "passwordmodify", Conn: c.number, TLS: c.tls, BoundAs: c.bound, Controls: m.controls}
	value, err := ber.DecodePacketErr(m.op.Children[1].Data.Bytes())
	if err != nil || len(value.Children) != 3 {
		c.s.memory.violated(c.number, "a malformed password modify")
		return end
	}
	r.DN = value.Children[0].Data.String()
	rec := c.s.memory.begin(r)
	res := c.s.change(r, value.Children[1].Data.String(), value.Children[2].Data.String())
	how, _ := c.finish(m, rec, c.s.faults.next("passwordmodify", r.DN), ldap.ApplicationExtendedResponse, res)
	return how
}

// change gives an entry a new password: the service account may do that for everybody, a user for itself.
func (s *Server) change(r Request, old, replacement string) result {
	e, ok := s.tree.get(r.DN)
	diagnostic := ""
	if s.cfg.AcceptPassword != nil {
		diagnostic = s.cfg.AcceptPassword(old, replacement)
	}
	switch {
	case r.BoundAs == "" || !sameDN(r.BoundAs, s.cfg.BindDN) && !sameDN(r.BoundAs, r.DN):
		return result{code: ldap.LDAPResultInsufficientAccessRights}
	case !ok:
		return result{code: ldap.LDAPResultNoSuchObject}
	case e.Password != old && s.cfg.ActiveDirectory:
		return result{code: ldap.LDAPResultConstraintViolation, diagnostic: "00000056: AtrErr: DSID-03191083, #1: 0: 00000056, problem 1005 (CONSTRAINT_ATT_TYPE)"}
	case e.Password != old:
		return result{code: ldap.LDAPResultUnwillingToPerform, diagnostic: "unwilling to verify old password"}
	case diagnostic != "":
		return result{code: ldap.LDAPResultConstraintViolation, diagnostic: diagnostic}
	}
	e.Password, e.Data, e.Policy = replacement, "", nil
	s.Set(e)
	return result{}
}
