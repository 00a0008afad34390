package ldapauth

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"duoradiusd/policy"
)

// answered reports whether err is what a server answered; if not, none did: go-ldap has codes of its own for that.
func answered(err error) bool {
	e, ok := errors.AsType[*ldap.Error](err)
	return ok && (e.ResultCode < ldap.ErrorNetwork || e.ResultCode > ldap.ErrorMalformedPacket)
}

// said puts a server's answer that is no success into words, short ones. Other errors stay as they are.
func said(err error) error {
	e, ok := errors.AsType[*ldap.Error](err)
	switch {
	case !ok:
		return err
	case !answered(err):
		return e.Err
	case e.ResultCode == ldap.LDAPResultReferral:
		return errors.New("the server refers to another one (10), and referrals are not followed; is the base DN one of its own?")
	}
	word := strings.ToLower(ldap.LDAPResultCodeMap[e.ResultCode])
	if word == "" {
		word = "unknown result code"
	}
	if e.Err == nil || e.Err.Error() == "" {
		return fmt.Errorf("%s (%d)", word, e.ResultCode)
	}
	return fmt.Errorf("%s (%d): %.200q", word, e.ResultCode, e.Err.Error())
}

// judge is what the answer to a user's bind means: nil, a no, or that it could not be asked.
func judge(result *ldap.SimpleBindResult, err error) error {
	if no := passwordPolicy(result); no != nil {
		return no
	}
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*ldap.Error](err)
	if !ok {
		return err
	}
	switch e.ResultCode {
	case ldap.LDAPResultInvalidCredentials:
		return invalidCredentials(e)
	case ldap.LDAPResultNoSuchObject: // it went between search and bind
		return policy.ErrRejected
	// What some directories say of accounts that are locked, disabled or have no password. To take it for an outage
	// would let one such account have every server shunned.
	case ldap.LDAPResultConstraintViolation, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultUnwillingToPerform:
		return &policy.Refusal{Why: said(err).Error()}
	}
	return said(err)
}

// cause is a code of Windows that Active Directory adds to invalidCredentials.
type cause struct {
	why    string
	proven bool // it is only said where the password was right
}

var causes = map[string]cause{
	"525": {"no such user", false},
	"52e": {"wrong password", false},
	"530": {"not at this time of day", true},
	"531": {"not from this workstation", true},
	"532": {"password expired", true},
	"533": {"account disabled", true},
	"568": {"a member of too many groups", false},
	"701": {"account expired", true},
	"773": {"password must be changed", true},
	"775": {"account locked", false},
}

// "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v2580"
var subCode = regexp.MustCompile(`AcceptSecurityContext error, data ([0-9a-fA-F]{1,8})\b`)

// invalidCredentials tells a wrong password from an account that is the trouble.
func invalidCredentials(e *ldap.Error) error {
	if e.Err == nil {
		return policy.ErrRejected
	}
	m := subCode.FindStringSubmatch(e.Err.Error())
	if m == nil {
		return policy.ErrRejected
	}
	code := strings.ToLower(m[1])
	c, known := causes[code]
	if !known {
		return &policy.Refusal{Why: "data " + code + " of Active Directory"}
	}
	return &policy.Refusal{Why: c.why, Proven: c.proven}
}

// passwordPolicy is what a directory with password policies says of a bind, whether it let it pass or not
// (draft-behera-ldap-password-policy-11 §6.2); nil for nothing that is a no.
func passwordPolicy(result *ldap.SimpleBindResult) error {
	if result == nil {
		return nil
	}
	control, _ := ldap.FindControl(result.Controls, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy)
	if control == nil {
		return nil
	}
	switch control.Error {
	case ldap.BeheraPasswordExpired: // and no grace login left
		return &policy.Refusal{Why: "password expired", Proven: true}
	case ldap.BeheraAccountLocked:
		return &policy.Refusal{Why: "account locked"}
	case ldap.BeheraChangeAfterReset: // the bind succeeds, for nothing but the change
		return &policy.Refusal{Why: "password must be changed", Proven: true}
	}
	return nil
}
