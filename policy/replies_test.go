package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// attr is an attribute of RFC 2865's own space, vsa one of a vendor.
func attr(kind byte, value string) Attribute { return Attribute{AttributeID{Type: kind}, value} }
func vsa(vendor uint32, kind byte, value string) Attribute {
	return Attribute{AttributeID{vendor, kind}, value}
}

// given returns attributes as a configuration gives them.
func given(list ...Attribute) (out []ReplyAttribute) {
	for _, a := range list {
		out = append(out, ReplyAttribute{Attribute: a})
	}
	return out
}

// attributes returns a Verdict's attributes in the form of the tests: "25=admins 9/1=shell".
func attributes(v Verdict) string {
	var words []string
	for _, a := range v.Attributes {
		id := fmt.Sprint(a.Type)
		if a.Vendor != 0 {
			id = fmt.Sprintf("%d/%d", a.Vendor, a.Type)
		}
		words = append(words, id+"="+a.Value)
	}
	return strings.Join(words, " ")
}

// wantsAttributes checks an Access-Accept and its attributes.
func (w *world) wantsAttributes(v Verdict, want string) {
	w.Helper()
	if got := attributes(v); v.Outcome != OutcomeAccept || got != want {
		w.Errorf("%s: attributes %q, want %q", line(v), got, want)
	}
}

const (
	class, filter, service = 25, 11, 6
	cisco                  = 9
)

// TestReplies: the attributes of all [[reply]] that fit are added up, in the order of the configuration.
func TestReplies(t *testing.T) {
	one, two, three := attr(class, "one"), attr(class, "two"), vsa(cisco, 1, "three")
	list := given
	for _, tt := range []struct {
		name    string
		replies []Reply
		want    string
	}{
		{"none", nil, ""},
		{"of everybody", []Reply{{Attributes: list(one)}}, "25=one"},
		{"several values, in order", []Reply{{Attributes: list(two, one, three, vsa(cisco, 1, "four"))}}, "25=two 25=one 9/1=three 9/1=four"},
		{"all that fit", []Reply{{Attributes: list(three)}, {Attributes: list(one)}, {Attributes: list(two)}}, "9/1=three 25=one 25=two"},
		{"the same twice", []Reply{{Attributes: list(one)}, {Attributes: list(one)}}, "25=one 25=one"},
		{"a group", []Reply{{Groups: []string{"staff"}, Attributes: list(one)}}, "25=one"},
		{"a group by its DN, spelt otherwise", []Reply{{Groups: []string{"cn = Admins, DC=Example"}, Attributes: list(one)}}, "25=one"},
		{"one of the groups", []Reply{{Groups: []string{"nobody", "STAFF"}, Attributes: list(one)}}, "25=one"},
		{"two of the groups, once", []Reply{{Groups: []string{"staff", "cn=admins,dc=example"}, Attributes: list(one)}}, "25=one"},
		{"another group", []Reply{{Groups: []string{"nobody"}, Attributes: list(one)}}, ""},
		{"a suffix of a group", []Reply{{Groups: []string{"dc=example"}, Attributes: list(one)}}, ""},
		{"a client", []Reply{{Clients: []string{"lab", "vpn"}, Attributes: list(one)}}, "25=one"},
		{"another client", []Reply{{Clients: []string{"lab"}, Attributes: list(one)}}, ""},
		{"group and client", []Reply{{Groups: []string{"staff"}, Clients: []string{"vpn"}, Attributes: list(one)}}, "25=one"},
		{"group and another client", []Reply{{Groups: []string{"staff"}, Clients: []string{"lab"}, Attributes: list(one)}}, ""},
		{"another group and client", []Reply{{Groups: []string{"nobody"}, Clients: []string{"vpn"}, Attributes: list(one)}}, ""},
		{"those between that do not fit", []Reply{{Attributes: list(one)}, {Groups: []string{"nobody"}, Attributes: list(two)},
			{Groups: []string{"staff"}, Attributes: list(three)}}, "25=one 9/1=three"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inGroups(t, []string{"Staff", "CN=Admins,DC=example"}, func(w *world) {
				w.settings.Replies = tt.replies
				w.rules(Rule{Need: NeedExempt})
				w.wantsAttributes(w.login("pw"), tt.want)
			})
		})
	}
}

