package shared

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

// Status is the state of the cluster as this daemon sees it.
type Status struct {
	Server   Server        `json:"server"`
	Latency  time.Duration `json:"latency"` // the time that one operation takes, in nanoseconds
	WhenDown WhenDown      `json:"when_down"`
	Peers    []Peer        `json:"peers"` // the daemons of the cluster, with this one
	Counters
}

// Counters holds counts since the start of the daemon.
type Counters struct {
	Up        bool   `json:"up"`
	Error     string `json:"error,omitempty"` // why the store can't be asked
	Failures  uint64 `json:"failures"`        // how often the store could not be asked
	TakenOver uint64 `json:"taken_over"`      // pushes that this daemon took over from daemons that were gone
	Fenced    uint64 `json:"fenced"`          // pushes that other daemons took over from this one
	Lost      uint64 `json:"lost"`            // pushes whose answer is lost: nobody knows whether they rang
}

// Server is what the server of the store reports about itself.
type Server struct {
	Kind            string `json:"kind"` // redis or valkey
	Version         string `json:"version"`
	Role            string `json:"role"` // master or slave
	MaxMemory       string `json:"maxmemory"`
	MaxMemoryPolicy string `json:"maxmemory_policy"`
	Persistence     string `json:"persistence"`
}

// Counters returns the present counts. It does not ask the store.
func (s *Cluster) Counters() Counters {
	c := Counters{
		Up:        s.link.breaker.up.Load(),
		Failures:  s.link.breaker.failures.Load(),
		TakenOver: s.transactions.takenOver.Load(),
		Fenced:    s.transactions.fenced.Load(),
		Lost:      s.transactions.lost.Load(),
	}
	if why := s.link.breaker.why(); why != nil {
		c.Error = why.Error()
	}
	return c
}

// Status asks the server of the store for its state.
func (s *Cluster) Status(ctx context.Context) Status {
	st := Status{Counters: s.Counters(), WhenDown: s.link.config.WhenDown, Latency: time.Duration(s.link.latency.Load())}
	server, err := s.link.server(ctx)
	if err == nil {
		st.Server = server
		st.Peers, err = s.link.peers(ctx)
	}
	if err != nil && st.Error == "" {
		st.Error = err.Error()
	}
	return st
}

// server asks the server about itself. The fields stay empty if an ACL does not allow INFO.
func (l *link) server(ctx context.Context) (s Server, err error) {
	var text string
	err = l.call(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		text, err = c.Do(ctx, c.B().Info().Build()).ToString()
		if answer, ok := valkey.IsValkeyErr(err); ok && strings.HasPrefix(answer.Error(), "NOPERM") {
			return nil
		}
		return err
	})
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		info[key] = value
	}
	s = Server{Kind: "redis", Version: info["redis_version"], Role: info["role"], MaxMemory: info["maxmemory_human"], MaxMemoryPolicy: info["maxmemory_policy"]}
	if v := info["valkey_version"]; v != "" {
		s.Kind, s.Version = "valkey", v
	}
	switch {
	case info["aof_enabled"] == "1":
		s.Persistence = "append-only file"
	case info["rdb_last_bgsave_status"] != "":
		s.Persistence = "snapshots at most"
	}
	return s, err
}

// tooOld reports whether the version is below 6.2, the first version that has GETDEL.
func (s Server) tooOld() bool {
	var major, minor int
	if n, _ := fmt.Sscanf(s.Version, "%d.%d", &major, &minor); n < 2 {
		return false // the version is unknown
	}
	return major < 6 || major == 6 && minor < 2
}

// Warnings returns the properties of the server that are unsuitable for a cluster.
func (s Server) Warnings() (list []string) {
	if s.tooOld() {
		list = append(list, "version "+s.Version+": want Redis 6.2 or newer, or Valkey")
	}
	if s.Role == "slave" {
		list = append(list, "a replica, which takes no writes; want the primary, or sentinels")
	}
	if p := s.MaxMemoryPolicy; p != "" && p != "noeviction" && p != "volatile-ttl" {
		list = append(list, "maxmemory-policy "+p+": the server may delete what the guard has counted; want noeviction")
	}
	return list
}

// Probe runs each script once on a key of its own, and returns what the server reports about itself.
func (s *Cluster) Probe(ctx context.Context) (Server, time.Duration, error) {
	l := s.link
	if err := l.breaker.why(); err != nil {
		return Server{}, 0, err
	}
	server, err := l.server(ctx)
	if err != nil {
		return server, 0, err
	}
	tag := l.config.Keys.name("probe", l.node)
	keys := []string{l.key("probe", tag, "1"), l.key("probe", tag, "2"), l.key("probe", tag, "3"), l.key("probe", tag, "4"), l.key("probe", tag, "5")}
	began := time.Now()
	for name, script := range scripts {
		err := l.call(ctx, func(ctx context.Context, c valkey.Client) error {
			args := []string{"1000", "1000", "1000", "1000", "1000", "1000", "1000", "1000", "1000", "1000", "1000"}
			err := script.Exec(ctx, c, keys[:scriptKeys[name]], args[:scriptArgs[name]]).Error()
			c.Do(ctx, c.B().Del().Key(keys...).Build())
			return err
		})
		if err != nil {
			return server, 0, fmt.Errorf("script %s: %w", name, err)
		}
	}
	return server, time.Since(began) / time.Duration(2*len(scripts)), nil
}

// scriptKeys and scriptArgs hold the numbers of KEYS and ARGV of each script.
var (
	scriptKeys = map[string]int{"claim": 4, "person": 1, "publish": 2, "take": 2, "give": 1, "add": 1, "replace": 1, "forget": 1, "admit": 1, "settle": 1, "wrong": 1, "know": 1, "push": 2, "clear": 1}
	scriptArgs = map[string]int{"claim": 9, "person": 3, "publish": 4, "take": 4, "give": 1, "add": 5, "replace": 3, "forget": 3, "admit": 7, "settle": 4, "wrong": 2, "know": 3, "push": 7, "clear": 0}
)
