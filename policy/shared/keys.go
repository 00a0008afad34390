package shared

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// Keys holds the secrets that all daemons of a cluster share.
type Keys struct {
	sealing []sealingKey // the first one seals; every one can open
	naming  *sync.Pool   // namer values, which make the names of keys in the store
	digest  [32]byte     // the key for digests of passwords
}

// sealingKey is one line of a key file.
type sealingKey struct {
	id   string
	aead cipher.AEAD
}

const (
	keySize   = 32 // octets
	maxKeys   = 16
	maxKeyID  = 32
	newKeyIDs = 4 // random octets of a new key's ID
)

// ParseKeys reads a key file. It is text with one key a line: the ID, a colon, and the base64 form of 32 octets. Blank lines
// and lines that begin with # are skipped. The first key seals values, and every key can open them. The last key also makes
// the names of keys in the store. It is the oldest key if new keys are always put in front, so that a new key does not
// change these names. Errors never contain a key.
func ParseKeys(file []byte) (Keys, error) {
	var k Keys
	var oldest []byte
	scanner := bufio.NewScanner(bytes.NewReader(file))
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		id, text, ok := strings.Cut(line, ":")
		key, err := base64.StdEncoding.DecodeString(text)
		switch {
		case !ok || id == "" || len(id) > maxKeyID:
			return Keys{}, fmt.Errorf("line %d: want ID:KEY, with an ID of 1 to %d characters", n, maxKeyID)
		case err != nil || len(key) != keySize:
			return Keys{}, fmt.Errorf("line %d: key %q is not base64 of %d octets", n, id, keySize)
		case k.find(id) != nil:
			return Keys{}, fmt.Errorf("line %d: a second key %q", n, id)
		}
		aead, err := chacha20poly1305.NewX(derive(key, "sealed values"))
		if err != nil {
			return Keys{}, err
		}
		k.sealing = append(k.sealing, sealingKey{id, aead})
		oldest = key
	}
	switch {
	case scanner.Err() != nil:
		return Keys{}, scanner.Err()
	case len(k.sealing) == 0:
		return Keys{}, errors.New("no key; make one with: duoradiusd cluster key FILE")
	case len(k.sealing) > maxKeys:
		return Keys{}, fmt.Errorf("%d keys; at most %d", len(k.sealing), maxKeys)
	}
	k.naming = newNamers(derive(oldest, "names of keys in the store"))
	copy(k.digest[:], derive(oldest, "digests of passwords"))
	return k, nil
}

// NewKeyFile returns the text of a key file: one new key, followed by the keys of old. old may be nil.
func NewKeyFile(old []byte) ([]byte, error) {
	if len(old) > 0 {
		if _, err := ParseKeys(old); err != nil {
			return nil, err
		}
	}
	id, key := make([]byte, newKeyIDs), make([]byte, keySize)
	rand.Read(id)
	rand.Read(key)
	line := hex.EncodeToString(id) + ":" + base64.StdEncoding.EncodeToString(key) + "\n"
	return append([]byte(line), old...), nil
}

// Digest returns the key with which digests of passwords are made.
func (k Keys) Digest() [32]byte { return k.digest }

// derive returns a key that is used for one purpose only (RFC 5869).
func derive(key []byte, purpose string) []byte {
	derived, err := hkdf.Key(sha256.New, key, nil, "duoradiusd cluster: "+purpose, keySize)
	if err != nil {
		panic(err) // happens only for a length that is too great
	}
	return derived
}

func (k Keys) find(id string) *sealingKey {
	for i := range k.sealing {
		if k.sealing[i].id == id {
			return &k.sealing[i]
		}
	}
	return nil
}

// name returns a text of 128 bits that stands for words in the name of a key.
func (k Keys) name(words ...string) string {
	n := k.naming.Get().(*namer)
	defer k.naming.Put(n)
	n.mac.Reset()
	n.text = n.text[:0]
	for _, word := range words {
		n.text = append(binary.BigEndian.AppendUint32(n.text, uint32(len(word))), word...)
	}
	n.mac.Write(n.text)
	n.sum = n.mac.Sum(n.sum[:0])
	return hex.EncodeToString(n.sum[:16])
}

// namer is an HMAC that one goroutine at a time may use. A new HMAC for each name took a tenth of the processor time of a
// remembered login with the approvals in Redis (DESIGN section 7).
type namer struct {
	mac       hash.Hash
	text, sum []byte
}

func newNamers(key []byte) *sync.Pool {
	return &sync.Pool{New: func() any { return &namer{mac: hmac.New(sha256.New, key)} }}
}

// sealVersion is the first octet of each sealed value. A value of another version is treated as missing.
const sealVersion = 1

// A sealed value consists of the version, the length of the key's ID, the ID, the nonce, and the XChaCha20-Poly1305
// encryption of the expiry (Unix time in milliseconds) and the value. The octets in front of the nonce and the name of the
// key in the store are authenticated.

// seal seals value for the key of that name in the store. Nobody can open it after ends.
func (k Keys) seal(name string, value []byte, ends time.Time) string {
	first := k.sealing[0]
	head := append([]byte{sealVersion, byte(len(first.id))}, first.id...)
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(value)), uint64(ends.UnixMilli()))
	sealed := append(append(make([]byte, 0, len(head)+len(nonce)+8+len(value)+first.aead.Overhead()), head...), nonce...)
	return string(first.aead.Seal(sealed, nonce, append(plain, value...), append(head, name...)))
}

// open returns the value that was sealed for the key of that name. It reports false if the value was sealed by another
// cluster, in another version or for another name, or if it has expired at now.
func (k Keys) open(name, sealed string, now time.Time) ([]byte, bool) {
	if len(sealed) < 2 || sealed[0] != sealVersion || len(sealed) < 2+int(sealed[1])+chacha20poly1305.NonceSizeX {
		return nil, false
	}
	head, rest := sealed[:2+sealed[1]], []byte(sealed[2+sealed[1]:])
	key := k.find(head[2:])
	if key == nil {
		return nil, false
	}
	nonce, rest := rest[:chacha20poly1305.NonceSizeX], rest[chacha20poly1305.NonceSizeX:]
	plain, err := key.aead.Open(rest[:0], nonce, rest, []byte(head+name))
	if err != nil || len(plain) < 8 {
		return nil, false
	}
	if ends := time.UnixMilli(int64(binary.BigEndian.Uint64(plain))); !now.Before(ends) {
		return nil, false
	}
	return plain[8:], true
}

// foreign reports whether a daemon of a later version, or one with a newer key file, may have written a value.
func (k Keys) foreign(sealed string) bool {
	switch {
	case len(sealed) < 2 || sealed[0] >= 32:
		return false
	case sealed[0] != sealVersion:
		return sealed[0] > sealVersion
	}
	end := 2 + int(sealed[1])
	return len(sealed) > end && sealed[1] > 0 && k.find(sealed[2:end]) == nil
}
