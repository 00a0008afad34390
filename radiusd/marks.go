package radiusd

// marks is a set of keyed 64-bit hashes: a table with room for twice as many, looked through from the place that the hash
// says. A map looks at three places in memory where this looks at one, and one that is in no cache is what it costs.
type marks struct {
	table []uint64 // 0: free
	used  int      // places that are not free
	gone  int      // of them, where a mark was removed
}

const (
	removed    = 1 // in the place of a mark that is in the set no more
	firstMarks = 64
)

// whole keeps a hash from being one of the two values that say something else.
func whole(hash uint64) uint64 { return max(hash, removed+1) }

func (m *marks) has(hash uint64) bool {
	return len(m.table) > 0 && m.table[m.find(whole(hash))] != 0
}

// find returns the place of mark, or the free one where it would go.
func (m *marks) find(mark uint64) int {
	last := len(m.table) - 1
	at := int(mark) & last
	for m.table[at] != mark && m.table[at] != 0 {
		at = (at + 1) & last
	}
	return at
}

func (m *marks) add(hash uint64) {
	if 2*m.used >= len(m.table) {
		m.grow()
	}
	if at := m.find(whole(hash)); m.table[at] == 0 {
		m.table[at] = whole(hash)
		m.used++
	}
}

func (m *marks) remove(hash uint64) {
	if m.has(hash) {
		m.table[m.find(whole(hash))] = removed
		m.gone++
	}
}

// grow makes room, by leaving out what was removed where that is much.
func (m *marks) grow() {
	old, size := m.table, max(len(m.table), firstMarks)
	if 4*(m.used-m.gone) >= size {
		size *= 2
	}
	*m = marks{table: make([]uint64, size)}
	for _, mark := range old {
		if mark > removed {
			m.table[m.find(mark)] = mark
			m.used++
		}
	}
}

// clear empties the set; its room is used again.
func (m *marks) clear() {
	clear(m.table)
	m.used, m.gone = 0, 0
}
