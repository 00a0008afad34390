package radiusd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
	"duoradiusd/test/nas"
)

const dropUnsignedByRatchet = "no Message-Authenticator from a client that always sent it"

// state is the form of what the Store keeps.
type state struct {
	Ratchets map[string]map[netip.Addr]radiusd.Ratchet `json:"ratchets"`
}

var loopback = netip.MustParseAddr("127.0.0.1")

// stateFile returns a file with one ratchet of client vpn.
func stateFile(t *testing.T, r radiusd.Ratchet) string {
	t.Helper()
	b, err := json.Marshal(state{map[string]map[netip.Addr]radiusd.Ratchet{"vpn": {loopback: r}}})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// saved returns what the file holds about client vpn at the loopback address.
func saved(t *testing.T, name string) (r radiusd.Ratchet) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var s state
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s.Ratchets["vpn"][loopback]
}

// nearly returns a ratchet that turns with one more signed login.
func nearly() radiusd.Ratchet {
	return radiusd.Ratchet{With: 19, First: time.Now().Add(-11 * time.Minute)}
}

func auto(c *radiusd.Client) { c.MessageAuthenticator = radiusd.Auto }

func (d *door) close() { d.Shutdown(d.t.Context()) }

// TestRatchetTurns: the ratchet turns with the twentieth signed login within ten minutes. It is saved at once, and holds
// after a restart.
func TestRatchetTurns(t *testing.T) {
	file := stateFile(t, nearly())
	d := open(t, house{decide: always(accept), stateFile: file, clients: []*radiusd.Client{client(auto)}})
	n := d.nas("")
	d.wants(nas.CodeAccessAccept, n, login())
	eventually(t, "the ratchet in the file", func() bool { return saved(t, file).Required })
	if got := d.log.lines("is required from now on", "client=vpn", "from=127.0.0.1", "level=WARN"); len(got) != 1 {
		t.Errorf("the log:\n%s", d.log)
	}
	d.drops(n, dropUnsignedByRatchet, unsigned().Bytes(), unsigned().ProxyState("p").Bytes())
	d.wants(nas.CodeAccessAccept, n, login())
	r := d.Clients()[0]
	if len(r.Ratchets) != 1 || !r.Ratchets[0].Required || r.Ratchets[0].Address != loopback || r.Unauthenticated != 2 {
		t.Errorf("reported as %+v", r)
	}
	d.close()

	d = open(t, house{decide: always(accept), stateFile: file, clients: []*radiusd.Client{client(auto)}})
	d.drops(d.nas(""), dropUnsignedByRatchet, unsigned().Bytes())
}

// TestAcceptance17_RestartDoesNotDowngrade: after a restart no unsigned packet is accepted, neither the first nor any
// other, and neither a reload nor a probe changes that.
func TestAcceptance17_RestartDoesNotDowngrade(t *testing.T) {
	probing := func(c *radiusd.Client) { auto(c); c.Login.ProbeUsers = []string{"test01"} }
	file := stateFile(t, radiusd.Ratchet{Required: true, With: 20})
	for range 3 {
		d := open(t, house{decide: always(accept), stateFile: file, clients: []*radiusd.Client{client(probing)}})
		n := d.nas("")
		probe := nas.AccessRequest(secret, "test01", "x")
		d.drops(n, dropUnsignedByRatchet, unsigned().Bytes(), unsigned().Bytes(), probe.Bytes())
		d.use(0, client(probing))
		d.drops(n, dropUnsignedByRatchet, unsigned().Bytes())
		d.wants(nas.CodeAccessAccept, n, login())
		d.close()
		if !saved(t, file).Required {
			t.Fatal("the ratchet fell")
		}
	}
	// Only message_authenticator = "accept" ends that, and the ratchet is kept meanwhile.
	d := open(t, house{decide: always(accept), stateFile: file, clients: []*radiusd.Client{client()}})
	d.wants(nas.CodeAccessAccept, d.nas(""), unsigned())
	d.close()
	if !saved(t, file).Required {
		t.Fatal("the ratchet fell")
	}
}

