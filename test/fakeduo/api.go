package fakeduo

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
)

// maxBody bounds a request's body: pushinfo's 20 000 bytes, escaped, and room for the rest.
const maxBody = 128 << 10

// call is one request on its way through the server.
type call struct {
	http   *http.Request
	record *Request
	params url.Values
	body   []byte
	json   bool // version 5: the parameters came as a JSON object
}

// get returns a parameter, "" if it is not there.
func (c *call) get(name string) string { return c.params.Get(name) }

// endpoint is one call of the API. serve's error is a *refusal, or the context's when the client has gone.
type endpoint struct {
	method   string
	unsigned bool
	params   []string
	serve    func(*Server, *call) (any, error)
}

var endpoints = map[string]endpoint{
	"/auth/v2/ping":  {method: http.MethodGet, unsigned: true, serve: (*Server).time},
	"/auth/v2/check": {method: http.MethodGet, serve: (*Server).time},
	"/auth/v2/logo":  {method: http.MethodGet, serve: (*Server).logo},
	"/auth/v2/preauth": {method: http.MethodPost, serve: (*Server).preauth, params: []string{
		"username", "user_id", "ipaddr", "hostname", "trusted_device_token",
		"client_supports_verified_push", "text_prompt", "failmode"}},
	"/auth/v2/auth": {method: http.MethodPost, serve: (*Server).auth, params: []string{
		"username", "user_id", "factor", "ipaddr", "hostname", "async",
		"device", "type", "display_username", "pushinfo", "txid", "passcode"}},
	"/auth/v2/auth_status": {method: http.MethodGet, serve: (*Server).authStatus, params: []string{"txid"}},
}

// abandon ends a request without an answer, because its client has gone. A handler that just returned would send an empty 200,
// which a client that still reads over HTTP/1.1 would take for an answer.
func abandon() { panic(http.ErrAbortHandler) }

// ServeHTTP is the API itself. Start serves it; a test in a synctest bubble, which can have no sockets, may
// call it directly.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.leave()
	c := &call{http: r, record: s.memory.begin(r, connection(r).number())}
	f := s.faults.next(r.URL.Path)
	if f != (Fault{}) {
		s.memory.suffers(c.record, f)
	}
	if f.CutBefore {
		cut(r, f.Stream)
	}
	end, err := s.read(c)
	s.memory.read(c.record, c.params)
	if !s.hold(r.Context(), f) {
		abandon()
	}
	var rep reply
	if !f.replaces() || f.Effect {
		if rep, err = s.answer(c, end, err); err != nil {
			abandon()
		}
	}
	if f.CutAfter {
		cut(r, f.Stream)
	}
	if f.replaces() {
		rep = f.reply()
	}
	s.memory.answered(c.record, rep)
	s.send(w, r, rep, f.Trickle)
}

// answer does what is asked. It returns an error only if the client has gone.
func (s *Server) answer(c *call, end endpoint, err error) (reply, error) {
	if err == nil && !end.unsigned {
		err = s.verify(c)
	}
	var response any
	if err == nil {
		response, err = end.serve(s, c)
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		rep := failReply(refused.code, "", refused.detail)
		if refused.code == codeMethod {
			rep.header = map[string]string{"Allow": end.method}
		}
		return rep, nil
	}
	if err != nil {
		return reply{}, err
	}
	return okReply(response), nil
}

// read finds the endpoint and reads the parameters. If it refuses the request, it still reads what it can, so that the memory
// shows what came.
func (s *Server) read(c *call) (endpoint, error) {
	err := s.readParams(c)
	end, ok := endpoints[c.http.URL.Path]
	switch {
	case !ok:
		return end, refuse(codeNotFound, "")
	case c.http.Method != end.method:
		return end, refuse(codeMethod, "")
	case err != nil:
		return end, err
	case c.http.Method == http.MethodPost && c.http.ContentLength < 0 && !s.cfg.AllowChunked:
		return end, refuse(codeLength, "a body without Content-Length")
	}
	for name := range c.params {
		if !slices.Contains(end.params, name) {
			return end, refuse(codeInvalid, name+": unknown parameter")
		}
	}
	return end, nil
}

func (s *Server) readParams(c *call) (err error) {
	r := c.http
	if r.Method != http.MethodPost {
		c.params, err = parseForm(r.URL.RawQuery)
		return err
	}
	c.body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return refuse(codeInvalid, "body cut short")
	}
	if len(c.body) > maxBody {
		return refuse(codeTooLarge, "")
	}
	if r.URL.RawQuery != "" {
		return refuse(codeInvalid, "a POST with a query")
	}
	c.json, err = bodyKind(r.Header.Get("Content-Type"))
	if err != nil {
		c.params, _ = parseForm(string(c.body)) // for the memory
		return err
	}
	if c.json {
		c.params, err = parseJSON(c.body)
	} else {
		c.params, err = parseForm(string(c.body))
	}
	return err
}

// parseForm decodes a form or a query; a parameter given twice is refused.
func parseForm(s string) (url.Values, error) {
	params, err := url.ParseQuery(s)
	if err != nil {
		return params, refuse(codeInvalid, "malformed parameters")
	}
	for name, values := range params {
		if len(values) > 1 {
			return params, refuse(codeInvalid, name+": given twice")
		}
	}
	return params, nil
}

// parseJSON decodes an object of strings, token by token, because a map would hide a repeated name.
func parseJSON(body []byte) (url.Values, error) {
	malformed := refuse(codeInvalid, "malformed JSON; want an object of strings")
	params := url.Values{}
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return params, malformed
	}
	for dec.More() {
		key, err := dec.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return params, malformed
		}
		value, err := dec.Token()
		text, ok := value.(string)
		if err != nil || !ok {
			return params, malformed
		}
		if params.Has(name) {
			return params, refuse(codeInvalid, name+": given twice")
		}
		params.Set(name, text)
	}
	if _, err := dec.Token(); err != nil {
		return params, malformed
	}
	if _, err := dec.Token(); err != io.EOF {
		return params, malformed
	}
	return params, nil
}

// time answers ping and check.
func (s *Server) time(*call) (any, error) {
	return struct {
		Time int64 `json:"time"`
	}{s.now().Unix()}, nil
}

// logo answers as an account without a logo of its own.
func (s *Server) logo(*call) (any, error) { return nil, refuse(codeInvalid, "") }
