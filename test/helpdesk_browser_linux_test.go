package test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// shoot writes a picture of the browser into the folder that SCREENSHOTS names, for a person to look at.
func (b *browser) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// fill types into a field of a form.
func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.ask(fmt.Sprintf("document.querySelector(%q).focus() || true", selector), new(bool))
	b.call("Input.insertText", map[string]any{"text": text}, nil)
}

// TestHelpDeskWalk: a user calls because the right password is refused. Helen of the help desk logs in to the page over HTTPS,
// finds the login, sees why it was refused, and lets the user try again, which then works.
func TestHelpDeskWalk(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "bob"})
	dir := t.TempDir()
	for file, user := range map[string]string{"staff": "bob", "admins": "helen"} {
		_, said, status := run(t, "wonderland\nwonderland\n", daemonProgram(t), "passwd", filepath.Join(dir, file), user)
		if status != 0 {
			t.Fatal(said)
		}
	}
	certify(t, dir, "127.0.0.1")
	furnish(t, dir, duo, `
[admin]
address = "127.0.0.1:0"
certificate = "server.pem"
private_key = "server.key"
users = "admins"
help_desk = ["helen"]
[guard]
wrong_passwords = 3
refill = "10m"
reject_delay = "0s"
[[first_factor]]
name = "staff"
type = "file"
path = "staff"
[[client]]
name = "vpn"
first_factor = "staff"
`)
	d := launch(t, duo, dir)
	for range 3 {
		login(t, d, "bob", "forgotten")
	}
	if r := login(t, d, "bob", "wonderland"); r.Code == nas.CodeAccessAccept {
		t.Fatal("bob is not held back")
	}
	page := pageInLog.FindStringSubmatch(d.WaitLog("admin: listens"))[1]
	b.call("Security.setIgnoreCertificateErrors", map[string]any{"ignore": true}, nil)
	b.screen(1200, 900, false)
	b.open(page)
	if got := b.text("main"); !strings.Contains(got, "User name") {
		t.Fatalf("no login is wanted: %q", got)
	}
	b.shoot("login")
	b.fill("[name=user]", "helen")
	b.fill("[name=password]", "wrong")
	b.leads(func() { b.click("form button") })
	if got := b.text("[role=alert]"); got != "Wrong user name or password." {
		t.Errorf("a wrong password: %q", got)
	}
	b.fill("[name=user]", "helen")
	b.fill("[name=password]", "wonderland")
	b.leads(func() { b.click("form button") })

	b.fill(".filter [name=user]", "BOB")
	b.leads(func() { b.click(".filter button") })
	if got := b.text("#logins tbody tr"); !strings.Contains(got, "bob") || !strings.Contains(got, "throttled") {
		t.Errorf("bob's last login: %q", got)
	}
	b.click("#logins tbody tr summary")
	if got := b.text("#logins tbody tr details"); !strings.Contains(got, "Too many wrong passwords") {
		t.Errorf("why: %q", got)
	}
	b.shoot("why-light")
	for _, screen := range []struct {
		name  string
		width int
		dark  bool
	}{{"light", 1200, false}, {"dark", 1200, true}, {"phone", 390, false}, {"phone-dark", 390, true}} {
		b.screen(screen.width, 844, screen.dark)
		b.shoot("page-" + screen.name)
	}
	b.screen(1200, 900, false)
	if got := b.text("#held"); !strings.Contains(got, "bob") || !strings.Contains(got, "wrong_passwords") {
		t.Fatalf("held back: %q", got)
	}
	b.leads(func() { b.click("#held button") })
	if got := b.text("[role=status]"); !strings.Contains(got, "of [guard] cleared.") {
		t.Errorf("after Clear: %q", got)
	}
	b.shoot("cleared")
	if r := login(t, d, "bob", "wonderland"); r.Code != nas.CodeAccessAccept {
		t.Error("bob is refused although he was cleared")
	}
	d.WaitLog("[guard] cleared by the page", "by=helen", "user=bob")
	if c := b.complaints(); len(c) > 1 { // one is the answer 403 to the wrong password
		t.Errorf("the console shows %s", c)
	}
}
