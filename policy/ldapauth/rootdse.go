package ldapauth

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Values of the root DSE's supportedCapabilities (MS-ADTS §3.1.1.3.4.3) and supportedExtension (RFC 3062).
const (
	capActiveDirectory = "1.2.840.113556.1.4.800"
	capLightweight     = "1.2.840.113556.1.4.1851" // AD LDS, called ADAM before
	extPasswordModify  = "1.3.6.1.4.1.4203.1.11.1"
)

// rootDSE is what a server says about itself in its root DSE (RFC 4512 §5.1).
type rootDSE struct {
	activeDirectory bool     // Active Directory or Samba
	chainRule       bool     // it is known to have the matching rule LDAP_MATCHING_RULE_IN_CHAIN
	passwordModify  bool     // it has the password modify operation of RFC 3062
	groupBases      []string // where all its groups are
}

// rootDSECache keeps the root DSE of a server for a while.
type rootDSECache struct {
	mu    sync.Mutex // guards what follows
	value rootDSE
	until time.Time
}

// cacheFor is how long the root DSE and the meaning of names and SIDs are kept. Membership is never kept.
const cacheFor = 10 * time.Minute

// describe returns the root DSE of s.
func (s *server) describe(ctx context.Context) (rootDSE, error) {
	c := &s.rootDSE
	c.mu.Lock()
	value, fresh := c.value, time.Now().Before(c.until)
	c.mu.Unlock()
	if fresh {
		return value, nil
	}
	e, err := s.read(ctx, "", "supportedCapabilities", "supportedExtension", "defaultNamingContext", "namingContexts", "vendorName")
	if err != nil {
		return rootDSE{}, fmt.Errorf("read the root DSE: %w", err)
	}
	if e == nil { // not readable: an unknown directory
		e = &ldap.Entry{}
	}
	value = s.newRootDSE(e)
	c.mu.Lock()
	c.value, c.until = value, time.Now().Add(cacheFor)
	c.mu.Unlock()
	return value, nil
}

func (s *server) newRootDSE(e *ldap.Entry) rootDSE {
	has := func(attribute, value string) bool {
		return slices.Contains(e.GetEqualFoldAttributeValues(attribute), value)
	}
	r := rootDSE{
		activeDirectory: has("supportedCapabilities", capActiveDirectory),
		passwordModify:  has("supportedExtension", extPasswordModify),
		groupBases:      e.GetEqualFoldAttributeValues("namingContexts"),
	}
	// 389-DS has the rule in a plug-in, and gives an error where it is off.
	r.chainRule = r.activeDirectory || has("supportedCapabilities", capLightweight) ||
		strings.HasPrefix(strings.Join(e.GetEqualFoldAttributeValues("vendorName"), ""), "389 Project")
	if r.activeDirectory { // its other naming contexts hold no groups
		r.groupBases = e.GetEqualFoldAttributeValues("defaultNamingContext")
	}
	_, port, _ := net.SplitHostPort(s.addr)
	switch {
	// The Global Catalog holds the groups of the whole forest below the empty DN.
	case r.activeDirectory && (port == "3268" || port == "3269"):
		r.groupBases = []string{""}
	case len(r.groupBases) == 0:
		r.groupBases = s.config.BaseDN
	}
	return r
}
