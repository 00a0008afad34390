package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

var pageLine = regexp.MustCompile(`admin: listens" page=(http://\S+/)`)

// page returns the URL of the daemon's status page.
func (p *process) page(ctx context.Context) (string, error) {
	line, err := p.says(ctx, "admin: listens")
	if err != nil {
		return "", err
	}
	m := pageLine.FindStringSubmatch(line)
	if m == nil {
		return "", fmt.Errorf("no page in %q", line)
	}
	return m[1], nil
}

// profile takes a CPU profile of s and writes it into a file that is named after the row and the server. It does
// nothing if profiles are not wanted or s has none. The profile of the last round replaces earlier ones.
func (b *bench) profile(ctx context.Context, s *server, row string, while time.Duration) error {
	if s.page == "" {
		return nil
	}
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ,/+", r) {
			return '_'
		}
		return r
	}, row+"-"+s.title) + ".pprof"
	url := fmt.Sprintf("%sdebug/pprof/profile?seconds=%d", s.page, max(int(while.Seconds()), 1))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("profile: " + resp.Status)
	}
	if err := os.MkdirAll(b.profiles, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(b.profiles, name))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}
