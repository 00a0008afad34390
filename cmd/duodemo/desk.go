package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"text/template"
	"time"

	"context"

	"golang.org/x/crypto/bcrypt"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/conf"
	"duoradiusd/internal/system"
	"duoradiusd/test/fakeduo"
)

const secret = "demo-secret-of-the-vpn"

//go:embed demo.toml
var configuration string

// passwords are the passwords of the demo's users.
var passwords = map[string]string{
	"alice": "wonderland",
	"bob":   "builder",
	"carol": "christmas",
	"dave":  "diver",
	"you":   "demo",
}

// desk is everything that the demo runs.
type desk struct {
	folder string
	duo    *fakeduo.Server
	daemon *daemon.Daemon
	radius netip.AddrPort
	phone  *http.Server
	page   string // the phone's address
	log    *gate
	shared string // the store of several daemons; "": this one is alone
}

func open(logs io.Writer) (d *desk, err error) {
	d = &desk{duo: fakeduo.New(fakeduo.Config{}), log: &gate{to: logs}}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.folder, err = os.MkdirTemp("", "duodemo-"); err != nil {
		return nil, err
	}
	if err := d.duo.Start("127.0.0.1:0"); err != nil {
		return nil, err
	}
	for _, u := range []fakeduo.User{
		{Username: "alice", UserID: "DUALICEALICEALICEALI", Tap: fakeduo.Approve, Delay: 700 * time.Millisecond},
		{Username: "bob"},
		{Username: "carol", Tap: fakeduo.Deny, Delay: 500 * time.Millisecond},
		{Username: "you", Tap: fakeduo.Ask},
	} {
		d.duo.SetUser(u)
	}
	if err := d.startPhone(); err != nil {
		return nil, err
	}
	return d, d.startDaemon()
}

// startDaemon starts the daemon at the port of RADIUS, 1812, or at the next free one.
func (d *desk) startDaemon() error {
	for port := uint16(1812); port < 1832; port++ {
		d.radius = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
		file, err := d.write()
		if err != nil {
			return err
		}
		config, err := conf.Load(file)
		if err != nil {
			return err
		}
		if d.daemon, err = daemon.New(config, slog.New(slog.NewTextHandler(d.log, nil))); err != nil {
			return err
		}
		err = d.daemon.Listen()
		if err == nil || !system.IsInUse(err) {
			return err
		}
		d.daemon.Shutdown(context.Background())
		d.daemon = nil
	}
	return errors.New("no port between 1812 and 1831 is free")
}

// write writes the configuration and the files that it names.
func (d *desk) write() (file string, err error) {
	t, err := template.New("demo.toml").Parse(configuration)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = t.Execute(&text, map[string]string{
		"DuoHost": d.duo.Addr(), "IntegrationKey": d.duo.IntegrationKey(), "SecretKey": d.duo.SecretKey(),
		"Listen": d.radius.String(), "Secret": secret, "AliceID": "DUALICEALICEALICEALI",
	})
	if err != nil {
		return "", err
	}
	var staff strings.Builder
	for name, password := range passwords {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost) // cheap, because these passwords are no secret
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&staff, "%s:%s\n", name, hash)
	}
	file = filepath.Join(d.folder, "duoradiusd.toml")
	for name, content := range map[string]string{
		file: text.String(),
		filepath.Join(d.folder, "staff.htpasswd"): staff.String(),
		filepath.Join(d.folder, "duo-ca.pem"):     string(d.duo.CAPEM()),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	return file, d.writeCluster(file)
}

func (d *desk) startPhone() error {
	l, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	d.page = fmt.Sprintf("http://%s/", l.Addr())
	d.phone = &http.Server{Handler: d.duo.Phone(), ReadHeaderTimeout: 5 * time.Second}
	go d.phone.Serve(l)
	return nil
}

func (d *desk) close() {
	if d.daemon != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		d.daemon.Shutdown(now)
	}
	if d.phone != nil {
		d.phone.Close()
	}
	d.duo.Close()
	if d.folder != "" {
		os.RemoveAll(d.folder)
	}
}

// gate holds the log back until the table is printed.
type gate struct {
	to   io.Writer
	open atomic.Bool
}

func (g *gate) Write(b []byte) (int, error) {
	if !g.open.Load() {
		return len(b), nil
	}
	return g.to.Write(b)
}
