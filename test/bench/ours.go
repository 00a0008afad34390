package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// configuration returns a configuration as an administrator would write it: a Duo application, and eight VPN gateways
// that have checked the password themselves. remember is how long approvals are remembered.
func configuration(asked *fakeDuo, remember string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `[duo]
api_host = %q
integration_key = %q
secret_key_file = "duo.skey"
ca = %q

[[listen]]
address = "127.0.0.1:0"

[admin]
socket = "control.sock"

[state]
directory = "state"
`, asked.addr, integrationKey, asked.ca)
	for i := range nasCount {
		fmt.Fprintf(&b, `
[[client]]
name = "gateway-%d"
address = [%q]
secret_file = "nas.secret"
service = "vpn"
message_authenticator = "require"
first_factor = "none"
remember = %q
`, i+1, nasAddr(1, i), remember)
	}
	return b.String()
}

// productFolder is the folder of the product's module, relative to the folder of this program.
const productFolder = "../.."

// build builds the daemon.
func (b *bench) build(ctx context.Context) error {
	b.program = filepath.Join(b.dir, "duoradiusd")
	out, err := exec.CommandContext(ctx, "go", "-C", productFolder, "build", "-trimpath", "-o", b.program, "./cmd/duoradiusd").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

var startLine = regexp.MustCompile(`listens on udp (\S+?:\d+)`)

// ours starts the daemon with a configuration.
func (b *bench) ours(ctx context.Context, title, config string) (*server, error) {
	dir, err := b.furnish(config)
	if err != nil {
		return nil, err
	}
	argv := []string{b.program, "serve", "--config", filepath.Join(dir, "duoradiusd.toml")}
	if b.profiles != "" {
		argv = append(argv, "--pprof")
	}
	p, err := b.start(dir, nil, argv...)
	if err != nil {
		return nil, err
	}
	line, err := p.says(ctx, "listens on udp")
	if err != nil {
		return nil, err
	}
	m := startLine.FindStringSubmatch(line)
	if m == nil {
		return nil, fmt.Errorf("start line %q", line)
	}
	addr, err := netip.ParseAddrPort(m[1])
	if err != nil {
		return nil, err
	}
	s := &server{process: p, title: title, addr: addr}
	if b.profiles != "" {
		s.page, err = p.page(ctx)
	}
	return s, err
}

// furnish writes a configuration and the files that it names into a new folder.
func (b *bench) furnish(config string) (dir string, err error) {
	if dir, err = os.MkdirTemp(b.dir, "duoradiusd-"); err != nil {
		return "", err
	}
	if b.profiles != "" {
		config = strings.Replace(config, "[admin]\n", "[admin]\naddress = \"127.0.0.1:0\"\n", 1)
	}
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		return "", err
	}
	for name, text := range map[string]string{"duoradiusd.toml": config, "duo.skey": secretKey + "\n", "nas.secret": secret + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}