// TestRepliesWithoutGroups: if nobody knows the groups, only the [[reply]] without groups apply.
func TestRepliesWithoutGroups(t *testing.T) {
	inWorld(t, func(w *world) {
		w.client.FirstFactor = nil
		w.settings.Replies = []Reply{{Groups: []string{"staff"}, Attributes: given(attr(class, "staff"))},
			{Attributes: given(attr(class, "all"))}}
		w.rules(Rule{Need: NeedExempt})
		w.wantsAttributes(w.login(""), "25=all")
	})
}

// TestPass: which attributes of an upstream server's reply a client gets.
func TestPass(t *testing.T) {
	const administrative, nasPrompt, framed = "\x00\x00\x00\x06", "\x00\x00\x00\x07", "\x00\x00\x00\x02"
	id := func(vendor uint32, kind byte) AttributeID { return AttributeID{vendor, kind} }
	said := []Attribute{attr(class, "up1"), attr(filter, "full"), attr(class, "up2"), vsa(cisco, 1, "shell"), vsa(cisco, 25, "c")}
	const all = "25=up1 11=full 25=up2 9/1=shell 9/25=c"
	for _, tt := range []struct {
		name string
		said []Attribute
		pass []AttributeID
		all  bool
		own  []Attribute
		want string
	}{
		{"nothing named", said, nil, false, nil, ""},
		{"one named", said, []AttributeID{id(0, class)}, false, nil, "25=up1 25=up2"},
		{"a vendor's is not RFC 2865's", said, []AttributeID{id(cisco, class)}, false, nil, "9/25=c"},
		{"in the upstream's order", said, []AttributeID{id(cisco, 1), id(0, filter)}, false, nil, "11=full 9/1=shell"},
		{"all", said, nil, true, nil, all},
		{"all, and one named", said, []AttributeID{id(0, class)}, true, nil, all},
		{"our word stands for the upstream's", said, nil, true, []Attribute{attr(class, "own")}, "25=own 11=full 9/1=shell 9/25=c"},
		{"our words", said, nil, true, []Attribute{attr(class, "own1"), vsa(cisco, 1, "own"), attr(class, "own2")},
			"25=own1 9/1=own 25=own2 11=full 9/25=c"},
		{"our word on what is not passed", said, []AttributeID{id(0, filter)}, false, []Attribute{attr(class, "own")}, "25=own 11=full"},

		{"Administrative", []Attribute{attr(service, administrative)}, nil, true, nil, ""},
		{"NAS-Prompt", []Attribute{attr(service, nasPrompt)}, nil, true, nil, ""},
		{"Framed", []Attribute{attr(service, framed)}, nil, true, nil, "6=" + framed},
		{"Administrative, named", []Attribute{attr(service, administrative)}, []AttributeID{id(0, service)}, false, nil, "6=" + administrative},
		{"NAS-Prompt, named", []Attribute{attr(service, nasPrompt)}, []AttributeID{id(0, service)}, true, nil, "6=" + nasPrompt},
		{"Administrative, our word", []Attribute{attr(service, administrative)}, nil, true, []Attribute{attr(service, administrative)}, "6=" + administrative},
		{"a vendor's type 6", []Attribute{vsa(cisco, service, administrative)}, nil, true, nil, "9/6=" + administrative},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.ldap.accounts = map[string]Account{"alice": {Attributes: tt.said}}
				w.client.Pass, w.client.PassAll = tt.pass, tt.all
				w.settings.Replies = []Reply{{Attributes: given(tt.own...)}}
				w.rules(Rule{Need: NeedExempt})
				w.wantsAttributes(w.login("pw"), tt.want)
			})
		})
	}
}

