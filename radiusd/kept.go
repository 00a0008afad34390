package radiusd

import "time"

const (
	replyLife  = 30 * time.Second // how long a reply is kept for repetitions; RFC 5080 §2.2.2 says 5 to 30 s
	maxReplies = 1 << 16          // kept replies, at most
)

// kept are the exchanges whose replies are kept, oldest first, each in a place that is numbered. An exchange that is over
// sooner leaves an empty place behind. What is old is in no cache any more: it is looked at once, when it goes.
type kept struct {
	places []place // from first on
	first  int
	number uint64 // of places[0]
}

type place struct {
	exchange *exchange // nil: empty
	since    time.Time
}

func (k *kept) len() int { return len(k.places) - k.first }

func (k *kept) add(x *exchange, now time.Time) {
	x.place = k.number + uint64(len(k.places))
	k.places = append(k.places, place{x, now})
}

// release empties the place of x, which is not gone.
func (k *kept) release(x *exchange) { k.places[x.place-k.number].exchange = nil }

// due reports whether the oldest is to go.
func (k *kept) due(now time.Time) bool {
	return k.len() > maxReplies || k.len() > 0 && now.Sub(k.places[k.first].since) >= replyLife
}

// next takes the oldest out; nil where its place is empty.
func (k *kept) next() *exchange {
	x := k.places[k.first].exchange
	k.places[k.first].exchange = nil
	k.first++
	if k.first > len(k.places)/2 && k.first > 1024 {
		k.number += uint64(k.first)
		rest := copy(k.places, k.places[k.first:])
		clear(k.places[rest:])
		k.places, k.first = k.places[:rest], 0
	}
	return x
}
