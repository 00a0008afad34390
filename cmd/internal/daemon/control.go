package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Control is the daemon's control socket: HTTP over a Unix socket, for the commands of duoradiusd.
//
//	GET  /clients  a list of radiusd.ClientReport
//	GET  /status   a Status
//	POST /reload   200 with a summary, or 422 with the problems, a line each
type Control struct {
	server *http.Server
	path   string
}

// Serve opens the control socket at path and serves it until Close. reload reads the configuration again and puts it
// into force.
func (d *Daemon) Serve(path string, reload func() error) (*Control, error) {
	l, err := listenUnix(path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /clients", func(w http.ResponseWriter, _ *http.Request) { answer(w, d.server.Clients()) })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, d.Status()) })
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, _ *http.Request) {
		if err := reload(); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		fmt.Fprintln(w, d.Summary())
	})
	c := &Control{path: path, server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}
	go c.server.Serve(l)
	return c, nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// Close ends the control socket and removes it.
func (c *Control) Close() {
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.server.Shutdown(ctx)
}

// listenUnix takes the place of a socket that a crashed daemon left, but not of one that somebody serves.
func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s: another daemon serves it", path)
	} else if info, statErr := os.Lstat(path); statErr == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	// Between Listen and Chmod nobody else may connect.
	old := syscall.Umask(0o117)
	defer syscall.Umask(old)
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o660)
}
