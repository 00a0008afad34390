package wire

import (
	"iter"
	"strings"
	"unicode/utf8"
)

// SplitMessage splits a text into the values of Reply-Messages, each of at most 253 octets (RFC 2865 §5.18). It cuts a long
// text after a line end, because some clients show each Reply-Message on its own line. If there is no line end to cut
// after, it cuts between two runes.
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

// cut returns how many octets of text go into the next Reply-Message. The text must be longer than MaxValue.
func cut(text string) int {
	if n := strings.LastIndexByte(text[:MaxValue], '\n') + 1; n > 0 {
		return n
	}
	for n := MaxValue; n > MaxValue-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return n
		}
	}
	return MaxValue // the text is not UTF-8
}

// fullMessage is the smallest length at which the sender may have cut a Reply-Message: the next rune, of up to four octets,
// did not fit. The next Reply-Message continues the same line.
const fullMessage = MaxValue - (utf8.UTFMax - 1)

// JoinMessages returns the text of several Reply-Messages. A Reply-Message that is shorter than fullMessage ends a line.
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
