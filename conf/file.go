package conf

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"duoradiusd/internal/system"
)

// file is one configuration file.
type file struct {
	name string // as the user gave it
	dir  string // where its relative paths start; absolute
	text string
	tree map[string]any
}

// open reads the main file and those that it includes.
func (l *loader) open(path string) {
	main := l.read(path)
	if main == nil {
		return
	}
	l.files = append(l.files, main)
	seen := []string{filepath.Join(main.dir, filepath.Base(path))}
	for _, name := range l.includes(main) {
		abs, err := filepath.Abs(name)
		if err != nil || slices.Contains(seen, abs) {
			continue // a file that two patterns match, or the main file itself
		}
		seen = append(seen, abs)
		f := l.read(name)
		if f == nil {
			continue
		}
		l.files = append(l.files, f)
		if _, ok := f.tree["include"]; ok {
			l.bad(place{file: f, index: -1, key: "include"}, "stands in an included file; want it in %s only", path)
		}
	}
}

// read reads and decodes one file. It reports a failure and returns nil.
func (l *loader) read(name string) *file {
	f := &file{name: name}
	text, open, err := readText(name)
	if err == nil {
		f.dir, err = filepath.Abs(filepath.Dir(name))
	}
	if err != nil {
		l.whole = false
		l.bad(place{file: f, index: -1, key: "open", line: noLine}, "%s; want a readable file", reason(err))
		return nil
	}
	f.text = text
	l.opened = append(l.opened, filepath.Join(f.dir, filepath.Base(name)))
	if open.who != "" {
		l.warn(place{file: f, index: -1, key: "open", line: noLine}, "a file that %s can read; want %s", open.who, open.cure)
	}
	f.tree, err = decode(f.text)
	if err != nil {
		l.whole = false
		l.syntax(f, err)
		return nil
	}
	return f
}

const maxFile = 256 << 20

// openTo says who can read a file and should not, and what to do about it. Both are "" where nobody can.
type openTo struct{ who, cure string }

// readText reads a file of at most maxFile octets. The limit also ends the reading of a device that has no end.
func readText(name string) (text string, open openTo, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", open, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", open, err
	}
	if open.who, open.cure, err = system.OpenTo(f); err != nil {
		return "", open, err
	}
	var b strings.Builder
	if info.Size() <= maxFile {
		b.Grow(int(info.Size()))
		_, err = io.Copy(&b, io.LimitReader(f, maxFile+1))
	}
	if max(info.Size(), int64(b.Len())) > maxFile {
		return "", open, errors.New("a file of more than 256 MiB")
	}
	return b.String(), open, err
}

// includes lists the files that the patterns of the main file match. It keeps the order of the patterns and sorts the
// files of each.
func (l *loader) includes(main *file) []string {
	top := l.top(main)
	problems := len(l.problems)
	var names []string
	for i, pattern := range top.strings("include", nil) {
		at := nth("include", i)
		if !top.isString("include", i) {
			continue
		}
		if pattern == "" {
			top.bad(at, "empty; want a file or a pattern such as %q", "conf.d/*.toml")
			continue
		}
		glob := pattern
		if !filepath.IsAbs(glob) {
			glob = filepath.Join(literal.Replace(filepath.Dir(main.name)), glob)
		}
		matches, err := filepath.Glob(glob)
		switch {
		case err != nil:
			top.bad(at, "%s, a malformed pattern; want one such as %q", quote(pattern), "conf.d/*.toml")
		case len(matches) == 0 && !strings.ContainsAny(pattern, `*?[`):
			top.bad(at, "%s, which does not exist; want a file or a pattern such as %q", quote(pattern), "conf.d/*.toml")
		}
		names = append(names, matches...)
	}
	l.whole = len(l.problems) == problems
	return names
}

// literal escapes a folder's name, so that it can be the start of a pattern.
var literal = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// reason returns what the operating system says of a failure, without the file's name.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// abs returns a path of the file as an absolute path; "" stays "".
func (f *file) abs(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.dir, path)
}
