package duo

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// quoted reads a string (RFC 8259, 7). It is a part of the text, but where it holds more than plain ASCII.
func (c *cursor) quoted() string {
	c.at++
	rest := c.text[c.at:]
	for i := 0; i < len(rest); i++ {
		if b := rest[i]; b == '"' {
			c.at += i + 1
			return rest[:i]
		} else if b < ' ' || b == '\\' || b >= utf8.RuneSelf {
			break
		}
	}
	return c.unquoted()
}

// unquoted reads the rest of a string behind its first quote. What is not UTF-8 stands for U+FFFD.
func (c *cursor) unquoted() string {
	var s []byte
	for c.at < len(c.text) && c.text[c.at] >= ' ' {
		switch b := c.text[c.at]; b {
		case '"':
			c.at++
			if !utf8.Valid(s) {
				return string([]rune(string(s)))
			}
			return string(s)
		case '\\':
			s = utf8.AppendRune(s, c.escape())
		default:
			c.at++
			s = append(s, b)
		}
	}
	c.invalid("in a string")
	return ""
}

// escape reads what a backslash begins. A surrogate that is none of two stands for U+FFFD.
func (c *cursor) escape() rune {
	const letters, meant = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	rest := c.text[c.at:]
	if len(rest) > 1 {
		if i := strings.IndexByte(letters, rest[1]); i >= 0 {
			c.at += 2
			return rune(meant[i])
		}
	}
	r, ok := codeUnit(rest)
	if !ok {
		c.fail(errors.New("invalid escape in a string"))
		return 0
	}
	c.at += 6
	if !utf16.IsSurrogate(r) {
		return r
	}
	low, _ := codeUnit(rest[6:])
	pair := utf16.DecodeRune(r, low)
	if pair != utf8.RuneError {
		c.at += 6
	}
	return pair
}

// codeUnit is the \uXXXX that s begins with.
func codeUnit(s string) (rune, bool) {
	if len(s) < 6 || s[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}
