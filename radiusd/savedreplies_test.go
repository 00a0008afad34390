package radiusd_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"duoradiusd/policy"
	"duoradiusd/radiusd"
	"duoradiusd/radiusd/wire"
	"duoradiusd/test/nas"
)

// restarted returns a door that starts with the saved state of another one.
func restarted(t *testing.T, file string, c *radiusd.Client) *door {
	t.Helper()
	return open(t, house{stateFile: file, clients: []*radiusd.Client{c}})
}

// TestD8_Restart: after a restart the same datagram gets the reply that it had before, also from another port. A recorded
// request gets no reply. A request that had no reply yet is a new login, which the policy joins to its push.
func TestD8_Restart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	anyhost := from("127.0.0.0/8")
	d := restarted(t, file, client(anyhost))
	n := d.nas("")
	answer := func(r *nas.Request, v policy.Verdict) *nas.Response {
		t.Helper()
		d.send(n, r)
		d.next().verdict <- v
		return d.reply(n, r)
	}
	pushed := accept
	pushed.Duo = time.Second
	accepted, rejected, other := login(), unsigned(), login()
	first, second := answer(accepted, pushed), answer(rejected, reject)
	answer(login(), accept) // Duo was not asked, so a copy makes no phone ring, and the reply is not saved
	reused := *accepted
	reused.Identifier += 7
	reused.Sign(nas.First)
	third := answer(&reused, ask)
	eventually(t, "the replies are saved", func() bool {
		b, _ := os.ReadFile(file)
		return bytes.Count(b, []byte(`"reply"`)) == 3
	})

	crashed := restarted(t, file, client(anyhost)) // the first door saves nothing any more
	n = crashed.nas("")
	for _, tt := range []struct {
		request *nas.Request
		want    *nas.Response
	}{{accepted, first}, {rejected, second}, {&reused, third}} {
		if got := crashed.ask(n, tt.request); !bytes.Equal(got.Raw, tt.want.Raw) {
			t.Errorf("got %v, want the kept reply %v", got, tt.want)
		}
		crashed.drops(crashed.nas("127.0.0.9"), dropReplayed, tt.request.Bytes())
	}
	crashed.send(n, other)
	crashed.next().verdict <- pushed
	crashed.reply(n, other)
	crashed.close()

	again := restarted(t, file, client(anyhost, func(c *radiusd.Client) { c.Secret = wire.NewSecret("another secret of many octets") }))
	if inFlight, kept := again.Pending(); inFlight != 0 || kept != 4 {
		t.Errorf("%d in progress, %d kept; want 0 and 4", inFlight, kept)
	}
	again.send(again.nas(""), rejected) // a reply that was signed with another secret is not sent
	eventually(t, "it is dropped", func() bool { return again.Drops()[dropReplayed] == 1 })
	again.close()
	d.close()
}
