package radiusauth

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"layeh.com/radius"

	"duoradiusd/policy"
)

// eapOf makes an EAP packet.
func eapOf(code, identifier byte, data ...string) string {
	body := strings.Join(data, "")
	b := binary.BigEndian.AppendUint16([]byte{code, identifier}, uint16(4+len(body)))
	return string(append(b, body...))
}

// chunked splits an EAP packet into EAP-Messages.
func chunked(packet string) (list []at) {
	if packet == "" {
		return []at{{79, ""}} // EAP-Start
	}
	for c := range slices.Chunk([]byte(packet), 253) {
		list = append(list, at{79, string(c)})
	}
	return list
}

func eapRequestOf(typed, packet, state string) policy.FirstRequest {
	r := pap("canonical", "")
	r.Typed, r.Method, r.State = typed, policy.MethodEAP, state
	r.Attributes = octets(append([]at{{1, typed}}, chunked(packet)...)...)
	return r
}

const success = "\x03\x09\x00\x04"

// round is one step of a conversation: what the peer says, and what the upstream answers; "" means an accept.
type round struct{ peer, upstream string }

// converse plays rounds between a peer that calls itself typed and an upstream that accepts at the end, with these names.
func converse(t *testing.T, typed string, rounds []round, named ...string) (a policy.Account, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := w.serve(one)
		f.does(func(q *query) {
			n := len(f.queries()) - 1
			r := rounds[min(n, len(rounds)-1)]
			if got := q.eap(); got != r.peer || q.value(1) != typed {
				t.Errorf("round %d: the upstream got %q of %q", n, got, q.value(1))
			}
			if want := ""; n > 0 {
				if want = string(rune('0' + n - 1)); q.value(24) != want {
					t.Errorf("round %d: State %q, want %q", n, q.value(24), want)
				}
			}
			if r.upstream != "" {
				q.reply(radius.CodeAccessChallenge, append(chunked(r.upstream), at{24, string(rune('0' + n))})...)
				return
			}
			list := []at{{79, success}}
			for _, name := range named {
				list = append(list, at{1, name})
			}
			q.reply(radius.CodeAccessAccept, list...)
		})
		u := w.upstream(Config{RequireMessageAuthenticator: true}, one)
		defer u.Close()
		state := ""
		for i, r := range rounds {
			a, err = u.Authenticate(t.Context(), eapRequestOf(typed, r.peer, state))
			back, ok := errors.AsType[*policy.AskBack](err)
			if !ok {
				if i < len(rounds)-1 && !errors.Is(err, policy.ErrRejected) {
					t.Errorf("round %d: %v", i, err)
				}
				return
			}
			if back.EAP != r.upstream {
				t.Errorf("round %d: the peer gets %q, want %q", i, back.EAP, r.upstream)
			}
			state = back.State
		}
	})
	return a, err
}

// method returns a conversation by one method, after the identity.
func method(typed string, kind string) []round {
	return []round{
		{eapOf(2, 0, "\x01", typed), eapOf(1, 1, kind, "hello")},
		{eapOf(2, 1, kind, strings.Repeat("long", 200)), eapOf(1, 2, kind, strings.Repeat("back", 300))},
		{eapOf(2, 2, kind, "done"), ""},
	}
}

// standing is what a conversation says about a name.
type standing int

const (
	proven standing = iota
	unproven
	refused
)

