package duo

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
)

// newLane returns a lane without a connection. Its transport dials, through the proxy where there is one, and speaks
// HTTP/1.1; where Duo speaks HTTP/2 it hands the TLS connection to us (http.Transport, TLSNextProto).
func (l *lanes) newLane() *lane {
	lane, transport := &lane{}, l.model.Clone()
	transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{
		"h2": func(_ string, nc *tls.Conn) http.RoundTripper {
			conn := newConn(nc, func(room int) { l.roomFor(lane, room) })
			lane.way.Store(&way{conn: conn})
			return handover{conn}
		},
	}
	lane.way.Store(&way{transport: transport})
	return lane
}

// handover is what a transport gets in place of a connection: an error that holds it.
type handover struct{ conn *conn }

func (h handover) RoundTrip(*http.Request) (*http.Response, error) { return nil, h }
func (handover) Error() string                                     { return "http2: the connection is not the transport's" }

// dial makes a request over a lane's transport, which makes a connection where there is none. It returns the response, or
// the connection that the transport has handed over.
func (l *lanes) dial(ctx context.Context, lane *lane, r *request) (*response, *conn, error) {
	way := lane.way.Load()
	if way.conn != nil {
		return nil, way.conn, nil
	}
	ctx, cancel := within(ctx, r.until)
	defer cancel()
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { l.connected(lane) }}
	resp, err := way.transport.RoundTrip(r.overHTTP1(httptrace.WithClientTrace(ctx, trace), l.address))
	if over, ok := errors.AsType[handover](err); ok {
		return nil, over.conn, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body := bytes.NewBuffer(make([]byte, 0, firstBody))
	if _, err := body.ReadFrom(http.MaxBytesReader(nil, resp.Body, maxBody)); err != nil {
		return nil, nil, err
	}
	return &response{
		status:     resp.StatusCode,
		date:       resp.Header.Get("Date"),
		retryAfter: [2]string{resp.Header.Get("Retry-After"), resp.Header.Get("X-Retry-After")},
		body:       body.Bytes(),
	}, nil, nil
}

// overHTTP1 returns the request as net/http takes it. With GetBody the transport repeats a POST by itself, but only one
// of which nothing was written.
func (r *request) overHTTP1(ctx context.Context, address string) *http.Request {
	req := &http.Request{
		Method: r.method,
		URL:    &url.URL{Scheme: "https", Host: address, Path: r.path},
		Host:   r.host,
		Header: http.Header{"User-Agent": {r.agent}},
	}
	if r.authorization != "" {
		req.Header["Date"] = []string{r.date}
		req.Header["Authorization"] = []string{r.authorization}
	}
	if r.method == http.MethodPost {
		req.Header["Content-Type"] = []string{formType}
		req.ContentLength = int64(len(r.params))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.params)), nil }
		req.Body, _ = req.GetBody()
	} else {
		req.URL.RawQuery = string(r.params)
	}
	return req.WithContext(ctx)
}
