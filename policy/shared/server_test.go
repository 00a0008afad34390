package shared_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/valkey-io/valkey-go"
)

// server is a store of a test, with what somebody can do who can read and write it.
type server struct {
	t        testing.TB
	addr     string
	client   valkey.Client
	down, up func()          // it can't be asked, and can again
	clock    func(time.Time) // sets its clock; nil if it has the machine's clock
}

// onEachStore runs a test with a miniredis, and with a Redis of this machine if there is one.
func onEachStore(t *testing.T, f func(*testing.T, *server)) {
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		f(t, mini(t))
	})
	if realServer == nil || testing.Short() {
		return
	}
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		f(t, realServer(t))
	})
}

// realServer starts a Redis. It is nil if this machine's tests have none.
var realServer func(*testing.T) *server

// mini is a miniredis with a clock that runs.
func mini(t testing.TB) *server {
	t.Helper()
	m := miniredis.RunT(t)
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() { // its keys expire by FastForward only
		for last := time.Now(); ; {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				now := time.Now()
				m.FastForward(now.Sub(last))
				last = now
			}
		}
	}()
	s := newServer(t, m.Addr())
	s.clock = m.SetTime
	s.down, s.up = func() { m.SetError("LOADING away") }, func() { m.SetError("") }
	return s
}

func newServer(t testing.TB, addr string) *server {
	t.Helper()
	c, err := valkey.NewClient(valkey.ClientOption{InitAddress: []string{addr}, DisableCache: true, ForceSingleClient: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &server{t: t, addr: addr, client: c}
}

// do sends a command.
func (s *server) do(words ...string) valkey.ValkeyResult {
	s.t.Helper()
	r := s.client.Do(s.t.Context(), s.client.B().Arbitrary(words...).Build())
	if err := r.Error(); err != nil && !valkey.IsValkeyNil(err) {
		s.t.Fatalf("%s: %v", words[0], err)
	}
	return r
}

// keys returns the names of all keys of a kind, or of all kinds for "".
func (s *server) keys(kind string) []string {
	s.t.Helper()
	list, err := s.do("KEYS", "*").AsStrSlice()
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(list)
	return slices.DeleteFunc(list, func(key string) bool { return kind != "" && !strings.Contains(key, ":"+kind+":") })
}

func (s *server) hget(hash, field string) string {
	s.t.Helper()
	v, _ := s.do("HGET", hash, field).ToString()
	return v
}

func (s *server) hset(hash, field, value string) { s.t.Helper(); s.do("HSET", hash, field, value) }

// value returns everything that a key holds.
func (s *server) value(key string) string {
	s.t.Helper()
	kind, _ := s.do("TYPE", key).ToString()
	var list []string
	switch kind {
	case "string":
		v, _ := s.do("GET", key).ToString()
		return v
	case "hash":
		all, _ := s.do("HGETALL", key).AsStrMap()
		for field, value := range all {
			list = append(list, field, value)
		}
	case "set":
		list, _ = s.do("SMEMBERS", key).AsStrSlice()
	case "zset":
		list, _ = s.do("ZRANGE", key, "0", "-1").AsStrSlice()
	default:
		s.t.Fatalf("%s is a %s", key, kind)
	}
	return strings.Join(list, "\n")
}

// endLeases removes the leases of all transactions, as if their owners were gone, and returns how many there were.
func (s *server) endLeases() (n int) {
	s.t.Helper()
	for _, key := range s.keys("lease") {
		s.do("DEL", key)
		n++
	}
	return n
}
