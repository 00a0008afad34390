// Package messages holds the sentences that users read on a portal, at a terminal, or beside a push. Each sentence has an
// ID, and a file of [messages] uses this ID to replace the sentence.
package messages

import "strings"

// ID identifies a sentence.
type ID string

// Message is one sentence.
type Message struct {
	ID    ID     `json:"id"`
	Text  string `json:"text"`  // the default, in English; {NAME} stands for a Variable
	Where string `json:"where"` // when a user reads it
}

// Texts holds the texts of a file of [messages], by ID. An ID that is missing has its default text. If Texts is nil, all IDs
// have.
type Texts map[ID]string

// Say returns the sentence of an ID. pairs alternates names of variables and their values, such as "user", "alice".
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

// Find returns the message that has this ID.
func Find(id ID) (Message, bool) {
	for _, m := range catalogue {
		if m.ID == id {
			return m, true
		}
	}
	return Message{}, false
}

// defaults holds the texts of the catalogue, by ID.
var defaults = func() map[ID]string {
	texts := make(map[ID]string, len(catalogue))
	for _, m := range catalogue {
		texts[m.ID] = m.Text
	}
	return texts
}()
