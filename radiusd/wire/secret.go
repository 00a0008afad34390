package wire

import (
	"crypto/hmac"
	"log/slog"
	"sync"
)

// Secret is what two RADIUS hosts share. It is not changed and safe for concurrent use. No log shows it.
type Secret struct {
	text []byte
	macs sync.Pool // of *mac, keyed with text
}

// NewSecret returns the secret that consists of these octets. An empty one protects nothing: see Empty.
func NewSecret(text string) *Secret { return &Secret{text: []byte(text)} }

// Empty reports whether there is no secret.
func (s *Secret) Empty() bool { return s == nil || len(s.text) == 0 }

// Equal compares two secrets in constant time.
func (s *Secret) Equal(other *Secret) bool { return hmac.Equal(s.text, other.text) }

// String does not tell the secret.
func (s *Secret) String() string { return "(secret)" }

// GoString does not tell the secret.
func (s *Secret) GoString() string { return s.String() }

// LogValue does not tell the secret.
func (s *Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
