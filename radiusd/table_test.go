package radiusd

import (
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"testing"
)

// TestTable: it is what a map would be, whatever hashes come, among them those that mean something in the table.
func TestTable(t *testing.T) {
	dice := mathrand.New(mathrand.NewPCG(3, 4))
	var got table[int]
	want := make(map[uint64]int)
	for n := range 200_000 {
		hash := dice.Uint64N(3000) // many of them twice, and close together: all begin at the same places
		if dice.IntN(2) == 0 {
			hash <<= 40
		}
		switch dice.IntN(8) {
		case 0:
			got.remove(hash)
			delete(want, whole(hash))
		case 1, 2, 3:
			got.put(hash, n)
			want[whole(hash)] = n
		default:
			value, ok := got.get(hash)
			if wanted, known := want[whole(hash)]; ok != known || value != wanted {
				t.Fatalf("get %d: %d, %v", hash, value, ok)
			}
		}
		if got.len() != len(want) {
			t.Fatalf("%d in it, want %d", got.len(), len(want))
		}
		if n%10_000 == 0 && !slices.Equal(slices.Sorted(got.all()), slices.Sorted(maps.Values(want))) {
			t.Fatal("all are not all")
		}
		if dice.IntN(50_000) == 0 {
			got.clear()
			clear(want)
		}
	}
	if len(got.places) > 1<<16 {
		t.Errorf("%d places", len(got.places))
	}
}
