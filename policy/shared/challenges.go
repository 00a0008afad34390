package shared

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
)

// challenges implements policy.Challenges. The name of a key is made of the State, the client and the user. Therefore
// somebody who sends another user's State finds nothing and removes nothing.
type challenges struct {
	*link
	local policy.Challenges
}

func (cs *challenges) keyOf(state, client, user string) string {
	return cs.key("challenge", cs.config.Keys.name("challenge", state, client, user))
}

// Put implements policy.Challenges. A dialogue with the first factor stays in this process, because it may hold a password,
// and because the upstream server talks to this process only.
func (cs *challenges) Put(ctx context.Context, c *policy.OpenChallenge) (string, error) {
	if c.Dialogue != nil {
		return cs.local.Put(ctx, c)
	}
	var b [16]byte
	rand.Read(b[:])
	state := hex.EncodeToString(b[:])
	err := cs.put(ctx, state, c)
	if errors.Is(err, ErrDown) {
		return orLocal(cs.link, func() (string, error) { return cs.local.Put(ctx, c) })
	}
	return state, err
}

// PutBack implements policy.Challenges.
func (cs *challenges) PutBack(ctx context.Context, state string, c *policy.OpenChallenge) error {
	if c.Dialogue != nil {
		return cs.local.PutBack(ctx, state, c)
	}
	err := cs.put(ctx, state, c)
	if errors.Is(err, ErrDown) {
		_, err = orLocal(cs.link, func() (struct{}, error) { return struct{}{}, cs.local.PutBack(ctx, state, c) })
	}
	return err
}

// put writes c to the store.
func (cs *challenges) put(ctx context.Context, state string, c *policy.OpenChallenge) error {
	key := cs.keyOf(state, c.Client, c.User)
	life := c.Ends.Sub(cs.config.Now())
	kept := *c
	kept.Ends = time.Time{} // the seal limits the life of the value, by the store's clock
	value, err := encode(kept)
	if err != nil {
		return err
	}
	return cs.call(ctx, func(ctx context.Context, client valkey.Client) error {
		return client.Do(ctx, client.B().Set().Key(key).Value(cs.seal(key, value, life)).Nx().Px(life).Build()).Error()
	})
}

// Take implements policy.Challenges.
func (cs *challenges) Take(ctx context.Context, state, client, user string) (*policy.OpenChallenge, error) {
	if c, err := cs.local.Take(ctx, state, client, user); c != nil || err != nil {
		return c, err
	}
	key := cs.keyOf(state, client, user)
	var sealed string
	err := cs.call(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		sealed, err = c.Do(ctx, c.B().Getdel().Key(key).Build()).ToString()
		return err
	})
	switch {
	case valkey.IsValkeyNil(err):
		return nil, nil
	case errors.Is(err, ErrDown):
		return orLocal(cs.link, func() (*policy.OpenChallenge, error) { return nil, nil })
	case err != nil:
		return nil, err
	}
	value, ok := cs.open(key, sealed)
	c := new(policy.OpenChallenge)
	if !ok || decode(value, c) != nil || c.Client != client || c.User != user {
		return nil, nil
	}
	return c, nil
}
