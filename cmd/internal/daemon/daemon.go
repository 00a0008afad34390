// Package daemon puts the parts together: configuration, policy, Duo, first factors and the RADIUS server. It is the only
// package that imports all of them.
//
//	conf.Config ─▶ build ─▶ duo.Client, fileauth.File ─▶ policy.Policy ─▶ radiusd.Settings ─▶ radiusd.Server
//
// Its one rule: a configuration is put into force as a whole or not at all.
package daemon

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"duoradiusd/cmd/internal/history"
	"duoradiusd/conf"
	"duoradiusd/internal/display"
	"duoradiusd/internal/system"
	"duoradiusd/policy"
	"duoradiusd/policy/memory"
	"duoradiusd/policy/shared"
	"duoradiusd/radiusd"
)

// Daemon is a running duoradiusd.
type Daemon struct {
	log       *slog.Logger
	server    *radiusd.Server
	memory    *memory.Memory
	runtime   *policy.Runtime
	cluster   *shared.Cluster       // nil: this daemon is alone
	clustered conf.Cluster          // [cluster] at the start
	authLog   *AuthLog              // nil: none
	observers []func(radiusd.Event) // called at the end of each login; not changed after Listen
	frauds    atomic.Uint64         // number of pushes that users reported as fraud
	logins    history.Logins        // the last logins

	reloads atomic.Uint64 // number of reloads that were asked for

	mu       sync.Mutex            // held while the configuration changes
	reloaded uint64                // the number of the reload that is in force
	parts    atomic.Pointer[parts] // of the configuration in force
	policy   atomic.Pointer[policy.Policy]

	vault   *vault        // nil: nothing survives a restart
	saveNow chan struct{} // has a place for one
	running context.Context
	end     context.CancelFunc // of running
	keeping sync.WaitGroup

	saving  sync.Mutex   // held while what is remembered is saved; guards the fields below
	encoded bytes.Buffer // memory for what is saved
	unsaved bool         // it could not be, and that is said

	encodingTook time.Duration // for what was saved last
}

// New builds a Daemon from c. It opens files, but no socket yet.
func New(c *conf.Config, log *slog.Logger) (*Daemon, error) {
	d := &Daemon{log: log, memory: memory.New(c.Remember.Entries), saveNow: make(chan struct{}, 1)}
	d.running, d.end = context.WithCancel(context.Background())
	d.server = &radiusd.Server{Logger: log, Able: d.able, OnLogin: d.tell}
	if err := d.openState(c.State.Directory); err != nil {
		return nil, err
	}
	p, err := build(c, nil, log)
	if err != nil {
		d.vault.close()
		return nil, err
	}
	d.observers = append(d.observers, d.logins.Add)
	d.server.LoadState()
	stores, err := d.joinCluster(c)
	if err != nil {
		d.vault.close()
		return nil, err
	}
	d.start(p, stores)
	d.use(p)
	if path := c.Log.AuthLog; path != "" {
		d.authLog = NewAuthLog(path, d.integrationKey, log)
		d.observers = append(d.observers, d.authLog.Add)
	}
	return d, nil
}

// start begins what outlives a change of configuration. It takes up what the run before remembered, and asks Duo for the
// answers to the pushes that were live then.
func (d *Daemon) start(p *parts, stores policy.Stores) {
	live := d.restore(p)
	d.runtime = policy.NewRuntime(stores, d.memory.Key())
	d.runtime.OnFraud = func(user, txid string) {
		d.frauds.Add(1)
		d.saveSoon()
		d.log.Error("fraud: a user reports a push that was not theirs", "user", user, "txid", txid)
	}
	for _, t := range live {
		d.runtime.Resume(t, p.second(t.Application), p.settings.Guard)
	}
}

// WriteLogins sets the log that writes the line of each login, without the slog logger. It is called before Listen.
func (d *Daemon) WriteLogins(lines *radiusd.LoginLog) { d.server.LoginLog = lines }

// tell calls the observers at the end of a login.
func (d *Daemon) tell(e radiusd.Event) {
	for _, observe := range d.observers {
		observe(e)
	}
}

func (d *Daemon) use(p *parts) {
	d.parts.Store(p)
	d.policy.Store(policy.New(p.settings, d.runtime))
	d.memory.Resize(p.entries)
	d.server.Use(radiusd.Settings{
		Clients:     p.clients,
		Decider:     d.policy.Load(),
		RejectDelay: p.rejectDelay,
	})
}

