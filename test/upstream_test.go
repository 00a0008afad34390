package test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"layeh.com/radius/rfc2759"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// saysNo is the upstream's text for users whom it rejects.
const saysNo = "The upstream does not know you."

const upstreamSecret = "between-duoradiusd-and-the-upstream"

// These are the users that the upstream knows, in FreeRADIUS's own format.
const upstreamUsers = `
alice	Cleartext-Password := "wonderland"
	Class := "staff",
	Filter-Id := "full",
	Reply-Message := "Good morning.",
	Tunnel-Type:1 := VLAN,
	Tunnel-Password:1 := "vlan-password",
	Service-Type := Administrative-User
dora	Cleartext-Password := "explorer"
eve	Cleartext-Password := "old-password", SMB-Account-CTRL := 131088
`

// upstream is a FreeRADIUS behind the daemon.
type upstream struct {
	*companion
	port int
	dir  string
}

// startUpstream starts FreeRADIUS with a file of users and an EAP method that it offers first. names chooses the name in
// its Access-Accepts: that "inner" to the tunnel; that "outer" to it, which is FreeRADIUS's default; or the outer name
// "stripped" of its realm.
func startUpstream(t testing.TB, eap, names string) *upstream {
	t.Helper()
	program := realClient(t, "freeradius")
	for range 5 { // another program may take the port first
		dir, port := t.TempDir(), freePort(t)
		config, err := os.ReadFile("testdata/freeradius/upstream.conf")
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "radiusd.conf"), string(config))
		write(t, filepath.Join(dir, "users"), upstreamUsers)
		certify(t, dir, "127.0.0.1") // its own authority
		c := exec.Command(program, "-X", "-d", dir)
		c.Env = append(os.Environ(), "FR_DIR="+dir, "FR_LIBDIR=/usr/lib/freeradius", fmt.Sprint("FR_PORT=", port),
			"FR_SECRET="+upstreamSecret, "FR_EAP="+eap, "FR_NAMES="+names)
		u := &upstream{accompany(t, "FreeRADIUS", c), port, dir}
		if _, ok := u.wait("Ready to process requests"); ok {
			return u
		}
		u.end()
		if u.said("Failed binding") == 0 {
			break
		}
	}
	t.Fatal("FreeRADIUS does not start")
	return nil
}

// behind returns the configuration of a daemon with this upstream as its first factor.
func (u *upstream) behind(more string) string {
	return fmt.Sprintf(`
[[client]]
first_factor = "nps"
timeout = "20s"
%s

[[first_factor]]
name = "nps"
type = "radius"
servers = ["127.0.0.1:%d"]
secret = %q
timeout = "5s"
`, more, u.port, upstreamSecret)
}

func TestUpstream(t *testing.T) {
	t.Parallel()
	realClient(t, "radclient")
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "dora", Tap: fakeduo.Deny}, fakeduo.User{Username: "otto"})
	u := startUpstream(t, "md5", "inner")
	d := startDaemon(t, duo, u.behind(`pass_attributes = ["*"]`))
	d.forbid("wonderland", "explorer", "424242", "vlan-password", upstreamSecret)
	const no = "Access-Reject " + saysNo
	const from = ", Calling-Station-Id = 203.0.113.7, Message-Authenticator = 0x00\n"
	for _, tt := range []struct {
		name, packet string
		want         string
		holds        []string // of what radclient prints
		pushes       int
	}{
		{"PAP", `User-Name = alice, User-Password = wonderland` + from, "Access-Accept Good morning.",
			[]string{"Class = 0x7374616666", `Filter-Id = "full"`, "Tunnel-Type:1 = VLAN", `Tunnel-Password:1 = "vlan-password"`}, 1},
		{"PAP with a factor", `User-Name = alice, User-Password = "wonderland,push"` + from, "Access-Accept Good morning.", nil, 1},
		{"PAP, wrong", `User-Name = alice, User-Password = wonderful` + from, no, nil, 0},
		{"PAP, denied", `User-Name = dora, User-Password = explorer` + from, "Access-Reject Login request denied.", nil, 1},
		{"PAP, unknown", `User-Name = nobody, User-Password = wonderland` + from, no, nil, 0},
		{"CHAP", `User-Name = alice, CHAP-Password = wonderland` + from, "Access-Accept Good morning.", []string{`Filter-Id = "full"`}, 1},
		{"CHAP, wrong", `User-Name = alice, CHAP-Password = wonderful` + from, no, nil, 0},
		{"CHAP with CHAP-Challenge", `User-Name = alice, CHAP-Challenge = 0x000102030405060708090a0b0c0d0e0f, CHAP-Password = wonderland` + from,
			"Access-Accept Good morning.", nil, 1},
		{"MS-CHAP", `User-Name = alice, MS-CHAP-Password = wonderland` + from, "Access-Accept Good morning.",
			[]string{"MS-CHAP-MPPE-Keys = 0x0000000000000000", "MS-MPPE-Encryption-Policy = Encryption-Required"}, 1},
		{"MS-CHAP, wrong", `User-Name = alice, MS-CHAP-Password = wonderful` + from, no, []string{`MS-CHAP-Error = `, "E=691"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			duo.Forget()
			printed, _ := feedRadclient(t, d, "auth", tt.packet)
			if got := received(printed); got != tt.want {
				t.Errorf("got %q, want %q; radclient said:\n%s", got, tt.want, printed)
			}
			_, reply, _ := strings.Cut(printed, "Received ")
			for _, part := range append(tt.holds, "Message-Authenticator = 0x") {
				if !strings.Contains(reply, part) {
					t.Errorf("no %s in:\n%s", part, reply)
				}
			}
			if strings.Contains(reply, "Administrative") || strings.Contains(printed, "BlastRADIUS") {
				t.Errorf("radclient said:\n%s", printed)
			}
			if got := duo.Pushes(); got != tt.pushes {
				t.Errorf("%d pushes, want %d", got, tt.pushes)
			}
		})
	}
	t.Run("MS-CHAPv2", func(t *testing.T) { msCHAPv2Through(t, d, duo) })
	t.Run("MS-CHAPv2, expired", func(t *testing.T) { expiredThrough(t, d, duo) })
	t.Run("challenge", func(t *testing.T) { challengeThrough(t, d, duo) })
	t.Run("Status-Server", func(t *testing.T) {
		out, errs, status := run(t, "", daemonProgram(t), "check", "--config", d.config())
		if status != 0 || !strings.Contains(out, "answers Status-Server") {
			t.Errorf("check: status %d\n%s%s", status, out, errs)
		}
	})
}

