package test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"layeh.com/radius"
)

const openvpnServer = `
local %[2]s
port 1194
proto udp4
dev tun
topology subnet
server 10.78.0.0 255.255.255.0
ca server.pem
cert server.pem
key server.key
dh none
verify-client-cert none
username-as-common-name
status %[1]s/status 1
status-version 1
tmp-dir %[1]s
reneg-sec 0
verb 3
`

const openvpnClient = `
client
remote %[2]s 1194 udp4
dev tun
ca server.pem
remote-cert-tls server
auth-retry none
connect-retry-max 1
verb 3
`

// radiusPlugin configures openvpn-auth-radius. It sends accounting for every session, and refuses users if it can't.
const radiusPlugin = `
NAS-Identifier=OpenVpn
Service-Type=5
Framed-Protocol=1
NAS-Port-Type=5
NAS-IP-Address=127.0.0.1
OpenVPNConfig=%[1]s/server.conf
subnet=255.255.255.0
overwriteccfiles=true
useauthcontrolfile=true
server
{
	name=127.0.0.1
	authport=1812
	acctport=1813
	retry=1
	wait=%[2]d
	sharedsecret=%[3]s
}
`

// openvpn is a VPN server on one host. Its users connect from the other host.
type openvpn struct {
	*site
	dir    string
	server *companion
}

// newOpenVPN starts a server that asks the daemon with a plugin; the plugin's files are in dir.
func newOpenVPN(t *testing.T, s *site, dir, plugin string) *openvpn {
	t.Helper()
	v := &openvpn{site: s, dir: dir}
	certify(t, v.dir, serverAddrs[0])
	v.write(t, "server.conf", openvpnServer+"plugin "+plugin+"\n")
	v.write(t, "client.conf", openvpnClient)
	s.server.do(func() {
		v.server = accompany(t, "OpenVPN's server", family("sh", "-c", `mount --bind "$1" /etc/pam.d && exec openvpn --cd "$1" --config server.conf`, "sh", v.dir))
	})
	v.server.mustSay("Initialization Sequence Completed")
	return v
}

func (v *openvpn) write(t *testing.T, name, text string) {
	t.Helper()
	write(t, filepath.Join(v.dir, name), fmt.Sprintf(text, v.dir, serverAddrs[0]))
}

// login connects, and reports whether the user reached the other end of the tunnel.
func (v *openvpn) login(t *testing.T, user, password string) bool {
	t.Helper()
	c, in := v.connect(t, user, password)
	if in {
		mustReach(t, v.client, "10.78.0.1")
		c.cmd.Process.Signal(syscall.SIGTERM)
		<-c.ended
	}
	return in
}

// connect starts a client. It keeps running if the user gets in.
func (v *openvpn) connect(t *testing.T, user, password string) (c *companion, in bool) {
	t.Helper()
	write(t, filepath.Join(v.dir, user), user+"\n"+password+"\n")
	v.client.do(func() {
		c = accompany(t, "OpenVPN's client", exec.Command("openvpn", "--cd", v.dir, "--config", "client.conf", "--auth-user-pass", user))
	})
	if _, in = c.wait("Initialization Sequence Completed"); !in && c.said("AUTH_FAILED") == 0 {
		t.Error("neither in nor refused")
	}
	return c, in
}

// mustReach requires that an address answers, with a refusal, because nothing listens there.
func mustReach(t *testing.T, n *netns, addr string) {
	t.Helper()
	n.do(func() {
		c, err := net.DialTimeout("tcp", addr+":9", 5*time.Second)
		if err == nil {
			c.Close()
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("through the tunnel: %v", err)
		}
	})
}

// accounts answers every Accounting-Request that comes to addr (RFC 2866 §4.2).
func accounts(t *testing.T, addr, secret string) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := make([]byte, 4096); ; {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			p, err := radius.Parse(b[:n], []byte(secret))
			if err != nil {
				t.Error(err)
				return
			}
			reply, err := p.Response(radius.CodeAccountingResponse).Encode()
			if err != nil {
				t.Error(err)
				return
			}
			conn.WriteToUDPAddrPort(reply, from)
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
}

func openVPNSite(t *testing.T) *site {
	t.Helper()
	realClient(t, "openvpn")
	needTun(t)
	return newSite(t, realConfig(t, `profile = "openvpn"`, standardPort), realUsers()...)
}

// withRadiusPlugin starts an OpenVPN that waits this many seconds for RADIUS.
func withRadiusPlugin(t *testing.T, s *site, wait int) *openvpn {
	t.Helper()
	const plugin = "/usr/lib/openvpn/radiusplugin.so"
	realFile(t, plugin)
	dir := t.TempDir()
	s.server.do(func() { accounts(t, "127.0.0.1:1813", vpnSecret) })
	write(t, filepath.Join(dir, "radius.conf"), fmt.Sprintf(radiusPlugin, dir, wait, vpnSecret))
	return newOpenVPN(t, s, dir, plugin+" "+filepath.Join(dir, "radius.conf"))
}

func TestOpenVPN(t *testing.T) {
	t.Parallel()
	s := openVPNSite(t)
	v := withRadiusPlugin(t, s, 25)
	s.let(t, clientAddrs[0], realLogins, v.login)
}

// TestOpenVPNImpatient: the plugin's second copy comes from a new port with a new authenticator, and the plugin does not
// read its answer, so the user is refused. The next try joins the push that is still on the phone.
func TestOpenVPNImpatient(t *testing.T) {
	t.Parallel()
	s := openVPNSite(t)
	v := withRadiusPlugin(t, s, 2)
	if v.login(t, lateUser, realPassword) {
		t.Error("let in, before the phone was answered")
	}
	if !eventually(t, "two copies", func() bool { return s.seen("vpn").Packets == 2 }) {
		return
	}
	in := make(chan bool, 1)
	go func() { in <- v.login(t, lateUser, realPassword) }()
	eventually(t, "another try", func() bool { return s.seen("vpn").Packets > 2 })
	s.approve(t, lateUser)
	if !<-in {
		t.Error("not let in after the phone was answered")
	}
	if got := s.duo.Pushes(); got != 1 {
		t.Errorf("%d pushes, want 1", got)
	}
}

// TestOpenVPNWithPAM: OpenVPN's own plugin asks PAM, and PAM asks the daemon. While one user looks for the phone, others
// get in.
func TestOpenVPNWithPAM(t *testing.T) {
	t.Parallel()
	const plugin = "/usr/lib/openvpn/openvpn-plugin-auth-pam.so"
	realFile(t, plugin)
	needPAMRadius(t)
	s := openVPNSite(t)
	v := newOpenVPN(t, s, newPAM(t, s.daemon, 25).dir,
		plugin+" \"duoradiusd login USERNAME password PASSWORD\"\nsetenv deferred_auth_pam 1")
	late := make(chan bool, 1)
	go func() { late <- v.login(t, lateUser, realPassword) }()
	if _, err := ringing(t, s.duo, lateUser); err != nil {
		t.Error(err)
	}
	s.let(t, clientAddrs[0], realLogins, v.login)
	s.approve(t, lateUser)
	if !<-late {
		t.Error("not let in after the phone was answered")
	}
	s.mustTell(t, lateUser, "approved", "push")
}

// realFile requires a file of another project's program, as realClient requires a program.
func realFile(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		realClient(t, path)
	}
}

// needTun skips a test where the kernel can't make tunnels.
func needTun(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		noNetns(t, strings.TrimSpace(err.Error()))
	}
	f.Close()
}
