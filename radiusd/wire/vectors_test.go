package wire

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func octets(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const rfcSecret = "xyzzy5461"

// exchanges are those of RFC 2865 §7 that have a User-Password or a reply.
var exchanges = []struct {
	name, request, reply string
	password             string
	types                []byte // of the reply's attributes
}{
	{"RFC 2865 §7.1", "01000038 0f403f9473978057bd83d5cb98f4227a 01066e656d6f 02120dbe708d93d413ce3196e43f782a0aee 0406c0a80110 050600000003",
		"02000026 86fe220e7624ba2a1005f6bf9b55e0b2 060600000001 0f0600000000 0e06c0a80103", "arctangent", []byte{6, 15, 14}},
	{"RFC 2865 §7.2", "01010047 2aee86f08d0d55969ca5978e0d3367a2 0108666c6f707379 031316e97557c316185895f293ff634407727504 06c0a80110 050600000014" +
		"060600000002 070600000001", "02010038 15efbc7dab26cfa3dc34d9c03c8601a4 060600000002 070600000001 0806fffffffe 0a0600000002 0d0600000001 0c06000005dc",
		"", []byte{6, 7, 8, 10, 13, 12}},
	{"RFC 2865 §7.3, first", "01020039 f3a47a1f6a6d76710b947ab93041a039 01076d6f707379 02123365757377828 9b570885e15084825c5 0406c0a80110 050600000007",
		"0b02004e 36f3c8764ae8c71157403c0c71ff9c45 12304368616c6c656e67652033323736393433302e2020456e74657220726573706f6e73652061742070726f6d70742e" +
			"180a3332373639343330", "challenge", []byte{18, 24}},
	{"RFC 2865 §7.3, second", "01030043 b122556d428a13d0d6253807c457ecf0 01076d6f707379 0212692c1f205fc081b919b95195f561a581 0406c0a80110" +
		"050600000007 18103332373639343330", "03030014 a42f4fca45916c4e09c8340f9e746aa0", "99101462", nil},
}

// TestRFC2865Examples: every password of §7 is read and hidden, and every reply is taken and made, to the octet. In the
// second request of §7.3 the document says that State is 16 octets long, and prints 8 of them.
func TestRFC2865Examples(t *testing.T) {
	secret := NewSecret(rfcSecret)
	for _, tt := range exchanges {
		t.Run(tt.name, func(t *testing.T) {
			request, reply := octets(t, tt.request), octets(t, tt.reply)
			authenticator := [16]byte(request[4:HeaderLength])
			for a := range All(request[HeaderLength:]) {
				if a.Type != UserPassword {
					continue
				}
				clear, ok := secret.RevealPassword(nil, a.Value, authenticator)
				if got := strings.TrimRight(string(clear), "\x00"); got != tt.password || !ok {
					t.Errorf("User-Password %q, want %q", got, tt.password)
				}
				if again, err := secret.HidePassword(tt.password, authenticator); !bytes.Equal(again, a.Value) || err != nil {
					t.Errorf("hidden as % x, %v; want % x", again, err, a.Value)
				}
			}
			b, ok := Packet(append(bytes.Clone(reply), "padding"...))
			if !ok || !bytes.Equal(b, reply) || cap(b) != len(b) {
				t.Fatalf("the reply is % x", b)
			}
			list, ok := Attributes(b[HeaderLength:])
			var types []byte
			for _, a := range list {
				types = append(types, a.Type)
			}
			if !ok || !bytes.Equal(types, tt.types) {
				t.Errorf("the reply's attributes are %v, want %v", types, tt.types)
			}
			if !secret.Answers(b, authenticator) || NewSecret("xyzzy5462").Answers(b, authenticator) {
				t.Error("the Response Authenticator is not told from a wrong one")
			}
			made := AppendReply(nil, reply[0], request, false)
			for _, a := range list {
				made = Append(made, a.Type, a.Value)
			}
			if secret.SignReply(made); !bytes.Equal(made, reply) {
				t.Errorf("made % x", made)
			}
		})
	}
}

// TestRFC5997Example: the Message-Authenticator of RFC 5997 §6.1, read and made, and the reply.
func TestRFC5997Example(t *testing.T) {
	secret := NewSecret(rfcSecret)
	request := octets(t, "0cda0026 8a54f4686fb394c52866e302185d0623 50125a665e2e1e8411f3e243822097c84fa3")
	reply := octets(t, "02da0014 ef0d552a4bf2d693ec2b6fe8b5411d66")
	authenticator := [16]byte(request[4:HeaderLength])
	if !secret.Signed(request, HeaderLength+2, authenticator) {
		t.Error("the Message-Authenticator is refused")
	}
	made := NewRequest(StatusServer, authenticator)
	made[1] = 0xda
	if secret.SignRequest(made); !bytes.Equal(made, request) {
		t.Errorf("made % x", made)
	}
	answer := AppendReply(nil, AccessAccept, request, false)
	if secret.SignReply(answer); !bytes.Equal(answer, reply) || !secret.Answers(reply, authenticator) {
		t.Errorf("made % x", answer)
	}
}

// The RFCs print no example of a salted value. These four were computed from the text of the RFCs by another program, with
// the secret and the Request Authenticator of RFC 2865 §7.1.
const (
	tunnelPassword = "8001 cd2ea41b1170f190a2685b09e6838723"                                                                 // RFC 2868 §3.5, "arctangent"
	sendKey        = "f123 7cad9b849038f1faeb5249afc57a3b9dd7edfb8abf825af9f35cad3fe4447cbdb60dfb7f47ed81537f11ec653acdb8a4" // RFC 2548 §2.4.2, octets 0 to 31
	chapKeys       = "6ccd11faf6bf72ac57ebee34742704e1 3c3dd9f602c6f64e69d87056c4569c28"                                     // RFC 2548 §2.4.1, octets 0 to 23
	longPassword   = "1fa9659c9cce11ce31c28b5c0c4f7e9d 4e74f5ba98864b1a1a6aff91f6f041fb"                                     // RFC 2865 §5.2, two blocks
)

func TestHiddenVectors(t *testing.T) {
	secret := NewSecret(rfcSecret)
	authenticator := [16]byte(octets(t, "0f403f9473978057bd83d5cb98f4227a"))
	var count [32]byte
	for i := range count {
		count[i] = byte(i)
	}
	for _, tt := range []struct {
		hidden, clear string
		salt          uint16
	}{{tunnelPassword, "arctangent", 1}, {sendKey, string(count[:]), 0xf123}} {
		want := octets(t, tt.hidden)
		if got, err := secret.HideSalted(tt.clear, tt.salt, authenticator); !bytes.Equal(got, want) || err != nil {
			t.Errorf("%q: % x, %v; want % x", tt.clear, got, err, want)
		}
		if got, ok := secret.RevealSalted(want, authenticator); got != tt.clear || !ok {
			t.Errorf("%q, want %q", got, tt.clear)
		}
	}
	for hidden, clear := range map[string]string{chapKeys: string(count[:24]), longPassword: "seventeen octets!"} {
		want := octets(t, hidden)
		if got, err := secret.HidePassword(clear, authenticator); !bytes.Equal(got, want) || err != nil {
			t.Errorf("%q: % x, %v; want % x", clear, got, err, want)
		}
		if got, ok := secret.RevealPassword(nil, want, authenticator); !ok || string(got) != clear+strings.Repeat("\x00", 32-len(clear)) {
			t.Errorf("%q, want %q", got, clear)
		}
	}
}
