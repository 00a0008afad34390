package ldapauth

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"duoradiusd/policy"
)

// resultError is a result code other than success that a server answered.
type resultError struct {
	code uint16
	text string
}

func (e *resultError) Error() string { return e.text }

// answered reports whether err is a server's answer. go-ldap has codes of its own for errors that are no answer.
func answered(err error) bool {
	e, ok := errors.AsType[*ldap.Error](err)
	return ok && (e.ResultCode < ldap.ErrorNetwork || e.ResultCode > ldap.ErrorMalformedPacket)
}

// said describes a server's answer that is no success in a few words, as a resultError. Other errors stay as they are.
func said(err error) error {
	e, ok := errors.AsType[*ldap.Error](err)
	switch {
	case !ok:
		return err
	case !answered(err):
		return e.Err
	case e.ResultCode == ldap.LDAPResultReferral:
		return &resultError{e.ResultCode,
			"the server refers to another one (10), and referrals are not followed; is the base DN one of its own?"}
	}
	word := strings.ToLower(ldap.LDAPResultCodeMap[e.ResultCode])
	if word == "" {
		word = "unknown result code"
	}
	if e.Err == nil || e.Err.Error() == "" {
		return &resultError{e.ResultCode, fmt.Sprintf("%s (%d)", word, e.ResultCode)}
	}
	return &resultError{e.ResultCode, fmt.Sprintf("%s (%d): %.200q", word, e.ResultCode, e.Err.Error())}
}

// bindAnswer says what the answer to a user's bind means: nil for yes, a Refusal or ErrRejected for no, and any other error
// if the server could not be asked.
func bindAnswer(result *ldap.SimpleBindResult, err error) error {
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
	case ldap.LDAPResultNoSuchObject: // the entry was deleted between search and bind
		return policy.ErrRejected
	// Some directories answer so for accounts that are locked, disabled or have no password. If that counted as an outage,
	// one such account could make every server look down.
	case ldap.LDAPResultConstraintViolation, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultUnwillingToPerform:
		return &policy.Refusal{Why: said(err).Error()}
	}
	return said(err)
}

// cause is the meaning of an error code that Active Directory adds to invalidCredentials.
type cause struct {
	why     string
	proven  bool // Active Directory says it only if the password was right
	expired bool // a new password ends it
}

var causes = map[string]cause{
	"525": {why: "no such user"},
	"52e": {why: "wrong password"},
	"530": {why: "the account may not log in at this time", proven: true},
	"531": {why: "the account may not log in from this workstation", proven: true},
	"532": {why: "password expired", proven: true, expired: true},
	"533": {why: "account disabled", proven: true},
	"568": {why: "a member of too many groups"},
	"701": {why: "account expired", proven: true},
	"773": {why: "password must be changed", proven: true, expired: true},
	"775": {why: "account locked"},
}

// "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v2580"
var subCode = regexp.MustCompile(`AcceptSecurityContext error, data ([0-9a-fA-F]{1,8})\b`)

// invalidCredentials tells a wrong password from an account that may not log in.
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
		return &policy.Refusal{Why: "Active Directory refuses the account with data " + code}
	}
	return refusalOf(c)
}

// refusalOf returns the refusal for a cause. The caller completes Change.
func refusalOf(c cause) *policy.Refusal {
	no := &policy.Refusal{Why: c.why, Proven: c.proven}
	if c.expired {
		no.Change = &policy.ExpiredPassword{}
	}
	return no
}

// passwordPolicy returns the refusal that the password policy control of a bind response means, whether the bind itself was
// successful or not (draft-behera-ldap-password-policy-11 §6.2). It returns nil if the control says no such thing.
func passwordPolicy(result *ldap.SimpleBindResult) error {
	if result == nil {
		return nil
	}
	control, _ := ldap.FindControl(result.Controls, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy)
	if control == nil {
		return nil
	}
	switch control.Error {
	case ldap.BeheraPasswordExpired: // and no grace login is left
		return refusalOf(cause{why: "password expired", proven: true, expired: true})
	case ldap.BeheraAccountLocked:
		return &policy.Refusal{Why: "account locked"}
	case ldap.BeheraChangeAfterReset: // the bind succeeds, but allows nothing except the change
		return refusalOf(cause{why: "password must be changed", proven: true, expired: true})
	}
	return nil
}
