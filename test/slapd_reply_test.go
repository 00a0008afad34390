package test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// TestReplyFromSlapd: values of the user's entry and of the user's groups in OpenLDAP's directory get into the
// Access-Accept. A value that is missing, or that its attribute can't hold, is left out, and the log and explain say so.
func TestReplyFromSlapd(t *testing.T) {
	s := startSlapd(t, []person{
		{cn: "Jo", uid: "jo", password: "right password", groups: []string{"VPN users", "VPN admins", "canteen"},
			more: "employeeNumber: 203.0.113.9\nroomNumber: full\ntelephoneNumber: one\ntelephoneNumber: two\n"},
		{cn: "Ann", uid: "ann", password: "right password", groups: []string{"canteen"}, more: "employeeNumber: nowhere\n"},
	}, "")
	config := fmt.Sprintf(`
[[client]]
first_factor = "directory"

[[first_factor]]
name           = "directory"
type           = "ldap"
urls           = [%q]
ca_file        = %q
bind_dn        = %q
bind_password  = %q
base_dn        = %q
user_filter    = "(&(objectClass=person)(uid={username}))"

[[reply]]
[reply.attributes]
Framed-IP-Address = "{ldap:employeeNumber}"
Filter-Id         = "{ldap:roomNumber}"
Reply-Message     = "{ldap:telephoneNumber}"

[[reply]]
groups     = ["VPN users", "VPN admins"]
attributes = { Class = "{group}" }
`, s.url("ldaps"), s.ca(), slapdService, slapdServicePassword, slapdBase)
	d := startDaemon(t, startDuo(t, fakeduo.User{Username: "jo"}, fakeduo.User{Username: "ann"}), config)

	accept := login(t, d, "jo", "right password")
	for kind, want := range map[byte]string{nas.FilterID: "full", framedIPAddress: "\xcb\x00\x71\x09", nas.Class: "VPN admins|VPN users", nas.ReplyMessage: "one|two"} {
		if got := joined(accept.Get(kind)); accept.Code != nas.CodeAccessAccept || got != want {
			t.Errorf("jo: code %d, attribute %d: %q, want %q", accept.Code, kind, got, want)
		}
	}
	accept = login(t, d, "ann", "right password")
	for _, kind := range []byte{nas.FilterID, framedIPAddress, nas.Class, nas.ReplyMessage} {
		if got := accept.Get(kind); accept.Code != nas.CodeAccessAccept || len(got) > 0 {
			t.Errorf("ann: code %d, attribute %d: %q, want none", accept.Code, kind, got)
		}
	}
	d.WaitLog("user=ann ", "code=Access-Accept", "{ldap:roomNumber}: the user has no such attribute", "{ldap:employeeNumber}")

	for user, want := range map[string][]string{
		"jo":  {"Framed-IP-Address = 203.0.113.9", `Filter-Id = "full"`, `Class = "VPN admins"`, `Class = "VPN users"`},
		"ann": {"left out", "{ldap:roomNumber}: the user has no such attribute", "{ldap:employeeNumber}"},
	} {
		out, errs, status := run(t, "", daemonProgram(t), "explain", user, "--directory", "--config", filepath.Join(d.dir, configFile))
		for _, words := range want {
			if status != 0 || !strings.Contains(out, words) {
				t.Errorf("explain %s: status %d, want %q\n%s%s", user, status, words, out, errs)
			}
		}
		if user == "jo" && strings.Contains(out, "left out") {
			t.Errorf("explain jo:\n%s", out)
		}
	}
}

const framedIPAddress = 8 // RFC 2865 §5.8

// joined returns the values of an attribute in the order of their octets.
func joined(values [][]byte) string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = string(value)
	}
	slices.Sort(words)
	return strings.Join(words, "|")
}
