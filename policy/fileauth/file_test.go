package fileauth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
)

// These hashes were made by other programs: htpasswd -B, libcrypt and argon2 of Debian.
const (
	horse2y  = "$2y$04$iLlzDRrNVrEpcY32Y/cg2uhEjIHUPC204NTQnlQjB16JtWPBGeW1u" // correct horse
	horse2a  = "$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e" // correct horse
	umlaut2b = "$2b$04$abcdefghijklmnopqrstuu1cDoLWDR/WUf1WNLV3Klgn6BEq1nueu" // pässwört
	long2b   = "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe" // 72 times a
	horseID1 = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$lnizTRNgy0D3lJD4Xlm+A2aXibz3GSvOOHAXUwm1P0Y"
	horseID2 = "$argon2id$v=19$m=128,t=2,p=2$YW5vdGhlciBzYWx0IG9mIDIzIG9jdGV0cw$MO5JuqX2JXGXkqxqW18e6A"
)

// write writes lines to a file, as another process could at that moment.
func write(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// opened returns a File of these lines.
func opened(t *testing.T, canonical func(string) string, lines ...string) *File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "staff.htpasswd")
	write(t, path, lines...)
	f, err := Open(path, canonical)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// answer asks f, and returns yes, no or the error.
func answer(t *testing.T, f *File, user, password string) string {
	t.Helper()
	switch _, err := f.Authenticate(t.Context(), policy.FirstRequest{User: user, Password: password}); {
	case err == nil:
		return "yes"
	case errors.Is(err, policy.ErrRejected):
		return "no"
	default:
		return err.Error()
	}
}

func TestAuthenticate(t *testing.T) {
	f := opened(t, nil, "\ufeff# staff", "", "  \t", "jo:"+horse2y+"\r", "\tann:"+horse2a+" ", "Zoë Müller:"+umlaut2b,
		"long:"+long2b, "kim:"+horseID1, "lee:"+horseID2)
	for _, tt := range []struct{ user, password, want string }{
		{"jo", "correct horse", "yes"},
		{"ann", "correct horse", "yes"},
		{"Zoë Müller", "pässwört", "yes"},
		{"kim", "correct horse", "yes"},
		{"lee", "correct horse", "yes"},
		{"jo", "correct horsf", "no"},
		{"jo", "correct horse ", "no"},
		{"jo", "correct horse\x00", "no"},
		{"kim", "Correct horse", "no"},
		{"lee", "correct", "no"},
		{"jo", "", "no"},
		{"kim", "", "no"},
		{"nobody", "", "no"},
		{"nobody", "correct horse", "no"},
		{"", "correct horse", "no"},
		{"JO", "correct horse", "no"},
		{"zoë müller", "pässwört", "no"},
		{"# staff", "correct horse", "no"},
		{"long", strings.Repeat("a", 72), "yes"},
		{"long", strings.Repeat("a", 73), "no"},
		{"long", strings.Repeat("a", 71), "no"},
		{"kim", strings.Repeat("a", 4096), "no"},
	} {
		if got := answer(t, f, tt.user, tt.password); got != tt.want {
			t.Errorf("%q with %q: got %s, want %s", tt.user, tt.password, got, tt.want)
		}
	}
}

func TestCanonicalNames(t *testing.T) {
	f := opened(t, strings.ToLower, "Jo:"+horse2y)
	if got := answer(t, f, "jo", "correct horse"); got != "yes" {
		t.Errorf("the canonical name: got %s, want yes", got)
	}
	// The policy has made the name canonical already. If it were done a second time, two users could become one.
	if got := answer(t, f, "JO", "correct horse"); got != "no" {
		t.Errorf("a name that is not canonical: got %s, want no", got)
	}
}

// TestOneHashEach: the time of an answer must not tell whether the user exists.
func TestOneHashEach(t *testing.T) {
	argon := kind{memory: 64, time: 1, threads: 1}
	f := opened(t, nil, "jo:"+horse2y, "kim:"+horseID1, "pat:"+horseID1, "lee:"+horseID2)
	for _, tt := range []struct {
		user, password string
		want           kind
	}{
		{"jo", "correct horse", kind{cost: 4}},
		{"jo", "wrong", kind{cost: 4}},
		{"jo", strings.Repeat("a", 100), kind{cost: 4}},
		{"kim", "wrong", argon},
		{"nobody", "wrong", argon},
		{"nobody", strings.Repeat("a", 100), argon},
	} {
		var got []kind
		f.matches = func(h hash, password string) bool {
			got = append(got, h.kind)
			return h.matches(password)
		}
		answer(t, f, tt.user, tt.password)
		if len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s with %.10s: hashes %+v, want one of %+v", tt.user, tt.password, got, tt.want)
		}
	}
}

// TestStrangerNeverIn: an unknown user is refused even with a password that fits the hash used for unknown users.
func TestStrangerNeverIn(t *testing.T) {
	f := opened(t, nil, "# nobody yet")
	f.matches = func(hash, string) bool { return true }
	if got := answer(t, f, "jo", "correct horse"); got != "no" {
		t.Errorf("got %s, want no", got)
	}
}

func TestContext(t *testing.T) {
	f := opened(t, nil, "jo:"+horse2y)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for _, password := range []string{"correct horse", ""} {
		_, err := f.Authenticate(done, policy.FirstRequest{User: "jo", Password: password})
		if !errors.Is(err, context.Canceled) || errors.Is(err, policy.ErrRejected) {
			t.Errorf("context done, password %q: got %v, want context canceled", password, err)
		}
	}
}

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := opened(t, nil, "jo:"+horse2y)
		f.turns = make(chan struct{}, 2) // of this bubble
		hold := make(chan bool)
		var at, most atomic.Int32
		f.matches = func(hash, string) bool {
			most.Store(max(most.Load(), at.Add(1)))
			defer at.Add(-1)
			return <-hold
		}
		var yes atomic.Int32
		for range 5 {
			go func() {
				if _, err := f.Authenticate(t.Context(), policy.FirstRequest{User: "jo", Password: "x"}); err == nil {
					yes.Add(1)
				}
			}()
		}
		synctest.Wait()
		if got := at.Load(); got != 2 {
			t.Errorf("%d hashes at once, want 2", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Authenticate(ctx, policy.FirstRequest{User: "jo", Password: "x"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no turn within the context's time: got %v, want deadline exceeded", err)
		}
		for range 5 {
			hold <- true
		}
		synctest.Wait()
		if yes.Load() != 5 || most.Load() != 2 || len(f.turns) != 0 {
			t.Errorf("%d yes, at most %d at once, %d turns held; want 5, 2, 0", yes.Load(), most.Load(), len(f.turns))
		}
	})
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	f := opened(t, nil, "jo:"+horse2y)
	f.matches = func(hash, string) bool { return true }
	var clock atomic.Int64
	f.now = func() time.Time { return time.Now().Add(time.Duration(clock.Add(1)) * time.Minute) }
	f.OnReload = func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 50 {
				if i == 0 && j%5 == 0 {
					other := f.path + ".new"
					write(t, other, "jo:"+horse2y, strings.Repeat("#", j))
					if err := os.Rename(other, f.path); err != nil {
						t.Error(err)
					}
				}
				if got := answer(t, f, "jo", "x"); got != "yes" {
					t.Errorf("got %s, want yes", got)
				}
			}
		})
	}
	wg.Wait()
}
