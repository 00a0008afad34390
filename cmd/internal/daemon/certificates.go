package daemon

import (
	"slices"

	"duoradiusd/conf"
)

// CertificateFiles returns the paths of the certificate files that c names, each once.
func CertificateFiles(c *conf.Config) (paths []string) {
	add := func(path string) {
		if path != "" && path != conf.CAPinned && path != conf.CASystem && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	if c.Duo != nil {
		add(c.Duo.CA)
	}
	for _, a := range c.Applications {
		add(a.CA)
	}
	for _, f := range c.FirstFactors {
		add(f.CAFile)
		add(f.Certificate)
	}
	add(c.Admin.Certificate)
	return paths
}
