package fakeduo

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"mime"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxSkew is how far a request's timestamp may be from the server's clock.
const maxSkew = 300 * time.Second

// verify checks everything that Duo demands of a signed request, the cheapest checks first.
func (s *Server) verify(c *call) error {
	r := c.http
	ikey, signature, ok := r.BasicAuth()
	if !ok {
		return refuse(codeNoCredentials, "")
	}
	if ikey != s.cfg.IntegrationKey {
		return refuse(codeIntegrationKey, "")
	}
	date := r.Header.Get("X-Duo-Date") // wins: it survives proxies that rewrite Date
	if date == "" {
		date = r.Header.Get("Date")
	}
	if date == "" {
		return refuse(codeNoTimestamp, "")
	}
	when, err := mail.ParseDate(date)
	if err != nil {
		return refuse(codeTimestamp, "not an RFC 2822 date")
	}
	if s.now().Sub(when).Abs() > maxSkew {
		return refuse(codeTimestamp, "")
	}
	host, err := s.host(r.Host)
	if err != nil {
		return err
	}
	if !s.signed(c, signature, date, host) {
		return refuse(codeSignature, "")
	}
	return nil
}

// host returns the host name that must have been signed: one of ours, in lower case, without port.
func (s *Server) host(hostport string) (string, error) {
	name := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		name = h
	}
	name = strings.ToLower(name)
	if name != "" && (name == "127.0.0.1" || name == "localhost" || name == strings.ToLower(s.cfg.Host)) {
		return name, nil
	}
	return "", refuse(codeSignature, "host: not ours")
}

// signed reports whether the signature is that of version 2 or 5, whichever the kind of body allows. A GET
// does not say its version, so both are tried.
func (s *Server) signed(c *call, signature, date, host string) bool {
	r := c.http
	var canons []string
	if c.json {
		canons = []string{canonicalV5(date, r.Method, host, r.URL.Path, nil, c.body, r.Header)}
	} else {
		canons = []string{canonicalV2(date, r.Method, host, r.URL.Path, c.params)}
		if r.Method == http.MethodGet {
			canons = append(canons, canonicalV5(date, r.Method, host, r.URL.Path, c.params, nil, r.Header))
		}
	}
	return slices.ContainsFunc(canons, func(canon string) bool {
		return hmac.Equal([]byte(sign(s.cfg.SecretKey, canon)), []byte(signature))
	})
}

// sign returns the signature of a canonical string in lower-case hexadecimal.
func sign(secretKey, canon string) string {
	mac := hmac.New(sha512.New, []byte(secretKey))
	mac.Write([]byte(canon))
	return hex.EncodeToString(mac.Sum(nil))
}

func canonicalV2(date, method, host, path string, params url.Values) string {
	return strings.Join([]string{date, method, host, path, canonicalParams(params)}, "\n")
}

// canonicalV5 is version 2 with the hashes of the body and of the X-Duo headers. The parameters of a POST are
// in its body, and the parameter line is empty.
func canonicalV5(date, method, host, path string, params url.Values, body []byte, header http.Header) string {
	return canonicalV2(date, method, host, path, params) + "\n" +
		hashHex(body) + "\n" + hashHex([]byte(canonicalHeaders(header)))
}

// canonicalParams sorts by key and escapes everything except A-Z a-z 0-9 _ . ~ -, as QueryEscape does, but a space becomes %20.
// No key occurs twice, because read refuses that.
func canonicalParams(params url.Values) string {
	keys := make([]string, 0, len(params))
	for k := range params {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(k))
		b.WriteByte('=')
		b.WriteString(escape(params.Get(k)))
	}
	return b.String()
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// canonicalHeaders joins the X-Duo headers, X-Duo-Date among them: name NUL value NUL name ...
func canonicalHeaders(header http.Header) string {
	var names []string
	for name := range header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-duo-") {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = name + "\x00" + header.Get(name)
	}
	return strings.Join(names, "\x00")
}

func hashHex(b []byte) string {
	sum := sha512.Sum512(b)
	return hex.EncodeToString(sum[:])
}

// bodyKind says whether a POST's body is JSON (version 5) or a form (version 2); anything else is refused.
func bodyKind(contentType string) (isJSON bool, err error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false, refuse(codeContentType, "")
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		return false, nil
	case "application/json":
		return true, nil
	}
	return false, refuse(codeContentType, "")
}
