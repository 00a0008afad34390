package duo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/http2"

	"duoradiusd/internal/display"
	"duoradiusd/policy"
)

// fairChance is how long Duo must have had for an answer before its silence counts as an outage.
const fairChance = 2 * time.Second

// Error is the error of an API call. It matches one of policy's errors for a SecondFactor, such as policy.ErrUnavailable. It
// matches none of them if the answer can't be understood, the caller gave up, or kindOf does not know the cause.
type Error struct {
	Path    string
	Status  int    // HTTP status; 0 if there was no answer
	Code    int    // Duo's error code, such as 40103; 0 if there was none
	Message string // Duo's message
	Detail  string // Duo's message_detail
	Err     error  // the cause; nil if Duo's answer is the cause

	kind error // the error of package policy that it matches; nil = none
}

// Error returns what failed and why. It never holds the parameters of the call, which may include a passcode.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Duo %s", path.Base(e.Path))
	if e.Status != 0 {
		fmt.Fprintf(&b, ": %d", e.Status)
	}
	if e.Code != 0 {
		fmt.Fprintf(&b, " (%d)", e.Code)
	}
	for _, text := range []string{e.Message, e.Detail, e.hint()} {
		if text != "" {
			fmt.Fprintf(&b, ": %.200s", display.Visible(text))
		}
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %s", display.Visible(e.Err.Error()))
	}
	return b.String()
}

// Is matches policy's errors for a SecondFactor.
func (e *Error) Is(target error) bool { return e.kind != nil && e.kind == target }

// Unwrap returns the cause; nil if Duo's answer is the cause.
func (e *Error) Unwrap() error { return e.Err }

// broke reports whether a call failed because a connection could not be made, or broke before an answer came.
func broke(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.kind == policy.ErrUnavailable && e.Status == 0 && !isSilence(err)
}

const badTimestamp = 40105

// hint says what an administrator can do about the error (https://duo.com/docs/authapi, "Response format").
func (e *Error) hint() string {
	switch e.Code {
	case 40101, 40106:
		return "does a proxy change the headers of requests?"
	case 40102:
		return "is integration_key right?"
	case 40103:
		return "is secret_key right?"
	case 40104, badTimestamp:
		return "is this machine's clock right?"
	case 40301:
		return `these keys are of another type of application; create one of type "Auth API" or "Partner Auth API"`
	}
	if e.kind == policy.ErrMisconfigured && e.Status != 0 {
		return "are api_host, integration_key, secret_key and this machine's clock right?"
	}
	return ""
}

// broken returns the error of a call that ended without an answer. wire is how long Duo, or the way to Duo, had for an answer.
func broken(ctx context.Context, path string, err error, wire time.Duration) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &Error{Path: path, Err: context.Cause(ctx)}
	}
	if dial, ok := errors.AsType[*dialError](err); ok {
		wire = dial.took // the connection may have been begun for an earlier call
	}
	k := kindOf(err, wire)
	switch {
	case k == policy.ErrOverloaded && isSilence(err):
		err = fmt.Errorf("no connection to Duo was free in time: all max_connections are in use: %w", err)
	case isSilence(err):
		err = fmt.Errorf("no answer within %v: %w", wire.Round(10*time.Millisecond), err)
	}
	return &Error{Path: path, Err: err, kind: k}
}

// kindOf sorts the errors of the way to Duo. Only policy.ErrUnavailable is an outage. The causes of an outage are a list; an
// error that is not on it is no outage.
func kindOf(err error, wire time.Duration) error {
	var queue *queueError
	var proxy *proxyError
	var name *net.DNSError
	switch {
	case errors.As(err, &queue), outOfFiles(err):
		return policy.ErrOverloaded
	case errors.As(err, &proxy) && proxy.status != 0:
		return proxy.kind()
	case isUntrusted(err), errors.As(err, &name) && name.IsNotFound:
		return policy.ErrMisconfigured
	case isSilence(err) && wire < fairChance:
		return policy.ErrCutShort
	case isSilence(err), errors.As(err, &name) && name.IsTemporary, isReset(err): // IsTemporary: SERVFAIL, or no resolver there
		return policy.ErrUnavailable
	}
	return nil
}

