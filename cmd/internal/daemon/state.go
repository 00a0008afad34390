package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// saveShare bounds the time that goes into it: one part in so many.
const saveShare = 50

// stored is one file of a vault, as radiusd.Store.
type stored struct {
	vault *vault
	name  string
}

func (s stored) Load() ([]byte, error) { return s.vault.load(s.name) }
func (s stored) Save(b []byte) error   { return s.vault.save(s.name, b) }

// openState opens the state directory. Without one the daemon works, and forgets at its end. It returns an error for one
// that others may have written to.
func (d *Daemon) openState(directory string) error {
	if directory == "" {
		return nil
	}
	v, err := openVault(directory)
	if v == nil && errors.As(err, &unsafeState{}) {
		return fmt.Errorf("state: %w", err)
	}
	if v == nil {
		d.log.Warn("state: nothing survives a restart", "error", err)
		return nil
	}
	if err != nil {
		d.log.Warn("state: what was kept can't be read any more", "error", err)
	}
	d.vault = v
	d.server.State = stored{v, clientsFile}
	return nil
}

// restore takes up what the run before remembered. What is of no use costs its users one more push, and nobody is let in
// by it. It returns the pushes that are still live.
func (d *Daemon) restore(p *parts) (live []policy.Transaction) {
	if d.vault == nil {
		return nil
	}
	b, err := d.vault.load(memoryFile)
	if b != nil {
		var unfit error
		live, unfit = d.memory.Restore(bytes.NewReader(b), p.canResume, p.settings.Guard)
		if unfit != nil {
			err = d.vault.refuse(memoryFile, unfit)
		}
	}
	if err != nil {
		d.log.Warn("state: approvals are not taken up", "error", err)
	}
	if d.cluster != nil { // they may have been revoked at another daemon since
		d.memory.Stores().Approvals.ForgetAll(context.Background())
	}
	return live
}

func (p *parts) canResume(t policy.Transaction) bool {
	return policy.CanResume(t, p.second(t.Application))
}

// second returns the Duo application of an integration key; nil when there is no such any more.
func (p *parts) second(integrationKey string) policy.SecondFactor {
	for _, a := range p.applications {
		if a.config.IntegrationKey == integrationKey {
			return a.client
		}
	}
	return nil
}

// saveMemory keeps what is remembered for the next run: one at a time, or what was forgotten could be written again by
// one that began before. A disk that stays full is said once.
func (d *Daemon) saveMemory() error {
	if d.vault == nil {
		return nil
	}
	d.saving.Lock()
	defer d.saving.Unlock()
	var b bytes.Buffer
	err := d.memory.Save(&b)
	if err == nil {
		err = d.vault.save(memoryFile, b.Bytes())
	}
	switch {
	case err != nil && !d.unsaved:
		d.log.Error("state: approvals are not saved; it is tried again", "error", err)
	case err == nil && d.unsaved:
		d.log.Info("state: approvals are saved again")
	}
	d.unsaved = err != nil
	return err
}

// saveForgotten saves what is remembered because somebody was forgotten. Where that can't be, what was saved before goes
// too: it would bring them back.
func (d *Daemon) saveForgotten() error {
	err := d.saveMemory()
	if err == nil {
		return nil
	}
	if gone := d.vault.remove(memoryFile); gone != nil {
		d.log.Error("state: after a crash, approvals that were forgotten would count again", "error", gone)
	} else {
		d.log.Warn("state: what was saved before is removed: it held approvals that were forgotten")
	}
	return err
}

// keep saves what is remembered whenever it has changed, until Shutdown.
func (d *Daemon) keep() {
	timer := time.NewTimer(saveEvery)
	defer timer.Stop()
	saved := d.memory.Changes()
	for {
		save, due := d.saveMemory, false
		select {
		case <-d.running.Done():
			return
		case <-timer.C:
		case <-d.saveNow:
			save, due = d.saveForgotten, true
		}
		began := time.Now()
		if now := d.memory.Changes(); (due || now != saved) && save() == nil {
			saved = now
		}
		timer.Reset(max(saveEvery, saveShare*time.Since(began)))
	}
}

// saveSoon has what is remembered saved without delay: what was forgotten must not come back after a crash.
func (d *Daemon) saveSoon() {
	select {
	case d.saveNow <- struct{}{}:
	default:
	}
}
