package ldapauth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"

	"duoradiusd/policy"
)

// changeState is the State of an expired password: which server said so, and of whom. The change is made there, because
// another server may not know of it for some time.
func (s *server) changeState(dn string) string { return s.url + "\x00" + dn }

// ChangePassword changes an expired password at the server that said that it has expired, and binds with the new one.
func (d *Directory) ChangePassword(ctx context.Context, r policy.PasswordChange) error {
	url, dn, ok := strings.Cut(r.State, "\x00")
	if !ok || dn == "" || r.Old == "" || r.New == "" {
		return errors.New("directory: change a password: no account, or an empty password")
	}
	for _, s := range d.servers {
		if s.url == url {
			return d.ask(ctx, s.number, func(ctx context.Context, s *server) error {
				return s.changePassword(ctx, dn, r)
			})
		}
	}
	return fmt.Errorf("directory: change a password at %s, which is no longer among urls", url)
}

func (s *server) changePassword(ctx context.Context, dn string, r policy.PasswordChange) error {
	if s.tls == nil {
		return errors.New("change a password: the connection is not encrypted")
	}
	dse, err := s.describe(ctx)
	if err != nil {
		return err
	}
	switch {
	case dse.activeDirectory:
		err = s.changeUnicodePwd(ctx, dn, r)
	case dse.passwordModify:
		err = s.modifyPassword(ctx, dn, r)
	default:
		return errors.New("change a password: this directory offers no operation for it")
	}
	if err != nil {
		return changeAnswer(err)
	}
	return s.bindAs(ctx, dn, r.New)
}

// changeUnicodePwd changes a password of Active Directory: one modify that deletes the old value of unicodePwd and adds the
// new one is a change by somebody who knows the old password (MS-ADTS §3.1.1.3.1.5.1). The service account makes it, because
// the user can't bind any more.
func (s *server) changeUnicodePwd(ctx context.Context, dn string, r policy.PasswordChange) error {
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer c.leave()
	m := ldap.NewModifyRequest(dn, nil)
	m.Delete("unicodePwd", []string{unicodePwd(r.Old)})
	m.Add("unicodePwd", []string{unicodePwd(r.New)})
	return c.during(ctx, func() error { return c.Modify(m) })
}

// unicodePwd returns a password in quotation marks, as UTF-16.
func unicodePwd(password string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return string(b)
}

// modifyPassword changes a password by the operation of RFC 3062. A user who may still bind, because of a reset or a grace
// login, changes the password as the user; then a policy that wants a password of the user's own choice is content. Otherwise
// the service account does.
func (s *server) modifyPassword(ctx context.Context, dn string, r policy.PasswordChange) error {
	c, err := s.connect(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := c.bind(ctx, dn, r.Old); err != nil {
		c.leave()
		if c, err = s.open(ctx); err != nil {
			return err
		}
	}
	defer c.leave()
	return c.during(ctx, func() error {
		_, err := c.PasswordModify(ldap.NewPasswordModifyRequest(dn, r.Old, r.New))
		return err
	})
}

// changeAnswer says what an error of a change means. The directory's words may tell the rules for passwords, but never a
// password.
func changeAnswer(err error) error {
	e, ok := errors.AsType[*ldap.Error](err)
	if !ok || !answered(err) {
		return fmt.Errorf("change a password: %w", err)
	}
	text := ""
	if e.Err != nil {
		text = e.Err.Error()
	}
	switch {
	case strings.HasPrefix(text, "00000056"): // ERROR_INVALID_PASSWORD: of the old one
		return policy.ErrRejected
	case e.ResultCode == ldap.LDAPResultConstraintViolation, strings.HasPrefix(text, "0000052D"): // ERROR_PASSWORD_RESTRICTION
		return &policy.Refusal{Why: "the new password is not accepted: " + said(err).Error(), Proven: true, Message: policyMessage(text)}
	}
	return fmt.Errorf("change a password: %w", said(err))
}

// policyMessage returns what the user reads about a password that the directory does not accept.
func policyMessage(text string) string {
	text = strings.ToLower(text)
	switch {
	case strings.Contains(text, "history"):
		return "The directory does not accept this password: it was used before."
	case strings.Contains(text, "too young"):
		return "The directory does not accept a new password yet: the last change was too short a time ago."
	case strings.Contains(text, "too short"):
		return "The directory does not accept this password: it is too short."
	}
	return "The directory does not accept this password: it may be too short, too simple, or used before."
}
