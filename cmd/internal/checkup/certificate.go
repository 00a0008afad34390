package checkup

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
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
	for _, f := range daemon.CertificateFiles(r.config) {
		look := authorities
		if f.Own {
			look = chain
		}
		list = append(list, one(f.Key+" "+f.Path, func(context.Context) Finding { return look(f.Path) }))
	}
	return list
}

// authorities looks at a file of trusted authorities. If the file has several, one of them may have ended without harm.
func authorities(path string) Finding {
	ends, fault := endsOf(path)
	if fault != nil {
		return *fault
	}
	first, last, n := slices.MinFunc(ends, time.Time.Compare), slices.MaxFunc(ends, time.Time.Compare), len(ends)
	switch {
	case n == 1:
		return expiry("the certificate", last)
	case time.Until(first) < soon && time.Until(last) > soon:
		return warning("check whether the certificate that ends first is still needed", "of its %d certificates, the first ends on %s", n, first.Format(time.DateOnly))
	}
	return expiry(fmt.Sprintf("of its %d certificates, the one that ends last", n), last)
}

// chain looks at the daemon's own certificate and the intermediate certificates below it. The other side accepts them only
// while none of them has ended (RFC 5280 §6.1.3).
func chain(path string) Finding {
	ends, fault := endsOf(path)
	switch {
	case fault != nil:
		return *fault
	case len(ends) == 1:
		return expiry("the certificate", ends[0])
	}
	return expiry(fmt.Sprintf("of its %d certificates, the one that ends first", len(ends)), slices.MinFunc(ends, time.Time.Compare))
}

// endsOf returns when each certificate of a PEM file ends, or the finding that says why that is not known.
func endsOf(path string) (ends []time.Time, fault *Finding) {
	b, err := os.ReadFile(path)
	if err != nil {
		f := problem("make it readable", "%v", err)
		return nil, &f
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if block.Type == "CERTIFICATE" && err == nil {
			ends = append(ends, c.NotAfter)
		}
	}
	if len(ends) == 0 {
		f := problem("name a PEM file with certificates", "contains no certificate")
		return nil, &f
	}
	return ends, nil
}
