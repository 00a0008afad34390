package radiusd

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"duoradiusd/radiusd/wire"
)

// This file saves two things over a restart. The replies are saved for copies of their requests (RFC 5080 §2.2.2). The
// Request Authenticators of answered logins are saved because a captured request must not send a push after a restart (RFC
// 3579 §4.3.5). A request in progress is not saved. After a crash its copy is a new request, and its login continues with
// the push that was already sent. An Access-Accept for which Duo was not asked is not saved either, because a copy of its
// request sends no push.

// savedReply is a request and its reply.
type savedReply struct {
	Client  string         `json:"client"`
	From    netip.AddrPort `json:"from"`
	Request []byte         `json:"request"`
	Reply   []byte         `json:"reply"`
	Expires time.Time      `json:"expires"`
}

// savedReplays holds the Request Authenticators of one client. Young and Old each hold the saved marks of one generation,
// one after the other.
type savedReplays struct {
	Since time.Time `json:"since"`
	Young []byte    `json:"young,omitempty"`
	Old   []byte    `json:"old,omitempty"`
}

// savedAtOnce bounds how many replies are read while requests wait for duplicates.mu.
const savedAtOnce = 128

// saveReplies returns the replies that are kept, the oldest first, in lists. It reads each list when it is asked for.
func (t *duplicates) saveReplies(now time.Time) iter.Seq[[]savedReply] {
	return func(yield func([]savedReply) bool) {
		for last := (*request)(nil); ; {
			list, newest := t.repliesAfter(last, now)
			if newest == last || len(list) > 0 && !yield(list) {
				return
			}
			last = newest
		}
	}
}

// repliesAfter returns the next replies that are kept after the one to last, and the last request of which it has read the
// reply. If last is nil or no longer kept, it begins with the oldest reply.
func (t *duplicates) repliesAfter(last *request, now time.Time) (list []savedReply, newest *request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.oldest
	if last != nil && (last.nextKept != nil || last == t.newest) {
		x = last.nextKept
	}
	newest = last
	for n := 0; x != nil && n < savedAtOnce; n++ {
		if x.state == answered && x.octets != nil && now.Before(x.expires) {
			list = append(list, savedReply{x.owner, x.slot.from, x.octets, x.reply, x.expires})
		}
		newest, x = x, x.nextKept
	}
	return list, newest
}

// loadReplies adds the replies that an earlier run saved. It keeps each of them until its saved time, but at most for
// longest from now.
func (t *duplicates) loadReplies(list []savedReply, longest time.Duration, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range list {
		p, why := walk(s.Request)
		if why != notDropped || len(s.Reply) < wire.HeaderLength || !now.Before(s.Expires) {
			continue
		}
		x := &request{
			key: requestKeyOf(s.Client, s.From.Addr(), p.b), slot: slot{asker{from: s.From}, p.identifier()}, authenticator: p.authenticator(),
			octets: p.b, owner: s.Client, state: answered, reply: s.Reply, expires: s.Expires,
		}
		if latest := now.Add(longest); x.expires.After(latest) {
			x.expires = latest
		}
		t.byKey[x.key] = x
		t.append(x)
	}
}

// saveReplays returns the Request Authenticators of one client that must be saved.
func (t *duplicates) saveReplays(c *traffic) savedReplays {
	t.mu.Lock()
	defer t.mu.Unlock()
	return savedReplays{c.replays.since, appendMarks(c.replays.young), appendMarks(c.replays.old)}
}

// loadReplays restores the Request Authenticators of one client that an earlier run saved.
func (t *duplicates) loadReplays(c *traffic, s savedReplays, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.Since.After(now) {
		s.Since = now
	}
	c.replays = replays{young: marksOf(s.Young), old: marksOf(s.Old), since: s.Since}
}

// markLength is the length of a saved mark in octets. A saved mark is the Request Authenticator, then 1 if the
// authenticator was used before or else 0, then the Identifier.
const markLength = 16 + 1 + 1

// appendMarks returns the saved form of the marks whose replies are kept over a restart.
func appendMarks(marks map[replayMark]seenRequest) (b []byte) {
	for mark, seen := range marks {
		if !seen.answered {
			continue
		}
		b = append(b, mark.authenticator[:]...)
		if mark.reused {
			b = append(b, 1, mark.identifier)
		} else {
			b = append(b, 0, seen.identifier)
		}
	}
	return b
}

func marksOf(b []byte) map[replayMark]seenRequest {
	marks := make(map[replayMark]seenRequest, len(b)/markLength)
	for one := range slices.Chunk(b, markLength) {
		if len(one) < markLength || len(marks) >= replayMemory {
			break
		}
		mark, identifier := replayMark{authenticator: [16]byte(one)}, one[17]
		if one[16] == 1 {
			mark.reused, mark.identifier = true, identifier
		}
		marks[mark] = seenRequest{identifier, true}
	}
	return marks
}
