package checkup

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/internal/display"
)

// soon is how long before its end a certificate is worth a warning.
const soon = 30 * 24 * time.Hour

func expiry(what string, ends time.Time) Finding {
	left := time.Until(ends)
	day := ends.Format(time.DateOnly)
	switch {
	case left <= 0:
		return problem("renew it", "%s expired on %s", what, day)
	case left < soon:
		return warning("renew it", "%s expires on %s, in %s", what, day, display.Count(int(left.Hours()/24), "day"))
	}
	return ok("%s is valid until %s", what, day)
}

// certificates looks at the PEM files that the configuration names.
func (r *run) certificates() (list []question) {
	for _, path := range daemon.CertificateFiles(r.config) {
		list = append(list, one("certificates in "+path, func(context.Context) Finding { return bundle(path) }))
	}
	return list
}

// bundle looks at the authorities in a file. If the file has several, one of them may have ended without harm.
func bundle(path string) Finding {
	b, err := os.ReadFile(path)
	if err != nil {
		return problem("make it readable", "%v", err)
	}
	var first, last time.Time
	n := 0
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			continue
		}
		if n++; n == 1 || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
		if c.NotAfter.After(last) {
			last = c.NotAfter
		}
	}
	switch {
	case n == 0:
		return problem("name a PEM file with certificates", "contains no certificate")
	case n == 1:
		return expiry("the certificate", last)
	case time.Until(first) < soon && time.Until(last) > soon:
		return warning("look whether the certificate that ends first is still needed", "of its %d certificates, the first ends on %s", n, first.Format(time.DateOnly))
	}
	return expiry(fmt.Sprintf("of its %d certificates, the one that ends last", n), last)
}
