package authproxy

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"duoradiusd/conf"
)

// secret writes a secret as key, or as key_file if the secret has a file of its own. It has one if Options.Secrets names a
// folder, or if the secret is protected and can't be read. The first of the options counts; the others have the same value.
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
		why := "encrypted for the machine that it was made on, so duoradiusd import can't read it"
		if len(from) == 0 {
			return // that problem is reported already
		}
		if v := strings.ToLower(from[0].value); v == "true" || v == "false" {
			why = "true or false is no secret"
		}
		t.ask(key+"_file", str(path), why+"; put the secret itself into the file "+path+", which only the daemon may read", from...)
		return
	}
	for _, o := range from {
		if isProtected(o) {
			t.note(dropped, "the same secret is also given unencrypted, and that one is used", o)
		}
	}
	value := i.text(plain[0], "a secret")
	if conf.IsExampleSecret(value) {
		i.bad(plain[0], "nothing but X, as in an example; want the secret itself")
	}
	if n := len(value); key == "secret" && n > 0 && n < conf.ShortSecret {
		t.note(decide, fmt.Sprintf("the secret has only %d octets: an attacker who records one packet can guess it. Set one of %d octets or more at both ends", n, conf.ShortSecret), plain[0])
	}
	if strings.HasPrefix(value, "<") && strings.HasSuffix(value, ">") {
		t.note(decide, "a word in angle brackets looks like a placeholder; is it the secret itself?", plain[0])
	}
	if i.Secrets == "" {
		i.inline = true
		t.set(key, str(value), plain...)
		return
	}
	i.files = append(i.files, File{Name: file, Content: value})
	i.wants = append(i.wants, path+" (made)")
	t.set(key+"_file", str(path), plain...)
}

// windowsPath matches C:\x, C:/x and \\host\share.
var windowsPath = regexp.MustCompile(`^([A-Za-z]:|\\\\)`)

// path reads the path of a file that duoradiusd will open. A path that is relative, or from Windows, means nothing here. path
// keeps its last part, and a person has to bring the file.
func (i *importer) path(t *table, key string, o *option) {
	s := i.text(o, "a file")
	if strings.HasPrefix(s, "/") {
		i.wants = append(i.wants, s)
		t.set(key, str(s), o)
		return
	}
	name := s[strings.LastIndexAny(s, `/\:`)+1:]
	if name == "" || name == "." || name == ".." {
		i.bad(o, "%s; want a file", quote(s))
		return
	}
	i.wants = append(i.wants, name+" (to be brought)")
	why := quote(s) + " is relative to the folder of Duo's proxy"
	if windowsPath.MatchString(s) {
		why = quote(s) + " is a Windows path"
	}
	t.ask(key, str(name), why+"; copy the file into the folder of this configuration", o)
}
