package admin

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// connections limits how many connections are served at once, because logins need the files that the daemon may open.
const connections = 64

// Server is the HTTP server of an Admin.
type Server struct {
	server *http.Server
	addr   net.Addr
	done   chan struct{}
}

// Serve serves a at address, HOST:PORT, until Close.
func (a *Admin) Serve(address string) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	l = netutil.LimitListener(l, connections)
	scheme := "http"
	if a.daemon.TLS != nil {
		l, scheme = tls.NewListener(l, a.daemon.TLS), "https"
	}
	s := &Server{addr: l.Addr(), done: make(chan struct{}), server: &http.Server{
		Handler:           a.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute, // longer than Prometheus' scrape_interval of a minute
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(a.daemon.Log.Handler(), slog.LevelDebug),
	}}
	go func() {
		defer close(s.done)
		s.server.Serve(l)
	}()
	a.daemon.Log.Info("admin: listens", "page", scheme+"://"+s.addr.String()+"/")
	return s, nil
}

// Addr returns the address at which the server listens.
func (s *Server) Addr() net.Addr { return s.addr }

// Close ends the server. Open requests have one more second. A nil Server is closed already.
func (s *Server) Close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
	<-s.done
}
