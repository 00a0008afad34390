package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy/guard"
	"duoradiusd/policy/memory"
)

// keeping is a daemon whose keep runs in a bubble of fake time.
func keeping(t *testing.T, f func(k *kept, saves func() uint64)) {
	synctest.Test(t, func(t *testing.T) {
		k := run(t, stateConfig(t, t.TempDir()))
		k.keeping.Go(k.keep)
		synctest.Wait()
		f(k, func() uint64 {
			synctest.Wait()
			k.vault.mu.Lock()
			defer k.vault.mu.Unlock()
			return k.vault.ring.Written[memoryFile]
		})
		k.end()
	})
}

// TestKeep: what has changed is saved within 15 seconds, what has not is not written again; what is forgotten, or taken
// away by a report of fraud, at once.
func TestKeep(t *testing.T) {
	keeping(t, func(k *kept, saves func() uint64) {
		want := func(what string, n uint64) {
			t.Helper()
			if got := saves(); got != n {
				t.Errorf("%s: %d saves, want %d", what, got, n)
			}
		}
		time.Sleep(time.Hour)
		want("nothing has happened", 0)
		k.approve("alice")
		time.Sleep(saveEvery)
		want("an approval", 1)
		time.Sleep(time.Hour)
		want("nothing since", 1)
		k.approve("alice")
		time.Sleep(time.Hour)
		want("a use of it", 2)
		k.approve("bob")
		if k.forget("nobody") != 0 {
			t.Error("nobody was remembered")
		}
		want("nothing forgotten", 2)
		k.forget("bob")
		want("forgotten", 3)
		k.forgetAll()
		want("all forgotten", 4)
		k.runtime.OnFraud("alice", "T1")
		want("fraud", 5)
	})
}

// TestLongestPause: where encoding takes so long that its share of all time asks for a longer pause, what can't wait is saved
// after the longest pause.
func TestLongestPause(t *testing.T) {
	keeping(t, func(k *kept, saves func() uint64) {
		changes := func() uint64 {
			saves()
			k.vault.mu.Lock()
			defer k.vault.mu.Unlock()
			return k.vault.ring.Written[changesFile]
		}
		k.vault.breaks(func(string) error { // saveTo holds k.saving here and has encoded already
			k.encodingTook = 2 * longestPause / saveShare
			return nil
		})
		k.approve("alice")
		time.Sleep(saveEvery)
		if all, urgent := saves(), changes(); all != 1 || urgent != 0 {
			t.Fatalf("saved all %d times, what can't wait %d times", all, urgent)
		}
		k.approve("bob")
		time.Sleep(saveEvery)
		if changes() != 1 {
			t.Fatal("what can't wait is not saved")
		}
		k.approve("carol")
		time.Sleep(longestPause - time.Nanosecond)
		if changes() != 1 {
			t.Error("saved before the pause is over")
		}
		time.Sleep(time.Nanosecond)
		if changes() != 2 || saves() != 1 {
			t.Errorf("saved %d times after the longest pause, all %d times", changes(), saves())
		}
	})
}

// TestDiskFull: what was saved stays, it is said once, and tried again until it succeeds.
func TestDiskFull(t *testing.T) {
	keeping(t, func(k *kept, saves func() uint64) {
		k.approve("alice")
		time.Sleep(saveEvery)
		before := saves()
		old := content(t, k.vault.path(memoryFile))
		k.vault.breaks(func(step string) error {
			if step == "write" {
				return errBroken
			}
			return nil
		})
		k.approve("bob")
		time.Sleep(time.Hour)
		k.approve("carol")
		time.Sleep(time.Hour)
		if saves() != before || !bytes.Equal(old, content(t, k.vault.path(memoryFile))) {
			t.Error("the file has changed")
		}
		k.wantLog(`level=ERROR msg="state: approvals can't be saved; the daemon tries again" error="write ` + k.vault.path("x") + `: no space left on device"`)
		k.vault.breaks(works)
		time.Sleep(saveEvery)
		if saves() != before+1 {
			t.Error("it is not tried again")
		}
		k.wantLog(`level=INFO msg="state: approvals are saved again"`)
	})
}

// TestForgetOnAFullDisk: what was forgotten does not come back, though nothing can be saved.
func TestForgetOnAFullDisk(t *testing.T) {
	for _, forget := range []func(k *kept){
		func(k *kept) { k.forget("alice") }, func(k *kept) { k.forgetAll() }, func(k *kept) { k.runtime.OnFraud("alice", "T1") },
	} {
		keeping(t, func(k *kept, saves func() uint64) {
			k.approve("alice", "bob")
			time.Sleep(saveEvery)
			saves()
			if err := k.saveChanges(); err != nil {
				t.Fatal(err)
			}
			k.vault.breaks(func(string) error { return errBroken })
			k.told.take()
			forget(k)
			saves()
			for _, name := range []string{memoryFile, changesFile} {
				if _, err := os.Stat(k.vault.path(name)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the old %s: %v", name, err)
				}
			}
			if log := k.told.take(); strings.Count(log, "level=WARN msg=\"state: the saved approvals are removed") != 1 {
				t.Errorf("the log: %s", log)
			}
		})
	}
}

// TestSaveAndForget: a save that began before does not bring back what was forgotten meanwhile.
func TestSaveAndForget(t *testing.T) {
	c := stateConfig(t, t.TempDir())
	k := run(t, c)
	for i := range 20 {
		k.approve("alice", fmt.Sprint("u", i))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { k.saveMemory() })
		}
		wg.Go(func() { k.forget("alice") })
		wg.Wait()
		b, err := k.vault.load(memoryFile)
		if err != nil {
			t.Fatal(err)
		}
		m := memory.New(100)
		if _, err := m.Restore(bytes.NewReader(b), nil, k.parts.Load().canResume, guard.PushLimits{}); err != nil {
			t.Fatal(err)
		}
		if got, err := m.Stores().Approvals.List(t.Context(), "alice", 0); err != nil || len(got) != 0 {
			t.Fatalf("it is back: %+v", got)
		}
	}
}

// TestStateOfFailedStart: a daemon that does not come to be leaves the directory to the next.
func TestStateOfFailedStart(t *testing.T) {
	c := stateConfig(t, t.TempDir())
	c.Clients[0].Application = "none"
	if _, err := New(c, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("it started")
	}
	opened(t, c.State.Directory)
}
