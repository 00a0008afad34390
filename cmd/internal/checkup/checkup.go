package checkup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/conf"
	"duoradiusd/internal/system"
	"duoradiusd/policy/ldapauth"
	"duoradiusd/policy/radiusauth"
)

// Options say what a check may do.
type Options struct {
	Offline bool                 // send nothing and open no port
	User    string               // the user about whom each directory is asked; "": nobody
	Serving func() []string      // what a running daemon listens on, as "udp 192.0.2.1:1812"
	Asking  func(subject string) // called before the check waits for an answer; may be nil
	Tell    func(Finding)        // called for each finding, in a fixed order
}

// question is one thing that the check looks at.
type question struct {
	subject string
	ask     func(ctx context.Context) []Finding
}

// Run looks at everything at the same time, and tells what it finds. It returns an error if c can't be put into force.
func Run(ctx context.Context, c *conf.Config, o Options) error {
	p, err := daemon.Assemble(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer p.Close()
	r := &run{config: c, parts: p, Options: o}
	questions := slices.Concat(r.rules(), r.names(), r.files(), r.readable(), r.certificates())
	if !o.Offline {
		questions = slices.Concat(questions, r.ports(), r.duo(), r.firstFactors(), r.cluster(), r.atDuo())
	}
	answers := make([]chan []Finding, len(questions))
	for i, q := range questions {
		answers[i] = make(chan []Finding, 1)
		go func() { answers[i] <- timed(ctx, q) }()
	}
	for i, q := range questions {
		select {
		case list := <-answers[i]:
			r.tell(q, list)
			continue
		default:
		}
		if o.Asking != nil {
			o.Asking(q.subject)
		}
		r.tell(q, <-answers[i])
	}
	return nil
}

type run struct {
	Options
	config *conf.Config
	parts  *daemon.Parts
}

func (r *run) tell(q question, list []Finding) {
	for _, f := range list {
		if f.Subject == "" {
			f.Subject = q.subject
		}
		f.Millis = f.Took.Milliseconds()
		r.Tell(f)
	}
}

func timed(ctx context.Context, q question) []Finding {
	start := time.Now()
	list := q.ask(ctx)
	for i := range list {
		if list[i].Took == 0 {
			list[i].Took = time.Since(start)
		}
	}
	return list
}

func one(subject string, ask func(ctx context.Context) Finding) question {
	return question{subject, func(ctx context.Context) []Finding { return []Finding{ask(ctx)} }}
}

// files looks at the folders that the daemon writes to.
func (r *run) files() (list []question) {
	folder := func(what, directory string) {
		if directory == "" {
			return
		}
		list = append(list, one(what+" "+directory, func(context.Context) Finding { return writable(directory) }))
	}
	folder("[state] directory", r.config.State.Directory)
	if path := r.config.Log.AuthLog; path != "" {
		folder("[log] auth_log in", filepath.Dir(path))
	}
	return list
}

// writable finds out whether a folder can be written to, and writes nothing. A folder that is missing is made by serve.
func writable(directory string) Finding {
	info, err := os.Stat(directory)
	for parent := directory; errors.Is(err, os.ErrNotExist) && parent != filepath.Dir(parent); {
		parent = filepath.Dir(parent)
		if info, err = os.Stat(parent); err == nil {
			if system.Writable(parent) == nil {
				return ok("is made when the daemon starts")
			}
			return warning("make it, owned by the daemon's user", "is not there, and %s can't be written to by this user", parent)
		}
	}
	switch {
	case err != nil:
		return problem("make it, owned by the daemon's user", "%v", err)
	case !info.IsDir():
		return problem("name a folder", "is not a folder")
	case system.Writable(directory) != nil:
		return warning("run check as the daemon's user; if it says the same, change the folder's owner", "can't be written to by this user")
	}
	return ok("can be written to")
}

// ports finds out whether the sockets can be opened.
func (r *run) ports() (list []question) {
	for _, l := range r.config.Listen {
		subject := "udp " + l.Address.String()
		list = append(list, one(subject, func(context.Context) Finding { return r.port(subject, l.Address) }))
	}
	return list
}

func (r *run) port(subject string, address netip.AddrPort) Finding {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
	if err == nil {
		conn.Close()
		return ok("free")
	}
	switch {
	case system.IsInUse(err) && r.Serving != nil && slices.Contains(r.Serving(), subject):
		return ok("served by the running daemon")
	case system.IsInUse(err):
		return problem("find out which program uses it (ss -lunp) and stop that program, or listen at another address", "is in use by another program")
	case system.IsNotOurs(err):
		return problem("use an address of this machine", "is not an address of this machine")
	case errors.Is(err, os.ErrPermission):
		return warning("give the daemon CAP_NET_BIND_SERVICE, or use a port above 1023", "this user is not allowed to open it")
	}
	return problem("listen on another address", "%v", errors.Unwrap(err))
}

// firstFactors asks each directory and each upstream server.
func (r *run) firstFactors() (list []question) {
	for _, f := range r.config.FirstFactors {
		subject := fmt.Sprintf("first factor %q", f.Name)
		switch factor := r.parts.FirstFactor(f.Name).(type) {
		case *ldapauth.Directory:
			list = append(list, question{subject, func(ctx context.Context) []Finding { return r.directory(ctx, subject, f.Domains, factor) }})
		case *radiusauth.Upstream:
			list = append(list, question{subject, func(ctx context.Context) []Finding { return upstream(ctx, subject, factor) }})
		}
	}
	return append(list, r.ruleGroups()...)
}

func upstream(ctx context.Context, subject string, u *radiusauth.Upstream) (list []Finding) {
	for _, s := range u.Check(ctx) {
		f := answered(s)
		f.Took = s.Took
		list = append(list, about(subject+" "+s.Server, f)...)
	}
	return list
}

func answered(s radiusauth.ServerCheck) Finding {
	switch {
	case s.Err == nil:
		return ok("answers Status-Server")
	case s.Unclear:
		return warning("if it knows Status-Server (FreeRADIUS does, NPS does not): check the firewall, that it knows this client, and the secret on both sides", "%v", s.Err)
	case system.IsRefused(s.Err):
		return problem("check the address and the port, and that the server runs", "%v", s.Err)
	}
	return problem("check the server's name, the network between here and the server, and the secret on both sides", "%v", s.Err)
}
