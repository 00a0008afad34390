package radiusd

import "iter"

// table holds values by keyed 64-bit hashes: a list with room for twice as many, looked through from the place that the
// hash says on. A map looks at three places in memory where this nearly always looks at one, and one that is in no cache is
// what it costs. It does not shrink: what it holds is bounded by those who use it.
type table[V any] struct {
	places []entry[V]
	used   int
}

// entry has the hash last: behind it a value of no octets would take eight.
type entry[V any] struct {
	value V
	hash  uint64 // 0: the place is free
}

const firstRoom = 64

// whole keeps a hash from being the one value that says something else.
func whole(hash uint64) uint64 { return max(hash, 1) }

func (t *table[V]) get(hash uint64) (value V, ok bool) {
	if len(t.places) == 0 {
		return value, false
	}
	e := &t.places[t.find(whole(hash))]
	return e.value, e.hash != 0
}

// find returns the place of a whole hash, or the free one where it would go.
func (t *table[V]) find(hash uint64) (at int) {
	last := len(t.places) - 1
	at = int(hash) & last
	for t.places[at].hash != hash && t.places[at].hash != 0 {
		at = (at + 1) & last
	}
	return at
}

func (t *table[V]) put(hash uint64, value V) {
	if 2*t.used >= len(t.places) {
		t.grow()
	}
	e := &t.places[t.find(whole(hash))]
	if e.hash == 0 {
		e.hash = whole(hash)
		t.used++
	}
	e.value = value
}

func (t *table[V]) remove(hash uint64) {
	if len(t.places) == 0 {
		return
	}
	if at := t.find(whole(hash)); t.places[at].hash != 0 {
		t.free(at)
		t.used--
	}
}

// free empties a place, and moves up what stands behind it and would not be found any more.
func (t *table[V]) free(at int) {
	last := len(t.places) - 1
	for next := (at + 1) & last; t.places[next].hash != 0; next = (next + 1) & last {
		home := int(t.places[next].hash) & last
		if (next-home)&last >= (next-at)&last {
			t.places[at] = t.places[next]
			at = next
		}
	}
	t.places[at] = entry[V]{}
}

func (t *table[V]) grow() {
	old := t.places
	t.places = make([]entry[V], max(2*len(old), firstRoom))
	for _, e := range old {
		if e.hash != 0 {
			t.places[t.find(e.hash)] = e
		}
	}
}

func (t *table[V]) len() int { return t.used }

// all are the values, in no order.
func (t *table[V]) all() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, e := range t.places {
			if e.hash != 0 && !yield(e.value) {
				return
			}
		}
	}
}

// clear empties the table; its room is used again.
func (t *table[V]) clear() {
	clear(t.places)
	t.used = 0
}
