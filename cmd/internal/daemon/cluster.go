package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"

	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/memory"
	"duoradiusd/policy/shared"
)

// ErrNoCluster says that the configuration has no [cluster] url.
var ErrNoCluster = errors.New("the configuration has no [cluster] url: this daemon works alone")

// joinCluster returns the stores of the logins. With [cluster] url, several daemons share them.
func (d *Daemon) joinCluster(c *conf.Config) (policy.Stores, error) {
	d.clustered = c.Cluster
	if c.Cluster.Network == "" {
		return d.memory.Stores(), nil
	}
	config, err := clusterConfig(c, d.log)
	if err != nil {
		return policy.Stores{}, err
	}
	config.TakeOver = d.takeOver
	d.cluster = shared.New(config, d.memory.Stores())
	d.memory.UseKey(config.Keys.Digest())
	d.cluster.Start()
	return d.cluster.Stores(), nil
}

// keepCluster tells the other daemons which clients a new configuration has. A changed [cluster] takes effect at the next
// start.
func (d *Daemon) keepCluster(c *conf.Config) {
	if d.cluster != nil {
		d.cluster.Use(clientNames(c))
	}
	if !reflect.DeepEqual(d.clustered, c.Cluster) {
		d.log.Warn("cluster: [cluster] has changed, but the old settings stay in force until the daemon is restarted")
	}
}

func (d *Daemon) leaveCluster() {
	if d.cluster != nil {
		d.cluster.Close()
	}
}

func clientNames(c *conf.Config) (names []string) {
	for _, client := range c.Clients {
		names = append(names, client.Name)
	}
	return names
}

// takeOver returns a function that asks Duo for the answer to a push that another daemon began; nil if that can't be done.
func (d *Daemon) takeOver(t policy.Transaction) (ask func()) {
	p := d.parts.Load()
	if p == nil { // not before the configuration is in force
		return nil
	}
	second := p.second(t.Application)
	if second == nil {
		return nil
	}
	return func() { d.runtime.TakeOver(t, second, p.settings.Guard) }
}

// clusterConfig turns [cluster] into the configuration of package shared, and reads its files.
func clusterConfig(c *conf.Config, log *slog.Logger) (shared.Config, error) {
	k := c.Cluster
	keys, err := shared.ParseKeys([]byte(k.KeyFile.Reveal()))
	if err != nil {
		return shared.Config{}, fmt.Errorf("cluster.key_file: %s: %w", filepath.Base(k.KeyPath), err)
	}
	config := shared.Config{
		Network: k.Network, Address: k.Address, Database: k.Database, Sentinels: k.Sentinels, Master: k.Master,
		Username: k.Username, Password: k.Password.Reveal(), Keys: keys, Prefix: k.Prefix, Timeout: k.Timeout,
		WhenDown: shared.WhenDown(k.WhenDown), Version: Version(), Clients: clientNames(c), Log: log,
	}
	if k.TLS {
		config.TLS, err = clusterTLS(k)
	}
	return config, err
}

func clusterTLS(k conf.Cluster) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if k.CAFile != "" {
		pem, err := os.ReadFile(k.CAFile)
		if err != nil {
			return nil, fmt.Errorf("cluster.ca_file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cluster.ca_file: %s contains no certificate", k.CAFile)
		}
	}
	if k.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(k.Certificate, k.PrivateKey)
		if err != nil {
			return nil, fmt.Errorf("cluster.certificate: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// Cluster returns this daemon's part of the cluster; nil if the daemon is alone.
func (d *Daemon) Cluster() *shared.Cluster { return d.cluster }

// ClusterStatus asks the cluster's store for its state.
func (d *Daemon) ClusterStatus(ctx context.Context) (shared.Status, error) {
	if d.cluster == nil {
		return shared.Status{}, ErrNoCluster
	}
	return d.cluster.Status(ctx), nil
}

// ProbeCluster does a round trip with each script of the store that c names, and returns what the server says of itself
// and what does not fit. It shares nothing with a running daemon but the key file.
func ProbeCluster(ctx context.Context, c *conf.Config) (said string, warnings []string, err error) {
	config, err := clusterConfig(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", nil, err
	}
	config.Probe = true
	cluster := shared.New(config, memory.New(1).Stores())
	cluster.Start()
	defer cluster.Close()
	server, took, err := cluster.Probe(ctx)
	if err != nil {
		return "", nil, err
	}
	said = fmt.Sprintf("%s %s, %s, maxmemory-policy %s, persistence: %s; %s a round trip", server.Kind, server.Version, server.Role,
		server.MaxMemoryPolicy, server.Persistence, took.Round(10_000))
	return said, server.Warnings(), nil
}
