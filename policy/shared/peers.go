package shared

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

const (
	peerLife  = 10 * time.Second // a daemon that announces nothing for this long counts as gone
	peersLife = 10 * time.Minute // the life of the key that holds all daemons
)

// Peer is a daemon of the cluster. This daemon is a Peer too.
type Peer struct {
	Host    string        `json:"host"`
	Version string        `json:"version"`
	Clients string        `json:"clients"` // a digest of the names of its RADIUS clients
	Seen    time.Time     `json:"seen"`    // by the store's clock
	Skew    time.Duration `json:"skew"`    // how far its own clock is ahead of the store's, in nanoseconds
	Self    bool          `json:"self"`
}

func (l *link) setClients(names []string) {
	names = slices.Sorted(slices.Values(names))
	digest := l.config.Keys.name(append([]string{"clients"}, names...)...)[:8]
	l.clients.Store(&digest)
}

func (l *link) peersKey() string { return l.config.Prefix + ":daemons" }

// announce writes this daemon's Peer to the store.
func (l *link) announce(ctx context.Context, c valkey.Client) error {
	now := l.now()
	if l.config.Probe {
		return c.Do(ctx, c.B().Set().Key(l.config.Prefix+":probe").Value("").PxMilliseconds(peerLife.Milliseconds()).Build()).Error()
	}
	b, err := json.Marshal(Peer{Host: l.host, Version: l.config.Version, Clients: *l.clients.Load(), Seen: now, Skew: l.config.Now().Sub(now)})
	if err != nil {
		return err
	}
	key := l.peersKey()
	for _, r := range c.DoMulti(ctx,
		c.B().Hset().Key(key).FieldValue().FieldValue(l.node, l.seal(key+"/"+l.node, b, peerLife)).Build(),
		c.B().Pexpire().Key(key).Milliseconds(peersLife.Milliseconds()).Build()) {
		if err := r.Error(); err != nil {
			return err
		}
	}
	return nil
}

// peers returns the daemons that have announced themselves lately, and removes the others from the store.
func (l *link) peers(ctx context.Context) (list []Peer, err error) {
	key := l.peersKey()
	err = l.call(ctx, func(ctx context.Context, c valkey.Client) error {
		all, err := c.Do(ctx, c.B().Hgetall().Key(key).Build()).AsStrMap()
		if err != nil {
			return err
		}
		var gone []string
		for node, sealed := range all {
			var p Peer
			b, ok := l.open(key+"/"+node, sealed)
			if !ok || json.Unmarshal(b, &p) != nil {
				gone = append(gone, node)
				continue
			}
			p.Self = node == l.node
			list = append(list, p)
		}
		if len(gone) > 0 {
			return c.Do(ctx, c.B().Hdel().Key(key).Field(gone...).Build()).Error()
		}
		return nil
	})
	slices.SortFunc(list, func(a, b Peer) int { return strings.Compare(a.Host, b.Host) })
	return list, err
}
