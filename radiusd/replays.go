package radiusd

import "time"

const (
	replayLife   = time.Hour
	replayMemory = 1 << 16 // Request Authenticators in each of two generations
)

// replays remembers the Request Authenticators of a client's requests, because a valid Message-Authenticator does not prove
// that a packet is new (RFC 3579 §4.3.5). It remembers at least the newest 65 536, or at least those of the last hour,
// whichever are fewer.
//
// Some clients use one authenticator for several requests with different Identifiers (PHP's Dapphp\Radius uses one for each
// object). Only the client can make such a request with a valid Message-Authenticator. So such a request is not a replay.
type replays struct {
	young, old map[replayMark]seenRequest
	since      time.Time // the time when the generation young started; zero: young is empty
}

// replayMark identifies a request. It holds the request's authenticator. If the authenticator was used before with another
// Identifier, it also holds the request's Identifier.
type replayMark struct {
	authenticator [16]byte
	identifier    byte
	reused        bool
}

// seenRequest is what replays knows of a request.
type seenRequest struct {
	identifier byte
	answered   bool // the login's reply is kept over a restart, so this entry is kept as well
}

func markOf(authenticator [16]byte, identifier byte, reused bool) replayMark {
	if !reused {
		identifier = 0
	}
	return replayMark{authenticator, identifier, reused}
}

// seen reports whether a request is a replay, and whether its authenticator was used before with another Identifier.
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

// add remembers a request. reused says that the request's authenticator was known before.
func (r *replays) add(authenticator [16]byte, identifier byte, reused bool, now time.Time) {
	if r.since.IsZero() {
		r.since = now
	}
	if r.young == nil {
		r.young = make(map[replayMark]seenRequest)
	}
	r.young[markOf(authenticator, identifier, reused)] = seenRequest{identifier: identifier}
}

// answered notes that the reply to a request is kept over a restart.
func (r *replays) answered(authenticator [16]byte, identifier byte, reused bool) {
	mark := markOf(authenticator, identifier, reused)
	for _, marks := range []map[replayMark]seenRequest{r.young, r.old} {
		if _, ok := marks[mark]; ok {
			marks[mark] = seenRequest{identifier, true}
		}
	}
}

// forget removes what add has remembered of a request.
func (r *replays) forget(authenticator [16]byte, identifier byte, reused bool) {
	mark := markOf(authenticator, identifier, reused)
	delete(r.young, mark)
	delete(r.old, mark)
}

// startGeneration starts a new generation if the current one is too old or full. It removes what is too old.
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
		r.young, r.old, r.since = r.old, r.young, now // the cleared map is used again, because it keeps its memory
	}
}
