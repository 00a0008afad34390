package duo

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// request is one try of a call, signed.
type request struct {
	method, path  string
	params        []byte // encoded: the query of a GET, the body of a POST
	host, agent   string
	date          string // with authorization; empty where the call is not signed
	authorization string
	until         time.Time // when it is given up; zero = when its context ends
}

// late says why the request may not begin any more.
func (r *request) late(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !r.until.IsZero() && !time.Now().Before(r.until):
		return context.DeadlineExceeded
	}
	return nil
}

// within returns a context that ends at until too, where that is not zero.
func within(ctx context.Context, until time.Time) (context.Context, context.CancelFunc) {
	if until.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, until)
}

// poll says whether it is one that Duo answers when there is news.
func (r *request) poll() bool { return r.path == pollPath }

// target is what HTTP asks for, which holds the transaction in a poll: it goes into no error.
func (r *request) target() string {
	if r.method == http.MethodPost || len(r.params) == 0 {
		return r.path
	}
	return r.path + "?" + string(r.params)
}

// body is nil for a GET.
func (r *request) body() []byte {
	if r.method == http.MethodPost {
		return r.params
	}
	return nil
}

// Headers as HTTP/2 compresses them, and the numbers of their names (RFC 7541, appendix A).
const (
	fieldGET, fieldPOST, fieldHTTPS = 0x82, 0x83, 0x87

	nameAuthority     = 1
	namePath          = 4
	nameAuthorization = 23
	nameContentLength = 28
	nameContentType   = 31
	nameDate          = 33
	nameUserAgent     = 58
)

// tableOfNone sets the size of the table that we use of the peer's to 0 (RFC 7541, 6.3).
const tableOfNone = 0x20

// appendBlock appends the request's headers as HTTP/2 takes them: literals that no table keeps, so that a connection has no
// state of ours to guard, and what is secret stays out of the peer's table too (RFC 7541, 6.2.2 and 7.1.3). It says so
// at its beginning: after a peer has made its table smaller the next block must (RFC 9113, 4.3.1), and any block may.
func (r *request) appendBlock(b []byte) []byte {
	b = append(b, tableOfNone)
	if r.method == http.MethodGet {
		b = append(b, fieldGET, fieldHTTPS)
	} else {
		b = append(b, fieldPOST, fieldHTTPS)
	}
	b = appendField(b, nameAuthority, r.host)
	b = appendField(b, namePath, r.target())
	b = appendField(b, nameUserAgent, r.agent)
	if r.authorization != "" {
		b = appendField(b, nameDate, r.date)
		b = appendField(b, nameAuthorization, r.authorization)
	}
	if r.method == http.MethodPost {
		b = appendField(b, nameContentType, formType)
		b = appendField(b, nameContentLength, strconv.Itoa(len(r.params)))
	}
	return b
}

// appendField appends a field that is never to be indexed (RFC 7541, 6.2.3).
func appendField(b []byte, name int, value string) []byte {
	b = appendInteger(b, 0x10, 4, name)
	b = appendInteger(b, 0, 7, len(value))
	return append(b, value...)
}

// appendInteger appends n with a prefix of so many bits, under the bits of first (RFC 7541, 5.1).
func appendInteger(b []byte, first byte, bits, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(b, first|byte(n))
	}
	b = append(b, first|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// formType is the Content-Type of a body.
const formType = "application/x-www-form-urlencoded"

// response is what came back, whole.
type response struct {
	status     int
	date       string
	retryAfter [2]string // Retry-After and X-Retry-After
	body       []byte
}

// unseen is why a request failed that Duo has certainly not looked at: to send it again is no second push.
type unseen struct{ error }

func (u unseen) Unwrap() error { return u.error }

func isUnseen(err error) bool {
	_, ok := errors.AsType[unseen](err)
	return ok
}
