package authproxy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// server writes the [[client]]s of a server, and the rule for its exempt users.
func (i *importer) server(v *server) {
	body := i.table(v.section, "", "")
	a, shared := i.application(v.section, body)
	i.body(body, v, a, shared)
	live := false
	for n, c := range v.clients {
		t := i.table(v.section, "[[client]]", v.title())
		t.off = len(c.free) == 0
		live = live || !t.off
		t.set("name", str(c.name))
		if n == 0 {
			t.lines = append(t.lines, line{comment: `Next: set profile to the make of this client, which sets fitting defaults; conf/clients/README.md lists the makes.`})
			i.saysUnnumbered(t, v.section)
		}
		i.addresses(t, c)
		i.secret(t, "secret", c.name+".secret", c.secrets...)
		if len(v.clients) > 1 {
			t.set("service", str(v.name))
		}
		if n == 0 {
			v.home = t
			t.lines = append(t.lines, body.lines...)
		} else {
			t.lines = append(t.lines, bare(body.lines)...)
		}
		i.clients = append(i.clients, t)
	}
	i.exempt(v, live)
}

// addresses writes a client's addresses, and notes which of them other clients have.
func (i *importer) addresses(t *table, c *client) {
	for _, x := range c.taken {
		p := spell(x.Prefix)
		switch {
		case x.by == c:
			t.note(dropped, p+" is given twice", x.from)
		case x.by.of == c.of:
			t.note(decide, fmt.Sprintf("%s is given with two secrets; the secret of %s is used", p, x.by.name), x.from)
		default:
			t.note(decide, fmt.Sprintf("%s is a client of %s too, at the same address and port. duoradiusd can't tell the two apart, so the address is given to %s only. To change that, move the address; to keep both, let the appliance ask at two ports", p, x.by.of.title(), x.by.name), x.from)
		}
	}
	for _, x := range c.nested {
		what := fmt.Sprintf("%s lies within %s of %s, and the longer prefix wins", spell(x.Prefix), x.wider, x.by.name)
		if x.by.of == c.of {
			t.note(changed, what+" in any order", x.from)
		} else {
			t.note(decide, what+". In Duo's proxy each of the two sections has its own settings; check that this address gets the right ones", x.from)
		}
	}
	list := c.free
	if t.off {
		list = c.addresses
	}
	words := make([]string, len(list))
	for n, a := range list {
		words[n] = spell(a.Prefix)
	}
	if len(c.respelled) > 0 {
		t.note(changed, "the same addresses, written as prefixes", c.respelled...)
	}
	t.set("address", strs(words), c.from...)
	if c.socket.IsValid() {
		t.set("listen", strs([]string{c.socket.String()}), present(c.of.get("port"))...)
	}
}

// body writes what all clients of a server have in common.
func (i *importer) body(t *table, v *server, a application, shared bool) {
	if a.name != "" {
		t.set("application", str(a.name))
	}
	i.messageAuthenticator(t, v.section)
	i.firstFactor(t, v)
	i.ignorePassword(t, v, i.mode(t, v))
	i.delimiter(t, v)
	i.clientIP(t, v.section)
	i.charset(t, v.section)
	if o := v.get("failmode"); shared {
		mode := i.oneOf(o, "safe", "safe", "secure")
		switch {
		case mode != a.failmode && o == nil:
			t.change("failmode", str(mode), "failmode is not given, which means safe")
		case mode != a.failmode:
			t.set("failmode", str(mode), o)
		case o != nil:
			t.keep("its application has the same failmode", o)
		}
	}
	i.passAttributes(t, v)
	i.looks(t, v.section)
}

func (i *importer) messageAuthenticator(t *table, s *section) {
	o := s.get("force_message_authenticator")
	switch {
	case o == nil:
	case i.yes(o):
		t.change("message_authenticator", str("require"), `requests without a Message-Authenticator are dropped; every reply has one in any case. If the client sends none, set "auto"`, o)
	default:
		t.keep("required here as soon as the client has been seen to send it", o)
	}
}

func (i *importer) firstFactor(t *table, v *server) {
	o := v.get("client")
	from := present(o)
	if o == nil && v.kind != "radius_server_duo_only" {
		from = present(i.main.get("client"))
	}
	switch {
	case v.first != nil:
		t.set("first_factor", str(v.first.name), from...)
	case v.kind == "radius_server_duo_only" && o != nil && strings.TrimRight(o.value, "0123456789") != "duo_only_client":
		t.note(dropped, "a radius_server_duo_only asks for the second factor alone", o)
		t.set("first_factor", str("none"))
	default:
		t.set("first_factor", str("none"), from...)
	}
}

// ignorePassword writes that the password field is ignored, as in Duo's proxy: users type their password, or anything, and get
// a push. It writes nothing if users must type a passcode.
func (i *importer) ignorePassword(t *table, v *server, typedOnly bool) {
	if v.kind == "radius_server_auto" && v.first == nil && !typedOnly {
		t.change("ignore_password", "true", `as in Duo's proxy, what users type is ignored, and they get a push or a call. If they should type a factor or a passcode, set false`)
	}
}

