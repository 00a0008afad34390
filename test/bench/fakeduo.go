package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// fakeDuo is a running process of the Duo server in duo.go.
type fakeDuo struct {
	*process
	addr   string
	ca     string // the path of the certificate of its CA
	client *http.Client
}

// duo starts a Duo server whose users approve a push after delay.
func (b *bench) duo(ctx context.Context, delay time.Duration, http1 bool) (*fakeDuo, error) {
	dir, err := os.MkdirTemp(b.dir, "ca-")
	if err != nil {
		return nil, err
	}
	ca := filepath.Join(dir, "duo-ca.pem")
	p, addr, err := b.part(ctx, "duo", "-ca", ca, "-delay", delay.String(), fmt.Sprintf("-http1=%v", http1))
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	return &fakeDuo{p, addr, ca, &http.Client{Transport: transport}}, nil
}

func (d *fakeDuo) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", "https://"+d.addr+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// forget sets the server's counts to zero.
func (d *fakeDuo) forget(ctx context.Context) error {
	_, err := d.get(ctx, "/bench/forget")
	return err
}

// sightings asks the server for its counts since the last forget.
func (d *fakeDuo) sightings(ctx context.Context) (s sightings, err error) {
	b, err := d.get(ctx, "/bench/sightings")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}
