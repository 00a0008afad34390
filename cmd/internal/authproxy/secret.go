package authproxy

import (
	"path/filepath"
	"strings"
)

// secret writes a secret as key, or as key_file where it has a file of its own: named by Options.Secrets, or because it
// is protected and can't be read. The first of the options counts, the others say the same.
func (i *importer) secret(t *table, key, file string, from ...*option) {
	path := file
	if i.Secrets != "" {
		path = filepath.ToSlash(filepath.Join(i.Secrets, file))
	}
	plain := from[:0:0]
	for _, o := range from {
		if !isProtected(o) {
			plain = append(plain, o)
		}
	}
	if len(plain) == 0 {
		i.wants = append(i.wants, path+" (to be made)")
		t.ask(key+"_file", str(path), "encrypted for the machine that it was made on, so it can't be read here; put the secret itself into the file "+path+", for the daemon alone to read", from...)
		return
	}
	for _, o := range from {
		if isProtected(o) {
			t.note(dropped, "stands beside the same secret in clear, which counts", o)
		}
	}
	value := i.text(plain[0], "a secret")
	if i.Secrets == "" {
		i.inline = true
		t.set(key, str(value), plain...)
		return
	}
	i.files = append(i.files, File{Name: file, Content: value})
	i.wants = append(i.wants, path+" (made)")
	t.set(key+"_file", str(path), plain...)
}

// path reads the path of a file that duoradiusd will open. One that is relative, or from Windows, means nothing here:
// its last part is kept, and the file has to be brought.
func (i *importer) path(t *table, key string, o *option) {
	s := i.text(o, "a file")
	if strings.HasPrefix(s, "/") {
		i.wants = append(i.wants, s)
		t.set(key, str(s), o)
		return
	}
	name := s[strings.LastIndexAny(s, `/\`)+1:]
	if name == "" || name == "." || name == ".." {
		i.bad(o, "%s; want a file", quote(s))
		return
	}
	i.wants = append(i.wants, name+" (to be brought)")
	t.ask(key, str(name), quote(s)+" is relative to that proxy's folder; copy the file beside this one", o)
}
