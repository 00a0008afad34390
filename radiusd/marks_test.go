package radiusd

import (
	mathrand "math/rand/v2"
	"testing"
)

// TestMarks: the set is what a map would be, whatever hashes come, among them those that mean something in the table.
func TestMarks(t *testing.T) {
	dice := mathrand.New(mathrand.NewPCG(3, 4))
	var m marks
	want := make(map[uint64]bool)
	for range 200_000 {
		hash := dice.Uint64N(3000) // many of them twice, and close together: all begin at the same places
		if dice.IntN(2) == 0 {
			hash <<= 40
		}
		switch dice.IntN(8) {
		case 0:
			m.remove(hash)
			delete(want, whole(hash))
		case 1, 2, 3:
			m.add(hash)
			want[whole(hash)] = true
		default:
			if m.has(hash) != want[whole(hash)] {
				t.Fatalf("has %d: %v", hash, m.has(hash))
			}
		}
		if dice.IntN(50_000) == 0 {
			m.clear()
			clear(want)
		}
	}
	if len(m.table) > 1<<16 {
		t.Errorf("%d places", len(m.table))
	}
}
