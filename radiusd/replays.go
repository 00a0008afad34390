package radiusd

import (
	"hash/maphash"
	"time"
)

const (
	replayLife   = time.Hour
	replayMemory = 1 << 16 // Request Authenticators in each of two generations
)

// replays remembers the Request Authenticators of a client's requests, because a valid Message-Authenticator does not say
// that a packet is fresh (RFC 3579 §4.3.5). It remembers the newest 65 536 at least, or those of the last hour, whichever
// is less. Of each it keeps a keyed hash of 64 bits: nobody can make one request look like another.
//
// Some clients use an authenticator again (PHP's Dapphp\Radius has one for each object), under another Identifier. Nobody
// but the client can make such a packet with a valid Message-Authenticator, so that one is no replay.
type replays struct {
	young, old map[uint64]byte // to the Identifier
	since      time.Time       // when young began; zero: it is empty
}

var replaySeed = maphash.MakeSeed()

func replayMark(authenticator [16]byte) uint64 { return maphash.Bytes(replaySeed, authenticator[:]) }

// markOfReuse is the mark of an authenticator that was used before under another Identifier.
func markOfReuse(authenticator [16]byte, identifier byte) uint64 {
	return maphash.Bytes(replaySeed, append(authenticator[:], identifier))
}

// seen reports whether a request is a replay, and whether the authenticator was seen under another Identifier.
func (r *replays) seen(authenticator [16]byte, identifier byte, authentic bool, now time.Time) (replay, reused bool) {
	r.startGeneration(now)
	first, known := r.get(replayMark(authenticator))
	if !known {
		return false, false
	}
	if reused = first != identifier; !reused || !authentic {
		return true, reused
	}
	_, replay = r.get(markOfReuse(authenticator, identifier))
	return replay, reused
}

func (r *replays) get(mark uint64) (identifier byte, ok bool) {
	if identifier, ok = r.young[mark]; ok {
		return identifier, true
	}
	identifier, ok = r.old[mark]
	return identifier, ok
}

// add reports whether the authenticator was known before.
func (r *replays) add(authenticator [16]byte, identifier byte, now time.Time) (reused bool) {
	if r.since.IsZero() {
		r.since = now
	}
	if r.young == nil {
		r.young = make(map[uint64]byte)
	}
	mark := replayMark(authenticator)
	if _, reused = r.get(mark); reused {
		mark = markOfReuse(authenticator, identifier)
	}
	r.young[mark] = identifier
	return reused
}

// forget undoes add.
func (r *replays) forget(authenticator [16]byte, identifier byte, reused bool) {
	mark := replayMark(authenticator)
	if reused {
		mark = markOfReuse(authenticator, identifier)
	}
	delete(r.young, mark)
	delete(r.old, mark)
}

// startGeneration starts a new generation when it is time.
func (r *replays) startGeneration(now time.Time) {
	age := now.Sub(r.since)
	switch {
	case r.since.IsZero():
	case age >= 2*replayLife:
		*r = replays{}
	case age >= replayLife:
		*r = replays{old: r.young}
	case len(r.young) >= replayMemory:
		clear(r.old)
		r.young, r.old, r.since = r.old, r.young, now // a map that has grown is used again
	}
}