// TestProof: the attributes that the method needs always reach the client, and come first. A configured value of another
// attribute does not remove them.
func TestProof(t *testing.T) {
	for _, tt := range []struct {
		pass []AttributeID
		all  bool
		want string
	}{
		{nil, false, "311/26=S=1 311/16=key 311/16=own"},
		{[]AttributeID{{Type: class}}, false, "311/26=S=1 311/16=key 311/16=own 25=up"},
		{nil, true, "311/26=S=1 311/16=key 311/16=own 25=up"},
	} {
		inWorld(t, func(w *world) {
			w.ldap.accounts = map[string]Account{"alice": {
				Proof:      []Attribute{vsa(311, 26, "S=1"), vsa(311, 16, "key")},
				Attributes: []Attribute{attr(class, "up"), vsa(311, 16, "not again")},
			}}
			w.client.Pass, w.client.PassAll = tt.pass, tt.all
			w.settings.Replies = []Reply{{Attributes: given(vsa(311, 16, "own"))}}
			w.rules(Rule{Need: NeedExempt})
			w.wantsAttributes(w.login("pw"), tt.want)
		})
	}
}

// inReplies runs f in a world where everything that could add to an Access-Accept is configured.
func inReplies(t *testing.T, f func(w *world)) {
	t.Helper()
	inWorld(t, func(w *world) {
		w.duo.pre.Devices = []Device{smartphone, landline, token}
		w.ldap.accounts = map[string]Account{"alice": {Groups: []string{"staff"}, EAP: "success",
			Proof: []Attribute{vsa(311, 26, "S=1")}, Attributes: []Attribute{attr(filter, "up")}}}
		w.client.PassAll = true
		w.settings.Replies = []Reply{{Groups: []string{"staff"}, Attributes: given(attr(class, "own"))}}
		w.load()
		f(w)
	})
}

const everything = "311/26=S=1 25=own 11=up"

// TestAttributesOfEveryAccept: however a login came to be accepted, its attributes are the same.
func TestAttributesOfEveryAccept(t *testing.T) {
	for name, way := range map[string]struct {
		before func(w *world)
		want   string
	}{
		"approved":    {func(w *world) { w.answers(allows(time3)) }, "accept approved push T1"},
		"exempt":      {func(w *world) { w.rules(Rule{Need: NeedExempt}) }, "accept exempt"},
		"bypass":      {func(w *world) { w.duo.pre.Result = PreauthAllow }, "accept bypass"},
		"bypass late": {func(w *world) { w.answers(reply{AuthResult: AuthResult{Allowed: true, Status: "bypass"}}) }, "accept bypass push T1"},
		"failed open": {func(w *world) { w.duo.preErr, w.client.Failmode = errDown, FailmodeSafe }, "accept failed-open"},
		"remembered": {func(w *world) {
			w.client.Remember = time.Hour
			w.answers(allows(0))
			w.wantsAttributes(w.login("pw"), everything)
		}, "accept remembered"},
		"late approval": {func(w *world) {
			w.answers(allows(57 * time.Second))
			w.wants(w.login("pw"), unanswered)
			time.Sleep(5 * time.Second)
		}, "accept approved push T1"},
	} {
		t.Run(name, func(t *testing.T) {
			inReplies(t, func(w *world) {
				way.before(w)
				v := w.login("pw")
				w.wants(v, way.want)
				w.wantsAttributes(v, everything)
				if v.EAP != "success" {
					t.Errorf("EAP %q", v.EAP)
				}
			})
		})
	}
	t.Run("joined", func(t *testing.T) {
		inReplies(t, func(w *world) {
			w.answers(allows(10 * time.Second))
			first, second := w.start("pw"), w.start("pw")
			w.wantsAttributes(<-first.verdict, everything)
			w.wantsAttributes(<-second.verdict, everything)
			w.asked("push:D1")
		})
	})
	t.Run("after challenges", func(t *testing.T) {
		inReplies(t, func(w *world) {
			w.client.Mode = ModeChallenge
			s := w.offered()
			w.answers(wrong, allows(10*time.Second))
			s = w.answer(s, "111111", wrongAgain)
			first, second := w.start("1", state(s)), w.start("1", state(s))
			w.wantsAttributes(<-first.verdict, everything)
			w.wantsAttributes(<-second.verdict, everything)
			w.asked("passcode:111111 push:D1")
		})
	})
}

