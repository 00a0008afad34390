package test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// onSite is the configuration of the clients at the other end of the wire.
const onSite = `
[[client]]
name = "v4"
address = ["10.77.0.10"]

[[client]]
name = "v6"
address = ["fd77::10"]

[[client]]
name = "local"
address = ["fe80::/64"]
`

func listenOn(addresses ...string) string {
	var b strings.Builder
	for _, a := range addresses {
		b.WriteString("[[listen]]\naddress = \"" + a + "\"\n")
	}
	return b.String()
}

// TestC4_C5_C6_Wildcard: a host has several addresses and one socket. Each reply leaves from the address that was asked,
// whatever the routes prefer, and IPv4 clients are known on an IPv6 socket.
func TestC4_C5_C6_Wildcard(t *testing.T) {
	t.Parallel()
	s := newSite(t, listenOn("[::]:1812")+onSite, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "mallory", Preauth: "deny"})
	asked := map[string]string{}
	for _, a := range serverAddrs {
		client := "v4"
		if netip.MustParseAddr(a).Is6() {
			client = "v6"
		}
		asked[net.JoinHostPort(a, "1812")] = client
	}
	asked[net.JoinHostPort(serverLocal+"%"+s.wire, "1812")] = "local"
	logins := 0
	for server, client := range asked {
		t.Run(client+" asks "+server, func(t *testing.T) {
			s.duo.Forget()
			n := s.dial(t, server)
			logins++ // each login comes from an address of its own, so that none is a retry
			r := newAttempt([]option{withUserIP(fmt.Sprintf("203.0.113.%d", logins))}).request("alice", "push")
			first := s.ask(t, n, r, nas.CodeAccessAccept)
			if again := s.ask(t, n, r, nas.CodeAccessAccept); !bytes.Equal(again, first) {
				t.Error("the copy got another reply")
			}
			s.ask(t, n, pushRequest("mallory"), nas.CodeAccessReject)
			s.ask(t, n, nas.StatusServer(vpnSecret).Sign(nas.First), nas.CodeAccessAccept)
			if got := s.duo.Pushes(); got != 1 {
				t.Errorf("%d pushes for one login", got)
			}
		})
	}
	for client, packets := range map[string]uint64{"v4": 6, "v6": 6, "local": 3} {
		s.WaitLog("msg=login", "client="+client, "user=mallory", "reason=denied-by-duo")
		if got := s.seen(client).Packets; got != packets {
			t.Errorf("%d packets came from client %s, want %d", got, client, packets)
		}
	}
	for _, line := range s.Log() {
		if strings.Contains(line, "msg=dropped") {
			t.Error(line)
		}
	}
}

// TestC6_SeveralListeners: each [[listen]] has a socket of its own.
func TestC6_SeveralListeners(t *testing.T) {
	t.Parallel()
	listens := []string{"0.0.0.0:1645", "10.77.0.1:1812", "10.77.0.2:1812", "[fd77::1]:1812", "[fd77::2]:1813"}
	s := newSite(t, listenOn(listens...)+onSite, fakeduo.User{Username: "alice"})
	for _, a := range listens {
		if !strings.Contains(s.StartLine(), "udp "+a) {
			t.Errorf("the start line does not tell of %s: %s", a, s.StartLine())
		}
	}
	for i, a := range append(listens[1:], "10.77.0.1:1645", "10.77.0.2:1645") {
		login := newAttempt([]option{withUserIP(fmt.Sprintf("203.0.113.%d", i+1))}) // this is another login, and not a retry
		s.ask(t, s.dial(t, a), login.request("alice", "push"), nas.CodeAccessAccept)
	}
	if got := s.duo.Pushes(); got != 6 {
		t.Errorf("%d pushes for six logins", got)
	}
}

// TestReloadListeners: listeners are added and removed while a phone rings. The login is answered from the address that it
// asked.
func TestReloadListeners(t *testing.T) {
	t.Parallel()
	const one, two, v6 = "10.77.0.1:1812", "10.77.0.2:1812", "[fd77::1]:1812"
	s := newSite(t, listenOn(one, v6)+onSite, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "bob", Tap: fakeduo.Ask},
		fakeduo.User{Username: "carol", Tap: fakeduo.Ask})
	leaving, staying := s.ring(t, one, "bob"), s.ring(t, v6, "carol")

	s.mustReload(t, listenOn(two, v6)+onSite)
	s.ask(t, s.dial(t, two), pushRequest("alice"), nas.CodeAccessAccept)

	// Where the listener stayed, a copy is not a new login. Where it was removed, nobody reads the copy.
	for _, r := range []*waiting{leaving, staying} {
		if err := r.nas.Send(r.request.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	s.ask(t, staying.nas, nas.StatusServer(vpnSecret).Sign(nas.First), nas.CodeAccessAccept) // the copy has been read
	for _, r := range []*waiting{leaving, staying} {
		if err := s.duo.Answer(r.txid, fakeduo.Approve); err != nil {
			t.Fatal(err)
		}
		first := s.await(t, r.nas, r.request, nas.CodeAccessAccept)
		if r == staying {
			if again := s.ask(t, r.nas, r.request, nas.CodeAccessAccept); !bytes.Equal(again, first) {
				t.Error("the copy got another reply after the reload")
			}
		}
	}
	if got := s.duo.Pushes(); got != 3 {
		t.Errorf("%d pushes for three logins", got)
	}

	// The listener is added again: its address is free.
	s.mustReload(t, listenOn(one, v6)+onSite)
	s.ask(t, s.dial(t, one), pushRequest("alice"), nas.CodeAccessAccept)
	s.Stop()
	if err := leaving.nas.Silence(time.Millisecond); err != nil { // all that could come has come
		t.Error(err)
	}
	if got := s.loginLines(); len(got) != 4 {
		t.Errorf("%d logins in the log, want 4:\n%s", len(got), strings.Join(got, "\n"))
	}
}

// waiting is a login whose user has not answered yet.
type waiting struct {
	nas     *nas.NAS
	request *nas.Request
	txid    string
}

func (s *site) ring(t *testing.T, server, user string) *waiting {
	t.Helper()
	r := &waiting{nas: s.dial(t, server), request: pushRequest(user)}
	if err := r.nas.Send(r.request.Bytes()); err != nil {
		t.Fatal(err)
	}
	push, err := ringing(t, s.duo, user)
	if err != nil {
		t.Fatal(err)
	}
	r.txid = push.Txid
	return r
}

func (s *site) mustReload(t *testing.T, config string) {
	t.Helper()
	s.server.do(func() {
		if !s.Reload(config) {
			t.Fatal("the reload is refused")
		}
	})
}
