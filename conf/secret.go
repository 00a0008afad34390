package conf

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"duoradiusd/internal/system"
)

// Secret is a shared secret or a key. Only Reveal shows it: printing, logging and encoding show "(secret)".
type Secret struct {
	value *string // a pointer, so that fmt finds an address even where it can't call our methods
}

// NewSecret returns a Secret with the given value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the secret itself; "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// ShortSecret is the length of a RADIUS secret in octets below which check warns (RFC 2865 §3).
const ShortSecret = 16

const redacted = "(secret)"

// String hides the secret, and so do the methods below.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return redacted }

// Format implements fmt.Formatter, for all verbs.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// maxSecretFile bounds how much is read, in octets, in case the path leads to a wrong file.
const maxSecretFile = 64 << 10

// secret reads a secret that is given by exactly one of key, key_file and key_env. None of their values is ever
// reported: a path or a variable's name may be the secret itself, put in the wrong place.
func (t *table) secret(key, want string) Secret {
	var given []string
	forms := []string{key, key + "_file", key + "_env"}
	for _, k := range forms {
		if t.has(k) {
			given = append(given, k)
		}
	}
	t.seen = append(t.seen, forms...)
	switch len(given) {
	case 0:
		t.bad(key, "missing; want one of %s", join(forms))
		return Secret{}
	case 1:
	default:
		t.bad(given[1], "given beside %s; want one of %s", given[0], join(forms))
		return Secret{}
	}
	k := given[0]
	s, ok := value[string](t, k, "a string")
	if !ok {
		return Secret{}
	}
	if k != key && s == "" {
		t.bad(k, "empty; want %s", map[bool]string{true: "a file", false: "an environment variable"}[k == key+"_file"])
		return Secret{}
	}
	var err error
	switch k {
	case key + "_file":
		s, err = t.secretFile(k, s)
	case key + "_env":
		if s, ok = os.LookupEnv(s); !ok {
			err = errors.New("a variable that the environment does not have; want one that is set")
		}
	}
	switch {
	case err != nil:
		t.bad(k, "%s", err)
	case IsExampleSecret(s):
		t.placeholder(k)
	case s == "" && k != key:
		t.bad(k, "leads to an empty secret; want %s", want)
	case s == "":
		t.bad(k, "empty; want %s", want)
	}
	return NewSecret(s)
}

// secretForm returns the form that is given: key, key_file or key_env.
func secretForm(key string, given map[string]bool) string {
	for _, suffix := range []string{"_file", "_env"} {
		if given[key+suffix] {
			return key + suffix
		}
	}
	return key
}

// secretFile reads a secret from a file and drops one newline at the end. Its errors have the form "found; wanted".
func (t *table) secretFile(key, path string) (string, error) {
	const dirVar = "${CREDENTIALS_DIRECTORY}" // where systemd puts a service's credentials
	fromSystemd := strings.Contains(path, dirVar)
	if fromSystemd {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", errors.New("CREDENTIALS_DIRECTORY is not set; want it set, as systemd's LoadCredential= does")
		}
		path = strings.ReplaceAll(path, dirVar, dir)
	}
	want := "want a readable file"
	if !filepath.IsAbs(path) {
		want += ", where relative paths start at this file's folder"
	}
	f, err := os.Open(t.file.abs(path))
	if err != nil {
		return "", fmt.Errorf("%s; %s", reason(err), want)
	}
	defer f.Close()
	if !fromSystemd {
		t.out.opened = append(t.out.opened, t.file.abs(path))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("%s; %s", reason(err), want)
	}
	if len(text) > maxSecretFile {
		return "", errors.New("a file of more than 64 KiB; want one that holds the secret and nothing else")
	}
	who, cure, err := system.OpenTo(f)
	switch {
	case err != nil:
		t.warn(key, "a file whose permissions can't be read: %s; want a file of which duoradiusd can tell who may read it", reason(err))
	case who != "":
		t.warn(key, "a file that %s can read; want %s", who, cure)
	}
	s := strings.TrimSuffix(string(text), "\n")
	if len(s) < len(text) {
		s = strings.TrimSuffix(s, "\r")
	}
	return s, nil
}
