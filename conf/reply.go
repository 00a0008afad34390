package conf

import (
	"maps"
	"slices"

	"duoradiusd/policy"
)

// Reply is one [[reply]]: attributes for the Access-Accept of the logins that fit all of its lists. An empty list fits all
// logins.
type Reply struct {
	Users      []string
	Groups     []string
	Clients    []string
	Attributes []ReplyAttribute // sorted by name; the values of one attribute keep the order of the file (RFC 2865 §5)
}

// ReplyAttribute is one attribute of a reply. Its value is ready to be sent, or is made for each login from a group or from
// the directory.
type ReplyAttribute struct {
	Name string // as in the dictionary
	policy.ReplyAttribute
}

const attributesExample = `a table such as { Class = ["OU=admins;"] }`

// maxReply bounds the attributes of one reply, in octets. The rest of a packet (4096 octets, RFC 2865 §3) is for the other
// attributes of an Access-Accept.
const maxReply = 3500

func readReply(t *table) Reply {
	r := Reply{
		Users:   t.words("users"),
		Groups:  t.words("groups"),
		Clients: t.words("clients"),
	}
	r.Attributes = t.replyAttributes("attributes", len(r.Groups) > 0)
	if !t.has("attributes") {
		t.bad("attributes", "missing; want %s", attributesExample)
	}
	return r
}

// replyAttributes reads a table of attributes. grouped says that the [[reply]] lists groups, which {group} needs.
func (t *table) replyAttributes(key string, grouped bool) (list []ReplyAttribute) {
	given, ok := value[map[string]any](t, key, attributesExample)
	if ok && len(given) == 0 {
		t.bad(key, "empty; want %s", attributesExample)
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(given)) {
		for _, a := range t.replyAttribute(string(appendKey([]byte(key+"."), name)), name, given[name], grouped) {
			list = append(list, a)
			size += 2 + len(a.Value)
			if a.Vendor != 0 {
				size += 6
			}
		}
	}
	if size > maxReply {
		t.bad(key, "%d octets; want %d at most", size, maxReply)
	}
	return list
}

// replyAttribute reads the values of one attribute: a list, or a single value.
func (t *table) replyAttribute(key, name string, raw any, grouped bool) (out []ReplyAttribute) {
	a, ok := findAttribute(name)
	if !ok {
		t.bad(key, "%s", unknownAttribute(name))
		return nil
	}
	why := a.forbidden()
	if why == "" && a.FlagEncrypt.Valid {
		why = "which is encrypted for one exchange"
	}
	if why != "" {
		t.bad(key, "%s, %s; want it left out", quote(name), why)
		return nil
	}
	list, isList := raw.([]any)
	if !isList {
		list = []any{raw}
	}
	if len(list) == 0 {
		t.bad(key, "empty; want one value at least")
	}
	if most := perAccept[a.AttributeID.Type]; a.Vendor == 0 && len(list) > most {
		t.bad(key, "%d values; want %d, as more is not allowed in an Access-Accept", len(list), most)
	}
	for i, v := range list {
		at := key
		if isList {
			at = nth(key, i)
		}
		made, wrong := a.fromConfiguration(v, grouped)
		if wrong != "" {
			t.bad(at, "%s", wrong)
			continue
		}
		t.makesAdministrators(at, made)
		out = append(out, made)
	}
	return out
}

// defaultPass holds the attributes by which servers commonly describe a user to their clients: Class and Filter-Id.
var defaultPass = []policy.AttributeID{{Type: 25}, {Type: 11}}

// pass reads which attributes of an upstream server's reply are passed on to the client.
func (t *table) pass(key string) (ids []policy.AttributeID, all bool) {
	if !t.has(key) {
		t.seen = append(t.seen, key)
		return slices.Clone(defaultPass), false
	}
	names := t.strings(key, nil)
	for i, name := range names {
		if !t.isString(key, i) {
			continue
		}
		at := nth(key, i)
		if name == "*" {
			all = true
			if len(names) > 1 {
				t.bad(at, `"*" beside others; want it alone`)
			}
			continue
		}
		a, ok := findAttribute(name)
		if !ok {
			t.bad(at, "%s", unknownAttribute(name))
			continue
		}
		if why := a.forbidden(); why != "" {
			t.bad(at, "%s, %s; want it left out", quote(name), why)
		}
		if slices.Contains(ids, a.AttributeID) {
			t.bad(at, "%s a second time; want each once", quote(name))
		}
		ids = append(ids, a.AttributeID)
	}
	return ids, all
}

// GroupNames returns the names of groups that rules and replies use, each once, in the order of the file.
func (c *Config) GroupNames() []string {
	var names []string
	add := func(groups []string) {
		for _, name := range groups {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, r := range c.Rules {
		add(r.Groups)
	}
	for _, r := range c.Replies {
		add(r.Groups)
	}
	return names
}
