package daemon

import (
	"fmt"
	"slices"

	"duoradiusd/conf"
)

// CertificateFile is a PEM file that the configuration names.
type CertificateFile struct {
	Key  string // where it is named: [admin] certificate
	Path string
	Own  bool // the daemon's own certificate, with its chain; otherwise authorities that the daemon trusts
}

// CertificateFiles returns the certificate files that c names, each once.
func CertificateFiles(c *conf.Config) (files []CertificateFile) {
	add := func(own bool, path, key string) {
		known := func(f CertificateFile) bool { return f.Path == path && f.Own == own }
		if path != "" && path != conf.CAPinned && path != conf.CASystem && !slices.ContainsFunc(files, known) {
			files = append(files, CertificateFile{key, path, own})
		}
	}
	if c.Duo != nil {
		add(false, c.Duo.CA, "[duo] ca")
	}
	for _, a := range c.Applications {
		add(false, a.CA, fmt.Sprintf("application %q ca", a.Name))
	}
	for _, f := range c.FirstFactors {
		add(false, f.CAFile, fmt.Sprintf("first factor %q ca_file", f.Name))
		add(true, f.Certificate, fmt.Sprintf("first factor %q certificate", f.Name))
	}
	add(false, c.Cluster.CAFile, "[cluster] ca_file")
	add(true, c.Cluster.Certificate, "[cluster] certificate")
	add(true, c.Admin.Certificate, "[admin] certificate")
	return files
}
