package fileauth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// The bounds for the parameters of the hashes in a file. They limit what one login may cost.
const (
	minBcryptCost = bcrypt.MinCost
	maxBcryptCost = 14         // about a second
	maxMemory     = 256 * 1024 // KiB
	maxTime       = 16
	maxThreads    = 16
	minSalt       = 8
	maxSalt       = 64
	minKey        = 16
	maxKey        = 64
)

// bcryptLimit is how many octets of a password bcrypt looks at.
const bcryptLimit = 72

const wantHash = "want bcrypt ($2y$...) or argon2id ($argon2id$...)"

// kind is an algorithm with its parameters. Two hashes of one kind take the same time.
type kind struct {
	cost    int    // bcrypt's; 0: argon2id, with the parameters below
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

// work estimates, in microseconds of one core, what a hash of this kind takes. It only ranks kinds.
func (k kind) work() uint64 {
	if k.cost > 0 {
		return 45 << k.cost
	}
	return uint64(k.memory) * uint64(k.time)
}

// hash is a stored password.
type hash struct {
	kind
	salt []byte // argon2id's
	want []byte // argon2id's key, or the whole of bcrypt's string
}

// The parameters that Hash uses are those of the OWASP Password Storage Cheat Sheet. A login takes about 30 ms of one core
// and 19 MiB.
const (
	ownMemory  = 19 * 1024 // KiB
	ownTime    = 2
	ownThreads = 1
	ownSalt    = 16
	ownKey     = 32
)

// maxPassword is what a User-Password attribute holds (RFC 2865 §5.2).
const maxPassword = 128

// Hash returns the argon2id hash of a password as a PHC string, which a line holds after the colon. It returns an error for
// a password that no login can carry.
func Hash(password string) (string, error) {
	switch {
	case password == "":
		return "", errors.New("an empty password; want one")
	case len(password) > maxPassword:
		return "", fmt.Errorf("a password of %d octets; want %d at most, which is what RADIUS carries", len(password), maxPassword)
	case !utf8.ValidString(password):
		return "", errors.New("a password that is not UTF-8; want UTF-8")
	case strings.ContainsFunc(password, unicode.IsControl):
		return "", errors.New("a control character in the password; want none")
	}
	salt := make([]byte, ownSalt)
	rand.Read(salt)
	key := argon2.IDKey([]byte(password), salt, ownTime, ownMemory, ownThreads, ownKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, ownMemory, ownTime, ownThreads,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// standIn returns a hash of kind k that is used for users who are not in the file. No password matches it.
func standIn(k kind) hash {
	if k.cost > 0 {
		return hash{kind: k, want: fmt.Appendf(nil, "$2a$%02d$%s", k.cost, strings.Repeat(".", 53))}
	}
	return hash{kind: k, salt: make([]byte, 16), want: make([]byte, 32)}
}

// matches reports whether h is a hash of password. Its time depends only on the kind of h.
func (h hash) matches(password string) bool {
	if h.cost == 0 {
		got := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.want)))
		return subtle.ConstantTimeCompare(got, h.want) == 1
	}
	// bcrypt ignores what lies beyond the limit, so a wrong password could match. Such a password never matches.
	long := len(password) > bcryptLimit
	if long {
		password = password[:bcryptLimit]
	}
	err := bcrypt.CompareHashAndPassword(h.want, []byte(password))
	return err == nil && !long
}

// parseHash parses the hash of a line. Its errors never quote it.
func parseHash(s string) (hash, error) {
	switch {
	case hasAnyPrefix(s, "$2a$", "$2b$", "$2y$"):
		return parseBcrypt(s)
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon2id(s)
	case s == "":
		return hash{}, errors.New("no hash; " + wantHash)
	}
	return hash{}, fmt.Errorf("%s; %s", describe(s), wantHash)
}

