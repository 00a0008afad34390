package duo

import "errors"

// object is one that is being read: next goes from member to member, and its reader asks of each whether it is this one or
// that.
type object struct {
	c      *cursor
	begun  bool
	name   string  // of the member
	asked  uint    // how often the reader has asked
	known  uint    // which time the answer was yes; 0 if it never was
	seen   uint    // a bit for each that was known
	before *misfit // what was odd before it
}

func (c *cursor) object() object { return object{c: c} }

// next goes to the next member, and reports whether there is one.
func (o *object) next() bool {
	more := false
	if o.begun {
		o.leave()
		more = o.c.more('}')
	} else {
		o.begun = true
		more = o.c.enter('{', '}')
	}
	if more {
		o.name, o.asked, o.known, o.before = o.c.name(), 0, 0, o.c.odd
	}
	return more
}

// leave passes over the value of a member that the reader does not know. One that it knows may come only once: which of
// two counts would depend on who reads.
func (o *object) leave() {
	switch {
	case o.known == 0:
		o.c.value()
	case o.seen>>o.known&1 != 0:
		o.c.fail(errors.New(o.name + " comes twice"))
	}
	o.seen |= 1 << o.known
	if o.c.odd != o.before {
		o.c.odd.place = "." + o.name + o.c.odd.place
	}
}

// is reports whether the member is the one of that name. Its value must be read then.
func (o *object) is(name string) bool {
	if o.asked++; o.name != name {
		return false
	}
	o.known = o.asked
	return true
}

// text reads the member of that name, a string.
func (o *object) text(name string, to *string) {
	if o.asked++; o.name == name { // not by is: it is inlined so
		o.known = o.asked
		*to = o.c.string()
	}
}
