package daemon

import (
	"bytes"
	"time"

	"duoradiusd/policy"
)

// The files of the state directory.
const (
	clientsFile = "clients.state" // what each RADIUS client was seen to send
	memoryFile  = "memory.state"  // approvals, challenges, the guard's counts, live transactions
)

// saveEvery is how much of what is remembered a crash may cost: users are asked once more.
const saveEvery = 15 * time.Second

// stored is one file of a vault, as radiusd.Store.
type stored struct {
	vault *vault
	name  string
}

func (s stored) Load() ([]byte, error) { return s.vault.load(s.name) }
func (s stored) Save(b []byte) error   { return s.vault.save(s.name, b) }

// openState opens the state directory. Without one the daemon works, and forgets at its end.
func (d *Daemon) openState(directory string) {
	if directory == "" {
		return
	}
	v, err := openVault(directory)
	if err != nil {
		d.log.Warn("state: nothing survives a restart", "error", err)
		return
	}
	d.vault = v
	d.server.State = stored{v, clientsFile}
}

// restore takes up what the run before remembered. What is of no use costs its users one more push, and nobody is let in
// by it.
func (d *Daemon) restore(p *parts) {
	if d.vault == nil {
		return
	}
	b, err := d.vault.load(memoryFile)
	if err == nil && b != nil {
		err = d.memory.Restore(bytes.NewReader(b), p.second, p.settings.Guard)
	}
	if err != nil {
		d.log.Warn("state: approvals are not taken up", "error", err)
	}
}

// second returns the Duo application that a client's logins ask; nil when there is no such client any more.
func (p *parts) second(client string) policy.SecondFactor {
	if a := p.asks[client]; a != nil {
		return a.client
	}
	return nil
}

// saveMemory keeps what is remembered for the next run.
func (d *Daemon) saveMemory() {
	if d.vault == nil {
		return
	}
	var b bytes.Buffer
	err := d.memory.Save(&b)
	if err == nil {
		err = d.vault.save(memoryFile, b.Bytes())
	}
	if err != nil {
		d.log.Error("state: not saved", "error", err)
	}
}

// keep saves what is remembered whenever it has changed, until Shutdown.
func (d *Daemon) keep() {
	timer := time.NewTicker(saveEvery)
	defer timer.Stop()
	saved := d.memory.Changes()
	for {
		due := false
		select {
		case <-d.running.Done():
			return
		case <-timer.C:
		case <-d.saveNow:
			due = true
		}
		if now := d.memory.Changes(); due || now != saved {
			d.saveMemory()
			saved = now
		}
	}
}

// saveSoon has what is remembered saved without delay: what was forgotten must not come back after a crash.
func (d *Daemon) saveSoon() {
	select {
	case d.saveNow <- struct{}{}:
	default:
	}
}
