package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// charonConf is the configuration of both ends. charon handles ESP itself, over a tun device, so the kernel need not know
// it.
const charonConf = `
charon {
	load = random nonce aes openssl sha1 sha2 hmac kdf x509 pubkey pkcs1 pkcs8 pem constraints kernel-libipsec kernel-netlink socket-default vici updown eap-identity eap-radius eap-mschapv2 xauth-generic
	install_routes = yes
	plugins {
		vici {
			socket = unix://%[1]s/vici
		}
		eap-radius {
			server = 127.0.0.1
			port = 1812
			secret = %[2]s
		}
	}
	filelog {
		stderr {
			default = 1
			flush_line = yes
		}
	}
	syslog {
		daemon {
			default = -1
		}
	}
}
swanctl {
	load = random nonce pem pkcs1 pkcs8 x509 pubkey
}
`

// strongswanServer authenticates itself with a secret, and its users by XAuth (IKEv1), for which it asks the daemon.
const strongswanServer = `
connections {
	vpn {
		version = 1
		local_addrs = %[1]s
		pools = users
		local { auth = psk }
		remote { auth = psk }
		remote-user { auth = xauth-radius }
		children { vpn {
			local_ts = 10.80.0.1/32
			esp_proposals = aes128-sha256
		} }
	}
}
pools { users { addrs = 10.80.1.0/24 } }
secrets { ike { secret = "between-both-gateways" } }
`

const strongswanClient = `
connections {
	vpn {
		version = 1
		remote_addrs = %[1]s
		vips = 0.0.0.0
		keyingtries = 1
		local { auth = psk }
		local-user {
			auth = xauth
			xauth_id = %[2]s
		}
		remote { auth = psk }
		children { vpn {
			remote_ts = 10.80.0.1/32
			esp_proposals = aes128-sha256
		} }
	}
}
secrets {
	ike { secret = "between-both-gateways" }
	xauth {
		id = %[2]s
		secret = "%[3]s"
	}
}
`

// charon is the strongSwan of one end.
type charon struct {
	*netns
	dir string
	log *companion
}

func newCharon(t *testing.T, n *netns, name string) charon {
	t.Helper()
	c := charon{netns: n, dir: t.TempDir()}
	conf := filepath.Join(c.dir, "strongswan.conf")
	write(t, conf, fmt.Sprintf(charonConf, c.dir, vpnSecret))
	n.do(func() {
		cmd := family("sh", "-c", "mount -t tmpfs tmpfs /run && exec charon-systemd")
		cmd.Env = append(os.Environ(), "STRONGSWAN_CONF="+conf)
		c.log = accompany(t, name, cmd)
		c.log.mustSay("spawning", "worker threads")
	})
	return c
}

// ctl runs swanctl and reports whether it succeeded.
func (c charon) ctl(t *testing.T, args ...string) (ok bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "swanctl", append(args, "--uri", "unix://"+c.dir+"/vici")...)
	cmd.Env = append(os.Environ(), "SWANCTL_DIR="+c.dir, "STRONGSWAN_CONF="+filepath.Join(c.dir, "strongswan.conf"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("swanctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return err == nil
}

// load puts a configuration into effect.
func (c charon) load(t *testing.T, config string, args ...any) {
	t.Helper()
	write(t, filepath.Join(c.dir, "swanctl.conf"), fmt.Sprintf(config, args...))
	if !c.ctl(t, "--load-all", "--clear", "--noprompt") {
		t.Fatal("swanctl can't load a configuration")
	}
}

const strongswanEAPServer = `
connections {
	vpn {
		version = 2
		local_addrs = %[1]s
		pools = users
		send_cert = always
		local {
			auth = pubkey
			certs = server.pem
			id = %[1]s
		}
		remote {
			auth = eap-radius
			eap_id = %%any
		}
		children { vpn { local_ts = 10.80.0.1/32 } }
	}
}
pools { users { addrs = 10.80.1.0/24 } }
`

const strongswanEAPClient = `
connections {
	vpn {
		version = 2
		remote_addrs = %[1]s
		vips = 0.0.0.0
		keyingtries = 1
		local {
			auth = eap-mschapv2
			eap_id = %[2]s
		}
		remote {
			auth = pubkey
			id = %[1]s
		}
		children { vpn { remote_ts = 10.80.0.1/32 } }
	}
}
secrets {
	eap {
		id = %[2]s
		secret = "%[3]s"
	}
}
`

// login sets up a tunnel with the client's configuration, and reports whether the other end can be reached through it.
func (c charon) login(t *testing.T, config, user, password string) (in bool) {
	t.Helper()
	c.load(t, config, serverAddrs[0], user, password)
	if !c.ctl(t, "--initiate", "--child", "vpn", "--timeout", "20") {
		return false
	}
	mustReach(t, c.netns, "10.80.0.1")
	if !c.ctl(t, "--terminate", "--ike", "vpn") {
		t.Error("the user can't leave")
	}
	return true
}

// newCharons starts a gateway in front of 10.80.0.1, and the strongSwan of a user.
func newCharons(t *testing.T, s *site) (gateway, user charon) {
	t.Helper()
	s.server.ip("addr add 10.80.0.1/32 dev lo")
	return newCharon(t, s.server, "the gateway's charon"), newCharon(t, s.client, "the user's charon")
}

// certs gives the gateway a certificate that the user trusts.
func certs(t *testing.T, gateway, user charon) {
	t.Helper()
	dir := t.TempDir()
	certify(t, dir, serverAddrs[0])
	for _, copy := range [][2]string{
		{"server.pem", filepath.Join(gateway.dir, "x509")},
		{"server.key", filepath.Join(gateway.dir, "private")},
		{"server.pem", filepath.Join(user.dir, "x509ca")},
	} {
		b, err := os.ReadFile(filepath.Join(dir, copy[0]))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(copy[1], 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(copy[1], copy[0]), string(b))
	}
}

func needStrongSwan(t *testing.T) {
	t.Helper()
	realClient(t, "charon-systemd")
	realClient(t, "swanctl")
	needTun(t)
}

// TestStrongSwan: with XAuth the gateway gets the password, and asks by PAP.
func TestStrongSwan(t *testing.T) {
	t.Parallel()
	needStrongSwan(t)
	s := newSite(t, realConfig(t, "profile = \"strongswan\"\nmessage_authenticator = \"require\"", standardPort), realUsers()...)
	gateway, user := newCharons(t, s)
	gateway.load(t, strongswanServer, serverAddrs[0])
	s.let(t, clientAddrs[0], realLogins, func(t *testing.T, name, password string) bool {
		return user.login(t, strongswanClient, name, password)
	})
}

// TestStrongSwanEAP: EAP-MSCHAPv2 goes through the gateway and the daemon to a RADIUS server that checks the passwords.
func TestStrongSwanEAP(t *testing.T) {
	t.Parallel()
	needStrongSwan(t)
	s, _ := newRelaySite(t, "mschapv2")
	gateway, user := newCharons(t, s)
	certs(t, gateway, user)
	gateway.load(t, strongswanEAPServer, serverAddrs[0])
	s.let(t, clientAddrs[0], relayedLogins, func(t *testing.T, name, password string) bool {
		return user.login(t, strongswanEAPClient, name, password)
	})
}
