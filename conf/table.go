package conf

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"duoradiusd/internal/display"
)

// table is a TOML table that is being read. Its accessors report what is wrong with a value and then return the default,
// so that one run finds every problem. A key that no accessor has read is an unknown key.
type table struct {
	place
	keys map[string]any
	seen []string // the keys that were asked for
	out  *report

	unbuilt bool // one of its values is not built yet and has been reported; its other unbuilt keys are not reported
}

func (t *table) bad(key, format string, args ...any)  { t.out.bad(t.under(key), format, args...) }
func (t *table) warn(key, format string, args ...any) { t.out.warn(t.under(key), format, args...) }

// has reports whether the table has the key, without reading it.
func (t *table) has(key string) bool {
	_, ok := t.keys[key]
	return ok
}

// value reads a value of one of the types that the decoder makes.
func value[T any](t *table, key, want string) (v T, ok bool) {
	t.seen = append(t.seen, key)
	raw, ok := t.keys[key]
	if !ok {
		return v, false
	}
	if v, ok = raw.(T); !ok {
		t.bad(key, "%s; want %s", typeName(raw), want)
	}
	return v, ok
}

// typeName is what TOML calls a value's type.
func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date"
	case []any:
		return "a list"
	case []map[string]any:
		return "a list of tables"
	}
	return "a table"
}

func (t *table) string(key, def string) string {
	if s, ok := value[string](t, key, "a string"); ok {
		return s
	}
	return def
}

// need reads a string that must be given and not empty. It reports one that is not, and returns "".
func (t *table) need(key, want string) string {
	s, ok := value[string](t, key, "a string")
	switch {
	case !t.has(key):
		t.bad(key, "missing; want %s", want)
	case ok && s == "":
		t.bad(key, "empty; want %s", want)
	}
	return s
}

// word reads a string which, when it is given, must not be empty and must hold printable characters only.
func (t *table) word(key, def string) string {
	s, ok := value[string](t, key, "a string")
	if !ok {
		return def
	}
	t.checkWord(key, s)
	return s
}

// name reads a word that must be given.
func (t *table) name(key string) string {
	s := t.need(key, "a name")
	if s != "" {
		t.checkWord(key, s)
	}
	return s
}

func (t *table) checkWord(key, s string) {
	if wrong := badWord(s); wrong != "" {
		t.bad(key, "%s", wrong)
	}
}

// badWord says what is wrong with a word; "" when nothing is.
func badWord(s string) string {
	switch {
	case s == "":
		return "empty; want a word"
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return quote(s) + ", which has a control or other unseen character; want printable text"
	case strings.TrimSpace(s) != s:
		return quote(s) + ", which begins or ends with a blank; want it without"
	}
	return ""
}

func (t *table) bool(key string, def bool) bool {
	if b, ok := value[bool](t, key, "true or false"); ok {
		return b
	}
	return def
}

func (t *table) int(key string, def, low, high int) int {
	n, ok := value[int64](t, key, "an integer")
	if !ok {
		return def
	}
	if n < int64(low) || n > int64(high) {
		t.bad(key, "%d; want %d to %d", n, low, high)
	}
	return int(n)
}

// duration reads a string such as "90s". A bare number has no unit and is refused.
func (t *table) duration(key string, def, low, high time.Duration) time.Duration {
	switch t.keys[key].(type) {
	case int64, float64:
		t.seen = append(t.seen, key)
		t.bad(key, `a bare number; want a duration such as "90s"`)
		return def
	}
	s, ok := value[string](t, key, `a duration such as "90s"`)
	if !ok {
		return def
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		t.bad(key, `%s; want a duration such as "90s"`, quote(s))
	case d < low || d > high:
		t.bad(key, "%s; want %s to %s", quote(s), display.Duration(low), display.Duration(high))
	}
	return d
}

// optional reads a duration and returns nil when the key is absent.
func (t *table) optional(key string, low, high time.Duration) *time.Duration {
	given := t.has(key)
	if d := t.duration(key, 0, low, high); given {
		return &d
	}
	return nil
}

func (t *table) strings(key string, def []string) []string {
	list, ok := value[[]any](t, key, "a list of strings")
	if !ok {
		return def
	}
	out := make([]string, 0, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			t.bad(nth(key, i), "%s; want a string", typeName(v))
		}
		out = append(out, s) // also when it is no string, so that the indexes of later items are those of the file
	}
	return out
}

// words reads a list of words.
func (t *table) words(key string) []string {
	list := t.strings(key, nil)
	for i, s := range list {
		if t.isString(key, i) && badWord(s) != "" {
			t.bad(nth(key, i), "%s", badWord(s))
		}
	}
	return list
}

// isString reports whether the i-th item of a list is a string. The method strings has reported an item that is not.
func (t *table) isString(key string, i int) bool {
	_, ok := t.keys[key].([]any)[i].(string)
	return ok
}

// oneOf reads one of the words.
func oneOf[T ~string](t *table, key string, def T, words ...T) T {
	s, ok := value[string](t, key, "a string")
	if !ok {
		return def
	}
	if !slices.Contains(words, T(s)) {
		t.badWord(key, s, oneWord(words))
	}
	return T(s)
}

// someOf reads a list of the words, each at most once.
func someOf[T ~string](t *table, key string, def []T, words ...T) []T {
	list := t.strings(key, nil)
	if list == nil {
		return slices.Clone(def)
	}
	out := make([]T, 0, len(list))
	for i, s := range list {
		switch {
		case !t.isString(key, i):
		case !slices.Contains(words, T(s)):
			t.badWord(nth(key, i), s, oneWord(words))
		case slices.Contains(out, T(s)):
			t.bad(nth(key, i), "%s a second time; want each word once", quote(s))
		}
		out = append(out, T(s))
	}
	return out
}

func join[T ~string](words []T) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}

// oneWord says which words are wanted.
func oneWord[T ~string](words []T) string {
	if len(words) == 1 {
		return strconv.Quote(string(words[0]))
	}
	return "one of " + join(words)
}

// badWord reports a word that is not one of the wanted words.
func (t *table) badWord(key, word, want string) {
	found := quote(word)
	if word, ok := isUnbuilt(t.table, key, word); ok {
		t.unbuilt = true
		found = quote(word) + ", " + notBuilt
	}
	t.bad(key, "%s; want %s", found, want)
}
