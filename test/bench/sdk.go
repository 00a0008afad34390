package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"

	duoapi "github.com/duosecurity/duo_api_golang"
)

const titleSDK = "bare UDP loop that calls Duo by its SDK"

// serveSDK is the least that a server must do for a push by Duo's SDK over net/http: the bare loop, and for each login the
// three calls in a goroutine of their own. It knows no policy, remembers nothing and logs nothing.
func serveSDK(args []string) error {
	flags := flag.NewFlagSet("sdk", flag.ContinueOnError)
	address := flags.String("duo", "", "Duo's `ADDRESS`")
	ca := flags.String("ca", "", "`FILE` with its CA's certificate")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pem, err := os.ReadFile(*ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	host, _, err := net.SplitHostPort(*address)
	if err != nil {
		return err
	}
	api := duoapi.NewDuoApi(integrationKey, secretKey, host, "bench", duoapi.SetTransport(func(t *http.Transport) {
		t.TLSClientConfig = &tls.Config{RootCAs: roots}
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, *address)
		}
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP2(true)
	}))
	conn, err := listenLoopback()
	if err != nil {
		return err
	}
	scribes := sync.Pool{New: func() any { return newScribe() }}
	in := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(in)
		if err != nil {
			return err
		}
		request := append([]byte(nil), in[:n]...)
		go func(from netip.AddrPort) {
			s := scribes.Get().(*scribe)
			defer scribes.Put(s)
			reply := s.respond(nil, request)
			if reply == nil {
				return
			}
			if err := approve(api, userName(request)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			conn.WriteToUDPAddrPort(reply, from)
		}(from)
	}
}

// userName returns a request's first User-Name; "" if it has none.
func userName(b []byte) string {
	const typeUserName = 1
	for b = b[headerLength:]; len(b) > 2 && int(b[1]) >= 2 && int(b[1]) <= len(b); b = b[b[1]:] {
		if b[0] == typeUserName {
			return string(b[2:b[1]])
		}
	}
	return ""
}

// approve asks Duo for a push, by the three calls that the daemon makes.
func approve(api *duoapi.DuoApi, user string) error {
	var begun, ended struct {
		Response struct {
			Txid   string `json:"txid"`
			Result string `json:"result"`
		} `json:"response"`
	}
	name := url.Values{"username": {user}}
	if _, _, err := api.SignedCall(http.MethodPost, "/auth/v2/preauth", name, duoapi.UseTimeout); err != nil {
		return err
	}
	push := url.Values{"username": {user}, "factor": {"push"}, "device": {"auto"}, "async": {"1"}}
	_, body, err := api.SignedCall(http.MethodPost, "/auth/v2/auth", push, duoapi.UseTimeout)
	if err == nil {
		err = json.Unmarshal(body, &begun)
	}
	if err != nil {
		return err
	}
	_, body, err = api.SignedCall(http.MethodGet, "/auth/v2/auth_status", url.Values{"txid": {begun.Response.Txid}})
	if err == nil {
		err = json.Unmarshal(body, &ended)
	}
	if err == nil && ended.Response.Result != "allow" {
		err = errors.New("not allowed")
	}
	return err
}
