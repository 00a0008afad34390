package system

import "testing"

// TestBroadReader: who an access control list lets read a secret.
func TestBroadReader(t *testing.T) {
	const fullControl, readAndExecute = 0x1f01ff, 0x1200a9
	private := []entry{{sid: "S-1-5-18", rights: fullControl}, {sid: "S-1-5-32-544", rights: fullControl}}
	for _, tt := range []struct {
		name    string
		entries []entry
		want    string
	}{
		{"an empty list lets nobody in", nil, ""},
		{"the system and administrators", private, ""},
		{"a service of its own", append(private, entry{sid: "S-1-5-80-1-2-3-4-5", rights: readAndExecute}), ""},
		{"Users, as below ProgramData", append(private, entry{sid: "S-1-5-32-545", rights: readAndExecute}), "Users"},
		{"Everyone by a generic right", []entry{{sid: "S-1-1-0", rights: genericRead}}, "Everyone"},
		{"Everyone by all rights", []entry{{sid: "S-1-1-0", rights: genericAll}}, "Everyone"},
		{"Authenticated Users", []entry{{sid: "S-1-5-11", rights: fileReadData}}, "Authenticated Users"},
		{"the users of a domain", []entry{{sid: "S-1-5-21-1-2-3-513", rights: readAndExecute}}, "Domain Users"},
		{"one user of a domain", []entry{{sid: "S-1-5-21-1-2-3-1513", rights: readAndExecute}}, ""},
		{"Everyone may see that it is there", []entry{{sid: "S-1-1-0", rights: 0x100080}}, ""},
		{"Users, but only of what is made in the folder", []entry{{sid: "S-1-5-32-545", rights: fullControl, inheritOnly: true}}, ""},
	} {
		if got := broadReader(tt.entries); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
