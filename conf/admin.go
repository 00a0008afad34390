package conf

import (
	"net/netip"
	"strings"

	"duoradiusd/internal/system"
)

var exampleAdmin = netip.MustParseAddrPort("127.0.0.1:9812")

// Admin says how administrators reach the running daemon.
type Admin struct {
	Address     string   // HOST:PORT of the HTTP server, the host an IP address or localhost; "" = off
	Socket      string   // absolute path of a Unix socket, on Windows a named pipe; "" = off
	Certificate string   // absolute path of the HTTP server's certificate; "" = HTTP without TLS
	PrivateKey  string   // the same of its key
	Users       string   // absolute path of an htpasswd file with those who may log in; "" = no login is asked for
	HelpDesk    []string // the users who may also clear cooldowns and forget approvals
}

func readAdmin(t *table) Admin {
	a := Admin{Socket: t.file.abs(t.string("socket", system.ControlSocket()))}
	a.Certificate, a.PrivateKey = t.keyPair("certificate", "private_key")
	if t.string("users", "") != "" {
		a.Users = t.readable("users", "a readable htpasswd file")
	}
	if names := t.words("help_desk"); len(names) > 0 {
		a.HelpDesk = names
	}
	if a.Users == "" && len(a.HelpDesk) > 0 {
		t.bad("help_desk", "given without users; want users too, because it names some of them")
	}
	a.Address = t.adminAddress("address", a)
	return a
}

// adminAddress reads the address of the HTTP server. It warns if other machines can reach the address and no login is asked
// for, and refuses an address where passwords would travel in clear.
func (t *table) adminAddress(key string, a Admin) string {
	s := t.string(key, "")
	if s == "" {
		return ""
	}
	if port, ok := strings.CutPrefix(s, "localhost:"); ok && (isPort(port) || port == "0") {
		return s
	}
	address := t.addrPort(key, exampleAdmin)
	switch reachable := address.IsValid() && !address.Addr().IsLoopback(); {
	case reachable && a.Users != "" && a.Certificate == "":
		t.bad("users", "given for an address that others can reach, without certificate; want certificate and private_key, or passwords travel in clear")
	case reachable && a.Users == "":
		t.warn(key, "%s, which others can reach, and there is no login; want users, certificate and private_key, or a loopback address", quote(s))
	}
	return address.String()
}

// AdminSocket returns [admin] socket of the configuration at path and its included files; "" where the socket is turned off.
// It reads no secret, so that a person who may not read the secrets can still ask the daemon. The error is Problems.
func AdminSocket(path string) (string, error) {
	l := &loader{whole: true}
	l.open(path)
	if len(l.problems) > 0 {
		return "", Problems(render(l.problems))
	}
	for _, e := range l.entries("admin", false) {
		if s, ok := e.keys["socket"].(string); ok {
			return e.file.abs(s), nil
		}
	}
	return system.ControlSocket(), nil
}