// TestNoEvidence: health probes, EAP and Status-Server are no evidence about logins.
func TestNoEvidence(t *testing.T) {
	probing := func(c *radiusd.Client) { auto(c); c.Login.ProbeUsers = []string{"test01"} }
	for _, tt := range []struct {
		name    string
		clients []*radiusd.Client
		r       *nas.Request
	}{
		{"probe user", []*radiusd.Client{client(probing)}, nas.AccessRequest(secret, "TEST01", "x").Sign(nas.First)},
		{"EAP", []*radiusd.Client{client(auto)}, login().EAP(nil)},
		{"Status-Server", []*radiusd.Client{client(auto)}, nas.StatusServer(secret)},
		{"accept", []*radiusd.Client{client()}, login()},
		{"require", []*radiusd.Client{client(demanding)}, login()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := stateFile(t, nearly())
			d := open(t, house{decide: always(accept), stateFile: file, clients: tt.clients})
			d.ask(d.nas(""), tt.r)
			d.close()
			if got := saved(t, file); got.Required || got.With != 19 {
				t.Errorf("counted: %+v", got)
			}
		})
	}
}

// TestProbeWithoutIsNoEvidence: unsigned probes are no evidence either. FortiGate's test01 comes unsigned, but its logins
// do not.
func TestProbeWithoutIsNoEvidence(t *testing.T) {
	file := stateFile(t, nearly())
	d := open(t, house{decide: always(accept), stateFile: file, clients: []*radiusd.Client{client(auto,
		func(c *radiusd.Client) { c.Login.ProbeUsers = []string{"test01"} })}})
	n := d.nas("")
	d.wants(nas.CodeAccessAccept, n, nas.AccessRequest(secret, "test01", "x"))
	d.wants(nas.CodeAccessAccept, n, login())
	d.close()
	if got := saved(t, file); !got.Required {
		t.Errorf("a probe held the ratchet: %+v", got)
	}
}

// TestWithoutIsSavedAtOnce: the first unsigned packet is saved at once, so that it is not forgotten in a crash.
func TestWithoutIsSavedAtOnce(t *testing.T) {
	file := stateFile(t, nearly())
	d := open(t, house{decide: always(accept), stateFile: file, clients: []*radiusd.Client{client(auto)}})
	n := d.nas("")
	d.wants(nas.CodeAccessAccept, n, unsigned())
	eventually(t, "the packet without in the file", func() bool { return !saved(t, file).LastWithout.IsZero() })
	d.wants(nas.CodeAccessAccept, n, login())
	d.close()
	if got := saved(t, file); got.Required || got.With != 1 {
		t.Errorf("saved: %+v", got)
	}
}

func TestDamagedStateFile(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "cut": `{"ratchets":{"vpn":{"127.0`, "other": "[1,2]",
		"no address": `{"ratchets":{"vpn":{"here":{"required":true}}}}`} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "clients.json")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			d := open(t, house{decide: always(accept), stateFile: file, clients: []*radiusd.Client{client(auto)}})
			if got := d.log.lines("is learned again", "level=WARN"); len(got) != 1 {
				t.Errorf("the log:\n%s", d.log)
			}
			d.wants(nas.CodeAccessAccept, d.nas(""), unsigned())
			d.close()
			if saved(t, file).LastWithout.IsZero() {
				t.Error("nothing learnt since")
			}
		})
	}
}

func TestStateFileIsMissing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clients.json")
	d := open(t, house{decide: always(accept), stateFile: file})
	d.close()
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	if d.log.String() != "" {
		t.Errorf("the log:\n%s", d.log)
	}
	// If the file can't be written, the log says so, and nothing else changes.
	d = open(t, house{decide: always(accept), stateFile: filepath.Join(t.TempDir(), "none", "clients.json")})
	d.wants(nas.CodeAccessAccept, d.nas(""), login())
	d.close()
	if got := d.log.lines("state: the data about clients can't be saved; the daemon tries again", "level=ERROR"); len(got) != 1 {
		t.Errorf("the log:\n%s", d.log)
	}
}

// full is a Store that can't write.
type full struct{ tried chan struct{} }

func (f full) Load() ([]byte, error) { return []byte("{}"), nil }
func (f full) Save([]byte) error     { f.tried <- struct{}{}; return errors.New("no space left on device") }

// TestStateCanNotBeSaved: the log says it once, however often saving is tried.
func TestStateCanNotBeSaved(t *testing.T) {
	store := full{make(chan struct{}, 10)}
	addresses := []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}
	var clients []*radiusd.Client
	for _, address := range addresses {
		clients = append(clients, client(auto, from(address+"/32"), func(c *radiusd.Client) { c.Name = address }))
	}
	d := open(t, house{decide: always(accept), clients: clients})
	d.State = store
	d.LoadState()
	for _, address := range addresses {
		d.wants(nas.CodeAccessAccept, d.nas(address), unsigned())
		<-store.tried
	}
	d.close()
	<-store.tried
	if got := d.log.lines("state: the data about clients can't be saved; the daemon tries again", "level=ERROR"); len(got) != 1 {
		t.Errorf("the log:\n%s", d.log)
	}
}

