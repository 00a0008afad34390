package fakeduo

import "iter"

// ring keeps the newest limit items.
type ring[T any] struct {
	limit int
	items []T
	first int // the oldest, once the ring is full
}

// add adds an item. It returns the item that it displaces, if any.
func (r *ring[T]) add(item T) (old T, dropped bool) {
	if len(r.items) < r.limit {
		r.items = append(r.items, item)
		return old, false
	}
	old, r.items[r.first] = r.items[r.first], item
	r.first = (r.first + 1) % r.limit
	return old, true
}

// all yields the items, oldest first.
func (r *ring[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range r.items {
			if !yield(r.items[(r.first+i)%len(r.items)]) {
				return
			}
		}
	}
}
