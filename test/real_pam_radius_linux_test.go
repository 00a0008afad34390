package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const pamRadius = `auth required pam_radius_auth.so conf=%s retry=1 prompt=Password force_prompt
account required pam_permit.so
`

// pam is a PAM service of this test that asks the daemon with pam_radius.
type pam struct {
	dir string
	*daemon
}

func newPAM(t *testing.T, d *daemon, seconds int) pam {
	t.Helper()
	p := pam{t.TempDir(), d}
	conf := filepath.Join(p.dir, "radius.conf")
	write(t, conf, fmt.Sprintf("%v %s %d\n", d.Addr(), vpnSecret, seconds))
	write(t, filepath.Join(p.dir, "duoradiusd"), fmt.Sprintf(pamRadius, conf))
	return p
}

// begin starts a login. PAM reads its services from /etc/pam.d only, so pamtester runs with the test's folder mounted
// there.
func (p pam) begin(t *testing.T, user string) *dialogue {
	t.Helper()
	return converse(t, "pamtester", exec.Command("unshare", "--mount", "sh", "-c",
		`mount --bind "$1" /etc/pam.d && exec pamtester -I rhost=203.0.113.7 duoradiusd "$2" authenticate`, "sh", p.dir, user))
}

func TestPAMRadius(t *testing.T) {
	t.Parallel()
	realClient(t, "pamtester")
	needPAMRadius(t)
	d := startDaemon(t, startDuo(t, realUsers()...), realConfig(t, "", askCarol))
	p := newPAM(t, d, 20)
	d.let(t, "203.0.113.7", realLogins, func(t *testing.T, user, password string) bool {
		c := p.begin(t, user)
		c.answer("Password: ", password)
		return c.status() == 0
	})
	t.Run("challenge", func(t *testing.T) {
		d.duo.Forget()
		c := p.begin(t, askedUser)
		c.answer("Password: ", realPassword)
		c.answer("Passcode or option (1-3):", d.duo.Passcode(askedUser))
		if c.status() != 0 {
			t.Error("not let in")
		}
		d.mustTell(t, askedUser, "approved", "passcode")
	})
	t.Run("repeats", func(t *testing.T) {
		d.duo.Forget()
		before := d.seen("vpn").Packets
		c := newPAM(t, d, 3).begin(t, lateUser)
		c.answer("Password: ", realPassword)
		eventually(t, "two copies", func() bool { return d.seen("vpn").Packets == before+2 })
		d.approve(t, lateUser)
		if c.status() != 0 {
			t.Error("not let in")
		}
		d.mustTell(t, lateUser, "approved", "push")
		if got := d.duo.Pushes(); got != 1 {
			t.Errorf("%d pushes, want 1", got)
		}
	})
}

func needPAMRadius(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		noNetns(t, "not root")
	}
	realClient(t, "unshare")
	found, _ := filepath.Glob("/lib/*/security/pam_radius_auth.so")
	if len(found) == 0 {
		realClient(t, "pam_radius_auth.so")
	}
}
