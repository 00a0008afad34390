package checkup

import (
	"context"

	"duoradiusd/cmd/internal/daemon"
)

// cluster runs each script once at the store that the daemons share.
func (r *run) cluster() []question {
	if r.config.Cluster.Network == "" {
		return nil
	}
	return []question{{"[cluster] url", func(ctx context.Context) []Finding {
		said, warnings, err := daemon.ProbeCluster(ctx, r.config)
		if err != nil {
			return []Finding{problem("check url, password_file, the access list (the page conf/cluster.md has one) and that the server runs; until then each daemon goes on alone", "%v", err)}
		}
		list := []Finding{ok("%s", said)}
		for _, w := range warnings {
			list = append(list, warning("change the server's configuration", "%s", w))
		}
		return list
	}}}
}
