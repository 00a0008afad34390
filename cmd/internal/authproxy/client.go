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
			t.lines = append(t.lines, line{comment: `Next: set profile to the make of this client, and its presets fit; conf/clients/README.md lists the makes.`})
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
			t.note(dropped, p+" stands there twice", x.from)
		case x.by.of == c.of:
			t.note(decide, fmt.Sprintf("%s stands there with two secrets; the one of %s is taken", p, x.by.name), x.from)
		default:
			t.note(decide, fmt.Sprintf("%s asks %s too, at the same address and port, so it can be a client of one of them only: %s has it. To change that, move the address; to keep both, let the appliance ask at two ports", p, x.by.of.title(), x.by.name), x.from)
		}
	}
	for _, x := range c.nested {
		what := fmt.Sprintf("%s lies within %s of %s, and the longer prefix wins", spell(x.Prefix), x.wider, x.by.name)
		if x.by.of == c.of {
			t.note(changed, what+", whatever the order", x.from)
		} else {
			t.note(decide, what+": there each of them has its own settings", x.from)
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
		t.note(changed, "the same addresses, as prefixes", c.respelled...)
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
			t.keep("its application has the same", o)
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
		t.change("message_authenticator", str("require"), `requests without one are dropped; every reply has one in any case. If the client sends none: "auto"`, o)
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
		t.change("ignore_password", "true", `as there, whatever users type is not looked at, and they get a push or a call; where they are to type a factor or a passcode instead: false`)
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
		t.change("mode", str(mode), `password and passcode, as there: who types "push" behind the password is told to type a code. Where such words are wanted, and a push for those who type none: mode = "auto"`)
	case typedOnly:
		mode = "passcode"
		t.change("mode", str(mode), "passcode alone: nothing is sent to phones unasked", o)
	case v.kind == "radius_server_eap":
		if v.first != nil && v.first.kind == "radius_client" {
			t.note(changed, "EAP goes through to the RADIUS server that checks the password, with a push: there is no field for a code")
		} else {
			t.note(decide, "duoradiusd ends no EAP itself yet: this client gets in with PAP only. The key for it will be [eap], which stands below")
		}
		t.set("mode", str(mode))
	case v.kind == "radius_server_iframe":
		t.note(decide, "Duo has ended the prompt in a frame, so this client gets pushes at once; see that it waits 60 s for an answer and does not inject Duo's script any more")
		t.set("mode", str(mode))
	default:
		t.set("mode", str(mode))
	}
	switch {
	case o == nil:
	case v.kind == "radius_server_concat":
		t.note(dropped, "there is no automatic choice where users type a passcode", o)
	case factors == nil:
		t.keep("as without it: a push, else a call", o)
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
			"the automatic choice is the same; beside it codes may be typed, but no word for a factor that is not listed"
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
		t.note(dropped, "there is no password in front of the factor", length)
	} else if length != nil {
		t.note(decide, fmt.Sprintf("there, what follows the %dth character is the factor, without a delimiter; here users have to type one in between. Tell them, or have them use another factor", n), length)
	}
	switch {
	case v.first == nil:
		if given := present(o, concat); len(given) > 0 {
			t.note(dropped, "there is no password in front of the factor", given...)
		}
	case concat != nil && !i.yes(concat) && v.kind != "radius_server_concat":
		t.set("delimiter", str(""), concat)
		if o != nil {
			t.note(dropped, "allow_concat is off", o)
		}
	case o != nil:
		i.writeDelimiter(t, o)
		if concat != nil {
			t.keep("users may type a factor behind the password", concat)
		}
	case concat != nil:
		t.keep("users may type a factor behind the password", concat)
	case v.kind == "radius_server_challenge":
		t.change("delimiter", str(""), `allow_concat is not given: users choose in the challenge only; with "," they could type a factor behind the password too`)
	}
}

func (i *importer) writeDelimiter(t *table, o *option) {
	s := i.text(o, "a character")
	r, size := utf8.DecodeRuneInString(s)
	if s != "" && (size < len(s) || unicode.IsSpace(r) || !unicode.IsPrint(r)) {
		t.ask("delimiter", str(""), quote(s)+`: a delimiter is one character here; "" turns it off until one is chosen`, o)
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
		"radius_server_iframe":    {[]string{"type", "iframe_script_uri"}, "there is no prompt in a frame any more"},
	} {
		for _, name := range x.options {
			if o := s.get(name); o != nil && s.kind == kind {
				t.note(dropped, x.why, o)
			}
		}
	}
}