// mode writes mode and factors. It reports whether users must type a passcode.
func (i *importer) mode(t *table, v *server) (typedOnly bool) {
	factors, typedOnly, why := i.factors(v)
	o := v.get("factors")
	mode := "auto"
	switch {
	case v.kind == "radius_server_challenge":
		mode = "challenge"
		t.set("mode", str(mode))
	case v.kind == "radius_server_concat":
		mode = "passcode"
		t.change("mode", str(mode), `password and passcode, as in Duo's proxy: a user who types "push" after the password is told to type a code. To allow such words, and to push to users who type none, set mode = "auto"`)
	case typedOnly:
		mode = "passcode"
		t.change("mode", str(mode), "users must type a passcode: duoradiusd starts no push and no call", o)
	case v.kind == "radius_server_eap":
		if v.first != nil && v.first.kind == "radius_client" {
			t.note(changed, "EAP is passed on to the RADIUS server that checks the password, and the second factor is a push: EAP has no field for a code")
		} else {
			t.note(decide, "duoradiusd does not end EAP itself yet, so this client gets in with PAP only. The table [eap] below has no effect yet")
		}
		t.set("mode", str(mode))
	case v.kind == "radius_server_iframe":
		t.note(decide, "Duo has ended the prompt in a frame, so users of this client get a push at once. Make sure that the client waits 60 s for an answer, and remove Duo's script from its login page")
		t.set("mode", str(mode))
	default:
		t.set("mode", str(mode))
	}
	switch {
	case o == nil:
	case v.kind == "radius_server_concat":
		t.note(dropped, "there is no automatic choice where users type a passcode", o)
	case factors == nil:
		t.keep("the same as without it: a push, else a call", o)
	default:
		t.change("factors", strs(factors), why, o)
	}
	return typedOnly
}

// factors reads the factors of the automatic choice; nil means duoradiusd's default. typedOnly reports that there are none.
func (i *importer) factors(v *server) (factors []string, typedOnly bool, why string) {
	o := v.get("factors")
	if o == nil {
		return nil, false, ""
	}
	rings, code := i.rings(o)
	switch {
	case len(rings) == 0:
		return []string{"passcode", "sms"}, v.kind != "radius_server_challenge", "sms sends codes to type"
	case slices.Equal(rings, []string{"push", "phone"}):
		return nil, false, ""
	case code || i.appends(v):
		return append(rings, "passcode", "sms"), false,
			"the automatic choice is the same; users may also type a passcode, but not the word for a factor that is not listed"
	}
	return rings, false, "the automatic choice is the same, and nothing else is allowed"
}

// rings reads which factors reach a user who typed none, in their order, and whether the list has passcodes too.
func (i *importer) rings(o *option) (rings []string, code bool) {
	add := func(words ...string) {
		for _, w := range words {
			if !slices.Contains(rings, w) {
				rings = append(rings, w)
			}
		}
	}
	words := list(o)
	for _, w := range words {
		switch w = strings.ToLower(w); w {
		case "auto":
			add("push", "phone")
		case "push", "phone":
			add(w)
		case "passcode":
			code = true
		default:
			i.bad(o, "%s; want some of auto, push, phone, passcode", quote(w))
		}
	}
	if len(words) == 0 {
		i.bad(o, "empty; want some of auto, push, phone, passcode")
	}
	return rings, code
}

// appends reports whether users may type a factor: behind the password, or in its place.
func (i *importer) appends(v *server) bool {
	o := v.get("allow_concat")
	return o == nil && v.kind != "radius_server_challenge" || o != nil && i.yes(o) || v.kind == "radius_server_duo_only"
}

func (i *importer) delimiter(t *table, v *server) {
	o, concat, length := v.get("delimiter"), v.get("allow_concat"), v.get("delimited_password_length")
	if n := i.number(length, 0, 0, 1024); length != nil && n == 0 {
		t.keep("0: passwords have no fixed length", length)
	} else if length != nil && v.first == nil {
		t.note(dropped, "there is no password before the factor", length)
	} else if length != nil {
		t.note(decide, fmt.Sprintf("in Duo's proxy, what follows character %d is the factor, without a delimiter. In duoradiusd, users must type a delimiter in between: tell them, or have them use another factor", n), length)
	}
	switch {
	case v.first == nil:
		if given := present(o, concat); len(given) > 0 {
			t.note(dropped, "there is no password before the factor", given...)
		}
	case concat != nil && !i.yes(concat) && v.kind != "radius_server_concat":
		t.set("delimiter", str(""), concat)
		if o != nil {
			t.note(dropped, "allow_concat is off", o)
		}
	case o != nil:
		i.writeDelimiter(t, o)
		if concat != nil {
			t.keep("users may type a factor after the password", concat)
		}
	case concat != nil:
		t.keep("users may type a factor after the password", concat)
	case v.kind == "radius_server_challenge":
		t.change("delimiter", str(""), `allow_concat is not given: users choose in the challenge only; with "," they could type a factor after the password too`)
	}
}

func (i *importer) writeDelimiter(t *table, o *option) {
	s := i.text(o, "a character")
	r, size := utf8.DecodeRuneInString(s)
	if s != "" && (size < len(s) || unicode.IsSpace(r) || !unicode.IsPrint(r)) {
		t.ask("delimiter", str(""), quote(s)+` is not one character; "" turns the delimiter off until you choose one`, o)
		return
	}
	t.set("delimiter", str(s), o)
}

// looks says what happens to options that change how things look to the user.
func (i *importer) looks(t *table, s *section) {
	for kind, x := range map[string]struct {
		options []string
		why     string
	}{
		"radius_server_challenge": {[]string{"prompt_format", "enroll_challenge"}, "duoradiusd writes the menu itself, and shows who is new to Duo where to enrol"},
		"radius_server_iframe":    {[]string{"type", "iframe_script_uri"}, "Duo has ended the prompt in a frame"},
	} {
		for _, name := range x.options {
			if o := s.get(name); o != nil && s.kind == kind {
				t.note(dropped, x.why, o)
			}
		}
	}
}