// TestRatchetOfTheFuture: a time that a wrong clock has written does not stop the ratchet.
func TestRatchetOfTheFuture(t *testing.T) {
	ahead := time.Now().AddDate(30, 0, 0)
	file := stateFile(t, radiusd.Ratchet{With: 19, First: ahead, LastWithout: ahead})
	d := open(t, house{decide: always(accept), stateFile: file, clients: []*radiusd.Client{client(auto)}})
	d.close()
	if r := saved(t, file); r.With != 19 || r.First.After(time.Now()) || r.LastWithout.After(time.Now()) {
		t.Errorf("%+v", r)
	}
}

// TestLoadStateAfterUse: the state may be loaded before or after the first packets.
func TestLoadStateAfterUse(t *testing.T) {
	d := open(t, house{decide: always(accept), clients: []*radiusd.Client{client(auto)}})
	d.State = fileStore(stateFile(t, radiusd.Ratchet{Required: true}))
	d.LoadState()
	d.drops(d.nas(""), dropUnsignedByRatchet, unsigned().Bytes())
}

// TestClients: the list has what was seen of the clients, and advice about it.
func TestClients(t *testing.T) {
	named := func(name, prefix string, p radiusd.Presence) *radiusd.Client {
		return client(from(prefix), func(c *radiusd.Client) { c.Name, c.MessageAuthenticator = name, p })
	}
	d := open(t, house{decide: func(context.Context, policy.Attempt) policy.Verdict { return accept },
		clients: []*radiusd.Client{named("never", "127.0.0.3/32", radiusd.Accept), named("always", "127.0.0.2/32", ""),
			named("mixed", "127.0.0.4/32", radiusd.Auto), named("wrong", "127.0.0.5/32", radiusd.Accept),
			named("proxy", "127.0.0.6/32", radiusd.Accept), named("require", "127.0.0.7/32", radiusd.Require),
			named("idle", "127.0.0.8/32", radiusd.Accept)}})
	eap := login().EAP(nil)
	for addr, requests := range map[string][]*nas.Request{"127.0.0.2": {login(), eap}, "127.0.0.3": {unsigned()},
		"127.0.0.4": {login(), unsigned()}, "127.0.0.6": {unsigned().ProxyState("p")}, "127.0.0.7": {login()}} {
		for _, r := range requests {
			d.ask(d.nas(addr), r)
		}
	}
	d.send(d.nas("127.0.0.5"), login().Sign(nas.Wrong))
	d.ask(d.nas("127.0.0.7"), login())
	for i, want := range []radiusd.ClientReport{
		{Name: "always", Packets: 2, Authenticated: 2, EAP: 1, MessageAuthenticator: radiusd.Auto, Recommendation: "it has always sent Message-Authenticator, in 2 requests so far: wait for more requests"},
		{Name: "idle", MessageAuthenticator: radiusd.Accept, Recommendation: "no request has come yet"},
		{Name: "mixed", Packets: 2, Authenticated: 1, Unauthenticated: 1, MessageAuthenticator: radiusd.Auto, Recommendation: "some of its requests have no Message-Authenticator"},
		{Name: "never", Packets: 1, Unauthenticated: 1, MessageAuthenticator: radiusd.Accept, Recommendation: "it never sends Message-Authenticator"},
		{Name: "proxy", Packets: 1, Unauthenticated: 1, ProxyStateUnguarded: 1, MessageAuthenticator: radiusd.Accept, Recommendation: "it sends Proxy-State without"},
		{Name: "require", Packets: 2, Authenticated: 2, MessageAuthenticator: radiusd.Require, Recommendation: "nothing to do"},
		{Name: "wrong", Packets: 1, Wrong: 1, MessageAuthenticator: radiusd.Accept, Recommendation: "check the secret"},
	} {
		got := d.Clients()[i]
		if (got.Unauthenticated > 0) == got.LastWithout.IsZero() {
			t.Errorf("%s: last without %v", got.Name, got.LastWithout)
		}
		if !strings.HasPrefix(got.Recommendation, want.Recommendation) {
			t.Errorf("%s: %q, want %q...", got.Name, got.Recommendation, want.Recommendation)
		}
		want.Anonymous = want.Packets // no request names its user
		got.LastWithout, got.Ratchets, got.Recommendation = time.Time{}, nil, want.Recommendation
		if a, b := mustJSON(t, got), mustJSON(t, want); a != b {
			t.Errorf("got  %s\nwant %s", a, b)
		}
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
