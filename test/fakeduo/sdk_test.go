package fakeduo_test

import (
	"net/http"
	"testing"

	"duoradiusd/test/fakeduo"

	duoapi "github.com/duosecurity/duo_api_golang"
	"github.com/duosecurity/duo_api_golang/authapi"
)

// sdk returns Duo's own client, unmodified but for the transport it hands out.
func sdk(s *fakeduo.Server, http2 bool) *authapi.AuthApi {
	return authapi.NewAuthApi(*duoapi.NewDuoApi(s.IntegrationKey(), s.SecretKey(), "127.0.0.1", "fakeduo-test",
		duoapi.SetTransport(func(tr *http.Transport) {
			s.Transport(tr)
			tr.ForceAttemptHTTP2 = http2
		})))
}

func TestSDK(t *testing.T) {
	for _, tt := range []struct {
		proto string
		http2 bool
	}{{"HTTP/1.1", false}, {"HTTP/2.0", true}} {
		t.Run(tt.proto, func(t *testing.T) {
			s := started(t, fakeduo.Config{AllowChunked: true})
			s.SetUser(fakeduo.User{Username: "jo", Passcodes: []string{"123456"}})
			s.SetUser(fakeduo.User{Username: "al", Tap: fakeduo.Ask})
			api := sdk(s, tt.http2)
			t.Run("ping, check, logo", func(t *testing.T) { sdkChecks(t, api) })
			t.Run("preauth", func(t *testing.T) { sdkPreauth(t, api) })
			t.Run("sync", func(t *testing.T) { sdkSync(t, s, api) })
			t.Run("async", func(t *testing.T) { sdkAsync(t, s, api) })
			t.Run("v5", func(t *testing.T) { sdkV5(t, api) })
			for _, r := range s.Requests() {
				if r.Proto != tt.proto {
					t.Errorf("%s: got %s, want %s", r.Path, r.Proto, tt.proto)
				}
			}
		})
	}
}

func sdkChecks(t *testing.T, api *authapi.AuthApi) {
	ping, err := api.Ping()
	if err != nil || ping.Stat != "OK" || ping.Response.Time == 0 {
		t.Errorf("ping: got %+v, %v", ping, err)
	}
	check, err := api.Check()
	if err != nil || check.Stat != "OK" || check.Response.Time == 0 {
		t.Errorf("check: got %+v, %v", check, err)
	}
	logo, err := api.Logo()
	if err != nil || logo.Stat != "FAIL" || *logo.Code != 40002 {
		t.Errorf("logo: got %+v, %v", logo, err)
	}
}

