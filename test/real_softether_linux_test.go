package test

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// softEtherFolders gives a program folders of its own in the places where SoftEther keeps its files, and starts it.
const softEtherFolders = `for d in /run /var/lib /var/log; do mount -t tmpfs tmpfs $d && mkdir $d/softether || exit 1; done; exec "$@"`

// softEtherInside is an address of the server's host that the client reaches only through the tunnel, and softEtherService
// is a TCP port there. SoftEther's router refuses no connection, so a program must listen there.
const (
	softEtherInside  = "10.78.0.1"
	softEtherService = ":7777"
)

// softEtherHub makes a hub that asks the daemon about every user. Its users reach other networks through SoftEther's
// virtual router at 192.168.30.1.
const softEtherHub = `HubCreate vpn /PASSWORD:hub
Hub vpn
RadiusServerSet 127.0.0.1:1812 /SECRET:%s /RETRY_INTERVAL:1000
UserCreate * /GROUP:none /REALNAME:none /NOTE:none
UserRadiusSet * /ALIAS:none
SecureNatEnable
`

const softEtherAccount = `AccountCreate vpn /SERVER:%s:5555 /HUB:vpn /USERNAME:%s /NICNAME:se0
AccountPasswordSet vpn /PASSWORD:"%s" /TYPE:radius
AccountRetrySet vpn /NUM:0 /INTERVAL:5
AccountConnect vpn
`

// softEther is SoftEther's VPN server on one host. Its users connect from the other with SoftEther's client.
type softEther struct {
	*site
	dir string
}

func newSoftEther(t *testing.T, s *site) softEther {
	t.Helper()
	v := softEther{s, t.TempDir()}
	run := func(program, control string) {
		accompany(t, "SoftEther's "+program, family("sh", "-c", softEtherFolders, "sh", program, "execsvc"))
		if !eventually(t, program+" can be told what to do", func() bool {
			c, err := net.DialTimeout("tcp", control, time.Second)
			if err == nil {
				c.Close()
			}
			return err == nil
		}) {
			t.FailNow()
		}
	}
	s.server.ip("addr add " + softEtherInside + "/32 dev lo")
	s.server.do(func() {
		l, err := net.Listen("tcp", softEtherInside+softEtherService)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		run("vpnserver", "127.0.0.1:5555")
		v.mustCommand(t, "127.0.0.1:5555", "/SERVER", fmt.Sprintf(softEtherHub, vpnSecret))
	})
	s.client.do(func() {
		run("vpnclient", "127.0.0.1:9931")
		v.mustCommand(t, "127.0.0.1", "/CLIENT", "NicCreate se0\n")
	})
	return v
}

// command runs commands in SoftEther's language, one per line, and returns what is printed about them.
func (v softEther) command(t *testing.T, where, mode, commands string) string {
	t.Helper()
	file := filepath.Join(v.dir, "commands")
	write(t, file, commands)
	out, _ := exec.Command("vpncmd", where, mode, "/IN:"+file).CombinedOutput() // the output names the commands that failed
	return string(out)
}

// mustCommand does the same, and fails the test unless each command succeeds.
func (v softEther) mustCommand(t *testing.T, where, mode, commands string) {
	t.Helper()
	out := v.command(t, where, mode, commands)
	if got, want := strings.Count(out, "The command completed successfully."), strings.Count(commands, "\n"); got != want {
		t.Fatalf("%d of %d commands succeeded:\n%s", got, want, out)
	}
}

// login has a user connect, waits for the result, tries the tunnel and disconnects.
func (v softEther) login(t *testing.T, user, password string, meanwhile func()) (in bool) {
	t.Helper()
	v.client.do(func() {
		v.mustCommand(t, "127.0.0.1", "/CLIENT", fmt.Sprintf(softEtherAccount, serverAddrs[0], user, password))
	})
	meanwhile()
	v.client.do(func() {
		eventually(t, "the client is in or refused", func() bool {
			status := v.command(t, "127.0.0.1", "/CLIENT", "AccountStatusGet vpn\n")
			in = strings.Contains(status, "Session Established")
			return in || strings.Contains(status, "is not connected")
		})
	})
	if in {
		v.mustPass(t)
	}
	v.client.do(func() { v.command(t, "127.0.0.1", "/CLIENT", "AccountDisconnect vpn\nAccountDelete vpn\n") })
	return in
}

// mustPass makes a connection through the tunnel. SoftEther removes the addresses with each session.
func (v softEther) mustPass(t *testing.T) {
	t.Helper()
	v.client.ip("link set vpn_se0 up")
	v.client.ip("addr replace 192.168.30.77/24 dev vpn_se0")
	v.client.ip("route replace " + softEtherInside + " via 192.168.30.1")
	v.client.do(func() {
		c, err := net.DialTimeout("tcp", softEtherInside+softEtherService, 5*time.Second)
		if err != nil {
			t.Errorf("through the tunnel: %v", err)
			return
		}
		c.Close()
	})
}

// copies returns how many copies of requests have come while their logins were in progress.
func (v softEther) copies(t *testing.T) int {
	t.Helper()
	out, _, _ := v.Do("status", "--json")
	var status struct{ Dropped map[string]int }
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		t.Fatal(err)
	}
	return status.Dropped["repeated while in progress"]
}

// TestSoftEther: it sends a Proxy-State without Message-Authenticator, and sends its request again each second.
func TestSoftEther(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"vpnserver", "vpnclient", "vpncmd"} {
		realClient(t, program)
	}
	needTun(t)
	s := newSite(t, realConfig(t, "timeout = \"13s\"\nlimit_proxy_state = false", standardPort), realUsers()...)
	v := newSoftEther(t, s)
	s.let(t, clientAddrs[0], realLogins, func(t *testing.T, user, password string) bool {
		return v.login(t, user, password, func() {})
	})
	t.Run("answered after three copies", func(t *testing.T) {
		s.duo.Forget()
		before := v.copies(t)
		if !v.login(t, lateUser, realPassword, func() {
			eventually(t, "three copies come", func() bool { return v.copies(t) >= before+3 })
			s.approve(t, lateUser)
		}) {
			t.Error("not let in")
		}
		s.mustTell(t, lateUser, "approved", "push")
		if got := s.duo.Pushes(); got != 1 {
			t.Errorf("%d pushes, want 1", got)
		}
	})
	t.Run("without limit_proxy_state", func(t *testing.T) {
		if !s.Reload(realConfig(t, `timeout = "13s"`, standardPort)) {
			t.Fatal("not reloaded")
		}
		if v.login(t, pushUser, realPassword, func() {}) {
			t.Error("let in")
		}
		s.WaitLog("msg=dropped", `reason="Proxy-State without Message-Authenticator"`)
	})
}
