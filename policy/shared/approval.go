package shared

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"duoradiusd/policy"
	"duoradiusd/policy/factor"
)

// storedApproval is the value of one field in the hash of a person's approvals.
type storedApproval struct {
	Key      policy.ApprovalKey
	Factor   factor.Factor // the factor that earned the approval
	Epoch    int64
	At, Used time.Time // by the clock of the daemon that wrote the approval
	Lifetime time.Duration
	Uses     int
}

const approvalNumbers = 5 * 8 // octets of Epoch, At, Used, Lifetime and Uses

// encode writes five numbers, the factor and the key in a binary form. JSON took a third of all the processor time that a
// remembered login needs with the approvals in Redis (DESIGN section 7).
func (s *storedApproval) encode() []byte {
	b := make([]byte, 0, 256)
	for _, n := range []int64{s.Epoch, s.At.UnixNano(), s.Used.UnixNano(), int64(s.Lifetime), int64(s.Uses)} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return appendKey(appendWord(b, string(s.Factor)), s.Key)
}

// decodeApproval is the reverse of encode. If key is not nil, it reports false for an approval of any other key.
func decodeApproval(b []byte, key *policy.ApprovalKey) (*storedApproval, bool) {
	if len(b) < approvalNumbers {
		return nil, false
	}
	number := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8*i:])) }
	word, rest, ok := cutWord(b[approvalNumbers:])
	s := &storedApproval{Factor: factor.Factor(word), Epoch: number(0), At: time.Unix(0, number(1)), Used: time.Unix(0, number(2)),
		Lifetime: time.Duration(number(3)), Uses: int(number(4))}
	if !ok {
		return nil, false
	}
	if key != nil {
		s.Key = *key
		return s, bytes.Equal(rest, appendKey(nil, *key))
	}
	var ip string
	for _, word := range []*string{&s.Key.User, &s.Key.Duo.UserID, &s.Key.Duo.Username, &s.Key.Application, &s.Key.Service, &s.Key.Client, &ip} {
		if *word, rest, ok = cutWord(rest); !ok {
			return nil, false
		}
	}
	if ip != "" {
		var err error
		if s.Key.IP, err = netip.ParseAddr(ip); err != nil {
			return nil, false
		}
	}
	return s, len(rest) == 0
}

func appendKey(b []byte, k policy.ApprovalKey) []byte {
	ip := ""
	if k.IP.IsValid() {
		ip = k.IP.String()
	}
	for _, word := range [...]string{k.User, k.Duo.UserID, k.Duo.Username, k.Application, k.Service, k.Client, ip} {
		b = appendWord(b, word)
	}
	return b
}

// appendWord appends the length of a word and then the word.
func appendWord(b []byte, word string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(word))), word...)
}

// cutWord reads a word that appendWord wrote. It reports false if b ends before the word does.
func cutWord(b []byte) (word string, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, false
	}
	b = b[size:]
	return string(b[:n]), b[n:], true
}
