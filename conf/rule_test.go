package conf

import (
	"strings"
	"testing"
)

// TestRuleMessage: only who is denied reads a rule's message.
func TestRuleMessage(t *testing.T) {
	for _, tt := range []struct{ rule, problem, warning string }{
		{`second_factor = "deny"` + "\n" + `message = "Outside office hours."`, "", ""},
		{`second_factor = "deny"` + "\n" + `message = "` + strings.Repeat("x", 254) + `"`, "", "rule #1 message: 254 octets long; want 253 at most"},
		{`message = "Hello"`, `rule #1 message: beside second_factor = "required"; want "deny" there`, ""},
		{`second_factor = "deny"` + "\n" + `message = "a\tb"`, `rule #1 message: a control character; want printable text`, ""},
		{`second_factor = "deny"` + "\n" + `message = " "`, `rule #1 message: blank; want a text`, ""},
	} {
		t.Chdir(files(t, map[string]string{"x.toml": minimal + "[[rule]]\nusers = [\"eve\"]\n" + tt.rule + "\n"}))
		c, err := Load("x.toml")
		switch {
		case tt.problem != "":
			if err == nil || !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("%s: %v, want %q", tt.rule, err, tt.problem)
			}
		case err != nil:
			t.Errorf("%s: %v", tt.rule, err)
		case !strings.Contains(strings.Join(c.Warnings, "\n"), tt.warning) || tt.warning == "" && len(c.Warnings) > 0:
			t.Errorf("%s: warnings %q, want %q", tt.rule, c.Warnings, tt.warning)
		}
	}
}
