package memory

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"duoradiusd/policy"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	maxChallenges = 1 << 14
	maxDialogues  = 1 << 12 // open challenges of one client whose users have not proved anything yet
)

// challenges implements policy.Challenges inside this process.
type challenges struct {
	changes *atomic.Uint64

	mu        sync.Mutex // guards the fields below
	open      challengeLRU
	dialogues map[string]challengeLRU // by client: a user who has not proved anything yet can displace only other such users
}

type challengeLRU = *simplelru.LRU[string, *policy.OpenChallenge] // by State

func newChallenges(changes *atomic.Uint64) *challenges {
	return &challenges{changes: changes, open: mustLRU[string, *policy.OpenChallenge](maxChallenges), dialogues: make(map[string]challengeLRU)}
}

// Put implements policy.Challenges. A State is 128 random bits in printable form, because some clients treat State as a C
// string.
func (cs *challenges) Put(_ context.Context, c *policy.OpenChallenge) (state string, err error) {
	var b [16]byte
	rand.Read(b[:])
	state = hex.EncodeToString(b[:])
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.add(state, c)
	cs.changes.Add(1)
	return state, nil
}

// PutBack implements Challenges.
func (cs *challenges) PutBack(_ context.Context, state string, c *policy.OpenChallenge) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.add(state, c)
	cs.changes.Add(1)
	return nil
}

// add stores a challenge. The caller holds mu.
func (cs *challenges) add(state string, c *policy.OpenChallenge) {
	lru := cs.open
	if c.Dialogue != nil {
		if lru = cs.dialogues[c.Client]; lru == nil {
			lru = mustLRU[string, *policy.OpenChallenge](maxDialogues)
			cs.dialogues[c.Client] = lru
		}
	}
	lru.Add(state, c)
}

// Take implements Challenges.
func (cs *challenges) Take(_ context.Context, state, client, user string) (*policy.OpenChallenge, error) {
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

// all calls f for each challenge, the least recently used of each kind first. The caller holds mu.
func (cs *challenges) all(f func(state string, c *policy.OpenChallenge)) {
	for _, lru := range slices.Concat([]challengeLRU{cs.open}, slices.Collect(maps.Values(cs.dialogues))) {
		for _, state := range lru.Keys() {
			if c, ok := lru.Peek(state); ok {
				f(state, c)
			}
		}
	}
}

func (cs *challenges) len() (n int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, lru := range cs.dialogues {
		n += lru.Len()
	}
	return n + cs.open.Len()
}
