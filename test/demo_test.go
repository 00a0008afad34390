package test

import (
	"strings"
	"testing"
)

// TestDemo runs go run ./cmd/duodemo --once, the first command that a newcomer tries.
func TestDemo(t *testing.T) {
	t.Parallel()
	slow(t, "it builds the demo, whose phones answer after a while")
	program, err := buildDemo()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status := run(t, "", program, "--once")
	if status != 0 || stderr != "" {
		t.Errorf("exit status %d, stderr %q; it printed:\n%s", status, stderr, stdout)
	}
	var table []string
	for line := range strings.Lines(stdout) {
		for _, answer := range []string{"Access-Accept", "Access-Reject"} {
			if what, rest, ok := strings.Cut(line, answer); ok {
				_, text, _ := strings.Cut(rest, " ms")
				table = append(table, strings.Join(strings.Fields(title(what)+answer+" "+text), " "))
			}
		}
	}
	want := []string{
		"push, approved Access-Accept",
		"again: remembered Access-Accept",
		"passcode, right Access-Accept",
		"passcode, wrong Access-Reject Incorrect passcode. Please try again.",
		"push, denied Access-Reject Login request denied.",
		"wrong password Access-Reject Wrong user name or password.",
		"unknown to Duo Access-Reject You are not enrolled in Duo yet: https://127.0.0.1/portal?code=fakeduo&akey=DAFAKEFAKEFAKEFAKE00",
		"unknown to all Access-Reject Wrong user name or password.",
	}
	if got := strings.Join(table, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s\nit printed\n%s", got, strings.Join(want, "\n"), stdout)
	}
	if !strings.Contains(stdout, "Duo was called for 5 preauths and rang 2 phones; the remembered login made no call.\n") {
		t.Errorf("it printed\n%s", stdout)
	}
}

// title is the first column, which ends with two blanks.
func title(line string) string {
	name, _, _ := strings.Cut(line, "  ")
	return name + " "
}
