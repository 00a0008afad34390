package test

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"layeh.com/radius"

	"duoradiusd/test/nas"
)

// upstreamCommand is an upstream RADIUS server, several with -as NAME:
//
//	start                    its address is in $UPSTREAM, or $NAME in capitals; its secret in upstream.secret
//	user NAME PASSWORD ...   adds or replaces a user:
//	                         Class=staff, Service-Type=6, 9.1=TEXT and so on go into the Access-Accept
//	                         send-key=HEX  recv-key=HEX  tunnel-password=TEXT  the same, encrypted
//	                         ask=PROMPT/ANSWER  asks that first, also twice
//	down | up                closes its port, and opens it again
//	mute | heal              reads and says nothing; as it was
//	old                      knows no Status-Server and signs no reply; heal
//	lax                      answers requests of any secret; heal
//	forget                   what it was asked
//	count N                  so many requests came, copies apart
//	requests                 prints them
func (s *stage) upstreamCommand(not bool, args []string) {
	name := "upstream"
	if len(args) > 2 && args[0] == "-as" {
		name, args = args[1], args[2:]
	}
	s.only(not, args, 1, 20)
	what, args := args[0], args[1:]
	if what == "start" {
		s.only(not, args, 0, 0)
		u := startFakeUpstream(s)
		s.upstreams[name] = u
		s.ts.Setenv(strings.ToUpper(name), u.addr.String())
		s.secrets = append(s.secrets, upstreamSecret)
		write(s, s.ts.MkAbs("upstream.secret"), upstreamSecret+"\n")
		return
	}
	u := s.upstreams[name]
	if u == nil {
		s.Fatalf("no %s: upstream start comes first", name)
	}
	switch what {
	case "user":
		s.only(not, args, 2, 20)
		user := s.upstreamUser(args[1], args[2:])
		u.set(func() { u.users[args[0]] = user })
	case "count":
		s.only(not, args, 1, 1)
		s.same(name+" requests", len(u.seen()), s.number(args[0]))
	case "requests":
		s.only(not, args, 0, 0)
		for _, r := range u.seen() {
			s.print("%s\n", r)
		}
	default:
		s.only(not, args, 0, 0)
		s.upstreamWeather(u, what)
	}
}

func (s *stage) upstreamWeather(u *fakeUpstream, what string) {
	switch what {
	case "down":
		u.down()
	case "up":
		u.up()
	case "mute":
		u.set(func() { u.mute = true })
	case "old":
		u.set(func() { u.old = true })
	case "lax":
		u.set(func() { u.lax = true })
	case "heal":
		u.set(func() { u.mute, u.old, u.lax = false, false, false })
	case "forget":
		u.set(func() { u.requests = nil })
	default:
		s.Fatalf("upstream %s: no such command", what)
	}
}

func (s *stage) upstreamUser(password string, args []string) *upstreamUser {
	u := &upstreamUser{password: password}
	key := func(value string) []byte {
		b, err := hex.DecodeString(value)
		if err != nil {
			s.Fatal(err)
		}
		return b
	}
	s.pairs(args, func(name, value string) bool {
		switch name {
		case "send-key":
			u.sendKey = key(value)
		case "recv-key":
			u.recvKey = key(value)
		case "tunnel-password":
			u.tunnelPassword = value
		case "ask":
			text, answer, _ := strings.Cut(value, "/")
			u.prompts = append(u.prompts, prompt{text, answer})
		default:
			return addNamed(&u.accept, name, value)
		}
		return true
	})
	return u
}

// addNamed adds an attribute by its name, or a vendor's, as 9.1, by number.
func addNamed(list *radius.Attributes, name, value string) bool {
	var vendor uint32
	var kind byte
	if n, _ := fmt.Sscanf(name, "%d.%d", &vendor, &kind); n == 2 {
		p := &radius.Packet{Attributes: *list}
		addVendor(p, vendor, kind, []byte(value))
		*list = p.Attributes
		return true
	}
	for known, text := range attributeNames {
		if text != name {
			continue
		}
		octets := radius.Attribute(value)
		if known == nas.ServiceType || known == nas.SessionTimeout {
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return false
			}
			octets = radius.NewInteger(uint32(n))
		}
		list.Add(radius.Type(known), octets)
		return true
	}
	return false
}
