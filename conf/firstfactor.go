package conf

import "os"

// FirstFactor is something that checks users' passwords.
type FirstFactor struct {
	Name string
	Type string // "file"
	Path string // of the htpasswd file; absolute
}

func readFirstFactor(t *table) FirstFactor {
	f := FirstFactor{
		Name: t.name("name"),
		Type: t.firstFactorType("type"),
	}
	if f.Name == NoFirstFactor {
		t.bad("name", `"none", which stands for no first factor; want another name`)
	}
	if f.Type == "file" {
		f.Path = t.readable("path", "an htpasswd file that can be read")
	} else {
		t.string("path", "")
	}
	return f
}

func (t *table) firstFactorType(key string) string {
	if !t.has(key) {
		return t.need(key, `"file"`)
	}
	return oneOf(t, key, "", "file")
}

// readable reads the path of a file that has to be there.
func (t *table) readable(key, want string) string {
	s := t.need(key, want)
	if s == "" {
		return ""
	}
	path := t.file.abs(s)
	f, err := os.Open(path)
	if err != nil {
		t.bad(key, "%s: %s; want %s", quote(s), reason(err), want)
		return path
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		t.bad(key, "%s: is a directory; want %s", quote(s), want)
	}
	return path
}
