package fakeldap

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// search answers a SearchRequest (RFC 4511 §4.5).
func (c *conn) search(m message) next {
	r, filter, ok := c.readSearch(m)
	if !ok {
		c.s.memory.violated(c.number, "a malformed search")
		return end
	}
	rec := c.s.memory.begin(r)
	f := c.s.faults.next("search", r.DN)
	how, _ := c.finish(m, rec, f, ldap.ApplicationSearchResultDone, c.found(r, filter, f))
	return how
}

func (c *conn) readSearch(m message) (r Request, filter *ber.Packet, ok bool) {
	p := m.op.Children
	if len(p) != 8 {
		return r, nil, false
	}
	var numbers [4]int64 // scope, derefAliases, sizeLimit, timeLimit
	for i := range numbers {
		if numbers[i], ok = p[1+i].Value.(int64); !ok {
			return r, nil, false
		}
	}
	text, err := ldap.DecompileFilter(p[6])
	if err != nil || numbers[1] != ldap.NeverDerefAliases {
		return r, nil, false
	}
	r = Request{Op: "search", Conn: c.number, TLS: c.tls, BoundAs: c.bound, DN: p[0].Data.String(), Filter: text,
		Scope: int(numbers[0]), Size: int(numbers[2]), Time: int(numbers[3]), Controls: m.controls}
	for _, attr := range p[7].Children {
		r.Wanted = append(r.Wanted, attr.Data.String())
	}
	return r, p[6], true
}

// found is the answer to a search: only the service account gets one, or whoever has not bound where there is none.
func (c *conn) found(r Request, filter *ber.Packet, f Fault) (res result) {
	switch {
	case c.user:
		return result{code: ldap.LDAPResultInsufficientAccessRights}
	case c.s.cfg.BindDN != "" && c.bound == "":
		return result{code: ldap.LDAPResultOperationsError,
			diagnostic: "In order to perform this operation a successful bind must be completed on the connection."}
	}
	if _, ok := c.s.tree.get(r.DN); !ok && r.DN != "" {
		return result{code: ldap.LDAPResultNoSuchObject}
	}
	for _, uri := range f.References {
		ref := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultReference, nil, "")
		ref.AppendChild(octets(uri))
		res.before = append(res.before, ref)
	}
	entries := c.s.tree.below(r.DN, r.Scope, filter)
	if r.Size > 0 && len(entries) > r.Size && !f.Unlimited {
		entries, res.code = entries[:r.Size], ldap.LDAPResultSizeLimitExceeded
	}
	for _, e := range entries {
		res.before = append(res.before, c.s.entry(e, r))
	}
	return res
}

// entry is a SearchResultEntry with the attributes that are wanted.
func (s *Server) entry(e Entry, r Request) *ber.Packet {
	wanted := r.Wanted
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(octets(e.DN))
	list := ber.NewSequence("attributes")
	for name, values := range e.Attributes {
		name, values, ok := s.selected(name, values, wanted)
		// Active Directory computes tokenGroups for a search of base scope only (MS-ADTS §3.1.1.4.5.19).
		if !ok || slices.Contains(e.Unreadable, name) || strings.EqualFold(name, "tokenGroups") && r.Scope != ldap.ScopeBaseObject {
			continue
		}
		attr := ber.NewSequence("PartialAttribute")
		attr.AppendChild(octets(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "vals")
		for _, v := range values {
			set.AppendChild(octets(v))
		}
		attr.AppendChild(set)
		list.AppendChild(attr)
	}
	p.AppendChild(list)
	return p
}

// selected returns what of an attribute is wanted, and under which name: at most Config.Range values from the number on
// that the client gives.
func (s *Server) selected(name string, values []string, wanted []string) (string, []string, bool) {
	base, _, _ := strings.Cut(name, ";")
	i := slices.IndexFunc(wanted, func(w string) bool {
		w, _, _ = strings.Cut(w, ";")
		return strings.EqualFold(w, base)
	})
	if i < 0 && len(wanted) > 0 {
		return "", nil, false
	}
	first := 0
	if i >= 0 {
		if _, bounds, ok := strings.Cut(wanted[i], ";range="); ok {
			low, _, _ := strings.Cut(bounds, "-")
			first, _ = strconv.Atoi(low)
		}
	}
	if s.cfg.Range == 0 || first == 0 && len(values) <= s.cfg.Range {
		return name, values, true
	}
	first = min(first, len(values))
	last, high := min(first+s.cfg.Range, len(values)), "*"
	if last < len(values) {
		high = strconv.Itoa(last - 1)
	}
	return fmt.Sprintf("%s;range=%d-%s", name, first, high), values[first:last], true
}
