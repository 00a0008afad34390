package conf

import (
	"fmt"
	"slices"
	"strings"

	"duoradiusd/policy/messages"
)

// readMessages reads [messages] and the file that it names, in which each line is ID = "text".
func readMessages(t *table) messages.Texts {
	if t.string("file", "") == "" {
		return nil
	}
	before := len(t.out.problems)
	path := t.readable("file", "a readable file of messages")
	if len(t.out.problems) > before {
		return nil
	}
	l := &loader{}
	defer func() { // what else could be found, such as who can read the file, does not matter for texts that everybody sees
		t.out.problems = append(t.out.problems, l.problems...)
	}()
	f := l.read(path)
	if f == nil {
		return nil
	}
	return readTexts(&table{place: place{file: f, index: -1}, keys: f.tree, out: &l.report}, t.out)
}

// readTexts reads the texts of a file of messages. Warnings go to warnings.
func readTexts(file *table, warnings *report) messages.Texts {
	texts := messages.Texts{}
	for _, m := range messages.All() {
		key := string(m.ID)
		text, ok := value[string](file, key, "a string")
		if !ok {
			continue
		}
		texts[m.ID] = text
		for _, p := range m.Check(text) {
			if p.Warning {
				warnings.warn(file.under(key), "%s", p.Text)
			} else {
				file.bad(key, "%s", p.Text)
			}
		}
	}
	for key := range file.keys {
		if !slices.Contains(file.seen, key) {
			file.unknownMessage(key)
		}
	}
	for _, long := range texts.TooLong() {
		warnLong(file, warnings, texts, long)
	}
	return texts
}

func (t *table) unknownMessage(id string) {
	want := "want one that duoradiusd messages prints"
	if near := nearest(id, t.seen); near != "" {
		want = fmt.Sprintf("did you mean %q?", near)
	}
	t.bad(string(appendKey(nil, id)), "unknown message %s; %s", quote(id), want)
}

// warnLong warns of texts that together do not fit one Reply-Message. The warning stands at the first of them in the file.
func warnLong(file *table, warnings *report, texts messages.Texts, long messages.TooLong) {
	names := make([]string, len(long.IDs))
	for i, id := range long.IDs {
		names[i] = string(id)
	}
	for _, id := range long.IDs {
		if _, ok := texts[id]; !ok {
			continue
		}
		what := "likely"
		if len(names) > 1 {
			what = "together (" + strings.Join(names, ", ") + ") likely"
		}
		warnings.warn(file.under(string(id)), "%s %d octets long; want %d at most, as one Reply-Message holds, because some clients show the first one only",
			what, long.Octets, messages.OneReplyMessage)
		return
	}
}
