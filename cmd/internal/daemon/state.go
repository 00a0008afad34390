package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/memory"
)

// The files of the state directory.
const (
	clientsFile = "clients.state" // what each RADIUS client was seen to send, and what it was answered
	memoryFile  = "memory.state"  // approvals, challenges, the guard's counts, live transactions
	changesFile = "changes.state" // the same without the approvals that are in memoryFile already
)

// saveEvery is how much a crash may cost: users are asked once more about what came after the last save. A hundred thousand
// approvals take most of a second to save, so those that have not changed are saved less often.
const (
	saveEvery    = time.Second
	saveAllEvery = 15 * time.Second
)

// saveShare limits the time for copying and encoding what is saved to one part in saveShare of all time. Logins wait for a
// processor meanwhile. One in a hundred may, but no more: DESIGN section 7, added latency (p99).
const saveShare = 200

// longestPause bounds the time between two saves, however busy the machine is.
const longestPause = 30 * time.Second

// stored is one file of a vault. It implements radiusd.Store.
type stored struct {
	vault *vault
	name  string
}

func (s stored) Load() ([]byte, error) { return s.vault.load(s.name) }
func (s stored) Save(b []byte) error   { return s.vault.save(s.name, b) }

// openState opens the state directory. If it can't be opened, the daemon works, but nothing survives its end. openState returns
// an error for a directory to which other users can write.
func (d *Daemon) openState(directory string) error {
	if directory == "" {
		return nil
	}
	v, err := openVault(directory)
	if v == nil && errors.As(err, &unsafeState{}) {
		return fmt.Errorf("state: %w", err)
	}
	if v == nil {
		d.log.Warn("state: the state directory can't be used, so nothing is remembered over a restart", "error", err)
		return nil
	}
	if err != nil {
		d.log.Warn("state: what was saved before can't be read any more", "error", err)
	}
	d.vault = v
	d.server.State = stored{v, clientsFile}
	return nil
}

// restore takes up what the run before remembered. State that can't be read costs users one more push and never lets anybody
// in. It returns the pushes that are still live.
func (d *Daemon) restore(p *parts) (live []policy.Transaction) {
	if d.vault == nil {
		return nil
	}
	b, err := d.vault.load(memoryFile)
	if b != nil {
		var unfit error
		live, unfit = d.memory.Restore(bytes.NewReader(b), d.changes(), p.canResume, p.settings.Guard)
		switch {
		case errors.Is(unfit, memory.ErrChanges):
			err = d.vault.refuse(changesFile, unfit)
		case unfit != nil:
			err = d.vault.refuse(memoryFile, unfit)
		}
	}
	if err != nil {
		d.log.Warn("state: the saved approvals can't be used, so users are asked again", "error", err)
	}
	if d.cluster != nil { // another daemon may have revoked approvals since
		d.memory.Stores().Approvals.ForgetAll(context.Background())
	}
	return live
}

// changes returns what was saved last; nil where there is nothing that can be read.
func (d *Daemon) changes() io.Reader {
	b, err := d.vault.load(changesFile)
	if err != nil {
		d.log.Warn("state: the latest saved changes can't be used", "error", err)
	}
	if b == nil {
		return nil
	}
	return bytes.NewReader(b)
}

func (p *parts) canResume(t policy.Transaction) bool {
	return policy.CanResume(t, p.second(t.Application))
}

// second returns the Duo application with this integration key; nil if the configuration has none any more.
func (p *parts) second(integrationKey string) policy.SecondFactor {
	for _, a := range p.applications {
		if a.config.IntegrationKey == integrationKey {
			return a.client
		}
	}
	return nil
}

// saveMemory keeps what is remembered for the next run: one at a time, or what was forgotten could be written again by
// one that began before.
func (d *Daemon) saveMemory() error { return d.saveTo(memoryFile, d.memory.Save) }

// saveChanges keeps what can't wait for saveMemory.
func (d *Daemon) saveChanges() error { return d.saveTo(changesFile, d.memory.SaveChanges) }

// saveTo writes a file. A disk that stays full is said once.
func (d *Daemon) saveTo(name string, save func(io.Writer) error) error {
	if d.vault == nil {
		return nil
	}
	d.saving.Lock()
	defer d.saving.Unlock()
	d.encoded.Reset()
	began := time.Now()
	err := save(&d.encoded)
	d.encodingTook = time.Since(began)
	if err == nil {
		err = d.vault.save(name, d.encoded.Bytes())
	}
	switch {
	case err != nil && !d.unsaved:
		d.log.Error("state: approvals can't be saved; the daemon tries again", "error", err)
	case err == nil && d.unsaved:
		d.log.Info("state: approvals are saved again")
	}
	d.unsaved = err != nil
	return err
}

// saveForgotten saves the memory after approvals were forgotten. If that fails, it removes what was saved before, because that
// would bring the approvals back.
func (d *Daemon) saveForgotten() error {
	err := d.saveMemory()
	if err == nil {
		return nil
	}
	if gone := errors.Join(d.vault.remove(memoryFile), d.vault.remove(changesFile)); gone != nil {
		d.log.Error("state: the saved approvals can't be removed; after a crash, those that were forgotten would count again", "error", gone)
	} else {
		d.log.Warn("state: the saved approvals are removed, because some of them were forgotten and the rest can't be saved")
	}
	return err
}

// keep saves the memory whenever it has changed, until Shutdown.
func (d *Daemon) keep() {
	timer := time.NewTimer(saveEvery)
	defer timer.Stop()
	var k saved
	for {
		forgotten := false
		select {
		case <-d.running.Done():
			return
		case <-timer.C:
		case <-d.saveNow:
			forgotten = true
		}
		timer.Reset(min(max(saveEvery, saveShare*d.keepNow(&k, forgotten)), longestPause))
	}
}

// saved is what has been saved already.
type saved struct {
	all, urgent uint64    // Changes and UrgentChanges of the memory
	allDue      time.Time // when all may be saved again
}

// keepNow saves what has changed: all, when it is time for that or somebody was forgotten, or what can't wait. It returns how
// long it took to encode what can't wait; 0 after all was saved, because allDue bounds that.
func (d *Daemon) keepNow(k *saved, forgotten bool) (encoding time.Duration) {
	began, all, urgent := time.Now(), d.memory.Changes(), d.memory.UrgentChanges()
	save := d.saveMemory
	switch {
	case forgotten:
		save = d.saveForgotten
	case all == k.all:
		return 0
	case began.Before(k.allDue) && urgent == k.urgent:
		return 0
	case began.Before(k.allDue):
		if d.saveChanges() == nil {
			k.urgent = urgent
		}
		return d.lastEncoding()
	}
	if save() == nil {
		k.all, k.urgent = all, urgent
		k.allDue = began.Add(max(saveAllEvery, saveShare*d.lastEncoding()))
		return 0
	}
	return d.lastEncoding()
}

// lastEncoding returns how long it took to encode what was saved last.
func (d *Daemon) lastEncoding() time.Duration {
	d.saving.Lock()
	defer d.saving.Unlock()
	return d.encodingTook
}

// saveSoon has what is remembered saved without delay: what was forgotten must not come back after a crash.
func (d *Daemon) saveSoon() {
	select {
	case d.saveNow <- struct{}{}:
	default:
	}
}
