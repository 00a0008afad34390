package radiusd

import (
	"net/netip"
	"strings"
	"testing"

	"duoradiusd/test/nas"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":                        "192.0.2.1",
		"192.0.2.1\x00":                    "192.0.2.1",
		"192.0.2.1[4500]":                  "192.0.2.1",
		"192.0.2.1:4500":                   "192.0.2.1",
		"2001:db8::1":                      "2001:db8::1",
		"2001:db8::1[4500]":                "2001:db8::1",
		"[2001:db8::1]:443":                "2001:db8::1",
		"[2001:db8::1]":                    "2001:db8::1",
		"::ffff:192.0.2.1":                 "192.0.2.1",
		"fe80::1%eth0":                     "fe80::1",
		"ip=192.0.2.1":                     "192.0.2.1",
		"IP=192.0.2.1 port=4500":           "192.0.2.1",
		"tunnel=7,ip=2001:db8::1;x=y":      "2001:db8::1",
		"192.0.2.1 some text":              "192.0.2.1",
		"":                                 "",
		"=":                                "",
		" ,;":                              "",
		"ip=":                              "",
		"ip=nonsense":                      "",
		"x=192.0.2.1":                      "",
		"00-11-22-33-44-55":                "",
		"00:11:22:33:44:55":                "",
		"0011.2233.4455":                   "",
		"+49 30 1234567":                   "",
		"192.0.2":                          "",
		"192.0.2.256":                      "",
		"192.0.2.1/32":                     "",
		"192.0.2.1[":                       "",
		"[192.0.2.1":                       "",
		"0.0.0.0":                          "",
		"::":                               "",
		"224.0.0.1":                        "",
		"ff02::1":                          "",
		"255.255.255.255":                  "",
		"\xff\xfe":                         "",
		strings.Repeat("1", 253):           "",
		"192.0.2.1" + string(rune(0x2028)): "",
	} {
		got := ""
		if ip := text([]byte(in)); ip.IsValid() {
			got = ip.String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestUserIP(t *testing.T) {
	all := []string{"Framed-IP-Address", "Framed-IPv6-Address", "Login-IP-Host", "Fortinet-Client-IP", "Fortinet-Client-IPv6",
		"PaloAlto-Client-Source-IP", "Tunnel-Client-Endpoint", "Calling-Station-Id"}
	v4, v6 := []byte{192, 0, 2, 1}, netip.MustParseAddr("2001:db8::1").AsSlice()
	for _, tt := range []struct {
		name  string
		names []string
		r     *nas.Request
		want  string
	}{
		{"nothing", all, signedLogin(), "invalid IP"},
		{"no name", nil, signedLogin().Add(8, v4), "invalid IP"},
		{"Framed-IP-Address", all, signedLogin().Add(8, v4), "192.0.2.1"},
		{"the user may choose", all, signedLogin().Add(8, []byte{255, 255, 255, 255}), "invalid IP"},
		{"too short", all, signedLogin().Add(8, v4[:3]), "invalid IP"},
		{"Framed-IPv6-Address", all, signedLogin().Add(168, v6), "2001:db8::1"},
		{"Login-IP-Host", all, signedLogin().Add(14, v4), "192.0.2.1"},
		{"Fortinet", all, signedLogin().AddVSA(12356, 2, v4), "192.0.2.1"},
		{"Fortinet v6", all, signedLogin().AddVSA(12356, 13, v6), "2001:db8::1"},
		{"another vendor", all, signedLogin().AddVSA(9, 2, v4), "invalid IP"},
		{"Palo Alto", all, signedLogin().AddVSA(25461, 7, []byte("192.0.2.1")), "192.0.2.1"},
		{"tagged", all, signedLogin().Add(66, []byte("\x1f192.0.2.1")), "192.0.2.1"},
		{"not tagged", all, signedLogin().Add(66, []byte("192.0.2.1")), "192.0.2.1"},
		{"only a tag", all, signedLogin().Add(66, []byte("\x01")), "invalid IP"},
		{"the second holds one", all, signedLogin().AddString(31, "x").AddString(31, "192.0.2.1"), "192.0.2.1"},
		{"the order of names counts", []string{"Calling-Station-Id", "Framed-IP-Address"},
			signedLogin().Add(8, v4).AddString(31, "192.0.2.9"), "192.0.2.9"},
	} {
		p, why := walk(tt.r.Bytes())
		if why != notDropped {
			t.Fatal(why)
		}
		if got := p.userIP(sources(tt.names)).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// sources returns the sources of these names, in their order.
func sources(names []string) (list []addressSource) {
	for _, name := range names {
		list = append(list, addressSources[name])
	}
	return list
}