// TestEAPIdentity: who an accepted peer is, and whether the method proved it. A name that was only said outside of a tunnel
// is marked as unproven.
func TestEAPIdentity(t *testing.T) {
	nakThenMD5 := []round{
		{eapOf(2, 0, "\x01jo"), eapOf(1, 1, "\x19", "PEAP")},
		{eapOf(2, 1, "\x03\x04"), eapOf(1, 2, "\x04", "challenge")},
		{eapOf(2, 2, "\x04", "hash"), ""},
	}
	peapThenMD5 := []round{
		{eapOf(2, 0, "\x01jo"), eapOf(1, 1, "\x19", "PEAP")},
		{eapOf(2, 1, "\x19", "hello"), eapOf(1, 2, "\x04", "challenge")},
		{eapOf(2, 2, "\x04", "hash"), ""},
	}
	md5WithinPEAP := []round{
		{eapOf(2, 0, "\x01jo"), eapOf(1, 1, "\x19", "PEAP")},
		{eapOf(2, 1, "\x04", "hash"), ""},
	}
	notified := []round{
		{eapOf(2, 0, "\x01jo"), eapOf(1, 1, "\x1a", "challenge")},
		{eapOf(2, 1, "\x1a", "hash"), eapOf(1, 2, "\x02", "your password expires")},
		{eapOf(2, 2, "\x02"), ""},
	}
	expandedNak := []round{
		{eapOf(2, 0, "\x01jo"), eapOf(1, 1, "\xfe", "\x00\x00\x00\x00\x00\x00\x19")},
		{eapOf(2, 1, "\xfe\x00\x00\x00\x00\x00\x00\x03"), eapOf(1, 2, "\x06", "Password")},
		{eapOf(2, 2, "\x06", "hunter2"), ""},
	}
	start := append([]round{{"", eapOf(1, 0, "\x01")}}, method("jo", "\x04")...)
	for _, tt := range []struct {
		name   string
		typed  string
		rounds []round
		named  []string
		want   string // the user, or a part of the error
		is     standing
	}{
		{"MD5", "jo", method("jo", "\x04"), nil, "", proven},
		{"GTC", "jo", method("jo", "\x06"), nil, "", proven},
		{"MSCHAPv2", "jo", method("jo", "\x1a"), nil, "", proven},
		{"MSCHAPv2, named", "JO", method("JO", "\x1a"), []string{"jo"}, "jo", proven},
		{"PEAP, named", "anonymous", method("anonymous", "\x19"), []string{"jo"}, "jo", proven},
		{"TTLS, named", "@example.com", method("@example.com", "\x15"), []string{"jo@example.com"}, "jo@example.com", proven},
		{"TLS, named", "host/pc7", method("host/pc7", "\x0d"), []string{"jo"}, "jo", proven},
		{"TLS, named as a part of outside", "host/jo", method("host/jo", "\x0d"), []string{"jo"}, "jo", unproven},
		{"PEAP, named as outside", "jo", method("jo", "\x19"), []string{"jo"}, "jo", unproven},
		{"PEAP", "jo", method("jo", "\x19"), nil, "", unproven},
		{"TTLS", "jo", method("jo", "\x15"), nil, "", unproven},
		{"TLS", "jo", method("jo", "\x0d"), nil, "", unproven},
		{"FAST", "jo", method("jo", "\x2b"), nil, "", unproven},
		{"TEAP", "jo", method("jo", "\x37"), nil, "", unproven},
		{"SIM", "jo", method("jo", "\x12"), nil, "", unproven},
		{"expanded", "jo", method("jo", "\xfe"), nil, "", unproven},
		{"PEAP, an empty name", "jo", method("jo", "\x19"), []string{""}, "", unproven},
		{"PEAP, anonymous as outside", "anonymous", method("anonymous", "\x19"), []string{"anonymous"}, "method 25 proved inside the tunnel of \"anonymous\"", refused},
		{"TTLS, anonymous as outside", "@example.com", method("@example.com", "\x15"), []string{"@example.com"}, "method 21 proved inside the tunnel of", refused},
		{"TTLS, with a domain", `EX\Anonymous1`, method(`EX\Anonymous1`, "\x15"), []string{`EX\Anonymous1`}, "method 21 proved inside the tunnel of", refused},
		{"no method at all", "jo", []round{{eapOf(2, 0, "\x01jo"), ""}}, nil, "before any EAP method", refused},
		{"Nak, then MD5", "jo", nakThenMD5, nil, "", proven},
		{"expanded Nak, then GTC", "jo", expandedNak, nil, "", proven},
		{"PEAP, then MD5", "jo", peapThenMD5, nil, "", unproven},
		{"says MD5 where PEAP is asked", "jo", md5WithinPEAP, nil, "", unproven},
		{"a notification in between", "jo", notified, nil, "", proven},
		{"EAP-Start", "jo", start, nil, "", proven},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := converse(t, tt.typed, tt.rounds, tt.named...)
			switch {
			case tt.is != refused && (err != nil || a.User != tt.want || a.EAP != success || a.Unproven != (tt.is == unproven)):
				t.Errorf("got %+v, %v; want user %q", a, err, tt.want)
			case tt.is == refused && (err == nil || errors.Is(err, policy.ErrRejected) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %+v, %v; want %q", a, err, tt.want)
			}
		})
	}
}

// TestEAPRefused: packets that are refused without asking the upstream.
func TestEAPRefused(t *testing.T) {
	for _, tt := range []struct{ name, packet, want string }{
		{"another's identity", eapOf(2, 0, "\x01", "ann"), "the EAP identity is not the User-Name"},
		{"no identity", eapOf(2, 0, "\x01"), "the EAP identity is not the User-Name"},
		{"case", eapOf(2, 0, "\x01", "Jo"), "the EAP identity is not the User-Name"},
		{"roles reversed", eapOf(1, 0, "\x01"), "the EAP packet is not a response"},
		{"success", eapOf(3, 0), "the EAP packet is not a response"},
		{"short", "\x02\x00\x00", "the EAP packet is not a response"},
		{"truncated", eapOf(2, 0, "\x01jo")[:6], "the EAP packet is not a response"},
		{"Length under 4", "\x02\x00\x00\x03\x01jo", "the EAP packet is not a response"},
		{"no type", eapOf(2, 0), "the EAP response has no type"},
	} {
		q, _ := handedOn(t, eapRequestOf("jo", tt.packet, ""))
		_, err := answered(t, eapRequestOf("jo", tt.packet, ""), mute)
		if q != nil || !errors.Is(err, policy.ErrRejected) || err.Error() != tt.want {
			t.Errorf("%s: got %v and asked %v, want %s", tt.name, err, q != nil, tt.want)
		}
	}
	// Octets behind the EAP packet's Length are padding (RFC 3748 §4).
	if q, _ := handedOn(t, eapRequestOf("jo", eapOf(2, 0, "\x01jo")+"more", "")); q == nil {
		t.Error("a padded EAP packet is not handed on")
	}
}

// eap returns the EAP packet of a request, put together from its EAP-Messages.
func (q *query) eap() (packet string) {
	for _, a := range q.Attributes {
		if a.Type == 79 {
			packet += string(a.Attribute)
		}
	}
	return packet
}