// describe names the format of a hash that other programs write into such files.
func describe(s string) string {
	switch {
	case hasAnyPrefix(s, "$apr1$", "$1$"):
		return "an MD5 hash"
	case hasAnyPrefix(s, "{SHA}", "{SSHA}"):
		return "a SHA-1 hash"
	case hasAnyPrefix(s, "$5$", "$6$"):
		return "a SHA-2 crypt hash"
	case hasAnyPrefix(s, "$argon2"):
		return "another variant of argon2"
	case hasAnyPrefix(s, "$2"):
		return "another variant of bcrypt"
	case hasAnyPrefix(s, "$", "{"):
		return "an unknown kind of hash"
	}
	return "a crypt hash or a plain password"
}

// parseBcrypt parses $2y$COST$ and the 22 letters of salt and 31 of hash behind it.
func parseBcrypt(s string) (hash, error) {
	tail, ok := strings.CutPrefix(s[4:], s[4:min(len(s), 6)]+"$")
	if !ok || len(tail) != 53 || strings.Trim(tail, bcryptAlphabet) != "" {
		return hash{}, errors.New("malformed bcrypt hash; want 60 characters, $2y$COST$SALT-AND-HASH")
	}
	cost, err := strconv.Atoi(s[4:6])
	if err != nil || s[4] < '0' || cost < minBcryptCost || cost > maxBcryptCost {
		return hash{}, fmt.Errorf("bcrypt cost out of bounds; want %02d to %d", minBcryptCost, maxBcryptCost)
	}
	return hash{kind: kind{cost: cost}, want: []byte(s)}, nil
}

const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// parseArgon2id parses the PHC string $argon2id$v=19$m=M,t=T,p=P$SALT$HASH.
func parseArgon2id(s string) (hash, error) {
	malformed := errors.New("malformed argon2id hash; want $argon2id$v=19$m=KIB,t=TIME,p=THREADS$SALT$HASH")
	part := strings.Split(s, "$")
	if len(part) != 6 || part[2] != "v="+strconv.Itoa(argon2.Version) {
		return hash{}, malformed
	}
	k, err := parseArgon2idKind(part[3])
	if err != nil {
		return hash{}, err
	}
	b64 := base64.RawStdEncoding.Strict()
	salt, err1 := b64.DecodeString(part[4])
	want, err2 := b64.DecodeString(part[5])
	switch {
	// The decoder skips line ends, which no other reader of such strings does.
	case err1 != nil || err2 != nil || strings.ContainsAny(s, "\r\n"):
		return hash{}, malformed
	case len(salt) < minSalt || len(salt) > maxSalt:
		return hash{}, fmt.Errorf("argon2id salt of %d octets; want %d to %d", len(salt), minSalt, maxSalt)
	case len(want) < minKey || len(want) > maxKey:
		return hash{}, fmt.Errorf("argon2id hash of %d octets; want %d to %d", len(want), minKey, maxKey)
	}
	return hash{kind: k, salt: salt, want: want}, nil
}

// parseArgon2idKind parses m=M,t=T,p=P, in this order, as the PHC string format demands.
func parseArgon2idKind(s string) (kind, error) {
	var n [3]uint64
	part := strings.Split(s, ",")
	ok := len(part) == len(n)
	for i := 0; ok && i < len(n); i++ {
		digits, found := strings.CutPrefix(part[i], "mtp"[i:i+1]+"=")
		var err error
		n[i], err = strconv.ParseUint(digits, 10, 32)
		ok = found && err == nil && strconv.FormatUint(n[i], 10) == digits
	}
	if !ok {
		return kind{}, errors.New("malformed argon2id parameters; want m=KIB,t=TIME,p=THREADS")
	}
	m, t, p := n[0], n[1], n[2]
	switch {
	case p < 1 || p > maxThreads:
		return kind{}, fmt.Errorf("argon2id p=%d; want 1 to %d", p, maxThreads)
	case t < 1 || t > maxTime:
		return kind{}, fmt.Errorf("argon2id t=%d; want 1 to %d", t, maxTime)
	case m < 8*p || m > maxMemory: // 8*p: RFC 9106 §3.1
		return kind{}, fmt.Errorf("argon2id m=%d; want %d to %d (KiB)", m, 8*p, maxMemory)
	}
	return kind{memory: uint32(m), time: uint32(t), threads: uint8(p)}, nil
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