// msCHAPv2Through computes the response itself, and checks the proof of the upstream, which knows the password, too.
func msCHAPv2Through(t *testing.T, d *daemon, duo *fakeduo.Server) {
	const microsoft = 311
	for _, password := range []string{"wonderland", "wonderful"} {
		duo.Forget()
		challenge, peer := make([]byte, 16), make([]byte, 16)
		rand.Read(challenge)
		rand.Read(peer)
		nt, err := rfc2759.GenerateNTResponse(challenge, peer, []byte("alice"), []byte(password))
		if err != nil {
			t.Fatal(err)
		}
		answer := bytes.Join([][]byte{{7, 0}, peer, make([]byte, 8), nt}, nil)
		r := login(t, d, "alice", "", with(func(r *nas.Request) {
			r.MSCHAPv2()
			r.Attributes = r.Attributes[:len(r.Attributes)-2]
			r.AddVSA(microsoft, 11, challenge).AddVSA(microsoft, 25, answer)
		}))
		if password == "wonderful" {
			if e := r.VSA(microsoft, 2); r.Code != nas.CodeAccessReject || len(e) != 1 || !strings.Contains(string(e[0]), "E=691") || duo.Pushes() != 0 {
				t.Errorf("got %v with MS-CHAP-Error %q and %d pushes", r, e, duo.Pushes())
			}
			continue
		}
		want, err := rfc2759.GenerateAuthenticatorResponse(challenge, peer, nt, []byte("alice"), []byte(password))
		if err != nil {
			t.Fatal(err)
		}
		proof := r.VSA(microsoft, 26)
		if r.Code != nas.CodeAccessAccept || len(proof) != 1 || string(proof[0]) != "\x07"+want || duo.Pushes() != 1 {
			t.Fatalf("got %v with MS-CHAP2-Success %q and %d pushes; want %q", r, proof, duo.Pushes(), want)
		}
		if len(r.VSA(microsoft, 16)) != 1 || len(r.VSA(microsoft, 17)) != 1 {
			t.Errorf("no keys in %v", r)
		}
	}
}

// expiredThrough: the client learns that the password has expired, and then asks its user for a new one.
func expiredThrough(t *testing.T, d *daemon, duo *fakeduo.Server) {
	duo.Forget()
	r := login(t, d, "eve", "old-password", with(proveByMSCHAPv2))
	e := r.VSA(vendorMicrosoft, msCHAPError)
	if r.Code != nas.CodeAccessReject || len(e) != 1 || !strings.HasPrefix(string(e[0]), "\x01E=648 R=0 ") || !strings.Contains(string(e[0]), " V=3 ") ||
		duo.Pushes() != 0 {
		t.Errorf("got %v, MS-CHAP-Error %q, %d pushes", r, e, duo.Pushes())
	}
}

// challengeThrough: the user gets the upstream's own question, and the upstream gets the answer. Then Duo is asked.
func challengeThrough(t *testing.T, d *daemon, duo *fakeduo.Server) {
	for _, code := range []string{"424242", "999999"} {
		duo.Forget()
		asked := login(t, d, "otto", "anything")
		if asked.Code != nas.CodeAccessChallenge || asked.ReplyMessage() != "Which code is on your token?" || asked.State() == nil || duo.Pushes() != 0 {
			t.Fatalf("got %v %q, %d pushes", asked, asked.ReplyMessage(), duo.Pushes())
		}
		if bytes.Contains(asked.State(), []byte("state")) || len(asked.Get(nas.Class)) > 0 {
			t.Errorf("State %q, Class %q", asked.State(), asked.Get(nas.Class))
		}
		r := login(t, d, "otto", code, with(func(r *nas.Request) { r.State(asked.State()) }))
		switch {
		case code == "424242" && (r.Code != nas.CodeAccessAccept || duo.Pushes() != 1):
			t.Errorf("the right code: %v %q, %d pushes", r, r.ReplyMessage(), duo.Pushes())
		case code != "424242" && (r.Code != nas.CodeAccessReject || r.ReplyMessage() != saysNo || duo.Pushes() != 0):
			t.Errorf("a wrong code: %v %q, %d pushes", r, r.ReplyMessage(), duo.Pushes())
		}
	}
}