// TestAttributesOfNothingElse: a reject and a challenge have none of these attributes.
func TestAttributesOfNothingElse(t *testing.T) {
	for name, way := range map[string]struct {
		before func(w *world)
		field  string
		want   Reason
	}{
		"wrong password":         {func(w *world) {}, "no", ReasonBadPassword},
		"denied by rule":         {func(w *world) { w.rules(Rule{Groups: []string{"staff"}, Need: NeedDeny}) }, "pw", ReasonDeniedByRule},
		"denied":                 {func(w *world) { w.answers(denied) }, "pw", ReasonDenied},
		"fraud":                  {func(w *world) { w.answers(fraud) }, "pw", ReasonFraud},
		"no answer":              {func(w *world) { w.answers(never) }, "pw", ReasonNoAnswer},
		"denied by Duo":          {func(w *world) { w.duo.pre.Result = PreauthDeny }, "pw", ReasonDeniedByDuo},
		"not enrolled":           {func(w *world) { w.duo.pre.Result = PreauthEnroll }, "pw", ReasonNotEnrolled},
		"unknown result":         {func(w *world) { w.duo.pre.Result = PreauthUnknown }, "pw", ReasonDuoUnknown},
		"Duo is down":            {func(w *world) { w.duo.preErr = errDown }, "pw", ReasonDuoUnavailable},
		"Duo is down, discarded": {func(w *world) { w.duo.preErr, w.client.Failmode = errDown, FailmodeSilent }, "pw", ReasonDuoUnavailable},
		"not allowed":            {func(w *world) { w.client.Factors = []factor.Factor{factor.Push} }, "pw,123456", ReasonNotAllowed},
		"passcode needed":        {func(w *world) { w.client.Mode = ModePasscode }, "pw", ReasonNeedsPasscode},
		"codes sent":             {func(w *world) { w.answers(sent) }, "pw,sms", ReasonCodesSent},
		"no device":              {func(w *world) { w.duo.pre.Devices = nil }, "pw", ReasonNoDevice},
		"asked":                  {func(w *world) { w.client.Mode = ModeChallenge }, "pw", ReasonChallenged},
		"allowed, but not": {func(w *world) {
			w.answers(reply{AuthResult: AuthResult{Allowed: true, Status: "deny"}})
		}, "pw", ReasonDuoUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			inReplies(t, func(w *world) {
				way.before(w)
				v := w.login(way.field)
				if v.Reason != way.want || v.Outcome == OutcomeAccept || len(v.Attributes) != 0 || v.EAP != "" {
					t.Errorf("%s: attributes %q, EAP %q", line(v), attributes(v), v.EAP)
				}
			})
		})
	}
}

// TestRepliesUnchanged: New does not change its arguments, and no login changes the attributes of the next one.
func TestRepliesUnchanged(t *testing.T) {
	inReplies(t, func(w *world) {
		own := make([]Attribute, 1, 8)
		own[0] = attr(class, "own")
		s := Settings{Rules: []Rule{{Groups: []string{"STAFF"}, Need: NeedExempt}}, Replies: []Reply{{Groups: []string{"STAFF"}, Attributes: given(own...)}}}
		w.settings = s
		w.load()
		w.ldap.accounts["bob"] = Account{Groups: []string{"staff"}, Attributes: []Attribute{attr(filter, "bob's")}}
		first := w.login("pw")
		w.wantsAttributes(w.login("pw", as("bob")), "25=own 11=bob's")
		w.wantsAttributes(first, everything)
		if s.Rules[0].Groups[0] != "STAFF" || s.Replies[0].Groups[0] != "STAFF" {
			t.Errorf("New changed its settings: %v", s)
		}
	})
}

