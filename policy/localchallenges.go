package policy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	maxChallenges = 1 << 14
	maxDialogues  = 1 << 12 // of one client's whose users have proved nothing yet
)

// localChallenges is Challenges inside this process.
type localChallenges struct {
	changes *atomic.Uint64

	mu        sync.Mutex // guards all below
	open      challengeLRU
	dialogues map[string]challengeLRU // by client: who has proved nothing yet pushes out others of that kind alone
}

type challengeLRU = *simplelru.LRU[string, *OpenChallenge] // by State

func newLocalChallenges(changes *atomic.Uint64) *localChallenges {
	return &localChallenges{changes: changes, open: mustLRU[string, *OpenChallenge](maxChallenges), dialogues: make(map[string]challengeLRU)}
}

// Put implements Challenges. A State is 128 random bits in printable form: some clients carry State as a C string.
func (cs *localChallenges) Put(_ context.Context, c *OpenChallenge) (state string, err error) {
	var b [16]byte
	rand.Read(b[:])
	state = hex.EncodeToString(b[:])
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.add(state, c)
	cs.changes.Add(1)
	return state, nil
}

// add is called with mu held.
func (cs *localChallenges) add(state string, c *OpenChallenge) {
	lru := cs.open
	if c.Dialogue != nil {
		if lru = cs.dialogues[c.Client]; lru == nil {
			lru = mustLRU[string, *OpenChallenge](maxDialogues)
			cs.dialogues[c.Client] = lru
		}
	}
	lru.Add(state, c)
}

// Take implements Challenges.
func (cs *localChallenges) Take(_ context.Context, state, client, user string) (*OpenChallenge, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, lru := range []challengeLRU{cs.open, cs.dialogues[client]} {
		if lru == nil {
			continue
		}
		c, ok := lru.Peek(state)
		if !ok || c.Client != client || c.User != user {
			continue
		}
		lru.Remove(state)
		cs.changes.Add(1)
		if !time.Now().Before(c.Ends) {
			return nil, nil
		}
		return c, nil
	}
	return nil, nil
}

// all calls f for each, the least recently used of a kind first. It is called with mu held.
func (cs *localChallenges) all(f func(state string, c *OpenChallenge)) {
	for _, lru := range slices.Concat([]challengeLRU{cs.open}, slices.Collect(maps.Values(cs.dialogues))) {
		for _, state := range lru.Keys() {
			if c, ok := lru.Peek(state); ok {
				f(state, c)
			}
		}
	}
}

func (cs *localChallenges) len() (n int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, lru := range cs.dialogues {
		n += lru.Len()
	}
	return n + cs.open.Len()
}
