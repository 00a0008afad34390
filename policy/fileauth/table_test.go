package fileauth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: got %v, want one that is fs.ErrNotExist", err)
	}
	want := "password file: read " + dir + ": it is not a regular file"
	if _, err := Open(dir, nil); err == nil || err.Error() != want {
		t.Errorf("a directory: got %v, want %s", err, want)
	}
	big := filepath.Join(dir, "big")
	write(t, big, "")
	if err := os.Truncate(big, maxFile+1); err != nil {
		t.Fatal(err)
	}
	want = "password file: read " + big + ": it is larger than 64 MiB"
	if _, err := Open(big, nil); err == nil || err.Error() != want {
		t.Errorf("a large file: got %v, want %s", err, want)
	}
}

// TestBadLines: each bad line is one line of the error, with its number and without its content.
func TestBadLines(t *testing.T) {
	const (
		salt = "c2FsdHNhbHQ"
		key  = "lnizTRNgy0D3lJD4Xlm+A2aXibz3GSvOOHAXUwm1P0Y"
		bc   = "malformed bcrypt hash; want 60 characters, $2y$COST$SALT-AND-HASH"
		phc  = "malformed argon2id hash; want $argon2id$v=19$m=KIB,t=TIME,p=THREADS$SALT$HASH"
		mtp  = "malformed argon2id parameters; want m=KIB,t=TIME,p=THREADS"
	)
	argon := func(s string) string { return "u:$argon2id$v=19$" + s + "$" + salt + "$" + key }
	for i, tt := range []struct{ line, want string }{
		{"hunter2", "no colon; want user:hash"},
		{":" + horse2y, "no user name; want user:hash"},
		{"\xff\xfe:" + horse2y, "a user name that is not UTF-8; want user:hash"},
		{"u\x00v:" + horse2y, "a control character in the user name; want user:hash"},
		{"u :" + horse2y, "a space around the user name; want user:hash"},
		{"u:", "no hash; " + wantHash},
		{"u:$apr1$DjsLXaBb$WiIhc3mnkCrOSSQkMMIMQ1", "an MD5 hash; " + wantHash},
		{"u:$1$abcdefgh$WiIhc3mnkCrOSSQkMMIMQ1", "an MD5 hash; " + wantHash},
		{"u:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=", "a SHA-1 hash; " + wantHash},
		{"u:{SSHA}EfatjsUqKYSrqv18O1FlA3hcIHI=", "a SHA-1 hash; " + wantHash},
		{"u:$5$salt$hash", "a SHA-2 crypt hash; " + wantHash},
		{"u:$6$salt$hash", "a SHA-2 crypt hash; " + wantHash},
		{"u:$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + key, "another variant of argon2; " + wantHash},
		{"u:$2x$04$abcdefghijklmnopqrstuu", "another variant of bcrypt; " + wantHash},
		{"u:$y$j9T$salt$hash", "an unknown kind of hash; " + wantHash},
		{"u:qggmYbgc7ves2", "a crypt hash or a plain password; " + wantHash},
		{"u:hunter2", "a crypt hash or a plain password; " + wantHash},

		{"u:$2y$", bc},
		{"u:$2y$0", bc},
		{"u:$2y$1$", bc},
		{"u:" + horse2y[:59], bc},
		{"u:" + horse2y + "x", bc},
		{"u:" + horse2y + ":a comment", bc},
		{"u:" + horse2y[:30] + "*" + horse2y[31:], bc},
		{"u:$2y$03" + horse2y[6:], "bcrypt cost out of bounds; want 04 to 14"},
		{"u:$2y$15" + horse2y[6:], "bcrypt cost out of bounds; want 04 to 14"},
		{"u:$2y$+4" + horse2y[6:], "bcrypt cost out of bounds; want 04 to 14"},
		{"u:$2y$xx" + horse2y[6:], "bcrypt cost out of bounds; want 04 to 14"},

		{"u:$argon2id$", phc},
		{"u:$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + key, phc},
		{"u:$argon2id$m=64,t=1,p=1$" + salt + "$" + key, phc},
		{argon("m=64,t=1,p=1") + "=", phc},
		{argon("m=64,t=1,p=1") + "$", phc},
		{argon("m=64,t=1,p=1") + "\r ", ""}, // line ends are trimmed
		{argon("t=1,m=64,p=1"), mtp},
		{argon("m=64,t=1"), mtp},
		{argon("m=64,t=1,p=1,keyid=AA"), mtp},
		{argon("m=064,t=1,p=1"), mtp},
		{argon("m=99999999999,t=1,p=1"), mtp},
		{argon("m=64,t=-1,p=1"), mtp},
		{argon("m=7,t=1,p=1"), "argon2id m=7; want 8 to 262144 (KiB)"},
		{argon("m=31,t=1,p=4"), "argon2id m=31; want 32 to 262144 (KiB)"},
		{argon("m=262145,t=1,p=1"), "argon2id m=262145; want 8 to 262144 (KiB)"},
		{argon("m=64,t=0,p=1"), "argon2id t=0; want 1 to 16"},
		{argon("m=64,t=17,p=1"), "argon2id t=17; want 1 to 16"},
		{argon("m=64,t=1,p=0"), "argon2id p=0; want 1 to 16"},
		{argon("m=999,t=1,p=17"), "argon2id p=17; want 1 to 16"},
		{"u:$argon2id$v=19$m=64,t=1,p=1$c2FsdA$" + key, "argon2id salt of 4 octets; want 8 to 64"},
		{"u:$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("AAAA", 22) + "$" + key, "argon2id salt of 66 octets; want 8 to 64"},
		{"u:$argon2id$v=19$m=64,t=1,p=1$" + salt + "$c2FsdHNhbHQ", "argon2id hash of 8 octets; want 16 to 64"},
		{"u:$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + strings.Repeat("AAAA", 22), "argon2id hash of 66 octets; want 16 to 64"},
		{"u:$argon2id$v=19$m=64,t=1,p=1$c2Fs\rdHNhbHQ$" + key, phc},
	} {
		got := ""
		if _, err := parse("staff", "# one\n\n"+tt.line, nil); err != nil {
			got = strings.TrimPrefix(err.Error(), "staff:3: ")
		}
		if got != tt.want {
			t.Errorf("%d: %q:\n got %s\nwant %s", i, tt.line, got, tt.want)
		}
	}
}

func TestAllBadLinesAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "staff")
	write(t, path, "jo:"+horse2y, "# a comment", "nonsense", "Jo:"+horse2a, "kim:hunter2", "-:"+horse2a, "ann:"+horse2a)
	canonical := func(name string) string { return strings.Trim(strings.ToLower(name), "-") }
	_, err := Open(path, canonical)
	want := strings.Join([]string{
		path + ":3: no colon; want user:hash",
		path + ":4: the same user as in line 1; want each user once",
		path + ":5: a crypt hash or a plain password; " + wantHash,
		path + ":6: a user name that no login can have; want user:hash",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestReportIsBounded(t *testing.T) {
	_, err := parse("staff", strings.Repeat("nonsense\n", maxErrors+7), nil)
	lines := strings.Split(err.Error(), "\n")
	if last := lines[len(lines)-1]; len(lines) != maxErrors+1 || last != "staff: 7 more such lines" {
		t.Errorf("%d lines, the last %q; want %d and the number of the others", len(lines), last, maxErrors+1)
	}
}

// TestCommonest: the check of an unknown user takes as long as that of most users.
func TestCommonest(t *testing.T) {
	small, large := kind{memory: 64, time: 1, threads: 1}, kind{memory: 128, time: 2, threads: 2}
	for _, tt := range []struct {
		name  string
		kinds map[kind]int
		want  kind
	}{
		{"nobody", nil, kind{cost: 10}},
		{"one", map[kind]int{small: 1}, small},
		{"most", map[kind]int{small: 3, large: 2, {cost: 12}: 1}, small},
		{"as many: the costlier", map[kind]int{small: 2, large: 2}, large},
		{"as many: bcrypt", map[kind]int{small: 2, {cost: 4}: 2, {cost: 5}: 2}, kind{cost: 5}},
	} {
		if got := commonest(tt.kinds); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestStandIn: the libraries accept the hashes for unknown users. If they did not, the check would take no time.
func TestStandIn(t *testing.T) {
	h := standIn(kind{cost: 4})
	if err := bcrypt.CompareHashAndPassword(h.want, []byte("x")); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		t.Errorf("bcrypt: got %v, want a mismatch", err)
	}
	if _, err := parseHash(string(h.want)); err != nil {
		t.Errorf("bcrypt: %v", err)
	}
	if standIn(kind{memory: 64, time: 1, threads: 1}).matches("x") {
		t.Error("argon2id: a match, want none")
	}
}

func FuzzParseLine(f *testing.F) {
	for _, seed := range []string{"", "# x", "jo", "jo:", ":x", "jo:" + horse2y, "kim:" + horseID2, "u:$2y$", "u:{SHA}x=",
		"u:$argon2id$v=19$m=1,t=1,p=1$$", "u:$2y$99$"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		name, h, err := parseLine(line)
		if err != nil {
			// A word in an error that is not one of the error's own words could be a secret.
			for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" :$=,", r) }) {
				if len(word) > len("SALT-AND-HASH") && strings.Contains(err.Error(), word) {
					t.Errorf("%q: the error quotes it: %v", line, err)
				}
			}
			return
		}
		if name == "" {
			return
		}
		k := h.kind
		inBounds := k.cost >= minBcryptCost && k.cost <= maxBcryptCost && len(h.want) == 60 && k.memory == 0
		if k.cost == 0 {
			inBounds = k.memory >= 8*uint32(k.threads) && k.memory <= maxMemory && k.time >= 1 && k.time <= maxTime &&
				k.threads >= 1 && k.threads <= maxThreads && len(h.salt) >= minSalt && len(h.salt) <= maxSalt &&
				len(h.want) >= minKey && len(h.want) <= maxKey
		}
		if !inBounds {
			t.Errorf("%q: out of bounds: %+v", line, h)
		}
	})
}
