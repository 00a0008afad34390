package wire

import (
	"crypto/hmac"
	"log/slog"
	"sync"
)

// Secret is the shared secret of two RADIUS hosts. A Secret never changes and is safe for concurrent use. Its String,
// GoString and LogValue methods keep it out of logs.
type Secret struct {
	text []byte
	macs sync.Pool // of *mac, keyed with text
}

// NewSecret returns the secret that consists of the octets of text. An empty secret protects nothing: see Empty.
func NewSecret(text string) *Secret { return &Secret{text: []byte(text)} }

// Empty reports whether s is nil or has no octets.
func (s *Secret) Empty() bool { return s == nil || len(s.text) == 0 }

// Equal compares two secrets in constant time.
func (s *Secret) Equal(other *Secret) bool { return hmac.Equal(s.text, other.text) }

// String returns a fixed text that does not show the secret.
func (s *Secret) String() string { return "(secret)" }

// GoString returns a fixed text that does not show the secret.
func (s *Secret) GoString() string { return s.String() }

// LogValue returns a fixed text that does not show the secret.
func (s *Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
