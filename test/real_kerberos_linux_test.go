package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// kerberos is a test's own realm: its key distribution centre, and a ticket that protects the requests of others.
type kerberos struct{ dir string }

// as runs one of the realm's programs with input as its standard input.
func (k kerberos) as(program, input string, args ...string) (printed string, err error) {
	c := exec.Command(program, args...)
	c.Env, c.Stdin = k.env(), strings.NewReader(input)
	out, err := c.CombinedOutput()
	return string(out), err
}

func (k kerberos) env() []string {
	return append(os.Environ(), "LC_ALL=C", "KRB5_CONFIG="+k.dir+"/krb5.conf", "KRB5_KDC_PROFILE="+k.dir+"/kdc.conf", "KRB5RCACHENAME=none:")
}

// startKerberos makes a realm whose users only d knows, and starts its KDC.
func startKerberos(t *testing.T, d *daemon) kerberos {
	t.Helper()
	for _, program := range []string{"kdb5_util", "kadmin.local", "kinit"} {
		realClient(t, program)
	}
	k := kerberos{t.TempDir()}
	must := func(program, input string, args ...string) {
		if printed, err := k.as(program, input, args...); err != nil {
			t.Fatalf("%s: %v: %s", program, err, printed)
		}
	}
	write(t, filepath.Join(k.dir, "secret"), vpnSecret)
	var principals strings.Builder
	fmt.Fprintf(&principals, "addprinc -randkey armor\nktadd -k %s/armor.keytab armor\n", k.dir)
	for _, u := range realUsers() {
		fmt.Fprintf(&principals, "addprinc +requires_preauth -nokey %[1]s\nsetstr %[1]s otp [{}]\n", u.Username)
	}
	program := realClient(t, "krb5kdc")
	for i := range 5 { // another program may take the port first
		port := freePort(t)
		write(t, filepath.Join(k.dir, "krb5.conf"), fmt.Sprintf("[libdefaults]\ndefault_realm = EXAMPLE.COM\ndns_lookup_kdc = false\nrdns = false\n"+
			"[realms]\nEXAMPLE.COM = {\nkdc = 127.0.0.1:%d\n}\n[logging]\nkdc = STDERR\n", port))
		write(t, filepath.Join(k.dir, "kdc.conf"), fmt.Sprintf("[kdcdefaults]\nkdc_listen = 127.0.0.1:%d\nkdc_tcp_listen = \"\"\n"+
			"[realms]\nEXAMPLE.COM = {\ndatabase_name = %[2]s/principal\nkey_stash_file = %[2]s/stash\n}\n"+
			"[otp]\nDEFAULT = {\nserver = %[3]s\nsecret = %[2]s/secret\ntimeout = 20\nretries = 0\n}\n", port, k.dir, d.Addr()))
		if i == 0 {
			must("kdb5_util", "", "create", "-s", "-P", "master key of a test", "-r", "EXAMPLE.COM")
			must("kadmin.local", principals.String())
		}
		c := exec.Command(program, "-n")
		c.Env = k.env()
		p := accompany(t, "the KDC", c)
		if _, ok := p.wait("krb5kdc: starting..."); ok {
			must("kinit", "", "-c", "FILE:"+k.dir+"/armor", "-k", "-t", k.dir+"/armor.keytab", "armor")
			return k
		}
		p.end()
	}
	t.Fatal("the KDC does not start")
	return k
}

// TestKerberos: users get their tickets, and the KDC asks the daemon about them.
func TestKerberos(t *testing.T) {
	t.Parallel()
	slow(t, "it runs a KDC")
	d := startDaemon(t, startDuo(t, realUsers()...), realConfig(t, "timeout = \"16s\"\nomit_reply_message_authenticator = true"))
	k := startKerberos(t, d)
	d.let(t, `""`, realLogins, func(t *testing.T, user, password string) bool {
		cache := "FILE:" + filepath.Join(k.dir, user)
		printed, err := k.as("kinit", password+"\n", "-c", cache, "-T", "FILE:"+k.dir+"/armor", user)
		if err != nil && !strings.Contains(printed, "Preauthentication failed") {
			t.Fatalf("%v: %s", err, printed)
		}
		return err == nil
	})
}
