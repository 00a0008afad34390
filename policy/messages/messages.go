// Package messages holds the sentences that users read: on a portal, at a terminal, or beside a push. Each has an ID, by
// which the file of [messages] replaces it.
package messages

import "strings"

// ID names a sentence.
type ID string

// Message is one sentence.
type Message struct {
	ID    ID     `json:"id"`
	Text  string `json:"text"`  // the default, in English; {NAME} stands for a Variable
	Where string `json:"where"` // when a user reads it
}

// Texts are the texts of a file of [messages], by ID. An ID that is missing has its default text; nil is all defaults.
type Texts map[ID]string

// Say returns the sentence. pairs are names of variables and their values in turn, as "user", "alice".
func (t Texts) Say(id ID, pairs ...string) string {
	text, ok := t[id]
	if !ok {
		text = defaults[id]
	}
	if len(pairs) == 0 {
		return text
	}
	replaced := make([]string, len(pairs))
	for i, s := range pairs {
		if i%2 == 0 {
			s = "{" + s + "}"
		}
		replaced[i] = s
	}
	return strings.NewReplacer(replaced...).Replace(text)
}

// All returns every message, in the order in which a person would read them in a file.
func All() []Message { return append([]Message(nil), catalogue...) }

// Find returns the message of the ID.
func Find(id ID) (Message, bool) {
	for _, m := range catalogue {
		if m.ID == id {
			return m, true
		}
	}
	return Message{}, false
}

// defaults are the texts of the catalogue, by ID.
var defaults = func() map[ID]string {
	texts := make(map[ID]string, len(catalogue))
	for _, m := range catalogue {
		texts[m.ID] = m.Text
	}
	return texts
}()
