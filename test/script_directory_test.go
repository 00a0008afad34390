package test

import (
	"os"
	"strings"

	"duoradiusd/test/fakeldap"
)

// Every directory of the scripts has these: an account that searches, and a place for users and groups.
const (
	directoryBase     = "DC=example,DC=com"
	directoryService  = "CN=duoradiusd,OU=services," + directoryBase
	directoryPassword = "password-of-the-service-account"
)

// directoryCommand is an Active Directory, several with -as NAME:
//
//	start                    its URL, by TLS, is in $DIRECTORY, or $NAME in capitals; its CA is added to directory.pem,
//	                         the service account's password is in directory.password
//	user NAME PASSWORD ...   adds or replaces a user: group=NAME (also twice), entry=CN of its entry where that is not NAME,
//	                         mail=NAME AT DUO, code=SUB-CODE of Active Directory that a right password meets
//	remove NAME              takes the entry of that CN away
//	down | up                closes its port and all connections, and opens it again
//	inject OP ...            makes the next connect, bind or search: hang, drop, busy (51), times=N (-1: all), dn=NAME
//	heal                     ends what was injected
//	forget                   what it was asked
//	count OP N               so many of connect, bind, search came
//	await OP N               waits until so many came
//	requests OP              prints them
func (s *stage) directoryCommand(not bool, args []string) {
	name := "directory"
	if len(args) > 2 && args[0] == "-as" {
		name, args = args[1], args[2:]
	}
	s.only(not, args, 1, 20)
	what, args := args[0], args[1:]
	if what == "start" {
		s.only(not, args, 0, 0)
		s.startDirectory(name)
		return
	}
	d := s.directories[name]
	if d == nil {
		s.Fatalf("no %s: directory start comes first", name)
	}
	switch what {
	case "user":
		s.only(not, args, 2, 20)
		d.Set(s.entry(args[0], args[1], args[2:]))
	case "remove":
		s.only(not, args, 1, 1)
		d.Remove(entryDN(args[0]))
	case "inject":
		s.only(not, args, 2, 20)
		d.Inject(args[0], s.directoryFault(args[1:]))
	case "count":
		s.only(not, args, 2, 2)
		s.same(name+" "+args[0]+" requests", d.Count(args[0]), s.number(args[1]))
	case "await":
		s.only(not, args, 2, 2)
		eventually(s, strings.Join(args, " "), func() bool { return d.Count(args[0]) >= s.number(args[1]) })
	case "requests":
		s.only(not, args, 1, 1)
		for _, r := range d.Requests(args[0]) {
			s.print("%s\n", strings.TrimSpace(r.Op+" "+r.DN+" "+r.Filter))
		}
	default:
		s.only(not, args, 0, 0)
		s.directoryWeather(d, what)
	}
}

func (s *stage) startDirectory(name string) {
	d := fakeldap.Start(s, fakeldap.Config{BindDN: directoryService, BindPassword: directoryPassword, BaseDN: directoryBase,
		TLS: true, ActiveDirectory: true})
	s.directories[name] = d
	s.ts.Setenv(strings.ToUpper(name), d.URL())
	s.secrets = append(s.secrets, directoryPassword)
	roots := s.ts.MkAbs("directory.pem")
	before, err := os.ReadFile(roots)
	if err != nil && !os.IsNotExist(err) {
		s.Fatal(err)
	}
	write(s, roots, string(before)+string(d.CAPEM()))
	write(s, s.ts.MkAbs("directory.password"), directoryPassword+"\n")
}

func (s *stage) directoryWeather(d *fakeldap.Server, what string) {
	switch what {
	case "down":
		d.Down()
	case "up":
		if err := d.Up(); err != nil {
			s.Fatal(err)
		}
	case "heal":
		d.Heal()
	case "forget":
		d.Forget()
	default:
		s.Fatalf("directory %s: no such command", what)
	}
}

func entryDN(cn string) string { return "CN=" + cn + ",CN=Users," + directoryBase }

func (s *stage) entry(name, password string, args []string) fakeldap.Entry {
	e := fakeldap.Entry{DN: entryDN(name), Password: password, Attributes: map[string][]string{
		"objectClass": {"top", "person", "user"}, "sAMAccountName": {name},
	}}
	s.pairs(args, func(key, value string) bool {
		switch key {
		case "group":
			cn := strings.ReplaceAll(value, ",", `\,`) // RFC 4514 §2.4
			e.Attributes["memberOf"] = append(e.Attributes["memberOf"], "CN="+cn+",OU=Groups,"+directoryBase)
		case "entry":
			e.DN = entryDN(value)
		case "mail":
			e.Attributes["mail"] = []string{value}
		case "code":
			e.Data = value
		default:
			return false
		}
		return true
	})
	return e
}

func (s *stage) directoryFault(args []string) (f fakeldap.Fault) {
	s.pairs(args, func(key, value string) bool {
		switch key {
		case "hang":
			f.Hang = true
		case "drop":
			f.Drop = true
		case "busy":
			f.Code = 51 // RFC 4511 §4.1.9
		case "times":
			f.Times = s.number(value)
		case "dn":
			f.DN = entryDN(value)
		default:
			return false
		}
		return true
	})
	return f
}
