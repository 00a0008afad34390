package conf

import (
	"strconv"
	"strings"
)

// isBare reports whether c may stand in a key without quotes.
func isBare(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// appendKey adds one part of a key to a path. It quotes a part that is not a bare key.
func appendKey(path []byte, key string) []byte {
	bare := key != ""
	for i := 0; i < len(key) && bare; i++ {
		bare = isBare(key[i])
	}
	if !bare {
		return strconv.AppendQuote(path, key)
	}
	return append(path, key...)
}

// unescape undoes the escapes of a basic string that the decoder has accepted.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
		if digits > 0 {
			end := min(i+1+digits, len(s))
			r, _ := strconv.ParseUint(s[i+1:end], 16, 32)
			b.WriteRune(rune(r))
			i = end - 1
			continue
		}
		if n := strings.IndexByte("btnfre", s[i]); n >= 0 {
			b.WriteByte("\b\t\n\f\r\x1b"[n])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// nearest returns the word that was probably meant by s, by edit distance; "" when no word is near.
func nearest(s string, words []string) string {
	best, least := "", 3
	for _, w := range words {
		if d := distance(s, w); d < least && d < max(len(w), len(s))/2+1 {
			best, least = w, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap to turn a into b.
func distance(a, b string) int {
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(one[j+1]+1, row[j]+1, one[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], two[j-1]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}
