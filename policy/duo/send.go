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

// untouchedMost is how often a request is tried that Duo has certainly not looked at.
const untouchedMost = 6

// unseenError is why a request failed that Duo has certainly not got, or not looked at: to send it again is no second push.
type unseenError struct{ error }

func (e *unseenError) Unwrap() error { return e.error }

// body is a request's parameters. Of a request whose body was not read Duo can't have them (net/http does not say whether it
// has written a request).
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

// do makes one request. What Duo has certainly not looked at is sent again.
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
		// There is no pause at first: a connection was just ending. More of them are a server that takes nothing.
		pause := 5*time.Millisecond<<try - 10*time.Millisecond
		if _, unseen := errors.AsType[*unseenError](err); !unseen || try == untouchedMost || !sleep(x.ctx, pause) {
			return a, err
		}
		try++
	}
}

// alone makes one request over a connection of its own, which counts for nothing: a ping is to tell whether Duo can be asked,
// and not whether a connection is dead or all are in use.
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
