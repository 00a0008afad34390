package wire

import (
	"iter"
	"strings"
	"unicode/utf8"
)

// SplitMessage yields the values of the Reply-Messages that carry a text: 253 octets at most, cut behind line ends where
// there are any, because some clients show each one on a line of its own, and between runes otherwise (RFC 2865 §5.18).
func SplitMessage(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for text != "" {
			n := len(text)
			if n > MaxValue {
				n = cut(text)
			}
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}

// cut returns how much of a text that is longer than a Reply-Message goes into one.
func cut(text string) int {
	if n := strings.LastIndexByte(text[:MaxValue], '\n') + 1; n > 0 {
		return n
	}
	for n := MaxValue; n > MaxValue-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return n
		}
	}
	return MaxValue // no text at all
}

// fullMessage is the least length of a Reply-Message that its sender may have cut, perhaps in front of a whole rune. The
// next Reply-Message continues it.
const fullMessage = MaxValue - (utf8.UTFMax - 1)

// JoinMessages returns the text that Reply-Messages carry. One that is not full ends a line.
func JoinMessages(values []string) string {
	var text strings.Builder
	for i, value := range values {
		text.WriteString(value)
		if i < len(values)-1 && len(value) < fullMessage && !strings.HasSuffix(value, "\n") {
			text.WriteByte('\n')
		}
	}
	return text.String()
}
