package main

import (
	"context"
	"embed"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed freeradius
var freeradiusFiles embed.FS

const freeradiusModules = "/usr/lib/freeradius" // where Debian installs them

// guise is one configuration of FreeRADIUS: a module does the work, with a script or without one.
type guise struct{ title, module, script, needs string }

var (
	guiseCache = guise{titleCache, "cache", "", ""}
	guiseRest  = guise{titleRest, "rest", "", ""}
	guisePerl  = guise{titlePerl, "perl", "duo.pl", "LWP::Protocol::https"}
	guiseKept  = guise{titleKept, "perl", "duo-kept.pl", "IO::Socket::SSL"}
)

// installed reports whether everything that g needs is installed.
func (g guise) installed(ctx context.Context) bool {
	if _, err := os.Stat(filepath.Join(freeradiusModules, "rlm_"+g.module+".so")); err != nil {
		return false
	}
	return g.needs == "" || exec.CommandContext(ctx, "perl", "-M"+g.needs, "-e1").Run() == nil
}

// freeradius starts FreeRADIUS with one of its configurations. asked is the Duo server that it asks; nil if it asks
// none.
func (b *bench) freeradius(ctx context.Context, g guise, asked *fakeDuo) (*server, error) {
	program, err := exec.LookPath("freeradius")
	if err != nil || !g.installed(ctx) {
		return nil, errMissing
	}
	dir, err := os.MkdirTemp(b.dir, "freeradius-"+g.module+"-")
	if err != nil {
		return nil, err
	}
	files := map[string]string{"radiusd.conf": "radiusd.conf", "instantiate": g.module + ".instantiate",
		"modules": g.module + ".modules", "authorize": g.module + ".authorize"}
	if g.script != "" {
		files["script"] = g.script
	}
	for to, from := range files {
		text, err := freeradiusFiles.ReadFile("freeradius/" + from)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, to), text, 0o600); err != nil {
			return nil, err
		}
	}
	var users strings.Builder
	for _, who := range b.people {
		fmt.Fprintf(&users, "%s Auth-Type := Accept\n", who.name)
	}
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(users.String()), 0o600); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	env := []string{"FR_DIR=" + dir, "FR_LIBDIR=" + freeradiusModules, fmt.Sprint("FR_PORT=", port), "FR_SECRET=" + secret}
	if asked != nil {
		env = append(env, "FR_CA="+asked.ca, "FR_DUO="+asked.addr, "FR_DUO_HOST=127.0.0.1",
			"no_proxy=127.0.0.1", "FR_IKEY="+integrationKey, "FR_SKEY="+secretKey)
	}
	p, err := b.start(dir, env, program, "-f", "-d", dir)
	if err != nil {
		return nil, err
	}
	if _, err := p.says(ctx, "Ready to process requests"); err != nil {
		return nil, err
	}
	return &server{process: p, title: g.title, addr: loopback(port)}, nil
}

func loopback(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// freePort returns a UDP port that is not in use. FreeRADIUS can't choose a free port by itself, because it does not
// print which one it got.
func freePort() (uint16, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
}
