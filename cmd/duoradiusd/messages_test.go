package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"duoradiusd/policy/messages"
)

// TestMessagesCommand: what it prints is a file of [messages] with the defaults.
func TestMessagesCommand(t *testing.T) {
	var out, errors bytes.Buffer
	if status := run([]string{"messages"}, &out, &errors); status != 0 {
		t.Fatalf("status %d: %s", status, errors.String())
	}
	var texts map[messages.ID]string
	if _, err := toml.Decode(out.String(), &texts); err != nil {
		t.Fatal(err)
	}
	for _, m := range messages.All() {
		if texts[m.ID] != m.Text {
			t.Errorf("%s: got %q, want %q", m.ID, texts[m.ID], m.Text)
		}
	}
	if len(texts) != len(messages.All()) {
		t.Errorf("%d texts, want %d", len(texts), len(messages.All()))
	}
	out.Reset()
	if status := run([]string{"messages", "--json", "enroll"}, &out, &errors); status != 0 {
		t.Fatalf("status %d: %s", status, errors.String())
	}
	var list []struct {
		ID, Text, Where string
		Variables       []struct{ Name string }
	}
	if err := json.Unmarshal(out.Bytes(), &list); err != nil || len(list) != 1 || list[0].ID != "enroll" || list[0].Where == "" || len(list[0].Variables) != 1 || list[0].Variables[0].Name != "url" {
		t.Errorf("got %+v: %v", list, err)
	}
	if status := run([]string{"messages", "nope"}, &out, &errors); status != 1 || !strings.Contains(errors.String(), `no message "nope"`) {
		t.Errorf("status %d: %s", status, errors.String())
	}
}
