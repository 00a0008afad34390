package fileauth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxErrors bounds the report on a file of another format.
const maxErrors = 1000

// table is the content of a file.
type table struct {
	users   map[string]entry
	unknown hash // used for users who are not in the file
}

type entry struct {
	hash hash
	line int
}

// parse parses a whole file, or returns everything that is wrong with it, one error a line.
func parse(path, content string, canonical func(string) string) (*table, error) {
	if canonical == nil {
		canonical = func(name string) string { return name }
	}
	t := &table{users: make(map[string]entry)}
	kinds := make(map[kind]int)
	var wrong []error
	more := 0
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(content, "\ufeff")) {
		n++
		name, h, err := parseLine(line)
		if name == "" && err == nil {
			continue
		}
		if err == nil {
			err = t.add(canonical(name), entry{h, n})
		}
		switch {
		case err == nil:
			kinds[h.kind]++
		case len(wrong) < maxErrors:
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", path, n, err))
		default:
			more++
		}
	}
	if more > 0 {
		wrong = append(wrong, fmt.Errorf("%s: %d more such lines", path, more))
	}
	t.unknown = standIn(commonest(kinds))
	return t, errors.Join(wrong...)
}

func (t *table) add(name string, e entry) error {
	if name == "" {
		return errors.New("a user name that no login can have; want user:hash")
	}
	if first, ok := t.users[name]; ok {
		return fmt.Errorf("the same user as in line %d; want each user once", first.line)
	}
	t.users[name] = e
	return nil
}

// commonest returns the kind that most hashes have, so that an unknown user takes as long as most users do. Of several it
// returns the costliest, and for an empty file bcrypt with its usual cost.
func commonest(kinds map[kind]int) kind {
	best := kind{cost: 10}
	for k, n := range kinds {
		if n > kinds[best] || n == kinds[best] && k.work() > best.work() {
			best = k
		}
	}
	return best
}

// parseLine parses one line. A comment or blank line has no name. Errors never quote the line, because a malformed line may
// hold a secret anywhere.
func parseLine(line string) (string, hash, error) {
	line = strings.Trim(line, " \t\r\n")
	if line == "" || line[0] == '#' {
		return "", hash{}, nil
	}
	name, stored, ok := strings.Cut(line, ":")
	switch {
	case !ok:
		return "", hash{}, errors.New("no colon; want user:hash")
	case name == "":
		return "", hash{}, errors.New("no user name; want user:hash")
	case !utf8.ValidString(name):
		return "", hash{}, errors.New("a user name that is not UTF-8; want user:hash")
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", hash{}, errors.New("a control character in the user name; want user:hash")
	case strings.TrimSpace(name) != name:
		return "", hash{}, errors.New("a space around the user name; want user:hash")
	}
	h, err := parseHash(stored)
	return name, h, err
}
