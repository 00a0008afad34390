package radiusauth

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"
)

// TestU7Check: Status-Server is sent only for a check. Each packet is new, and holds no user's name.
func TestU7Check(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		well := w.serve(one)
		lossy := w.serve(two)
		lossy.does(func(q *query) {
			if len(lossy.queries()) == 2 {
				time.Sleep(time.Second)
				q.reply(radius.CodeAccessAccept)
			}
		})
		deaf := w.serve(three).does(mute)
		wrong := w.serve("192.0.2.4:1812").does(func(q *query) {
			q.secret = "another"
			q.reply(radius.CodeAccessAccept)
		})
		unwell := w.serve("192.0.2.5:1812").does(func(q *query) { q.reply(radius.CodeAccessReject) })
		odd := w.serve("192.0.2.6:1812").does(func(q *query) { q.reply(radius.CodeAccessChallenge) })
		u := w.upstream(Config{RequireMessageAuthenticator: true}, one, two, three, wrong.addr.String(), unwell.addr.String(), odd.addr.String(), "nps.example:1812")
		defer u.Close()
		begun := time.Now()
		list := u.Check(t.Context())
		if time.Since(begun) != 5*time.Second || len(list) != 7 {
			t.Fatalf("%d after %v", len(list), time.Since(begun))
		}
		for i, want := range []string{"", "",
			"upstream: check " + three + ": no answer to Status-Server, which not every server knows (RFC 5997)",
			"upstream: check 192.0.2.4:1812: no answer, only a reply with a wrong authenticator: is the secret right?",
			"upstream: check 192.0.2.5:1812: it answers, and the secret is right, but its answer to Status-Server is Access-Reject",
			"upstream: check 192.0.2.6:1812: no answer, only a reply with the wrong code",
			"upstream: check nps.example:1812: look up nps.example: no name service here",
		} {
			got := ""
			if list[i].Err != nil {
				got = list[i].Err.Error()
			}
			if got != want || list[i].Server != u.config.Servers[i] || list[i].Unclear != (i == 2 || i == 4) {
				t.Errorf("%+v, want %q", list[i], want)
			}
		}
		if list[0].Took != 0 || list[1].Took != time.Second || list[2].Took != 5*time.Second || list[0].Addr != well.addr {
			t.Errorf("%+v", list)
		}
		seen := make(map[string]bool)
		for _, q := range deaf.queries() {
			if q.Code != radius.CodeStatusServer || q.value(1)+q.value(2) != "" || q.value(32) != "duoradiusd" {
				t.Errorf("sent % x", q.raw)
			}
			seen[string(q.Authenticator[:])+string(q.Identifier)] = true
		}
		if len(seen) != 3 || len(deaf.queries()) != 3 {
			t.Errorf("%d packets, %d of them different, want 3", len(deaf.queries()), len(seen))
		}
		if u.Health()[2].Down {
			t.Error("down for want of Status-Server")
		}
		time.Sleep(time.Hour)
		if len(well.queries()) != 1 {
			t.Error("probed without being told to")
		}
	})
}

// TestCheckRefused: a check fails at once if nothing listens there.
func TestCheckRefused(t *testing.T) {
	u := towards(t, Config{Timeout: 20 * time.Second}, deafPort(t))
	c := u.Check(t.Context())[0]
	if c.Err == nil || c.Unclear || !strings.HasSuffix(c.Err.Error(), "connection refused") || c.Took > 10*time.Second {
		t.Errorf("%+v", c)
	}
}

func TestCheckReal(t *testing.T) {
	f := listen(t)
	u := towards(t, Config{RequireMessageAuthenticator: true}, f.addr.String())
	if c := u.Check(t.Context())[0]; c.Err != nil || c.Addr != f.addr || c.Took <= 0 {
		t.Errorf("%+v", c)
	}
}
