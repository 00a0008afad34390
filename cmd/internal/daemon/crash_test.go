package daemon

import (
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// crash ends a daemon that saves nothing any more, as a crash does, and begins the next one.
func (k *kept) crash() *kept {
	k.t.Helper()
	synctest.Wait()
	k.vault.close()
	k.end()
	next := run(k.t, stateConfig(k.t, k.vault.directory))
	next.keeping.Go(next.keep)
	return next
}

// pass lets time pass, and what is due then end.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestCrash: what came a second before a crash at the latest is known to the next run, although all approvals are saved only
// every 15 seconds; what was forgotten does not come back.
func TestCrash(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  func(t *testing.T, k *kept)
		want int // approvals after the crash
	}{
		{"nothing saved", func(t *testing.T, k *kept) { k.approve("alice") }, 0},
		{"the first save", func(t *testing.T, k *kept) {
			k.approve("alice")
			pass(saveEvery)
		}, 1},
		{"the changes since", func(t *testing.T, k *kept) {
			k.approve("alice")
			pass(saveEvery)
			k.approve("bob")
			pass(saveEvery)
			k.approve("carol")
			pass(saveEvery)
		}, 3},
		{"not the last second", func(t *testing.T, k *kept) {
			k.approve("alice")
			pass(saveEvery)
			k.approve("bob")
			pass(saveEvery)
			k.approve("carol")
			pass(saveEvery / 2)
		}, 2},
		{"changes, and then all", func(t *testing.T, k *kept) {
			k.approve("alice")
			pass(saveEvery)
			k.approve("bob")
			pass(saveEvery)
			k.approve("carol")
			pass(saveAllEvery)
			k.approve("dave")
			pass(saveEvery)
		}, 4},
		{"forgotten since the changes", func(t *testing.T, k *kept) {
			k.approve("alice")
			pass(saveEvery)
			k.approve("bob")
			pass(saveEvery)
			k.forget("bob")
		}, 1},
		{"changes that are damaged", func(t *testing.T, k *kept) {
			k.approve("alice")
			pass(saveEvery)
			k.approve("bob")
			pass(saveEvery)
			overwrite(t, k.vault.path(changesFile), []byte("nonsense"))
		}, 1},
		{"changes without what they go with", func(t *testing.T, k *kept) {
			k.approve("alice")
			pass(saveEvery)
			k.approve("bob")
			pass(saveEvery)
			os.Remove(k.vault.path(memoryFile))
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := run(t, stateConfig(t, t.TempDir()))
				k.keeping.Go(k.keep)
				tt.act(t, k)
				k = k.crash()
				k.wantApprovals(tt.want)
				k.approve("erin") // and again: the numbers of the saves go on
				pass(saveEvery)
				k.approve("frank")
				pass(saveEvery)
				k = k.crash()
				k.wantApprovals(tt.want + 2)
				k.end()
			})
		})
	}
}
