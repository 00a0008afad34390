package test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"duoradiusd/test/nas"
)

const vendorMicrosoft = 311 // RFC 2548

// show prints a reply, one attribute per line: text in quotes, and all else as hexadecimal octets. For Microsoft's keys and
// a Tunnel-Password it prints what the client decrypts. MS-CHAP2-Success must be the right one.
func (s *stage) show(out *sent) {
	s.print("%s\n", codeName(out.reply))
	for _, a := range out.reply.Attributes {
		switch a.Type {
		case nas.MessageAuthenticator:
			s.print("Message-Authenticator\n")
		case nas.State:
			s.print("State of %d octets\n", len(a.Value))
		case nas.TunnelPassword:
			s.print("Tunnel-Password = %s\n", shownValue(slices.Concat(a.Value[:1], s.revealed(out, a.Value[1:]))))
		case nas.VendorSpecific:
			s.showVendor(out, a.Value)
		default:
			s.print("%s = %s\n", attributeName(a.Type), shownValue(a.Value))
		}
	}
}

// showVendor prints a Vendor-Specific, which may hold several attributes (RFC 2865 §5.26).
func (s *stage) showVendor(out *sent, value []byte) {
	if len(value) < 7 {
		s.Fatalf("a Vendor-Specific of %d octets", len(value))
	}
	vendor := binary.BigEndian.Uint32(value)
	for sub := value[4:]; len(sub) > 0; sub = sub[sub[1]:] {
		if len(sub) < 3 || sub[1] < 3 || int(sub[1]) > len(sub) {
			s.Fatalf("a malformed Vendor-Specific: % x", value)
		}
		kind, text := sub[0], sub[2:sub[1]]
		name := microsoftNames[kind]
		switch {
		case vendor != vendorMicrosoft || name == "":
			s.print("Attr-26.%d.%d = %s\n", vendor, kind, shownValue(text))
		case kind == msMPPESendKey || kind == msMPPERecvKey:
			s.print("%s = %x\n", name, s.revealed(out, text))
		case kind == msCHAP2Success:
			if want := successOf(out); string(text) != want {
				s.Fatalf("got MS-CHAP2-Success %q, want %q", text, want)
			}
			s.print("%s is right\n", name)
		default:
			s.print("%s = %q\n", name, text) // after an octet Ident
		}
	}
}

func (s *stage) revealed(out *sent, value []byte) []byte {
	clear, err := out.request.Reveal(value)
	if err != nil {
		s.Fatal(err)
	}
	return clear
}

// These are Microsoft's attributes (RFC 2548).
const (
	msCHAPError     = 2
	msCHAPChallenge = 11
	msMPPESendKey   = 16
	msMPPERecvKey   = 17
	msCHAP2Response = 25
	msCHAP2Success  = 26
)

var microsoftNames = map[byte]string{
	msCHAPError: "MS-CHAP-Error", msMPPESendKey: "MS-MPPE-Send-Key", msMPPERecvKey: "MS-MPPE-Recv-Key", msCHAP2Success: "MS-CHAP2-Success",
}

var attributeNames = map[byte]string{
	nas.UserName: "User-Name", nas.UserPassword: "User-Password", nas.CHAPPassword: "CHAP-Password",
	nas.NASIPAddress: "NAS-IP-Address", nas.ServiceType: "Service-Type", nas.FilterID: "Filter-Id",
	nas.ReplyMessage: "Reply-Message", nas.State: "State", nas.Class: "Class", nas.SessionTimeout: "Session-Timeout",
	nas.CallingStationID: "Calling-Station-Id", nas.NASIdentifier: "NAS-Identifier", nas.ProxyState: "Proxy-State",
	nas.CHAPChallenge: "CHAP-Challenge", nas.Prompt: "Prompt",
}

func attributeName(kind byte) string {
	if name := attributeNames[kind]; name != "" {
		return name
	}
	return fmt.Sprintf("Attr-%d", kind)
}

func shownValue(value []byte) string {
	if bytes.ContainsFunc(value, func(r rune) bool {
		return r != '\n' && !unicode.IsPrint(r) || r == unicode.ReplacementChar
	}) {
		return fmt.Sprintf("%x", value)
	}
	return fmt.Sprintf("%q", value)
}

// typedIn returns the password of a request that has not been sent and encrypted yet.
func typedIn(r *nas.Request) string { return string(slices.Concat(r.Get(nas.UserPassword)...)) }

func named(r *nas.Request) string { return string(bytes.Join(r.Get(nas.UserName), nil)) }

// oneLine returns a text for the user in the form of a script.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }
