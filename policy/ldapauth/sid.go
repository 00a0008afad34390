package ldapauth

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// securityEnabled is the bit of groupType that a group of Active Directory has if its SID counts (MS-ADTS §2.2.12). The
// others are distribution groups, which tokenGroups does not list.
const securityEnabled = 1 << 31

// namedGroup is a group of Active Directory.
type namedGroup struct {
	dn       string
	sid      string // as on the wire (MS-DTYP §2.4.2.2)
	security bool
}

// sidCache remembers for a while which groups a list of names stands for, so that a login compares SIDs without a search for
// names.
type sidCache struct {
	mu    sync.Mutex // guards lists
	lists map[string]cachedGroups
}

type cachedGroups struct {
	groups []namedGroup
	until  time.Time
}

// maxLists bounds a cache. A configuration has few lists of names; primary groups add one each.
const maxLists = 10_000

func (c *sidCache) get(key string) (groups []namedGroup, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.lists[key]
	return known.groups, time.Now().Before(known.until)
}

func (c *sidCache) put(key string, groups []namedGroup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lists == nil || len(c.lists) >= maxLists {
		c.lists = map[string]cachedGroups{}
	}
	c.lists[key] = cachedGroups{groups, time.Now().Add(cacheFor)}
}

// tokenGroups returns those of the groups of these names that the user is in. The user's entry in Active Directory lists the
// SIDs of all its security groups in tokenGroups: direct, nested and primary (MS-ADTS §3.1.1.4.5.19).
func (s *server) tokenGroups(ctx context.Context, dse rootDSE, user *ldap.Entry, names []string) (found []string, err error) {
	groups, err := s.groupsNamed(ctx, dse, names)
	if err != nil || len(groups) == 0 {
		return nil, err
	}
	e, err := s.read(ctx, user.DN, "tokenGroups") // which is computed for a search of base scope only
	if err != nil {
		return nil, err
	}
	sids := []string(nil)
	if e != nil {
		sids = e.GetEqualFoldAttributeValues("tokenGroups")
	}
	if len(sids) == 0 { // everybody has a primary group
		return nil, errors.New("no tokenGroups can be read; " +
			"want bind_dn in the group Windows Authorization Access Group, or another nested_groups")
	}
	var distribution []string
	for _, g := range groups {
		switch {
		case slices.Contains(sids, g.sid):
			found = append(found, g.dn)
		case !g.security:
			distribution = append(distribution, g.dn)
		}
	}
	if len(distribution) > 0 {
		more, err := s.chain(ctx, dse, []string{user.DN}, distribution)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// groupsNamed returns the groups of Active Directory that have one of these names. It may return more groups: Active
// Directory compares names more loosely than rules do.
func (s *server) groupsNamed(ctx context.Context, dse rootDSE, names []string) (groups []namedGroup, err error) {
	key := strings.Join(names, "\x00")
	if groups, ok := s.sids.get(key); ok {
		return groups, nil
	}
	for part := range slices.Chunk(names, batch) {
		entries, err := s.searchGroups(ctx, dse, "(&(objectClass=group)"+namesFilter(dse, part)+")", "objectSid", "groupType")
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			groups = append(groups, newNamedGroup(e))
		}
	}
	s.sids.put(key, groups)
	return groups, nil
}

func newNamedGroup(e *ldap.Entry) namedGroup {
	kind, err := strconv.ParseInt(e.GetEqualFoldAttributeValue("groupType"), 10, 64)
	return namedGroup{e.DN, e.GetEqualFoldAttributeValue("objectSid"), err != nil || kind&securityEnabled != 0}
}

// primaryGroup returns the DN of the user's primary group, which no attribute lists as a group: Active Directory gives its
// number within the domain in primaryGroupID. It returns "" if the entry has no such attribute.
func (s *server) primaryGroup(ctx context.Context, dse rootDSE, e *ldap.Entry) (string, error) {
	id, err := strconv.ParseUint(e.GetEqualFoldAttributeValue("primaryGroupID"), 10, 32)
	sid := []byte(e.GetEqualFoldAttributeValue("objectSid"))
	if err != nil || len(sid) < 12 {
		return "", nil
	}
	// The SID of the domain, then the number of the account or group within it (MS-DTYP §2.4.2.2).
	binary.LittleEndian.PutUint32(sid[len(sid)-4:], uint32(id))
	key := "\x00" + string(sid)
	groups, known := s.sids.get(key)
	if !known {
		entries, err := s.searchGroups(ctx, dse, "(objectSid="+escapeOctets(sid)+")", "objectSid", "groupType")
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			groups = append(groups, newNamedGroup(e))
		}
		s.sids.put(key, groups)
	}
	if len(groups) == 0 {
		return "", nil
	}
	return groups[0].dn, nil
}

// escapeOctets returns a filter's form of a binary value (RFC 4515 §3).
func escapeOctets(b []byte) string {
	var text strings.Builder
	for _, octet := range b {
		text.WriteByte('\\')
		if octet < 16 {
			text.WriteByte('0')
		}
		text.WriteString(strconv.FormatUint(uint64(octet), 16))
	}
	return text.String()
}
