package shared

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/valkey-io/valkey-go"

	"duoradiusd/policy"
)

// replayLife is how long a copy of a captured request is recognised, as in a single daemon.
const replayLife = time.Hour

// replays implements policy.Replays. The local store also keeps each mark, so that an outage of the store does not lose it.
type replays struct {
	*link
	local policy.Replays
}

func (r *replays) keyOf(request policy.RequestDigest) string {
	return r.key("request", r.config.Keys.name("request", hex.EncodeToString(request[:])))
}

// Mark implements policy.Replays.
func (r *replays) Mark(ctx context.Context, request policy.RequestDigest, id policy.TransactionID) error {
	if err := r.local.Mark(ctx, request, id); err != nil {
		return err
	}
	key := r.keyOf(request)
	err := r.call(ctx, func(ctx context.Context, c valkey.Client) error {
		return c.Do(ctx, c.B().Set().Key(key).Value(r.seal(key, []byte(id), replayLife)).Px(replayLife).Build()).Error()
	})
	if errors.Is(err, ErrDown) {
		return nil // the local store has the mark
	}
	return err
}

// Seen implements policy.Replays.
func (r *replays) Seen(ctx context.Context, request policy.RequestDigest) (policy.TransactionID, bool, error) {
	if id, ok, err := r.local.Seen(ctx, request); ok || err != nil {
		return id, ok, err
	}
	key := r.keyOf(request)
	var sealed string
	err := r.call(ctx, func(ctx context.Context, c valkey.Client) (err error) {
		sealed, err = c.Do(ctx, c.B().Get().Key(key).Build()).ToString()
		return err
	})
	switch {
	case valkey.IsValkeyNil(err):
		return "", false, nil
	case errors.Is(err, ErrDown):
		_, err := orLocal(r.link, func() (bool, error) { return false, nil })
		return "", false, err
	case err != nil:
		return "", false, err
	}
	id, ok := r.open(key, sealed)
	return policy.TransactionID(id), ok, nil
}
