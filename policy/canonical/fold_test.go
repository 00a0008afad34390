package canonical

import (
	"strings"
	"testing"
)

// TestFold: all spellings of one account fold to one name.
func TestFold(t *testing.T) {
	for want, names := range map[string][]string{
		"alice": {"alice", "ALICE", `CORP\alice`, `corp.example.com\Alice`, `A\B\alice`, "alice@corp", "alice@a@b", `CORP\alice@corp`, "álice", "a\u0301lice", "ａｌｉｃｅ",
			"alice＠corp", `CORP＼alice`, "alice﹫corp", "alice @corp", `CORP\ alice`, "alice´@corp", "ali\ufffcce", "ali\u1806ce", "alice\u3164", "ali\u034fce"},
		"jo smith":     {"jo smith", "jo  smith", `CORP\Jo   Smith @corp`},
		"strasse":      {"straße", "STRASSE"},
		"@example.com": {"@example.com", "@EXAMPLE.com"},
		`corp\`:        {`CORP\`},
		"i":            {"İ", "i"},
	} {
		for _, name := range names {
			if got := Fold(name); got != want {
				t.Errorf("%q: %q, want %q", name, got, want)
			}
			if got := Fold(Fold(name)); got != want {
				t.Errorf("%q, folded twice: %q, want %q", name, got, want)
			}
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, name := range []string{"alice", `CORP\Álice@x`, "ẞ\u0345", "@", `\`} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if canonical, ok := (Names{}).Canonical(name); ok && Fold(canonical) != Fold(name) {
			t.Errorf("%q folds to %q, its canonical form to %q", name, Fold(name), Fold(canonical))
		}
	})
}

// TestFoldASCII: of printable ASCII characters, Fold changes only capital letters, and takes @ and the backslash for the border
// of a domain.
func TestFoldASCII(t *testing.T) {
	for c := byte('!'); c < 0x7f; c++ {
		name := "ab" + string(rune(c)) + "cd"
		want := strings.ToLower(name)
		switch c {
		case '@':
			want = "ab"
		case '\\':
			want = "cd"
		}
		for _, spelling := range []string{name, name + "\u034f"} { // a character that shows nothing
			if got := Fold(spelling); got != want {
				t.Errorf("%q: %q, want %q", spelling, got, want)
			}
		}
	}
}
