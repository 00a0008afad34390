package ldapauth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

const (
	maxAnswer   = 1 << 20     // octets of everything that answers one request
	maxStartTLS = 4 << 10     // octets of the answer to StartTLS
	farewell    = time.Second // how long sending the unbind request may take
)

// maxNesting bounds how deep an answer may be nested, because the decoder copies the content at each level. Results need six
// levels, controls a few more.
const maxNesting = 20

func init() { ber.MaxNestingDepth = maxNesting }

// conn is a connection of go-ldap on which every wait ends and every answer is bounded.
type conn struct {
	*ldap.Conn
	wire *wire
	tls  *tls.ConnectionState // nil: none

	idle *time.Timer // while pooled
}

// wire is what go-ldap reads from and writes to.
type wire struct {
	net.Conn              // TLS, or tcp itself
	tcp      net.Conn     // closing it ends everything above it
	left     atomic.Int64 // octets that may still be read
	ended    atomic.Value // a readError: why nothing more can be read
}

type readError struct{ error }

var errTooLong = errors.New("the answer is longer than 1 MiB")

func (w *wire) Read(p []byte) (int, error) {
	left := w.left.Load()
	if left <= 0 {
		w.ended.CompareAndSwap(nil, readError{errTooLong})
		return 0, errTooLong
	}
	n, err := w.Conn.Read(p[:min(int64(len(p)), left)])
	w.left.Add(int64(-n))
	if err != nil {
		w.ended.CompareAndSwap(nil, readError{err})
	}
	return n, err
}

// connect opens a connection to s, with TLS as configured. It is not bound yet.
func (s *server) connect(ctx context.Context) (*conn, error) {
	tcp, err := s.dial(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	// go-ldap's StartTLS takes no context, and waits forever if something other than its answer comes first.
	stop := context.AfterFunc(ctx, func() { tcp.Close() })
	c, err := s.secure(ctx, tcp)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		tcp.Close()
		return nil, because(ctx, err)
	}
	c.Conn = ldap.NewConn(c.wire, c.tls != nil)
	c.wire.left.Store(maxAnswer)
	c.Start()
	return c, nil
}

func (s *server) secure(ctx context.Context, tcp net.Conn) (*conn, error) {
	c := &conn{wire: &wire{Conn: tcp, tcp: tcp}}
	if s.startTLS {
		if err := startTLS(tcp); err != nil {
			return nil, fmt.Errorf("StartTLS: %w", err)
		}
	}
	if s.tls == nil {
		return c, nil
	}
	t := tls.Client(tcp, s.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	state := t.ConnectionState()
	c.wire.Conn, c.tls = t, &state
	return c, nil
}

// startTLS asks for TLS (RFC 4511 §4.14). It reads the octets of the answer and no more, because what follows in clear must
// not be taken for data within TLS.
func startTLS(tcp net.Conn) error {
	request := ber.NewSequence("LDAPMessage")
	request.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, "messageID"))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedRequest, nil, "extendedReq")
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, "1.3.6.1.4.1.1466.20037", "requestName"))
	request.AppendChild(op)
	if _, err := tcp.Write(request.Bytes()); err != nil {
		return err
	}
	answer, err := ber.ReadPacket(io.LimitReader(tcp, maxStartTLS))
	if err != nil {
		return err
	}
	if len(answer.Children) < 2 || answer.Children[0].Value != int64(1) ||
		answer.Children[1].Tag != ldap.ApplicationExtendedResponse {
		return errors.New("the answer is not one to StartTLS")
	}
	return said(ldap.GetLDAPError(answer))
}

// during runs ask, and closes the connection when ctx ends before ask returns, because go-ldap takes no context.
func (c *conn) during(ctx context.Context, ask func() error) error {
	c.wire.left.Store(maxAnswer)
	stop := context.AfterFunc(ctx, func() { c.wire.tcp.Close() })
	defer stop()
	err := ask()
	if err == nil || answered(err) {
		return err
	}
	if end, ok := c.wire.ended.Load().(readError); ok { // go-ldap returns only the text of the error, or another error
		err = end.error
	}
	return because(ctx, err)
}

// because returns the cause of ctx's end if it has ended, and err otherwise.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return cause
	}
	return err
}

// bind binds c, as an account that has a name and with a password that is not empty.
func (c *conn) bind(ctx context.Context, dn, password string) (*ldap.SimpleBindResult, error) {
	if dn == "" || password == "" {
		return nil, errors.New("no name or no password to bind with")
	}
	var result *ldap.SimpleBindResult
	err := c.during(ctx, func() (err error) {
		result, err = c.SimpleBind(ldap.NewSimpleBindRequest(dn, password,
			[]ldap.Control{ldap.NewControlBeheraPasswordPolicy()}))
		return err
	})
	return result, err
}

// leave sends an unbind request and closes c.
func (c *conn) leave() {
	c.wire.tcp.SetWriteDeadline(time.Now().Add(farewell))
	c.Unbind()
	c.drop()
}

// drop closes c at once.
func (c *conn) drop() {
	c.wire.tcp.Close()
	c.Conn.Close()
}
