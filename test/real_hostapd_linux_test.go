package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const hostapdConf = `
interface=%[1]s
driver=wired
logger_stdout=-1
logger_stdout_level=1
ieee8021x=1
eapol_version=2
use_pae_group_addr=1
own_ip_addr=127.0.0.1
nas_identifier=hostapd
auth_server_addr=127.0.0.1
auth_server_port=%[2]d
auth_server_shared_secret=%[3]s
`

const supplicantConf = `
ap_scan=0
fast_reauth=0
network={
	key_mgmt=IEEE8021X
	eapol_flags=0
	eap=%[1]s
	phase2="%[2]s"
	anonymous_identity="anonymous@example.com"
	identity="%[3]s"
	password="%[4]s"
	ca_cert="%[5]s"
}
`

// wired is a port that hostapd guards, with the user's machine at the other end of the cable.
type wired struct {
	*site
	port uint16 // of the RADIUS server that hostapd asks
	ca   string // the authority that the users trust
}

// login connects the user's machine and reports whether the port opened.
func (w wired) login(t *testing.T, eap, phase2, user, password string) (in bool) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "hostapd.conf"), fmt.Sprintf(hostapdConf, strings.Replace(w.wire, "c", "s", 1), w.port, vpnSecret))
	write(t, filepath.Join(dir, "supplicant.conf"), fmt.Sprintf(supplicantConf, eap, phase2, user, password, w.ca))
	var guard, machine *companion
	w.server.do(func() {
		guard = accompany(t, "hostapd", exec.Command("hostapd", filepath.Join(dir, "hostapd.conf")))
	})
	defer guard.end() // hostapd lets nobody try again for a minute
	guard.mustSay("AP-ENABLED")
	w.client.do(func() {
		machine = accompany(t, "wpa_supplicant", exec.Command("wpa_supplicant", "-Dwired", "-i"+w.wire, "-c"+filepath.Join(dir, "supplicant.conf")))
	})
	defer machine.end()
	// Only the port counts: inside PEAP, a user who declines on the phone has been told of success before.
	line, ok := guard.log.wait(func(line string) bool {
		return strings.Contains(line, ": authorizing port") || strings.Contains(line, ": authentication failed")
	})
	if !ok {
		t.Error("neither in nor refused")
	}
	if in = strings.Contains(line, "authorizing port"); in {
		machine.mustSay("CTRL-EVENT-CONNECTED")
	}
	return in
}

func needHostapd(t *testing.T) {
	t.Helper()
	realClient(t, "hostapd")
	realClient(t, "wpa_supplicant")
	realClient(t, "freeradius")
}

// TestHostapd: EAP goes through the daemon to a RADIUS server that checks the passwords. Duo is asked after that server's
// yes and before the daemon's. There is no field for a passcode.
func TestHostapd(t *testing.T) {
	t.Parallel()
	needHostapd(t)
	s, u := newRelaySite(t, "peap")
	w := wired{s, s.Addr().Port(), filepath.Join(u.dir, "server.pem")}
	s.let(t, `""`, relayedLogins, func(t *testing.T, user, password string) bool {
		return w.login(t, "PEAP", "auth=MSCHAPV2", user, password)
	})
}

// TestHostapdFreeRADIUS: a FreeRADIUS in front of the daemon ends the tunnel, so users can type a passcode, too.
func TestHostapdFreeRADIUS(t *testing.T) {
	t.Parallel()
	needHostapd(t)
	s := newSite(t, realConfig(t, "message_authenticator = \"require\"\nsecret = \""+proxySecret+"\"", standardPort), realUsers()...)
	dir := t.TempDir()
	certify(t, dir, "127.0.0.1")
	config, err := os.ReadFile("testdata/freeradius/front.conf")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "radiusd.conf"), string(config))
	const port uint16 = 1912
	s.server.do(func() {
		c := exec.Command("freeradius", "-X", "-d", dir)
		c.Env = append(os.Environ(), "FR_DIR="+dir, "FR_LIBDIR=/usr/lib/freeradius", fmt.Sprint("FR_PORT=", port), "FR_SECRET="+vpnSecret,
			fmt.Sprint("FR_HOME_PORT=", s.Addr().Port()), "FR_HOME_SECRET="+proxySecret)
		accompany(t, "FreeRADIUS", c).mustSay("Ready to process requests")
	})
	w := wired{s, port, filepath.Join(dir, "server.pem")}
	s.let(t, `""`, realLogins, func(t *testing.T, user, password string) bool {
		return w.login(t, "TTLS", "auth=PAP", user, password)
	})
}
