package authproxy

import (
	"fmt"
	"slices"
	"strings"

	"duoradiusd/conf"
)

func (i *importer) clientIP(t *table, s *section) {
	o := s.get("client_ip_attr")
	if o == nil {
		t.set("user_ip", strs([]string{"Calling-Station-Id"}))
		return
	}
	name := i.text(o, "the name of an attribute")
	if strings.EqualFold(name, "paloalto") {
		name = "PaloAlto-Client-Source-IP"
	}
	at := slices.IndexFunc(conf.UserIPAttributes, func(a string) bool { return strings.EqualFold(a, name) })
	if at < 0 {
		t.ask("user_ip", "[]", fmt.Sprintf("duoradiusd does not read the user's address from the attribute %s; want some of %s", quote(name), strings.Join(conf.UserIPAttributes, ", ")), o)
		return
	}
	t.set("user_ip", strs([]string{conf.UserIPAttributes[at]}), o)
}

// charset reads the name of a codec, as Python spells it.
func (i *importer) charset(t *table, s *section) {
	o := s.get("pw_codec")
	if o == nil {
		return
	}
	switch codec := strings.NewReplacer("_", "-", " ", "-").Replace(strings.ToLower(o.value)); codec {
	case "utf-8", "utf8", "u8":
		t.set("password_charset", str("utf-8"), o)
	case "latin-1", "latin1", "latin", "l1", "iso-8859-1", "iso8859-1", "8859", "cp1252", "windows-1252", "1252": // latin1 is Windows-1252
		t.set("password_charset", str("latin1"), o)
	default:
		t.note(decide, quote(o.value)+" is no charset that duoradiusd knows; passwords are read as UTF-8", o)
	}
}

// passAttributes writes which attributes of an upstream RADIUS server's reply go on to the client. Both sections may name
// attributes; an attribute that either section names is passed on.
func (i *importer) passAttributes(t *table, v *server) {
	sections := []*section{v.section}
	if v.first != nil && v.first.kind == "radius_client" {
		sections = append(sections, v.first)
	}
	var named, all []*option
	everything := false
	for _, s := range sections {
		named = append(named, present(s.get("pass_through_attr_names"))...)
		all = append(all, present(s.get("pass_through_all"))...)
	}
	for _, o := range all {
		everything = i.yes(o) || everything
	}
	given := append(named, all...)
	switch {
	case len(sections) == 1:
		if len(given) > 0 {
			t.note(dropped, "there is no upstream RADIUS server whose attributes could be passed on", given...)
		}
	case everything:
		t.change("pass_attributes", strs([]string{"*"}), "all attributes that may be passed on; those that belong to one hop, such as Proxy-State, may not", given...)
	case len(named) == 0:
		t.change("pass_attributes", "[]", "pass_through_attr_names is not given. Duo's proxy then passes on no attribute; duoradiusd would pass on Class and Filter-Id", given...)
	default:
		t.set("pass_attributes", strs(i.attributes(t, named)), given...)
	}
}

func (i *importer) attributes(t *table, named []*option) (known []string) {
	for _, o := range named {
		for _, name := range list(o) {
			spelled, ok := conf.Passable(name)
			switch {
			case !ok:
				t.note(decide, quote(name)+" is no attribute that duoradiusd can pass on, at least not by this name", o)
			case !slices.Contains(known, spelled):
				known = append(known, spelled)
			}
		}
	}
	return known
}