func sdkPreauth(t *testing.T, api *authapi.AuthApi) {
	pre, err := api.Preauth(authapi.PreauthUsername("jo"), authapi.PreauthIpAddr("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	if pre.Response.Result != "auth" || pre.Response.Status_Msg != "Account is active" || len(pre.Response.Devices) != 1 {
		t.Errorf("got %+v, want auth with one device", pre.Response)
	}
	if got := pre.Response.Devices[0].Number; got != "XXX-XXX-0100" {
		t.Errorf("number: got %q", got)
	}
}

func sdkSync(t *testing.T, s *fakeduo.Server, api *authapi.AuthApi) {
	got, err := api.Auth("push", authapi.AuthUsername("jo"), authapi.AuthDevice("auto"), authapi.AuthType("VPN ü&=+ login"),
		authapi.AuthPushinfo("from=Köln%20%26%20Bonn&x=1"), authapi.AuthDisplayUsername("jo~d.e_-*'(!)"))
	if err != nil || got.Response.Result != "allow" || got.Response.Status_Msg != "Success. Logging you in..." {
		t.Errorf("push: got %+v, %v", got, err)
	}
	got, err = api.Auth("passcode", authapi.AuthUsername("jo"), authapi.AuthPasscode("123456"))
	if err != nil || got.Response.Result != "allow" {
		t.Errorf("passcode: got %+v, %v", got, err)
	}
	last := s.Transactions()[0]
	if last.Type != "VPN ü&=+ login" || last.PushInfo[0] != (fakeduo.Pair{Key: "from", Value: "Köln & Bonn"}) {
		t.Errorf("transaction: got %+v", last)
	}
}

// sdkAsync: the first poll tells of the push at once, the second waits for the tap.
func sdkAsync(t *testing.T, s *fakeduo.Server, api *authapi.AuthApi) {
	begun, err := api.Auth("auto", authapi.AuthUsername("al"), authapi.AuthDevice("auto"), authapi.AuthAsync())
	if err != nil || begun.Response.Txid == "" {
		t.Fatalf("auth: got %+v, %v", begun, err)
	}
	first, err := api.AuthStatus(begun.Response.Txid)
	if err != nil || first.Response.Result != "waiting" || first.Response.Status != "pushed" {
		t.Fatalf("first poll: got %+v, %v", first, err)
	}
	second := make(chan *authapi.AuthStatusResult)
	go func() {
		defer close(second)
		if r, err := api.AuthStatus(begun.Response.Txid); err == nil {
			second <- r
		}
	}()
	pending, err := s.AwaitPending(deadline(t), "al")
	if err != nil || pending.Txid != begun.Response.Txid {
		t.Fatalf("pending: got %+v, %v", pending, err)
	}
	if err := s.Answer(pending.Txid, fakeduo.Deny); err != nil {
		t.Fatal(err)
	}
	got := <-second
	if got == nil || got.Response.Result != "deny" || got.Response.Status_Msg != "Login request denied." {
		t.Errorf("second poll: got %+v", got)
	}
}

func sdkV5(t *testing.T, api *authapi.AuthApi) {
	for _, tt := range []struct {
		method, path string
		params       duoapi.JSONParams
		want         int
	}{
		{"GET", "/auth/v2/check", nil, 200},
		{"POST", "/auth/v2/preauth", duoapi.JSONParams{"username": "jo", "hostname": "vpn é"}, 200},
		{"GET", "/auth/v2/auth_status", duoapi.JSONParams{"txid": "no such"}, 400},
	} {
		resp, body, err := api.JSONSignedCall(tt.method, tt.path, tt.params)
		if err != nil || resp.StatusCode != tt.want {
			t.Errorf("%s %s: got %s, %v, want %d", tt.method, tt.path, body, err, tt.want)
		}
	}
}

// A client that sends chunked bodies is found out unless that is allowed.
func TestSDKChunkedRefused(t *testing.T) {
	s := started(t, fakeduo.Config{})
	s.SetUser(fakeduo.User{Username: "jo"})
	for _, http2 := range []bool{false, true} {
		pre, err := sdk(s, http2).Preauth(authapi.PreauthUsername("jo"))
		if err != nil || *pre.Code != 41101 {
			t.Errorf("got %+v, %v, want code 41101", pre, err)
		}
	}
	for i, r := range s.Requests() {
		if r.ContentLength != -1 || r.Params.Get("username") != "jo" {
			t.Errorf("remembered: got %+v, want length -1 and the parameters", r)
		}
		if i == 0 && (len(r.TransferEncoding) != 1 || r.TransferEncoding[0] != "chunked") {
			t.Errorf("transfer encoding: got %v", r.TransferEncoding)
		}
	}
}

func TestSDKWrongHost(t *testing.T) {
	s := started(t, fakeduo.Config{Host: "api-fake.duosecurity.com"})
	for host, want := range map[string]int{
		"API-fake.duosecurity.com": 200,
		"localhost":                200,
		s.Addr():                   401, // the port is signed with it
		"api-other.example":        401,
	} {
		base := duoapi.NewDuoApi(s.IntegrationKey(), s.SecretKey(), host, "", duoapi.SetTransport(func(tr *http.Transport) {
			s.Transport(tr)
			tr.TLSClientConfig.ServerName = "localhost"
		}))
		resp, body, err := base.SignedCall("GET", "/auth/v2/check", nil)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: got %s, %v, want %d", host, body, err, want)
		}
	}
}
