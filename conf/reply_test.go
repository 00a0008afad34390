package conf

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/debug"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2868"
	"layeh.com/radius/rfc3162"

	"duoradiusd/policy"
)

// TestReply: values as the wire has them, each by its type in the dictionary.
func TestReply(t *testing.T) {
	for _, tt := range []struct {
		value  string // TOML
		vendor uint32
		typ    byte
		want   string
	}{
		{`Class = "OU=admins;"`, 0, 25, "OU=admins;"},
		{`Class = "0x00ff"`, 0, 25, "\x00\xff"},
		{`Filter-Id = "0x00ff"`, 0, 11, "0x00ff"},
		{`Filter-Id = "größe"`, 0, 11, "größe"},
		{`Session-Timeout = 3600`, 0, 27, "\x00\x00\x0e\x10"},
		{`Session-Timeout = "4294967295"`, 0, 27, "\xff\xff\xff\xff"},
		{`Service-Type = "NAS-Prompt-User"`, 0, 6, "\x00\x00\x00\x07"},
		{`Framed-IP-Address = "192.0.2.7"`, 0, 8, "\xc0\x00\x02\x07"},
		{`Framed-Interface-Id = "0x0000000000000001"`, 0, 96, "\x00\x00\x00\x00\x00\x00\x00\x01"},
		{`Framed-IPv6-Prefix = "2001:db8:1::/48"`, 0, 97, "\x00\x30\x20\x01\x0d\xb8\x00\x01"},
		{`Framed-IPv6-Prefix = "::/0"`, 0, 97, "\x00\x00"},
		{`Delegated-IPv6-Prefix = "2001:db8::8000/113"`, 0, 123, "\x00\x71\x20\x01\x0d\xb8" + strings.Repeat("\x00", 10) + "\x80"},
		{`Framed-IPv6-Address = "2001:db8::1"`, 0, 168, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"},
		{`Tunnel-Type = "VLAN"`, 0, 64, "\x00\x00\x00\x0d"},
		{`Tunnel-Type = 13`, 0, 64, "\x00\x00\x00\x0d"},
		{`Tunnel-Type = "31:VLAN"`, 0, 64, "\x1f\x00\x00\x0d"},
		{`Tunnel-Medium-Type = "1:6"`, 0, 65, "\x01\x00\x00\x06"},
		{`Tunnel-Private-Group-Id = "100"`, 0, 81, "100"},
		{`Tunnel-Private-Group-Id = "1:100"`, 0, 81, "\x01100"},
		{`Tunnel-Server-Endpoint = "2001:db8::1"`, 0, 67, "2001:db8::1"},
		{`Cisco-AVPair = "shell:priv-lvl=15"`, 9, 1, "shell:priv-lvl=15"},
		{`ASA-Group-Policy = "admins"`, 3076, 25, "admins"},
		{`CVPN3000-IETF-Radius-Class = "admins"`, 3076, 25, "admins"},
		{`F5-LTM-User-Role = "Guest"`, 3375, 1, "\x00\x00\x02\xbc"},
		{`MS-Primary-DNS-Server = "192.0.2.53"`, 311, 28, "\xc0\x00\x02\x35"},
		{`"Attr-26.9.1" = "x"`, 9, 1, "x"},
		{`"Attr-26.4242.7" = "0x2a"`, 4242, 7, "*"},
		{`Filter-Id = "` + strings.Repeat("x", 253) + `"`, 0, 11, strings.Repeat("x", 253)},
		{`Cisco-AVPair = "` + strings.Repeat("x", 247) + `"`, 9, 1, strings.Repeat("x", 247)},
		{`Tunnel-Private-Group-Id = "1:` + strings.Repeat("x", 252) + `"`, 0, 81, "\x01" + strings.Repeat("x", 252)},
	} {
		c := load(t, minimal+"[[reply]]\nattributes = { "+tt.value+" }\n")
		got := c.Replies[0].Attributes
		want := policy.Attribute{AttributeID: policy.AttributeID{Vendor: tt.vendor, Type: tt.typ}, Value: tt.want}
		if len(got) != 1 || got[0].Attribute != want {
			t.Errorf("%.60s: got %+v, want %+v", tt.value, got, want)
		}
	}
}

// TestReplyRead: another implementation reads what we write.
func TestReplyRead(t *testing.T) {
	c := load(t, minimal+`[[reply]]
attributes = { Tunnel-Type = "3:VLAN", Tunnel-Private-Group-Id = "3:100", Framed-IPv6-Prefix = "2001:db8::/64", Session-Timeout = 60 }
`)
	p := radius.New(radius.CodeAccessAccept, []byte("secret"))
	for _, a := range c.Replies[0].Attributes {
		p.Add(radius.Type(a.Type), radius.Attribute(a.Value))
	}
	if tag, v := rfc2868.TunnelType_Get(p); tag != 3 || v != 13 {
		t.Errorf("Tunnel-Type %d:%d", tag, v)
	}
	if tag, v := rfc2868.TunnelPrivateGroupID_GetString(p); tag != 3 || v != "100" {
		t.Errorf("Tunnel-Private-Group-Id %d:%s", tag, v)
	}
	if v := rfc3162.FramedIPv6Prefix_Get(p); v == nil || v.String() != "2001:db8::/64" {
		t.Errorf("Framed-IPv6-Prefix %v", v)
	}
	if v := rfc2865.SessionTimeout_Get(p); v != 60 {
		t.Errorf("Session-Timeout %d", v)
	}
}

// TestReplyOrder: attributes by name, the values of one as the file has them.
func TestReplyOrder(t *testing.T) {
	c := load(t, minimal+`[[reply]]
groups = []
clients = ["vpn", "gateway"]
[reply.attributes]
Reply-Message = ["b", "a"]
Class = "c"
Cisco-AVPair = ["2", "1"]
`)
	var got []string
	for _, a := range c.Replies[0].Attributes {
		got = append(got, a.Name+"="+a.Value)
	}
	if want := "Cisco-AVPair=2 Cisco-AVPair=1 Class=c Reply-Message=b Reply-Message=a"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !slices.Equal(c.Replies[0].Clients, []string{"vpn", "gateway"}) {
		t.Errorf("clients %q", c.Replies[0].Clients)
	}
}

func TestPass(t *testing.T) {
	for value, want := range map[string]struct {
		ids []policy.AttributeID
		all bool
	}{
		"":      {[]policy.AttributeID{{Type: 25}, {Type: 11}}, false},
		"[]":    {nil, false},
		`["*"]`: {nil, true},
		`["Filter-Id", "Cisco-AVPair", "Tunnel-Password", "Attr-26.4242.7"]`: {
			[]policy.AttributeID{{Type: 11}, {Vendor: 9, Type: 1}, {Type: 69}, {Vendor: 4242, Type: 7}}, false},
	} {
		text := strings.TrimSpace(minimal) + "\n"
		if value != "" {
			text += "pass_attributes = " + value + "\n"
		}
		c := load(t, text).Clients[1]
		if !reflect.DeepEqual(c.Pass, want.ids) || c.PassAll != want.all {
			t.Errorf("%s: %v %v", value, c.Pass, c.PassAll)
		}
	}
}

// TestDictionary: what theDictionary panics of, and what the packet format can't hold.
func TestDictionary(t *testing.T) {
	d := theDictionary()
	for name, a := range d.byName {
		if len(a.OID) != 1 || a.OID[0] < 1 || a.OID[0] > 255 {
			t.Errorf("%s has the number %v", name, a.OID)
		}
		if a.Vendor == 0 && a.HasTag() && perAccept[a.AttributeID.Type] == 0 {
			t.Errorf("%s is a tunnel's, but no Access-Accept may carry it", name)
		}
		if back, ok := findAttribute(AttributeName(a.AttributeID)); !ok || back.AttributeID != a.AttributeID {
			t.Errorf("%s: its number leads to %v", name, back)
		}
		for value := range a.values {
			if _, wrong := a.encode(value); wrong != "" {
				t.Errorf("%s = %s: %s", name, value, wrong)
			}
		}
	}
	for typ := range perAccept {
		if d.byID[policy.AttributeID{Type: typ}] == nil {
			t.Errorf("no name for %d, which an Access-Accept may carry", typ)
		}
	}
	for _, a := range debug.IncludedDictionary.Attributes {
		if d.byName[a.Name].Attribute != a {
			t.Errorf("%s is there twice", a.Name)
		}
	}
	for _, name := range UserIPAttributes {
		if _, ok := findAttribute(name); !ok {
			t.Errorf("%s is a value of user_ip and unknown", name)
		}
	}
}

func TestAttributeName(t *testing.T) {
	for id, want := range map[policy.AttributeID]string{
		{Type: 25}:               "Class",
		{Type: 250}:              "Attr-250",
		{Vendor: 9, Type: 1}:     "Cisco-AVPair",
		{Vendor: 9, Type: 200}:   "Attr-26.9.200",
		{Vendor: 3076, Type: 25}: "ASA-Group-Policy",
		{Vendor: 12356, Type: 2}: "Fortinet-Client-IP",
		{Vendor: 25461, Type: 5}: "PaloAlto-User-Group",
	} {
		if got := AttributeName(id); got != want {
			t.Errorf("%+v: %s, want %s", id, got, want)
		}
	}
}

// TestProfilesReplies: what a profile says that its make acts on can be sent.
func TestProfilesReplies(t *testing.T) {
	for _, p := range profiles {
		for _, reply := range p.Replies {
			name, _, _ := strings.Cut(reply, " ")
			a, ok := findAttribute(name)
			if !ok || a.forbidden() != "" {
				t.Errorf("%s: %s", p.Name, name)
			}
		}
	}
}

// TestAttributeValue: what was encoded reads as it was written.
func TestAttributeValue(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    any
		want string
	}{
		{"Session-Timeout", int64(3600), "3600"},
		{"Service-Type", "Framed-User", "Framed-User"},
		{"Framed-IP-Address", "192.0.2.7", "192.0.2.7"},
		{"Filter-Id", "full", `"full"`},
		{"Class", "OU=admins;", `"OU=admins;"`},
		{"Class", "0x00ff", "0x00ff"},
		{"Cisco-AVPair", "shell:priv-lvl=15", `"shell:priv-lvl=15"`},
		{"Attr-26.99999.1", "0x01", "0x01"},
	} {
		a, ok := findAttribute(tt.name)
		if !ok {
			t.Fatal(tt.name)
		}
		octets, wrong := a.encode(tt.v)
		if wrong != "" {
			t.Fatalf("%s: %s", tt.name, wrong)
		}
		if got := AttributeValue(policy.Attribute{AttributeID: a.AttributeID, Value: octets}); got != tt.want {
			t.Errorf("%s = %v: %s, want %s", tt.name, tt.v, got, tt.want)
		}
	}
}