// TestPersonalReplies: attributes of a [[user]], attributes of a [[reply]] for users, and values made from groups and from
// the directory.
func TestPersonalReplies(t *testing.T) {
	text := func(s string) (string, error) {
		if s == "unusable" {
			return "", errors.New("not an address")
		}
		return "<" + s + ">", nil
	}
	once := func(a Attribute) ReplyAttribute { return ReplyAttribute{Attribute: a, Once: true} }
	group := ReplyAttribute{Attribute: attr(class, ""), Source: ValueFromGroup, Encode: text}
	directory := ReplyAttribute{Attribute: attr(8, ""), Once: true, Source: ValueFromDirectory, Directory: "ip", Encode: text}
	for _, tt := range []struct {
		name    string
		user    []ReplyAttribute
		replies []Reply
		account Account
		want    string
		problem string // the error in the log
	}{
		{"the user's own", given(attr(class, "own")), []Reply{{Attributes: given(attr(class, "all"))}}, Account{}, "25=own 25=all", ""},
		{"once: the user's own wins", []ReplyAttribute{once(attr(8, "own"))}, []Reply{{Attributes: []ReplyAttribute{once(attr(8, "all"))}}}, Account{}, "8=own", ""},
		{"once: then the first reply", nil, []Reply{{Attributes: []ReplyAttribute{once(attr(8, "first"))}}, {Attributes: []ReplyAttribute{once(attr(8, "second"))}}}, Account{}, "8=first", ""},
		{"once: then the upstream", nil, nil, Account{Attributes: []Attribute{attr(8, "upstream")}}, "8=upstream", ""},
		{"a reply by user", nil, []Reply{{Users: []string{"ALICE"}, Attributes: given(attr(class, "hers"))}, {Users: []string{"bob"}, Attributes: given(attr(class, "his"))}}, Account{}, "25=hers", ""},
		{"groups", nil, []Reply{{Groups: []string{"cn=Admins,dc=example", "staff"}, Attributes: []ReplyAttribute{group}}},
			Account{Groups: []string{"CN=Admins,DC=Example", "CN=Staff,DC=Example", "Staff", "CN=Other,DC=Example"}}, "25=<Admins> 25=<Staff>", ""},
		{"the directory", nil, []Reply{{Attributes: []ReplyAttribute{directory}}}, Account{Directory: map[string][]string{"ip": {"10.0.0.1", "10.0.0.2"}}}, "8=<10.0.0.1>", ""},
		{"nothing in the directory", nil, []Reply{{Attributes: []ReplyAttribute{directory}}}, Account{}, "", "has no such attribute"},
		{"something else in the directory", nil, []Reply{{Attributes: []ReplyAttribute{directory}}}, Account{Directory: map[string][]string{"ip": {"unusable"}}}, "", "not an address"},
		{"a name that is not proven", given(attr(class, "own")), []Reply{{Users: []string{"alice"}, Attributes: given(attr(class, "hers"))}, {Attributes: []ReplyAttribute{directory}}},
			Account{Unproven: true, Directory: map[string][]string{"ip": {"10.0.0.1"}}}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := New(Settings{Users: []User{{Name: "alice", Attributes: tt.user}}, Replies: tt.replies}, newProcess(1).Runtime)
			list, err := p.AttributesOf(Attempt{User: "Alice", Client: &Client{PassAll: true}}, tt.account)
			if got := attributes(Verdict{Attributes: list}); got != tt.want || (err != nil) != (tt.problem != "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("%q, %v; want %q, %q", got, err, tt.want, tt.problem)
			}
		})
	}
}
