package conf

import (
	"time"

	"duoradiusd/policy"
)

// Remember says how approvals are kept.
type Remember struct {
	Entries int              // the most approvals that are kept at a time
	Idle    time.Duration    // an approval that is not used for this long is forgotten; 0 = no such limit
	Uses    int              // how often an approval may be used; 0 = no such limit
	BindTo  []policy.Binding // what an approval is bound to, beside the user
}

func readRemember(t *table) Remember {
	r := Remember{
		Entries: t.int("entries", 100_000, 1, 10_000_000),
		Idle:    t.duration("idle", 0, 0, maxRemember),
		Uses:    t.int("uses", 0, 0, 1_000_000),
		BindTo: someOf(t, "bind_to", []policy.Binding{policy.BindService, policy.BindUserIP},
			policy.BindService, policy.BindClient, policy.BindUserIP),
	}
	t.formerStore()
	if len(r.BindTo) == 0 {
		t.warn("bind_to", `empty: an approval counts at every service, client and address; want "user-ip" among them`)
	}
	return r
}

// formerStore refuses the keys that [cluster] has replaced. It shows no value, because a URL may hold a password.
func (t *table) formerStore() {
	if t.has("store") {
		switch s, ok := value[string](t, "store", "a string"); {
		case ok && s == "memory":
			t.warn("store", "\"memory\", which has no effect any more, because [cluster] decides where approvals are kept; want it left out")
		case ok:
			t.bad("store", "a store other than \"memory\"; want [cluster] url instead")
		}
	}
	if t.has("encryption_key_file") {
		t.seen = append(t.seen, "encryption_key_file")
		t.bad("encryption_key_file", "no longer supported; want [cluster] key_file instead")
	}
}
