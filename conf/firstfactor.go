package conf

import (
	"os"
	"slices"
	"strings"
	"time"
)

// FirstFactor checks users' passwords. Type says which fields are used.
type FirstFactor struct {
	Name string
	Type string // TypeFile, TypeLDAP or TypeRADIUS

	Path string // file: of the htpasswd file; absolute

	URLs                 []string // ldap: ldap://HOST:PORT or ldaps://HOST:PORT, in the order to try them; the port may lack
	StartTLS             bool     // ldap: make every ldap:// a TLS connection first
	CAFile               string   // ldap: absolute path of a PEM file; "" = the system's roots
	BindDN               string   // ldap: who looks for the users; "" = anonymous
	BindPassword         Secret
	BaseDN               []string // ldap: where the users are
	UserFilter           string   // ldap: with Placeholder where the escaped name goes
	GroupAttribute       string   // ldap: of the user's entry; "" = no groups
	NestedGroups         string   // ldap: one of the words of the variable NestedGroups; "" = not set
	PasswordChange       bool     // ldap: an expired password can be changed
	Certificate          string   // ldap: absolute path of our own certificate; "" = none
	PrivateKey           string   // ldap: absolute path of its key
	DuoUsernameAttribute string   // ldap: of the user's entry; "" = Duo is asked about the login's name
	ReplyAttributes      []string // ldap: attributes of the user's entry that {ldap:NAME} refers to

	Servers              []string // radius: HOST:PORT, in the order to try them
	Secret               Secret
	InnerUserName        bool                 // radius: the User-Name of its Access-Accept is always the name inside the EAP tunnel
	MessageAuthenticator MessageAuthenticator // radius: of its replies; Require or Accept

	Domains []string // which names it checks where a client lists several first factors; nil = names without a domain

	Timeout time.Duration // ldap, radius: how long one check may take

	Given map[string]bool // the keys that the file sets
}

// The values of FirstFactor.Type.
const (
	TypeFile   = "file"
	TypeLDAP   = "ldap"
	TypeRADIUS = "radius"
)

// typeKeys are the keys that only some types have.
var typeKeys = []struct {
	key   string
	types []string
}{
	{"path", []string{TypeFile}},
	{"urls", []string{TypeLDAP}},
	{"start_tls", []string{TypeLDAP}},
	{"ca_file", []string{TypeLDAP}},
	{"certificate", []string{TypeLDAP}},
	{"private_key", []string{TypeLDAP}},
	{"nested_groups", []string{TypeLDAP}},
	{"password_change", []string{TypeLDAP}},
	{"bind_dn", []string{TypeLDAP}},
	{"bind_password", []string{TypeLDAP}},
	{"bind_password_file", []string{TypeLDAP}},
	{"bind_password_env", []string{TypeLDAP}},
	{"base_dn", []string{TypeLDAP}},
	{"user_filter", []string{TypeLDAP}},
	{"group_attribute", []string{TypeLDAP}},
	{"duo_username_attribute", []string{TypeLDAP}},
	{"servers", []string{TypeRADIUS}},
	{"secret", []string{TypeRADIUS}},
	{"secret_file", []string{TypeRADIUS}},
	{"secret_env", []string{TypeRADIUS}},
	{"message_authenticator", []string{TypeRADIUS}},
	{"inner_user_name", []string{TypeRADIUS}},
	{"timeout", []string{TypeLDAP, TypeRADIUS}},
}

// HasGroups reports whether it can tell the groups of a user.
func (f FirstFactor) HasGroups() bool { return f.Type == TypeLDAP && f.GroupAttribute != "" }

func readFirstFactor(t *table) FirstFactor {
	f := FirstFactor{
		Name:  t.name("name"),
		Type:  t.firstFactorType("type"),
		Given: make(map[string]bool, len(t.keys)),
	}
	for key := range t.keys {
		f.Given[key] = true
	}
	f.Domains = t.domains("domains")
	if f.Name == NoFirstFactor {
		t.bad("name", `"none", which stands for no first factor; want another name`)
	}
	switch f.Type {
	case TypeFile:
		f.Path = t.readable("path", "an htpasswd file that can be read")
	case TypeLDAP:
		t.readLDAP(&f)
	case TypeRADIUS:
		t.readRADIUS(&f)
	}
	t.otherTypes(f.Type)
	return f
}

// otherTypes refuses keys that belong to another type than own. It refuses none where own is not a known type.
func (t *table) otherTypes(own string) {
	known := own == TypeFile || own == TypeLDAP || own == TypeRADIUS
	for _, k := range typeKeys {
		if slices.Contains(k.types, own) {
			continue
		}
		t.seen = append(t.seen, k.key)
		if known && t.has(k.key) {
			t.bad(k.key, "belongs to type %s; want it left out beside type = %q", strings.Join(k.types, " or "), own)
		}
	}
}

func (t *table) firstFactorType(key string) string {
	if !t.has(key) {
		return t.need(key, "one of file, ldap, radius")
	}
	return oneOf(t, key, "", TypeFile, TypeLDAP, TypeRADIUS)
}

// readable reads the path of a file that must exist and be readable.
func (t *table) readable(key, want string) string {
	s := t.need(key, want)
	if s == "" {
		return ""
	}
	path := t.file.abs(s)
	f, err := os.Open(path)
	if err != nil {
		t.bad(key, "%s: %s; want %s", quote(s), reason(err), want)
		return path
	}
	defer f.Close()
	t.out.opened = append(t.out.opened, path)
	if info, err := f.Stat(); err == nil && info.IsDir() {
		t.bad(key, "%s: is a directory; want %s", quote(s), want)
	}
	return path
}

// domains reads domains as they stand in user names: 'CORP\' before the name, or "@corp.example.com" after it.
func (t *table) domains(key string) []string {
	list := t.strings(key, nil)
	for i, s := range list {
		_, behind := strings.CutPrefix(s, "@")
		inner := strings.Trim(s, `@\`)
		switch {
		case !t.isString(key, i):
		case inner == "" || badWord(s) != "" || strings.ContainsAny(inner, `@\`) || behind == strings.HasSuffix(s, `\`):
			t.bad(nth(key, i), `%s; want a domain such as 'CORP\' or "@corp.example.com"`, quote(s))
		case slices.ContainsFunc(list[:i], func(other string) bool { return strings.EqualFold(other, s) }):
			t.bad(nth(key, i), "%s a second time; want it once", quote(s))
		}
	}
	return list
}
