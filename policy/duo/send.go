package duo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// untouchedMost is how often a request is sent at most, if Duo has certainly not looked at it.
const untouchedMost = 6

// unseenError is the error of a request that Duo has certainly not looked at. Sending it again can't ring a phone twice.
type unseenError struct{ error }

func (e *unseenError) Unwrap() error { return e.error }

// body is the body of a request and records whether net/http has read it. Duo can't have a request whose body was not read;
// net/http does not say whether it has sent a request.
type body struct {
	mu         sync.Mutex // guards all below
	parameters *bytes.Reader
	read       bool
	closed     bool
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	b.read = true
	return b.parameters.Read(p)
}

func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// spend closes the body and reports whether any of it was read.
func (b *body) spend() bool {
	b.Close()
	return b.read
}

// do makes one request over a connection of the pool. It sends the request again if Duo has certainly not looked at it.
func (p *pool) do(x *exchange, r *http.Request, params []byte) (*answer, error) {
	for try := 1; ; {
		c, err := p.acquire(x.ctx, x.poll)
		if err != nil {
			return nil, &queueError{err}
		}
		start := time.Now()
		var a *answer
		if err = p.enter(x.ctx, c); err == nil {
			a, err = send(x.ctx, c.client, r, params)
		}
		p.release(c, x.poll)
		x.wire += time.Since(start)
		if errors.Is(err, errMoved) && x.ctx.Err() == nil {
			continue
		}
		// The first repetition comes at once: the connection had just ended. Later ones wait: the server accepts nothing now.
		pause := 5*time.Millisecond<<try - 10*time.Millisecond
		if _, unseen := errors.AsType[*unseenError](err); !unseen || try == untouchedMost || !sleep(x.ctx, pause) {
			return a, err
		}
		try++
	}
}

// alone makes one request over a connection of its own, which does not count for max_connections. A ping uses it, so that its
// result does not depend on dead or busy connections of the pool.
func (p *pool) alone(x *exchange, r *http.Request, params []byte) (*answer, error) {
	start := time.Now()
	defer func() { x.wire += time.Since(start) }()
	client, err := p.connect(x.ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return send(x.ctx, client, r, params)
}

// send makes one request over a connection that has room for it.
func send(ctx context.Context, client *http.ClientConn, r *http.Request, params []byte) (*answer, error) {
	out := r.WithContext(ctx)
	var sent *body
	if r.Body != nil {
		sent = &body{parameters: bytes.NewReader(params)}
		out.Body, out.ContentLength, out.GetBody = sent, int64(len(params)), nil
	}
	resp, err := client.RoundTrip(out)
	if err != nil {
		if untouched(err) || neverBegan(err) && (sent == nil || !sent.spend()) {
			err = &unseenError{err}
		}
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxBody))
	if tooLong, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fmt.Errorf("the answer is longer than %d octets", tooLong.Limit)
	}
	if err != nil {
		return nil, fmt.Errorf("the answer breaks off: %w", err)
	}
	return &answer{resp.StatusCode, resp.Header, text}, nil
}
