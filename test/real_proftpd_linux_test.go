package test

import (
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// startProFTPD starts ProFTPD in the foreground. Only d knows its users.
func startProFTPD(t *testing.T, d *daemon) (addr string) {
	t.Helper()
	program, dir := realClient(t, "proftpd"), t.TempDir()
	if os.Geteuid() != 0 {
		noNetns(t, "not root")
	}
	for range 5 { // another program may take the port first
		port, config := freeTCPPort(t), filepath.Join(dir, "proftpd.conf")
		write(t, config, fmt.Sprintf(`ServerType standalone
DefaultAddress 127.0.0.1
Port %d
UseIPv6 off
UseReverseDNS off
User nobody
Group nogroup
WtmpLog off
TransferLog none
PidFile %[2]s/pid
ScoreboardFile %[2]s/scoreboard
LoadModule mod_radius.c
AuthOrder mod_radius.c
RequireValidShell off
RadiusEngine on
RadiusAuthServer %[3]s %[4]s 5
RadiusUserInfo 65534 65534 / /bin/false
`, port, dir, d.Addr(), vpnSecret))
		p := accompany(t, "ProFTPD", exec.Command(program, "-n", "-c", config))
		addr = fmt.Sprint("127.0.0.1:", port)
		if p.listensAt(addr) {
			return addr
		}
		p.end()
	}
	t.Fatal("ProFTPD does not start")
	return ""
}

// listensAt waits until p, which prints nothing about it, accepts connections. It returns false if p ends instead.
func (p *companion) listensAt(addr string) (listens bool) {
	eventually(p.t, p.name+" listens or ends", func() bool {
		select {
		case <-p.ended:
			return true
		default:
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		listens = true
		return conn.Close() == nil
	})
	return listens
}

// TestProFTPD: users log in by FTP.
func TestProFTPD(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, startDuo(t, realUsers()...), realConfig(t, "timeout = \"4500ms\"\nomit_reply_message_authenticator = true"))
	addr := startProFTPD(t, d)
	d.let(t, "127.0.0.1", realLogins, func(t *testing.T, user, password string) bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		ftp := textproto.NewConn(conn)
		if _, _, err := ftp.ReadResponse(220); err != nil {
			t.Fatal(err)
		}
		ask := func(format string, args ...any) (code int) {
			if err := ftp.PrintfLine(format, args...); err != nil {
				t.Fatal(err)
			}
			code, _, err := ftp.ReadResponse(0)
			if err != nil {
				t.Fatal(err)
			}
			return code
		}
		if code := ask("USER %s", user); code != 331 {
			t.Fatalf("it answers %d to USER", code)
		}
		code := ask("PASS %s", password)
		if code != 230 && code != 530 {
			t.Fatalf("it answers %d to PASS", code)
		}
		return code == 230
	})
}
