package conf

import (
	"net/netip"
	"strings"

	"duoradiusd/internal/system"
)

var exampleAdmin = netip.MustParseAddrPort("127.0.0.1:9812")

// Admin is how the running daemon is spoken to.
type Admin struct {
	Address string // HOST:PORT of the HTTP server, the host an IP address or localhost; "" = off
	Socket  string // absolute path of a Unix socket, on Windows a named pipe; "" = off
}

func readAdmin(t *table) Admin {
	return Admin{
		Address: t.adminAddress("address"),
		Socket:  t.file.abs(t.string("socket", system.ControlSocket())),
	}
}

// adminAddress warns of an address that others than this machine can reach: the page has no login.
func (t *table) adminAddress(key string) string {
	s := t.string(key, "")
	if s == "" {
		return ""
	}
	if port, ok := strings.CutPrefix(s, "localhost:"); ok && (isPort(port) || port == "0") {
		return s
	}
	address := t.addrPort(key, exampleAdmin)
	if address.IsValid() && !address.Addr().IsLoopback() {
		t.warn(key, "%s, which others can reach, and there is no login; want a loopback address, or something in front that asks who comes", quote(s))
	}
	return address.String()
}

// AdminSocket returns [admin] socket of the configuration at path and of the files that it includes, "" where it is turned
// off. It reads nothing else, so that who may not read the secrets can still ask the daemon. The error is Problems.
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
