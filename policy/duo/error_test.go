package duo_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"os"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/duo"
	"duoradiusd/policy/factor"
	"duoradiusd/test/fakeduo"
)

// answer is the result of any call, and whether it holds an allow.
type answer struct {
	allow bool
	err   error
}

func (a answer) String() string { return fmt.Sprintf("allow %v, %v", a.allow, a.err) }

// calls are the calls whose answer can hold an allow, and check.
var calls = []struct {
	name, path string
	do         func(context.Context, *duo.Client) answer
}{
	{"preauth", preauthPath, func(ctx context.Context, c *duo.Client) answer {
		p, err := c.Preauth(ctx, policy.PreauthRequest{User: jo})
		return answer{p.Result == policy.PreauthAllow || p.Result == policy.PreauthAuth, err}
	}},
	{"push", authPath, func(ctx context.Context, c *duo.Client) answer {
		r, err := c.Auth(ctx, &push)
		return answer{r.Allowed, err}
	}},
	{"passcode", authPath, func(ctx context.Context, c *duo.Client) answer {
		r, err := c.Auth(ctx, &policy.AuthRequest{User: jo, Factor: factor.Passcode, Passcode: "123456"})
		return answer{r.Allowed, err}
	}},
	{"check", "/auth/v2/check", func(ctx context.Context, c *duo.Client) answer {
		_, err := c.Check(ctx)
		return answer{false, err}
	}},
}