// isSilence reports whether an error says that a time limit has passed.
func isSilence(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && e.Timeout()
}

// isUntrusted reports whether the other side has not proven to be Duo: its certificate, our clock or ca is wrong, or no TLS.
func isUntrusted(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	op, ok := errors.AsType[*net.OpError](err) // of an alert: crypto/tls has no type of its own for it
	return certificate || noTLS || ok && (op.Op == "remote error" || op.Op == "local error")
}

// outOfFiles reports whether this process or this machine can open no more files. The resolver reports this as text only.
func outOfFiles(err error) bool {
	name, ok := errors.AsType[*net.DNSError](err)
	return slices.ContainsFunc([]error{syscall.EMFILE, syscall.ENFILE}, func(full error) bool {
		return errors.Is(err, full) || ok && strings.Contains(name.Err, full.Error())
	})
}

// isReset reports whether a connection was refused, broke, or was closed by the other side.
func isReset(err error) bool {
	_, ok := streamReset(err)
	if ok || slices.ContainsFunc(resets, func(target error) bool { return errors.Is(err, target) }) {
		return true
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if slices.ContainsFunc(resetTexts, func(text string) bool { return strings.HasPrefix(err.Error(), text) }) {
			return true
		}
	}
	return false
}

// resets are the errors of a connection that can't be made or has ended. errors_windows.go adds those of Windows.
var resets = []error{
	io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, // net.ErrClosed: net/http closes a connection that has broken
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE,
	syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN,
}

// These errors of net/http can be recognized by their text only. TestErrorTexts checks that the texts are still these.
const (
	textGoAway     = "http2: Transport received Server's graceful shutdown GOAWAY" // of a stream above the last that GOAWAY names
	textGoneAway   = "http2: server sent GOAWAY and closed the connection"         // of the other streams
	textLost       = "http2: client connection lost"                               // an HTTP/2 ping was not answered
	textUnusable   = "http2: client conn not usable"
	textNeverBegan = "http2: client conn could not be established"
	textIdleClosed = "http: server closed idle connection"
	textFromPeer   = "received from peer" // the cause in the error of a stream that Duo has reset
)

var resetTexts = []string{textGoAway, textGoneAway, textLost, textUnusable, textNeverBegan, textIdleClosed}

// streamReset returns the code with which Duo has reset a stream (RFC 9113, 6.4).
func streamReset(err error) (http2.ErrCode, bool) {
	reset, ok := errors.AsType[http2.StreamError](err)
	return reset.Code, ok && reset.Cause != nil && reset.Cause.Error() == textFromPeer
}

// untouched reports whether Duo says that it has not looked at a request: by REFUSED_STREAM, or because the stream is above the
// last one that GOAWAY names (RFC 9113, 6.8 and 8.7).
func untouched(err error) bool {
	code, ok := streamReset(err)
	return ok && code == http2.ErrCodeRefusedStream || err.Error() == textGoAway
}

// neverBegan reports whether net/http says that the connection had ended before the request began.
func neverBegan(err error) bool {
	return slices.Contains([]string{textUnusable, textNeverBegan, textIdleClosed}, err.Error())
}

// explainTrust adds to the error of a failed verification what an administrator should look at.
func explainTrust(err error, ca string) error {
	failed, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok || len(failed.UnverifiedCertificates) == 0 {
		return err
	}
	leaf := failed.UnverifiedCertificates[0]
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return fmt.Errorf("is this machine's clock right? The certificate is valid from %s to %s: %w",
			leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly), err)
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Errorf("is api_host right? %w", err)
	}
	return fmt.Errorf("the certificate was issued by %q, and ca trusts %s; does a proxy open TLS on the way? %w", leaf.Issuer.String(), ca, err)
}
