package duo

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxDepth is how many objects and arrays may be around a value. Real answers have four.
const maxDepth = 32

// cursor goes over a JSON text (RFC 8259) once. What is wrong with the text ends it, and then nothing of it counts. null
// is no value; one of another type than is asked for is noted, and passed over.
//
// encoding/json looks at each octet twice, and then decodes by reflection on a stack that makes a goroutine's grow: that
// was a tenth of what a push cost.
type cursor struct {
	text  string // the strings that are read are parts of it
	at    int
	depth int
	err   error   // what is wrong with the text
	odd   *misfit // the first value of another type
}

// misfit is what stands in another's place: ".response.devices".
type misfit struct{ value, place string }

func (m *misfit) Error() string {
	return m.value + " in place of " + cmp.Or(strings.TrimPrefix(m.place, "."), "an object")
}

// enter goes to the first in an object or array, and reports whether there is one.
func (c *cursor) enter(begin, end byte) bool {
	if c.peek() != begin {
		c.pass()
		return false
	}
	c.at++
	if c.depth++; c.depth > maxDepth {
		c.fail(fmt.Errorf("nested deeper than %d", maxDepth))
	}
	return c.peek() != end || c.more(end)
}

// more goes to the next, and reports whether there is one.
func (c *cursor) more(end byte) bool {
	switch c.peek() {
	case ',':
		c.at++
		return true
	case end:
		c.at++
		c.depth--
		return false
	}
	c.invalid("after a value")
	return false
}

// name reads a member's.
func (c *cursor) name() string {
	if c.peek() != '"' {
		c.invalid("in place of a name")
		return ""
	}
	name := c.quoted()
	if c.peek() != ':' {
		c.invalid("after a name")
		return ""
	}
	c.at++
	return name
}

func (c *cursor) string() string {
	if c.peek() != '"' {
		c.pass()
		return ""
	}
	return c.quoted()
}

func (c *cursor) strings() []string {
	list := make([]string, 0, 5) // as many as there are capabilities
	for more := c.enter('[', ']'); more; more = c.more(']') {
		list = append(list, c.string())
	}
	return list
}

func (c *cursor) integer() int64 {
	c.peek()
	from := c.at
	n, err := strconv.ParseInt(c.value(), 10, 64)
	if err != nil {
		c.at, n = from, 0
		c.pass()
	}
	return n
}

// pass goes past a value that is null or of another type than is asked for.
func (c *cursor) pass() {
	first := c.peek()
	if first != 'n' && c.odd == nil {
		c.odd = &misfit{value: cmp.Or(kinds[first], "number")}
	}
	c.value()
}

// kinds are the types by what a value begins with, but for numbers.
var kinds = map[byte]string{'"': "string", '{': "object", '[': "array", 't': "bool", 'f': "bool"}

// value goes past any, and returns it as it is written.
func (c *cursor) value() string {
	first := c.peek()
	from := c.at
	switch first {
	case '{':
		for more := c.enter('{', '}'); more; more = c.more('}') {
			c.name()
			c.value()
		}
	case '[':
		for more := c.enter('[', ']'); more; more = c.more(']') {
			c.value()
		}
	case '"':
		c.quoted()
	case 'n':
		c.word("null")
	case 't':
		c.word("true")
	case 'f':
		c.word("false")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		c.number()
	default:
		c.invalid("looking for beginning of value")
	}
	return c.text[from:c.at]
}

func (c *cursor) word(w string) {
	if !strings.HasPrefix(c.text[c.at:], w) {
		c.invalid("in place of " + w)
		return
	}
	c.at += len(w)
}

func (c *cursor) number() {
	c.one("-")
	if !c.one("0") {
		c.digits()
	}
	if c.one(".") {
		c.digits()
	}
	if c.one("eE") {
		c.one("+-")
		c.digits()
	}
}

func (c *cursor) digits() {
	if !c.one("0123456789") {
		c.invalid("in a number")
	}
	for c.one("0123456789") {
	}
}

// one goes past one octet of a set, and reports whether there is one.
func (c *cursor) one(set string) bool {
	if c.at == len(c.text) || strings.IndexByte(set, c.text[c.at]) < 0 {
		return false
	}
	c.at++
	return true
}

// peek goes past white space, and returns what comes next: 0 at the end.
func (c *cursor) peek() byte {
	for ; c.at < len(c.text); c.at++ {
		if b := c.text[c.at]; b > ' ' || b != ' ' && b != '\n' && b != '\r' && b != '\t' {
			return b
		}
	}
	return 0
}

// invalid ends the text at what comes next.
func (c *cursor) invalid(where string) {
	if c.at == len(c.text) {
		c.fail(errors.New("unexpected end of JSON input"))
	} else {
		c.fail(fmt.Errorf("invalid character %q %s", c.text[c.at], where))
	}
}

// fail ends the text. The first error is the one that counts.
func (c *cursor) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.at = len(c.text)
}
