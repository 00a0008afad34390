package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"duoradiusd/test/fakeduo"
)

// TestPageInBrowser: the page on a desktop and on a phone, in the light and the dark scheme.
func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "bob", Tap: fakeduo.Deny},
		fakeduo.User{Username: "carol", Tap: fakeduo.Ignore})
	d := startDaemon(t, duo, withPage)
	login(t, d, "alice", "push")
	login(t, d, "alice", "push", withUserIP("203.0.113.8"))
	login(t, d, "bob", "push")
	login(t, d, `<i>o'neil</i>`, "push")
	var carol sync.WaitGroup
	carol.Go(func() { try(t, d, "carol", "push") })
	t.Cleanup(carol.Wait)
	d.waitMetric("duoradiusd_logins_in_flight", "1")

	b.screen(1200, 900, false)
	b.open(d.page())
	for selector, want := range map[string]string{
		"header":    "ready",
		".tiles":    "1 logins pending 1 waiting for Duo’s answer 2 approvals kept",
		"#health":   "Duo " + duo.Addr() + " up",
		"#clients":  "vpn 100 % of 5 requests",
		"#pending":  "carol vpn",
		"#logins":   "bob 203.0.113.7 vpn reject denied · push",
		"#ends":     "approved 2",
		"#drops":    "None since the start.",
		"#logins  ": "<i>o'neil</i>",
	} {
		if got := b.text(strings.TrimSpace(selector)); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", selector, got, want)
		}
	}
	grounds := make(map[string]bool)
	for _, screen := range []struct {
		width int
		dark  bool
	}{{1200, false}, {1200, true}, {390, false}, {320, true}} {
		b.screen(screen.width, 844, screen.dark)
		b.open(d.page())
		var wide float64
		b.ask("document.documentElement.scrollWidth", &wide)
		if int(wide) > screen.width {
			t.Errorf("at %d the page is %v wide", screen.width, wide)
		}
		var cut []string
		b.ask(`[...document.querySelectorAll("section")].filter(e => e.scrollWidth > e.clientWidth).map(e => e.id)`, &cut)
		if len(cut) > 0 {
			t.Errorf("at %d these must be scrolled sideways: %q", screen.width, cut)
		}
		var ground string
		b.ask("getComputedStyle(document.body).backgroundColor", &ground)
		grounds[fmt.Sprint(screen.dark, ground)] = true
		var faint []string
		b.ask(contrast, &faint)
		if len(faint) > 0 {
			t.Errorf("at %d, dark %v, hard to read: %q", screen.width, screen.dark, faint)
		}
	}
	if len(grounds) != 2 {
		t.Errorf("grounds: %v, want one by day and one by night", grounds)
	}
	if c := b.complaints(); len(c) > 0 {
		t.Errorf("the console shows %s", c)
	}
}

// contrast lists the texts that have less contrast than WCAG 2.1 §1.4.3 requires: 4.5 to 1.
const contrast = `(() => {
	const light = c => c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const rgb = s => s.match(/[\d.]+/g).map(Number);
	const ground = e => { for (; e; e = e.parentElement) {
		const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
	return [...document.querySelectorAll("body *")].filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())).filter(e => {
		const a = light(rgb(getComputedStyle(e).color).slice(0, 3)), b = light(ground(e));
		return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5; }).map(e => e.outerHTML.slice(0, 80));
})()`

// TestForgetInBrowser: the page's button forgets an approval, and a button of another site does not.
func TestForgetInBrowser(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	duo := startDuo(t, fakeduo.User{Username: "alice"}, fakeduo.User{Username: "bob"})
	d := startDaemon(t, duo, withPage)
	login(t, d, "alice", "push")
	login(t, d, "alice", "push", withUserIP("203.0.113.8"))
	login(t, d, "bob", "push")
	d.waitMetric("duoradiusd_approvals", "3")
	b.screen(1200, 900, false)
	b.open(d.page())
	var token string
	b.ask(`document.querySelector("input[name=token]").value`, &token)
	d.forbid(token)

	// For the browser, 127.0.0.1 is another site than localhost. This site even knows the token, which no real one does.
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form method="post" action="%sforget"><input name="user" value="bob"><input name="token" value="%s"><button>win</button></form>`,
			d.page(), token)
	}))
	defer evil.Close()
	b.open(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1))
	b.leads(func() { b.click("button") })
	if got := b.text("body"); got != "Another page's form is not ours." {
		t.Errorf("the other site's form: %q", got)
	}
	d.waitMetric("duoradiusd_approvals", "3")
	b.complaints() // of the 403

	b.open(d.page())
	b.leads(func() { b.click(`button[aria-label="Forget the approvals of alice"]`) })
	if got := b.text(".notice"); got != "2 approvals forgotten." {
		t.Errorf("the page says %q", got)
	}
	if got := b.text("#approvals"); strings.Contains(got, "alice") || !strings.Contains(got, "bob") {
		t.Errorf("the approvals: %q", got)
	}
	d.waitMetric("duoradiusd_approvals", "1")
	b.ask(`(document.querySelector(".by-name input[name=user]").value = "BOB", 1)`, new(int))
	b.leads(func() { b.click(`form.by-name[action="/forget"] button`) })
	d.waitMetric("duoradiusd_approvals", "0")
	pushes := duo.Pushes()
	login(t, d, "alice", "push")
	if duo.Pushes() != pushes+1 {
		t.Error("alice was not asked again")
	}
	if c := b.complaints(); len(c) > 0 {
		t.Errorf("the console shows %s", c)
	}
}
