package test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
)

// companion is another program that runs beside the daemon until the test ends.
type companion struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	log   *book // stdout and stderr
	ended chan struct{}
}

// accompany starts c, and ends it with the test.
func accompany(t testing.TB, name string, c *exec.Cmd) *companion {
	t.Helper()
	p := &companion{t: t, name: name, cmd: c, log: newBook(), ended: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = w, w
	tie(c)
	err = c.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	go func() {
		p.log.fill(r)
		r.Close()
		c.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("what %s printed:\n%s", name, strings.Join(p.log.all(), "\n"))
		}
	})
	return p
}

func (p *companion) end() {
	p.cmd.Process.Kill()
	<-p.ended
}

// wait returns the first line that holds all of parts; ok is false if there can be none.
func (p *companion) wait(parts ...string) (line string, ok bool) {
	return p.log.wait(func(line string) bool { return holdsAll(line, parts) })
}

func (p *companion) mustSay(parts ...string) string {
	p.t.Helper()
	line, ok := p.wait(parts...)
	if !ok {
		p.t.Fatalf("%s never says %q", p.name, parts)
	}
	return line
}

// said returns how many lines so far hold all of parts.
func (p *companion) said(parts ...string) (n int) {
	for _, line := range p.log.all() {
		if holdsAll(line, parts) {
			n++
		}
	}
	return n
}

func holdsAll(line string, parts []string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
}

// freePort returns a UDP port of 127.0.0.1 that no program has at the moment.
func freePort(t testing.TB) int {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// eventually waits until so holds. If it does not hold within patience, the test fails and eventually returns false.
func eventually(t testing.TB, what string, so func() bool) bool {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("never: %s", what)
			return false
		}
	}
	return true
}

// ringing waits until a user's phone rings.
func ringing(t testing.TB, duo *fakeduo.Server, user string) (fakeduo.Transaction, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return duo.AwaitPending(ctx, user)
}

// loginLines returns the lines of the log about logins.
func (d *daemon) loginLines() (lines []string) {
	for _, line := range d.Log() {
		if strings.Contains(line, "msg=login ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// seenOf holds what the daemon tells about one client on its control socket.
type seenOf struct {
	Name            string `json:"name"`
	Packets         uint64 `json:"packets"`
	Unauthenticated uint64 `json:"unauthenticated"`
	Wrong           uint64 `json:"wrong"`
}

// seen asks the daemon what it has read of a client so far. It asks often what duoradiusd clients asks once.
func (d *daemon) seen(client string) (s seenOf) {
	d.t.Helper()
	c := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.Socket())
		},
	}}
	resp, err := c.Get("http://duoradiusd/clients")
	if err != nil {
		d.t.Error(err)
		return s
	}
	defer resp.Body.Close()
	var list []seenOf
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		d.t.Error(err)
	}
	i := slices.IndexFunc(list, func(s seenOf) bool { return s.Name == client })
	if i < 0 {
		d.t.Errorf("the daemon knows no client %q", client)
		return s
	}
	return list[i]
}
