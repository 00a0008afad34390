package conf

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"layeh.com/radius/dictionary"

	"duoradiusd/policy"
)

// placeholder matches the parts of a value that each login replaces by its own value.
var placeholder = regexp.MustCompile(`\{(group|ldap:[^{}]*)\}`)

// ldapAttribute is the name of an attribute of a directory (RFC 4512 §1.4), without options.
var ldapAttribute = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// secretAttributes are the attributes of known directories that hold passwords and keys. None of them may go into a reply.
var secretAttributes = []string{
	"userpassword", "unicodepwd", "dbcspwd", "lmpwdhistory", "ntpwdhistory", "supplementalcredentials", "currentvalue", "priorvalue",
	"initialauthincoming", "initialauthoutgoing", "trustauthincoming", "trustauthoutgoing", "ms-mcs-admpwd", "mslaps-password",
	"mslaps-encryptedpassword", "mslaps-encryptedpasswordhistory", "msds-managedpassword", "msfve-recoverypassword", "sambantpassword", "sambalmpassword",
	"sambapasswordhistory", "krbprincipalkey", "krb5key", "authpassword", "pwdhistory", "ipanthash", "nspasswordhistory", "radiususerpassword", "userpkcs12",
}

// fromConfiguration turns a value of the file into a ReplyAttribute. If the value does not fit, it returns what is wrong as
// "found; wanted". grouped says that the [[reply]] lists groups, which {group} needs.
func (a *attribute) fromConfiguration(v any, grouped bool) (r ReplyAttribute, wrong string) {
	r = ReplyAttribute{Name: a.Name, ReplyAttribute: policy.ReplyAttribute{
		Attribute: policy.Attribute{AttributeID: a.AttributeID},
		Once:      a.Vendor == 0 && perAccept[a.AttributeID.Type] == 1,
	}}
	s, isString := v.(string)
	places := placeholder.FindAllStringSubmatchIndex(s, -1)
	if !isString || len(places) == 0 {
		r.Value, wrong = a.encode(v)
		return r, wrong
	}
	if len(places) > 1 {
		return r, quote(s) + "; want one placeholder at most"
	}
	at := places[0]
	before, what, after := s[:at[0]], s[at[2]:at[3]], s[at[1]:]
	if before+after != "" && a.Attribute.Type != dictionary.AttributeString && a.Attribute.Type != dictionary.AttributeOctets {
		return r, quote(s) + "; want the placeholder alone, as the attribute is " + a.form()
	}
	if name, ok := strings.CutPrefix(what, "ldap:"); ok {
		switch {
		case !ldapAttribute.MatchString(name):
			return r, quote(s) + "; want the name of an attribute of the directory, such as {ldap:msRADIUSFramedIPAddress}"
		case slices.Contains(secretAttributes, strings.ToLower(name)):
			return r, quote(s) + ", which proves who a user is; want an attribute that is no secret"
		}
		r.Source, r.Directory = policy.ValueFromDirectory, name
	} else {
		if !grouped {
			return r, quote(s) + " without groups in the same [[reply]]; want groups"
		}
		r.Source = policy.ValueFromGroup
	}
	r.Encode = func(text string) (string, error) {
		octets, wrong := a.encode(before + a.fromDirectory(text) + after)
		if wrong != "" {
			return "", errors.New(wrong)
		}
		return octets, nil
	}
	return r, ""
}

// fromDirectory rewrites a directory's value as the configuration would have it: Active Directory stores addresses such as
// msRADIUSFramedIPAddress as signed integers.
func (a *attribute) fromDirectory(text string) string {
	if a.Attribute.Type == dictionary.AttributeIPAddr {
		if addr, ok := addressOfInteger(text); ok {
			return addr.String()
		}
	}
	return text
}

// makesAdministrators warns of attributes that can make the user an administrator of the appliance.
func (t *table) makesAdministrators(key string, r ReplyAttribute) {
	dynamic := r.Source != policy.ValueGiven
	serviceType := r.AttributeID == policy.AttributeID{Type: 6} && (dynamic || r.Value == "\x00\x00\x00\x06" || r.Value == "\x00\x00\x00\x07")
	cisco := r.Vendor == 9 && strings.Contains(strings.ToLower(r.Value), "shell:priv-lvl")
	if serviceType || cisco || dynamic && r.Vendor == 9 && r.Type == 1 {
		t.warn(key, "%s, which can make users administrators of the appliance; want it only for those who are meant to be", r.Name)
	}
}

// directoryAttributes adds the attributes of all {ldap:NAME} to those that the directories read.
func (c *Config) directoryAttributes() {
	var names []string
	add := func(list []ReplyAttribute) {
		for _, a := range list {
			if a.Directory != "" && !slices.Contains(names, a.Directory) {
				names = append(names, a.Directory)
			}
		}
	}
	for _, u := range c.Users {
		add(u.Attributes)
	}
	for _, r := range c.Replies {
		add(r.Attributes)
	}
	slices.Sort(names)
	for i := range c.FirstFactors {
		if c.FirstFactors[i].Type == TypeLDAP {
			c.FirstFactors[i].ReplyAttributes = names
		}
	}
}

// directoryValues refuses {ldap:NAME} where no client that it fits has a directory.
func (l *loader) directoryValues(c *Config, at sites) {
	directories := set{}
	for _, f := range c.FirstFactors {
		if f.Type == TypeLDAP {
			directories[f.Name] = struct{}{}
		}
	}
	check := func(at place, list []ReplyAttribute, clients []string) {
		for _, a := range list {
			served := slices.ContainsFunc(c.Clients, func(x Client) bool {
				inDirectory := slices.ContainsFunc(x.FirstFactors, func(name string) bool { _, ok := directories[name]; return ok })
				return inDirectory && (len(clients) == 0 || slices.Contains(clients, x.Name))
			})
			if a.Source == policy.ValueFromDirectory && !served {
				l.bad(at.under("attributes."+a.Name), "{ldap:%s}, but no client that it fits has a first_factor of type \"ldap\"; want one", a.Directory)
			}
		}
	}
	for i, u := range c.Users {
		check(at.users[i], u.Attributes, nil)
	}
	for i, r := range c.Replies {
		check(at.replies[i], r.Attributes, r.Clients)
	}
}
