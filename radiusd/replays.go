package radiusd

import "time"

const (
	replayLife   = time.Hour
	replayMemory = 1 << 16 // Request Authenticators in each of two generations
)

// replays remembers the Request Authenticators of a client's requests, because a valid Message-Authenticator does not say
// that a packet is fresh (RFC 3579 §4.3.5). It remembers the newest 65 536 at least, or those of the last hour, whichever
// is less.
//
// Some clients use an authenticator again (PHP's Dapphp\Radius has one for each object), under another Identifier. Nobody
// but the client can make such a packet with a valid Message-Authenticator, so that one is no replay.
type replays struct {
	young, old map[replayMark]seenRequest
	since      time.Time // when young began; zero: it is empty
}

// replayMark is what a request is known by: its authenticator, and where that was used before under another Identifier, its
// Identifier as well.
type replayMark struct {
	authenticator [16]byte
	identifier    byte
	reused        bool
}

// seenRequest is what is known of a request.
type seenRequest struct {
	identifier byte
	answered   bool // it is of a login whose reply outlasts a restart: this is known after a restart as well
}

func markOf(authenticator [16]byte, identifier byte, reused bool) replayMark {
	if !reused {
		identifier = 0
	}
	return replayMark{authenticator, identifier, reused}
}

// seen reports whether a request is a replay, and whether the authenticator was seen under another Identifier.
func (r *replays) seen(authenticator [16]byte, identifier byte, authentic bool, now time.Time) (replay, reused bool) {
	r.startGeneration(now)
	first, known := r.get(markOf(authenticator, 0, false))
	if !known {
		return false, false
	}
	if reused = first.identifier != identifier; !reused || !authentic {
		return true, reused
	}
	_, replay = r.get(markOf(authenticator, identifier, true))
	return replay, reused
}

func (r *replays) get(mark replayMark) (seen seenRequest, ok bool) {
	if seen, ok = r.young[mark]; ok {
		return seen, true
	}
	seen, ok = r.old[mark]
	return seen, ok
}

// add reports whether the authenticator was known before.
func (r *replays) add(authenticator [16]byte, identifier byte, now time.Time) (reused bool) {
	if r.since.IsZero() {
		r.since = now
	}
	if r.young == nil {
		r.young = make(map[replayMark]seenRequest)
	}
	mark := markOf(authenticator, 0, false)
	if _, reused = r.get(mark); reused {
		mark = markOf(authenticator, identifier, true)
	}
	r.young[mark] = seenRequest{identifier: identifier}
	return reused
}

// answered notes that the login of a request has a reply that outlasts a restart.
func (r *replays) answered(authenticator [16]byte, identifier byte, reused bool) {
	mark := markOf(authenticator, identifier, reused)
	for _, marks := range []map[replayMark]seenRequest{r.young, r.old} {
		if _, ok := marks[mark]; ok {
			marks[mark] = seenRequest{identifier, true}
		}
	}
}

// forget undoes add.
func (r *replays) forget(authenticator [16]byte, identifier byte, reused bool) {
	mark := markOf(authenticator, identifier, reused)
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
