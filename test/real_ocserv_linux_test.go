package test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

const ocservConf = `
auth = "radius[config=%[1]s/radcli.conf]"
listen-host = %[2]s
tcp-port = 443
udp-port = 0
run-as-user = nobody
run-as-group = nogroup
socket-file = /run/ocserv.sock
use-occtl = false
server-cert = %[1]s/server.pem
server-key = %[1]s/server.key
tls-priorities = "NORMAL"
auth-timeout = 120
cookie-timeout = 60
max-ban-score = 0
keepalive = 32400
device = vpns
ipv4-network = 10.79.0.0
ipv4-netmask = 255.255.255.0
`

const radcliConf = `
nas-identifier ocserv
authserver 127.0.0.1:1812
acctserver 127.0.0.1:1813
servers %[1]s/servers
dictionary /etc/radcli/dictionary
radius_timeout %[2]d
radius_retries 1
bindaddr *
`

// ocservScript is the script with which openconnect sets up its end of the tunnel.
const ocservScript = `#!/bin/sh
[ "$reason" = connect ] || exit 0
ip link set dev "$TUNDEV" up
ip addr add "$INTERNAL_IP4_ADDRESS/24" dev "$TUNDEV"
echo "the tunnel is up"
`

// ocserv is a VPN server on one host. Its users connect from the other host with openconnect.
type ocserv struct {
	*site
	dir string
}

// newOcserv starts a server that waits this many seconds for the daemon each time.
func newOcserv(t *testing.T, s *site, seconds int) ocserv {
	t.Helper()
	v := ocserv{s, t.TempDir()}
	certify(t, v.dir, serverAddrs[0])
	write(t, filepath.Join(v.dir, "ocserv.conf"), fmt.Sprintf(ocservConf, v.dir, serverAddrs[0]))
	write(t, filepath.Join(v.dir, "radcli.conf"), fmt.Sprintf(radcliConf, v.dir, seconds))
	write(t, filepath.Join(v.dir, "servers"), "127.0.0.1 "+vpnSecret+"\n")
	write(t, filepath.Join(v.dir, "script"), ocservScript)
	s.server.do(func() {
		p := accompany(t, "ocserv", family("sh", "-c", `mount -t tmpfs tmpfs /run && exec ocserv -f -d 3 -c "$1"`, "sh",
			filepath.Join(v.dir, "ocserv.conf")))
		p.mustSay("listening")
	})
	return v
}

// begin has a user connect; the test must then answer the questions.
func (v ocserv) begin(t *testing.T, user string) (c *dialogue) {
	t.Helper()
	v.client.do(func() {
		c = converse(t, "openconnect", exec.Command("openconnect", "--user", user, "--cafile", filepath.Join(v.dir, "server.pem"),
			"--script", "sh "+filepath.Join(v.dir, "script"), "https://"+serverAddrs[0]))
	})
	return c
}

// end waits until the user is in, tries the tunnel and disconnects, or until the user is refused.
func (v ocserv) end(t *testing.T, c *dialogue) (in bool) {
	t.Helper()
	switch c.await("the tunnel is up", "Password:") {
	case 0:
		mustReach(t, v.client, "10.79.0.1")
		c.cmd.Process.Signal(syscall.SIGINT)
		in = true
	case 1: // it would ask for ever
		c.cmd.Process.Kill()
	default:
		t.Error("neither in nor refused")
		c.cmd.Process.Kill()
	}
	c.status()
	return in
}

func TestOcserv(t *testing.T) {
	t.Parallel()
	realClient(t, "ocserv")
	realClient(t, "openconnect")
	needTun(t)
	s := newSite(t, realConfig(t, "", standardPort, askCarol), realUsers()...)
	v := newOcserv(t, s, 25)
	s.let(t, clientAddrs[0], realLogins, func(t *testing.T, user, password string) bool {
		c := v.begin(t, user)
		c.answer("Password:", password)
		return v.end(t, c)
	})
	t.Run("challenge", func(t *testing.T) {
		s.duo.Forget()
		c := v.begin(t, askedUser)
		c.answer("Password:", realPassword)
		c.answer("Passcode or option (1-3):", s.duo.Passcode(askedUser))
		if !v.end(t, c) {
			t.Error("not let in")
		}
		s.mustTell(t, askedUser, "approved", "passcode")
	})
}
