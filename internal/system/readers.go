package system

import "strings"

// The rights of an access control entry that permit reading a file's content (Microsoft's [MS-DTYP] 2.4.3).
const (
	fileReadData = 0x00000001
	genericAll   = 0x10000000
	genericRead  = 0x80000000
)

// entry is one entry of an access control list that allows something.
type entry struct {
	sid         string // of whom it allows it, such as "S-1-1-0"
	rights      uint32
	inheritOnly bool // it counts for the folder's content and not for the folder itself
}

// broadGroups are the well-known groups that contain people who must not read a secret (Microsoft's list of well-known
// security identifiers).
var broadGroups = map[string]string{
	"S-1-1-0":      "Everyone",
	"S-1-5-2":      "Network",
	"S-1-5-4":      "Interactive",
	"S-1-5-7":      "Anonymous Logon",
	"S-1-5-11":     "Authenticated Users",
	"S-1-5-32-545": "Users",
	"S-1-5-32-546": "Guests",
}

// broadReader returns the name of the first broad group that may read by these entries; "" if there is none. Entries that
// deny are not looked at, so there may be a warning too many.
func broadReader(entries []entry) string {
	for _, e := range entries {
		if e.inheritOnly || e.rights&(fileReadData|genericRead|genericAll) == 0 {
			continue
		}
		if name := broadGroups[e.sid]; name != "" {
			return name
		}
		if isDomainUsers(e.sid) {
			return "Domain Users"
		}
	}
	return ""
}

// isDomainUsers reports whether a SID is Domain Users (513) or Domain Guests (514) of a domain.
func isDomainUsers(sid string) bool {
	return strings.HasPrefix(sid, "S-1-5-21-") && (strings.HasSuffix(sid, "-513") || strings.HasSuffix(sid, "-514"))
}