// Listen opens the sockets of the configuration in force. It is called once.
func (d *Daemon) Listen() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inherit()
	if err := d.server.Listen(d.parts.Load().listen); err != nil {
		return err
	}
	d.warnUnused()
	if d.authLog != nil {
		go d.authLog.Run() // until Shutdown
	}
	d.keeping.Go(d.keep)
	return nil
}

// Addresses returns the addresses at which the daemon listens.
func (d *Daemon) Addresses() []netip.AddrPort { return d.server.Addresses() }

// ErrLaterReload is the error of a reload that ended after a later reload.
var ErrLaterReload = errors.New("a later reload is already in force, so this reload changes nothing")

// ReloadNumber returns the number of a reload that begins now. The caller takes it before it reads the configuration, because
// the reload that begins later has the newer files.
func (d *Daemon) ReloadNumber() uint64 { return d.reloads.Add(1) }

// Reload puts c into force. If it can't, it returns why and changes nothing; one reason is that a reload with a higher number
// is in force. Pending logins, approvals, challenges and what is known of clients stay. Listeners that c keeps stay open.
func (d *Daemon) Reload(number uint64, c *conf.Config) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number < d.reloaded {
		return ErrLaterReload
	}
	if d.authLog != nil {
		d.authLog.Reopen()
	}
	before := d.parts.Load()
	p, err := build(c, before, d.log)
	if err != nil {
		return err
	}
	if err := d.server.Listen(p.listen); err != nil {
		p.drop(before)
		if system.IsInUse(err) {
			return fmt.Errorf("%w (to listen at another address on the same port, restart the daemon)", err)
		}
		return err
	}
	d.use(p)
	d.reloaded = number
	before.drop(p)
	d.keepCluster(c)
	return nil
}

// longestLogin is the longest timeout that a client may have.
const longestLogin = 10 * time.Minute

// recheck is the pause before Duo is asked again about keys that it has refused. An administrator may have changed them at Duo.
const recheck = time.Minute

// CheckKeys asks Duo whether it accepts each application's keys and this machine's clock, and logs what is wrong. It asks again
// about keys that were refused, until ctx ends or another configuration is in force.
func (d *Daemon) CheckKeys(ctx context.Context, log *slog.Logger) {
	var wg sync.WaitGroup
	for name, a := range d.parts.Load().applications {
		wg.Go(func() {
			for {
				a.check(ctx, log)
				if a.refused.Load() == nil {
					return
				}
				select {
				case <-time.After(recheck):
				case <-ctx.Done():
					return
				}
				if d.parts.Load().applications[name] != a {
					return
				}
			}
		})
	}
	wg.Wait()
}

// checkTime bounds how long a reload waits for Duo's answer about the keys.
const checkTime = 10 * time.Second

// keyWarnings asks Duo about the keys of each application now, and returns what is wrong with them.
func (d *Daemon) keyWarnings(ctx context.Context) (warnings []string) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	var wg sync.WaitGroup
	for _, a := range d.parts.Load().applications {
		wg.Go(func() { a.check(ctx, slog.New(slog.DiscardHandler)) })
	}
	wg.Wait()
	for name, a := range d.parts.Load().applications {
		if refusal := a.refusal(); refusal != "" {
			warnings = append(warnings, fmt.Sprintf("%s: %s", cmp.Or(name, "[duo]"), refusal))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// able reports whether any login can be answered now. Replies to Status-Server depend on it.
func (d *Daemon) able() bool {
	for _, a := range d.parts.Load().applications {
		if a.able() {
			return true
		}
	}
	return false
}

// Shutdown waits until the pending logins are answered, but not longer than ctx, and closes everything.
func (d *Daemon) Shutdown(ctx context.Context) {
	d.server.Shutdown(ctx)
	d.end()
	d.keeping.Wait()
	d.saveMemory() // includes the live pushes, so that the user's next try joins them
	d.vault.close()
	d.runtime.Close()
	d.leaveCluster()
	for _, a := range d.parts.Load().applications {
		a.client.Close()
	}
	for _, f := range d.parts.Load().firstFactors {
		f.close()
	}
	if d.authLog != nil {
		d.authLog.Close()
	}
}

// Summary describes the configuration in force in one line.
func (d *Daemon) Summary() string { return d.parts.Load().summary }

// Summary describes c in one line: how many clients, users and so on it has.
func Summary(c *conf.Config) string {
	applications := len(c.Applications)
	if c.Duo != nil {
		applications++
	}
	return fmt.Sprintf("%s, %s, %s, %s", display.Count(len(c.Clients), "client"), display.Count(len(c.Users), "user"),
		display.Count(len(c.Rules), "rule"), display.Count(applications, "Duo application"))
}
