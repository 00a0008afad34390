package conf

import (
	"net/netip"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// Client is a RADIUS client: a VPN, a gateway, a proxy; RFC 2865's NAS. Package daemon turns it into a radiusd.Client and a
// policy.Client, which hold a parsed secret and the parts by which a login is decided in place of names.
type Client struct {
	Name                 string
	Address              []netip.Prefix   // where its packets come from; the longest prefix wins
	Listen               []netip.AddrPort // only requests that come in at these listeners; empty: at any
	NASIdentifier        []string         // only requests whose NAS-Identifier is one of these; empty: any
	CalledStationID      []string         // only requests whose Called-Station-Id is one of these; empty: any
	Secret               Secret
	Service              string // the word that users, rules and approvals refer to
	Profile              string // the make of the appliance: presets for the keys that Given lacks
	Application          string // an Application's name; "" for Config.Duo
	MessageAuthenticator MessageAuthenticator
	LimitProxyState      bool     // refuse Proxy-State without a valid Message-Authenticator
	OmitReplyMA          bool     // send replies without Message-Authenticator
	FirstFactor          string   // a FirstFactor's name, or NoFirstFactor; of several, the first
	FirstFactors         []string // all of them
	IgnorePassword       bool     // with NoFirstFactor: what the password field holds has no effect
	Mode                 policy.Mode
	Factors              []factor.Factor      // allowed; the order is auto's order of preference
	Delimiter            string               // between password and factor; "" turns append mode off
	Timeout              time.Duration        // an answer leaves within this
	UserIP               []string             // the attributes to look for the user's address in, in order
	PasswordCharset      string               // how passwords that aren't UTF-8 are read: "utf-8" (not at all) or "latin1" (Windows-1252)
	Remember             time.Duration        // how long an approval counts; 0 = not at all
	ProbeUsers           []string             // user names of health checks
	ProbeAnswer          policy.ProbeAnswer   // what a health check is answered
	ProbePassword        Secret               // what a health check must send to get ProbeAccept
	StatusServer         bool                 // whether Status-Server is answered
	Failmode             policy.Failmode      // "" = the application's
	Pass                 []policy.AttributeID // attributes of an upstream server's reply that are passed on to the client
	PassAll              bool                 // pass on all attributes that are permitted, whatever Pass says

	Given map[string]bool // the keys that the file sets; all others have their defaults
}

// MessageAuthenticator says what a client's requests must carry. The words are those of radiusd.Presence, which conf can't use:
// it imports policy and not radiusd, so that a command can read a configuration without the server.
type MessageAuthenticator string

const (
	Require MessageAuthenticator = "require" // requests without one are dropped
	Auto    MessageAuthenticator = "auto"    // required once the client is seen to send it
	Accept  MessageAuthenticator = "accept"  // verified when present
)

// NoFirstFactor is the Client.FirstFactor of a client that has checked the first factor itself.
const NoFirstFactor = "none"

// UserIPAttributes are the values of Client.UserIP: what can hold a user's address.
var UserIPAttributes = []string{
	"Tunnel-Client-Endpoint", "Calling-Station-Id", "Framed-IP-Address", "Framed-IPv6-Address", "Login-IP-Host",
	"Login-IPv6-Host", "PaloAlto-Client-Source-IP", "Fortinet-Client-IP", "Fortinet-Client-IPv6",
}

var (
	allFactors = []factor.Factor{factor.Push, factor.Phone, factor.Passcode, factor.SMS}
	allModes   = []policy.Mode{policy.ModeAuto, policy.ModeChallenge, policy.ModePasscode}
)

const maxRemember = 30 * 24 * time.Hour

func readClient(t *table) Client {
	preset := profileOf(oneOf(t, "profile", genericProfile, ProfileNames()...))
	c := Client{
		Name:                 t.name("name"),
		Address:              t.clientAddress("address"),
		Listen:               t.addrPorts("listen"),
		NASIdentifier:        orNone(t.words("nas_identifier")),
		CalledStationID:      orNone(t.words("called_station_id")),
		Secret:               t.secret("secret", "a secret, 16 octets or more recommended"),
		Profile:              preset.Name,
		Application:          t.string("application", ""),
		MessageAuthenticator: oneOf(t, "message_authenticator", Auto, Require, Auto, Accept),
		LimitProxyState:      t.bool("limit_proxy_state", true),
		OmitReplyMA:          t.bool("omit_reply_message_authenticator", false),
		IgnorePassword:       t.bool("ignore_password", false),
		Mode:                 oneOf(t, "mode", policy.ModeAuto, allModes...),
		Factors:              t.factors("factors", allFactors),
		Delimiter:            t.delimiter("delimiter", ","),
		Timeout:              t.duration("timeout", preset.Timeout, 2*time.Second, 10*time.Minute),
		UserIP:               someOf(t, "user_ip", preset.UserIP, UserIPAttributes...),
		PasswordCharset:      oneOf(t, "password_charset", "utf-8", "utf-8", "latin1"),
		Remember:             t.duration("remember", 0, 0, maxRemember),
		ProbeUsers:           t.words("probe_users"),
		ProbeAnswer:          oneOf(t, "probe_answer", policy.ProbeReject, policy.ProbeReject, policy.ProbeChallenge, policy.ProbeAccept),
		StatusServer:         t.bool("status_server", true),
		Failmode:             t.failmode("failmode", ""),
		Given:                make(map[string]bool, len(t.keys)),
	}
	if !t.has("probe_users") {
		c.ProbeUsers = preset.ProbeUsers
	}
	c.FirstFactors = t.firstFactors("first_factor")
	c.FirstFactor = c.FirstFactors[0]
	c.Service = t.word("service", c.Name)
	c.Pass, c.PassAll = t.pass("pass_attributes")
	c.ProbePassword = t.probePassword(&c)
	t.checkTellingApart(&c)
	for key := range t.keys {
		c.Given[key] = true
	}
	t.checkClient(c)
	return c
}

// checkClient warns of settings that are allowed but unwise, and refuses settings that contradict each other.
func (t *table) checkClient(c Client) {
	if n := len(c.Secret.Reveal()); n > 0 && n < ShortSecret {
		t.warn(secretForm("secret", c.Given), "shorter than 16 octets; want a random one that is longer")
	}
	if c.Profile == "sonicwall" && len(c.Secret.Reveal()) > 31 {
		t.warn(secretForm("secret", c.Given), "longer than SonicWall accepts; want 31 octets at most")
	}
	if c.OmitReplyMA {
		const key = "omit_reply_message_authenticator"
		if c.MessageAuthenticator == Require {
			t.bad(key, `true, beside message_authenticator = "require"; want one of them`)
		} else {
			t.warn(key, "true: replies can be forged (CVE-2024-3596); want it only for clients that drop replies otherwise")
		}
	}
	if c.Mode == policy.ModeChallenge && !profileOf(c.Profile).Challenge {
		t.warn("mode", `"challenge", but %s shows no challenge; want "auto"`, c.Profile)
	}
	if c.Timeout >= 2*time.Second && c.Timeout < 10*time.Second {
		t.warn("timeout", "%s; want at least 10s, because nobody can answer a push in less", quote(display.Duration(c.Timeout)))
	}
	if c.Remember > 0 && len(c.UserIP) == 0 {
		t.warn("remember", "%s, beside user_ip = []: without a user's address nothing is remembered; want user_ip, or no remember",
			quote(display.Duration(c.Remember)))
	}
	t.modeFits(c.Mode, c.Factors)
	t.checkIgnorePassword(c)
}

// checkIgnorePassword refuses settings that need the password field beside ignore_password, which ignores it.
func (t *table) checkIgnorePassword(c Client) {
	const key = "ignore_password"
	switch {
	case !c.IgnorePassword || c.FirstFactor == "":
	case c.FirstFactor != NoFirstFactor:
		t.bad(key, `true, beside first_factor = %s, which checks the password; want it with first_factor = "none" only`, quote(c.FirstFactor))
	case c.Mode != policy.ModeAuto:
		t.bad(key, `true, beside mode = %q, in which users have to type something; want mode = "auto"`, string(c.Mode))
	case !ringable(c.Factors):
		t.bad(key, `true, with neither push nor phone in factors: nobody gets in; want one of them`)
	}
}

// ringable reports whether a login can use a factor that needs no input from the user: push or phone.
func ringable(factors []factor.Factor) bool {
	return slices.Contains(factors, factor.Push) || slices.Contains(factors, factor.Phone)
}

// orNone returns nil for an empty list.
func orNone(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// probePassword reads the password that a health check must send to be accepted.
func (t *table) probePassword(c *Client) Secret {
	const key = "probe_password"
	if c.ProbeAnswer != policy.ProbeAccept {
		for _, form := range []string{key, key + "_file", key + "_env"} {
			if t.string(form, "") != "" {
				t.bad(form, `given without probe_answer = "accept"; want both or neither`)
			}
		}
		return Secret{}
	}
	s := t.secret(key, "the password that the health check sends")
	if len(c.ProbeUsers) == 0 {
		t.bad("probe_answer", `"accept" without probe_users; want the names of the health checks`)
	}
	t.warn("probe_answer", `"accept": whoever knows the password of %s is accepted without Duo under %s name; want "challenge" or "reject" if that is enough for the monitor`,
		join(c.ProbeUsers), map[bool]string{true: "that", false: "such a"}[len(c.ProbeUsers) == 1])
	return s
}

// checkTellingApart requires Message-Authenticator of a client that is chosen by attributes: without it anybody can write
// these attributes (RFC 3579 §4.3.7).
func (t *table) checkTellingApart(c *Client) {
	if c.namedAttributes() == 0 {
		return
	}
	if t.has("message_authenticator") && c.MessageAuthenticator != Require {
		t.bad("message_authenticator", `%q, beside nas_identifier or called_station_id; want "require", because anybody can write the attributes of an unsigned packet`, c.MessageAuthenticator)
	}
	c.MessageAuthenticator = Require
}

func (t *table) clientAddress(key string) []netip.Prefix {
	list := t.prefixes(key)
	if raw, isList := t.keys[key].([]any); !t.has(key) {
		t.bad(key, "missing; want %s", addressExample)
	} else if isList && len(raw) == 0 {
		t.bad(key, "empty; want %s", addressExample)
	}
	for i, p := range list {
		if p.IsValid() && p.Bits() == 0 {
			t.warn(nth(key, i), "%s, everybody; want the addresses of the client", p)
		}
	}
	return list
}

func (t *table) factors(key string, def []factor.Factor) []factor.Factor {
	list := someOf(t, key, def, allFactors...)
	if list != nil && len(list) == 0 {
		t.bad(key, "empty; want at least one of %s", join(allFactors))
	}
	if len(list) == 1 && list[0] == factor.SMS {
		t.warn(key, `"sms" alone, which sends codes that are not accepted; want "passcode" beside it`)
	}
	return list
}

// modeFits refuses a mode that no factor can serve, and warns of one that leaves only what users type of themselves.
func (t *table) modeFits(mode policy.Mode, factors []factor.Factor) {
	switch {
	case lockedOut(mode, factors):
		t.bad("factors", `no "passcode", beside mode = "passcode"; want it among them`)
	case onlyTyped(mode, factors):
		t.warn("factors", `neither push nor phone, beside mode = "auto": only typed codes work; want mode = "passcode"`)
	}
}

func lockedOut(mode policy.Mode, factors []factor.Factor) bool {
	return mode == policy.ModePasscode && len(factors) > 0 && !slices.Contains(factors, factor.Passcode)
}

func onlyTyped(mode policy.Mode, factors []factor.Factor) bool {
	return mode == policy.ModeAuto && slices.Contains(factors, factor.Passcode) &&
		!slices.Contains(factors, factor.Push) && !slices.Contains(factors, factor.Phone)
}

func (t *table) delimiter(key, def string) string {
	s := t.string(key, def)
	r, size := utf8.DecodeRuneInString(s)
	if s != "" && (size < len(s) || unicode.IsSpace(r) || !unicode.IsPrint(r)) {
		t.bad(key, `%s; want one printable character, or "" for none`, quote(s))
	}
	return s
}

// firstFactors reads one name or a list of names. It returns at least one string.
func (t *table) firstFactors(key string) []string {
	if _, isList := t.keys[key].([]any); !isList {
		return []string{t.need(key, `a [[first_factor]] by its name, or "none"`)}
	}
	list := t.strings(key, nil)
	for i, s := range list {
		switch {
		case !t.isString(key, i):
		case s == "" || s == NoFirstFactor && len(list) > 1:
			t.bad(nth(key, i), "%s in a list; want the name of a [[first_factor]]", quote(s))
		case slices.Contains(list[:i], s):
			t.bad(nth(key, i), "%s a second time; want it once", quote(s))
		}
	}
	if len(list) == 0 {
		t.bad(key, `empty; want a [[first_factor]] by its name, or "none"`)
		return []string{""}
	}
	return list
}
