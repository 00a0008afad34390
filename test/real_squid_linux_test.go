package test

import (
	"bufio"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// squidHelper is the program that Squid asks about its users.
const squidHelper = "/usr/lib/squid/basic_radius_auth"

// TestSquid writes to Squid's helper what Squid writes, a line with a user and a password, both escaped, and reads a line.
func TestSquid(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(squidHelper); err != nil {
		realClient(t, squidHelper)
	}
	slow(t, "it runs Squid's helper")
	d := startDaemon(t, startDuo(t, realUsers()...), realConfig(t, ""))
	helper := exec.Command(squidHelper, "-h", d.Addr().Addr().String(), "-p", portOf(d), "-w", vpnSecret, "-t", "20")
	to, err := helper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	from, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close(); helper.Wait() })
	lines := bufio.NewReader(from)
	d.let(t, `""`, realLogins, func(t *testing.T, user, password string) bool {
		if _, err := io.WriteString(to, escaped(user)+" "+escaped(password)+"\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		switch word, _, _ := strings.Cut(strings.TrimSpace(answer), " "); word {
		case "OK":
			return true
		case "ERR":
			return false
		}
		t.Fatalf("it answers %q", answer)
		return false
	})
}

// escaped returns a word in the form in which Squid gives it to a helper (RFC 1738).
func escaped(word string) string { return strings.ReplaceAll(url.QueryEscape(word), "+", "%20") }
