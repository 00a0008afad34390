package radiusd

import "iter"

// table holds values by keyed 64-bit hashes: a list with room for twice as many, looked through from the place that the
// hash says. A map looks at three places in memory where this looks at one, and one that is in no cache is what it costs.
type table[V any] struct {
	places []entry[V]
	used   int // places that are not free
	gone   int // of them, where something was removed
}

type entry[V any] struct {
	value V
	hash  uint64 // 0: free
}

const (
	removed    = 1 // the hash in the place of what is in the table no more
	firstRoom  = 64
	leastWhole = removed + 1
)

// whole keeps a hash from being one of the two values that say something else.
func whole(hash uint64) uint64 { return max(hash, leastWhole) }

func (t *table[V]) get(hash uint64) (value V, ok bool) {
	if len(t.places) == 0 {
		return value, false
	}
	e := t.find(whole(hash))
	return e.value, e.hash != 0
}

// find returns the place of a whole hash, or the free one where it would go.
func (t *table[V]) find(hash uint64) *entry[V] {
	last := len(t.places) - 1
	at := int(hash) & last
	for t.places[at].hash != hash && t.places[at].hash != 0 {
		at = (at + 1) & last
	}
	return &t.places[at]
}

func (t *table[V]) put(hash uint64, value V) {
	if 2*t.used >= len(t.places) {
		t.grow()
	}
	e := t.find(whole(hash))
	if e.hash == 0 {
		e.hash = whole(hash)
		t.used++
	}
	e.value = value
}

func (t *table[V]) remove(hash uint64) {
	if _, ok := t.get(hash); ok {
		*t.find(whole(hash)) = entry[V]{hash: removed}
		t.gone++
	}
}

// grow makes room, by leaving out what was removed where that is much.
func (t *table[V]) grow() {
	old, size := t.places, max(len(t.places), firstRoom)
	if 4*t.len() >= size {
		size *= 2
	}
	*t = table[V]{places: make([]entry[V], size)}
	for _, e := range old {
		if e.hash > removed {
			*t.find(e.hash) = e
			t.used++
		}
	}
}

func (t *table[V]) len() int { return t.used - t.gone }

// all are the values, in no order.
func (t *table[V]) all() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, e := range t.places {
			if e.hash > removed && !yield(e.value) {
				return
			}
		}
	}
}

// clear empties the table; its room is used again.
func (t *table[V]) clear() {
	clear(t.places)
	t.used, t.gone = 0, 0
}
