package checkup

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"duoradiusd/conf"
	"duoradiusd/policy/duo"
)

// TestFrontEnd is what check says of the way to Duo.
func TestFrontEnd(t *testing.T) {
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "Root"}, NotAfter: time.Now().Add(10 * 24 * time.Hour)}
	for _, tt := range []struct {
		front *duo.Front
		ca    string
		want  []string // how each finding begins, its level in front
	}{
		{nil, conf.CASystem, []string{"ok answers"}},
		{&duo.Front{HTTP: "HTTP/2"}, conf.CASystem, []string{"ok answers; its server offers HTTP/2 (ALPN), without a proxy"}},
		{&duo.Front{HTTP: "HTTP/1.1", Proxy: "proxy:3128", Root: root}, conf.CAPinned, []string{
			"ok answers; its server offers HTTP/1.1 only (ALPN), through the proxy proxy:3128",
			"warning its root certificate, CN=Root, expires on ",
			"ok the built-in list of root certificates is Duo's of 2025-04-30, "}},
	} {
		list := frontEnd(tt.front, tt.ca)
		if len(list) != len(tt.want) {
			t.Errorf("%+v: got %v", tt.front, list)
			continue
		}
		for i, f := range list {
			if got := string(f.Level) + " " + f.Found; !strings.HasPrefix(got, tt.want[i]) {
				t.Errorf("got %q, want %q", got, tt.want[i])
			}
		}
	}
	day := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	if got := age(duo.PinnedRoots, day); got != ", 19 months old" {
		t.Errorf("got %q", got)
	}
}