// Each wrong answer of Duo is a certain error, and never an allow.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault fakeduo.Fault
		kind  string
		text  string // after "duo: " and the path
	}{
		{"500", fakeduo.Fault{Status: 500}, "unavailable", ": 500 (50000): Internal server error"},
		{"503", fakeduo.Fault{Code: 50301, Detail: "try later"}, "unavailable", ": 503 (50301): try later"},
		{"HTML 502", fakeduo.Fault{Status: 502, Body: "<html>Bad Gateway</html>"}, "unavailable", ": 502"},
		{"HTML 200", fakeduo.Fault{Body: "<html>Log in to the hotel</html>"}, "unknown",
			": 200: invalid character '<' looking for beginning of value"},
		{"HTML 404", fakeduo.Fault{Status: 404, Body: "<html>Not Found</html>"}, "refused", ": 404"},
		{"HTML 401", fakeduo.Fault{Status: 401, Body: "<html>Who are you?</html>"}, "misconfigured",
			": 401: are api_host, integration_key, secret_key and this machine's clock right?"},
		{"HTML 403", fakeduo.Fault{Status: 403, Body: "<html>Forbidden</html>"}, "misconfigured",
			": 403: are api_host, integration_key, secret_key and this machine's clock right?"},
		{"half an answer", fakeduo.Fault{Body: `{"stat": "OK", "response": {"result": "allow"`}, "unknown",
			": 200: unexpected end of JSON input"},
		{"two answers", fakeduo.Fault{Body: `{"stat":"OK","response":{"result":"allow"}} {}`}, "unknown",
			": 200: invalid character '{' after top-level value"},
		{"no JSON object", fakeduo.Fault{Body: `"allow"`}, "unknown",
			": 200: the answer has the wrong JSON type: string"},
		{"FAIL with 200", fakeduo.Fault{Status: 200, Code: 40002, Detail: "username"}, "unknown",
			`: 200 (40002): Invalid request parameters: username: stat is "FAIL"; want OK`},
		{"no stat", fakeduo.Fault{Body: `{"response":{"result":"allow","time":1}}`}, "unknown", `: 200: stat is ""; want OK`},
		{"stat of another kind", fakeduo.Fault{Body: `{"stat":"ok","response":{"result":"allow"}}`}, "unknown", `: 200: stat is "ok"; want OK`},
		{"no response", fakeduo.Fault{Body: `{"stat":"OK"}`}, "unknown", ": 200: the answer has no response"},
		{"an empty response", fakeduo.Fault{Body: `{"stat":"OK","response":{}}`}, "unknown", ``},
		{"null", fakeduo.Fault{Body: `{"stat":"OK","response":null}`}, "unknown", ``},
		{"OK with 201", fakeduo.Fault{Status: 201, Body: `{"stat":"OK","response":{"result":"allow"}}`}, "unknown",
			": 201: the answer is not one of the Auth API; is api_host right?"},
		{"OK with 401", fakeduo.Fault{Status: 401, Body: `{"stat":"OK","response":{"result":"allow"}}`}, "misconfigured",
			": 401: are api_host, integration_key, secret_key and this machine's clock right?"},
		{"OK with 500", fakeduo.Fault{Status: 500, Body: `{"stat":"OK","response":{"result":"allow"}}`}, "unavailable", ": 500"},
		{"40001", fakeduo.Fault{Code: 40001}, "refused", ": 400 (40001): Missing required request parameters"},
		{"40002", fakeduo.Fault{Code: 40002, Detail: "no capable device"}, "refused",
			": 400 (40002): Invalid request parameters: no capable device"},
		{"40101", fakeduo.Fault{Code: 40101}, "misconfigured",
			": 401 (40101): Missing request credentials: does a proxy change the headers of requests?"},
		{"40102", fakeduo.Fault{Code: 40102}, "misconfigured",
			": 401 (40102): Invalid integration key in request credentials: is integration_key right?"},
		{"40103", fakeduo.Fault{Code: 40103}, "misconfigured",
			": 401 (40103): Invalid signature in request credentials: is secret_key right?"},
		{"40104", fakeduo.Fault{Code: 40104}, "misconfigured",
			": 401 (40104): Missing request timestamp: is this machine's clock right?"},
		{"40105", fakeduo.Fault{Code: 40105}, "misconfigured",
			": 401 (40105): Bad request timestamp: is this machine's clock right?: it is 0s ahead of Duo's"},
		{"40106", fakeduo.Fault{Code: 40106}, "misconfigured",
			": 401 (40106): Invalid content type: does a proxy change the headers of requests?"},
		{"40301", fakeduo.Fault{Code: 40301, Detail: "Wrong integration type for this API."}, "misconfigured",
			`: 403 (40301): Access forbidden: Wrong integration type for this API.: these keys are of another type of ` +
				`application; create one of type "Auth API" or "Partner Auth API"`},
		{"40401", fakeduo.Fault{Code: 40401}, "refused", ": 404 (40401): Resource not found"},
		{"40501", fakeduo.Fault{Code: 40501}, "refused", ": 405 (40501): Method not allowed"},
		{"code as a string", fakeduo.Fault{Status: 401, Body: `{"stat":"FAIL","code":"40103","message":"No"}`}, "misconfigured",
			": 401 (40103): No: is secret_key right?"},
		{"code null", fakeduo.Fault{Status: 400, Body: `{"stat":"FAIL","code":null,"message":null,"message_detail":null}`},
			"refused", ": 400"},
		{"code of another kind", fakeduo.Fault{Status: 400, Body: `{"stat":"FAIL","code":[40002]}`}, "refused", ": 400"},
		{"escape sequences", fakeduo.Fault{Status: 400, Body: `{"stat":"FAIL","message":"\u001b]0;x\u0007\u009b1m"}`},
			"refused", ": 400: \ufffd]0;x\ufffd\ufffd1m"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c := ready(t, fakeduo.Config{}, fakeduo.User{Passcodes: []string{"123456"}})
			for _, call := range calls {
				s.Inject(call.path, tt.fault)
				got := call.do(t.Context(), c)
				if got.allow || kind(got.err) != tt.kind {
					t.Errorf("%s: got %v, %s; want %s", call.name, got, kind(got.err), tt.kind)
				}
				if want := "Duo " + path.Base(call.path) + tt.text; tt.text != "" && (got.err == nil || got.err.Error() != want) {
					t.Errorf("%s:\n got %v\nwant %s", call.name, got.err, want)
				}
				s.Heal()
			}
			if s.Pushes() != 0 {
				t.Errorf("%d pushes", s.Pushes())
			}
		})
	}
}

// errors.As finds the Error and its fields.
func TestErrorFields(t *testing.T) {
	s, c := ready(t, fakeduo.Config{}, fakeduo.User{})
	s.Inject(preauthPath, fakeduo.Fault{Code: 40002, Detail: "username"})
	_, err := c.Preauth(t.Context(), policy.PreauthRequest{User: jo})
	e, ok := errors.AsType[*duo.Error](err)
	if !ok || e.Path != preauthPath || e.Status != 400 || e.Code != 40002 || e.Message != "Invalid request parameters" ||
		e.Detail != "username" || e.Err != nil {
		t.Errorf("got %v", e)
	}
}

// These are the answers that Duo itself gives to a wrong key and a wrong clock.
func TestMisconfigured(t *testing.T) {
	s := started(t, fakeduo.Config{}, fakeduo.User{})
	for _, tt := range []struct {
		name string
		edit func(*duo.Config)
		skew time.Duration
		want string
	}{
		{"integration key", func(c *duo.Config) { c.IntegrationKey = "DIOTHEROTHEROTHER000" }, 0, "(40102)"},
		{"secret key", func(c *duo.Config) { c.SecretKey = strings.Repeat("x", 40) }, 0, "(40103)"},
		{"slow clock", func(*duo.Config) {}, 10 * time.Minute, "is this machine's clock right?: it is 10m0s behind Duo's"},
		{"fast clock", func(*duo.Config) {}, -time.Hour, "is this machine's clock right?: it is 1h0m0s ahead of Duo's"},
	} {
		s.Skew(tt.skew)
		c := connected(t, s, tt.edit)
		for _, call := range calls {
			got := call.do(t.Context(), c)
			if got.allow || kind(got.err) != "misconfigured" || !strings.Contains(got.err.Error(), tt.want) {
				t.Errorf("%s, %s: got %v, want misconfigured with %q", tt.name, call.name, got, tt.want)
			}
		}
		if h, _ := c.Health(); h != duo.Up {
			t.Errorf("%s: Duo is %v; want up, it answers", tt.name, h)
		}
	}
}

// There is no answer. A refused or broken connection is an outage. A certificate that is not Duo's is none, and neither is
// a silence that was shorter than fairChance.
func TestNoAnswer(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto.name, func(t *testing.T) {
			s := started(t, proto.cfg, fakeduo.User{Passcodes: []string{"123456"}})
			hasty := func(c *duo.Config) { c.APITimeout = 100 * time.Millisecond }
			for _, tt := range []struct {
				name  string
				fault fakeduo.Fault
				edit  func(*duo.Config)
				kind  string
				text  string
			}{
				{"cut", fakeduo.Fault{Times: -1, CutBefore: true}, nil, "unavailable", ""},
				{"hang", fakeduo.Fault{Times: -1, Hang: true}, hasty, "cut short", "context deadline exceeded"},
				{"trickle", fakeduo.Fault{Times: -1, Trickle: 50 * time.Millisecond}, hasty, "cut short", "context deadline exceeded"},
				{"roots", fakeduo.Fault{}, func(c *duo.Config) { c.Roots = x509.NewCertPool() }, "misconfigured",
					"tls: failed to verify certificate: x509: certificate signed by unknown authority"},
				{"Duo's own roots", fakeduo.Fault{}, func(c *duo.Config) { c.Roots = nil }, "misconfigured",
					"tls: failed to verify certificate: x509: certificate signed by unknown authority"},
				{"down", fakeduo.Fault{}, nil, "unavailable", "connect: connection refused"},
			} {
				if tt.name == "down" {
					s.Down()
				}
				for _, call := range calls {
					edit := tt.edit
					if edit == nil {
						edit = func(*duo.Config) {}
					}
					c := connected(t, s, edit)
					if tt.fault.Times != 0 {
						s.Inject(call.path, tt.fault)
					}
					got := call.do(t.Context(), c)
					if got.allow || kind(got.err) != tt.kind || !strings.HasPrefix(got.err.Error(), "Duo "+path.Base(call.path)+": ") ||
						!strings.HasSuffix(got.err.Error(), tt.text) {
						t.Errorf("%s, %s: got %v, want %s with %q", tt.name, call.name, got, tt.kind, tt.text)
					}
					s.Heal()
				}
			}
			if got := s.Count(authPath); got > 6 {
				t.Errorf("%d requests on /auth; want each of the 6 at most once that found a connection", got)
			}
		})
	}
}

// The caller's own deadline ends every call. It is an outage only if Duo had its fair chance. A caller who gives up has not
// found that Duo is unavailable.
func TestContext(t *testing.T) {
	gone := errors.New("the client has gone")
	for _, proto := range protocols {
		for _, call := range calls {
			t.Run(proto.name+" "+call.name, func(t *testing.T) {
				bubble(t, proto.cfg, fakeduo.User{}, nil, func(t *testing.T, w *world) {
					w.Inject(call.path, fakeduo.Fault{Times: -1, Hang: true})
					for limit, want := range map[time.Duration]string{1999 * time.Millisecond: "cut short", 2 * time.Second: "unavailable"} {
						start := w.took()
						ctx, cancel := context.WithTimeout(t.Context(), limit)
						got := call.do(ctx, w.Client)
						cancel()
						if got.allow || kind(got.err) != want || !errors.Is(got.err, context.DeadlineExceeded) || w.took()-start != limit {
							t.Errorf("deadline after %v: got %v (%s) after %v, want %s", limit, got, kind(got.err), w.took()-start, want)
						}
					}
					start := w.took()
					ctx, stop := context.WithCancelCause(t.Context())
					time.AfterFunc(5*time.Second, func() { stop(gone) })
					got := call.do(ctx, w.Client)
					if got.allow || kind(got.err) != "unknown" || !errors.Is(got.err, gone) || w.took()-start != 5*time.Second {
						t.Errorf("cancelled: got %v, %s; want unknown, with the cause", got, kind(got.err))
					}
					synctest.Wait()
					n := w.Count(call.path)
					if got = call.do(ctx, w.Client); got.allow || kind(got.err) != "unknown" || w.Count(call.path) != n {
						t.Errorf("cancelled before: got %v", got)
					}
				})
			})
		}
	}
}

// Neither an error nor a line of the log holds a secret or the parameters of a URL.
func TestErrorsKeepSecrets(t *testing.T) {
	var logged strings.Builder
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	for _, fault := range []fakeduo.Fault{
		{CutBefore: true}, {CutAfter: true}, {Status: 500}, {Code: 40103}, {Body: "<"}, {Hang: true}, {Status: 429},
		{Status: 429, RetryAfter: "600"}, {Status: 302},
	} {
		bubble(t, fakeduo.Config{}, fakeduo.User{Tap: fakeduo.Ask}, nil, func(t *testing.T, w *world) {
			var txid string
			r := push
			fault.Times = -1
			r.Started = func(id string) { txid = id; w.Inject(statusPath, fault) }
			_, err := w.Auth(t.Context(), &r)
			w.Inject(authPath, fault)
			_, err2 := w.Auth(t.Context(), &policy.AuthRequest{User: jo, Factor: factor.Passcode, Passcode: "918273"})
			if txid == "" || err2 == nil {
				t.Errorf("%v: txid %q, %v", fault, txid, err2)
			}
			text := strings.ReplaceAll(fmt.Sprint(err, err2, logged.String()), "right?", "")
			for _, secret := range []string{txid, w.SecretKey(), w.IntegrationKey(), "918273", "?", "txid"} {
				if strings.Contains(text, secret) {
					t.Errorf("%v: %q in %s", fault, secret, text)
				}
			}
		})
	}
}
