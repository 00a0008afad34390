package conf

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDeepBrackets: neither the scanner nor the decoder exhausts the stack, and what only looks deep passes.
func TestDeepBrackets(t *testing.T) {
	deep := 10_000_000
	if testing.Short() {
		deep = 1_000_000
	}
	for name, text := range map[string]string{
		"lists":     "x = " + strings.Repeat("[", deep),
		"closed":    "x = " + strings.Repeat("[", deep) + strings.Repeat("]", deep),
		"tables":    "x = " + strings.Repeat("{x=", deep),
		"lines":     "x = " + strings.Repeat("[\n#]\n", deep/10),
		"quotes":    "x = " + strings.Repeat("['[',\"]\",", deep/10),
		"later":     minimal + "\n[[user]]\nx = " + strings.Repeat("[", deep),
		"one more":  "x = " + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
		"in tables": "[a]\n[[b]]\nx = " + strings.Repeat("{x=[", maxDepth),
	} {
		_, err := decode(text)
		if _, ok := err.(tooDeep); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"just so":  "x = " + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
		"many":     "x = [" + strings.Repeat("[], {}, ", 1000) + "]",
		"strings":  "x = '" + strings.Repeat("[", 1000) + "'\ny = '''\n" + strings.Repeat("[{", 1000) + "'''",
		"comments": "x = [ # " + strings.Repeat("[", 1000) + "\n]",
	} {
		if _, err := decode(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{strings.Repeat("[", deep), "[[x" + strings.Repeat("[", deep), "x = 1 " + strings.Repeat("[", deep)} {
		if _, err := decode(text); err == nil {
			t.Errorf("%.9s: decoded", text)
		}
	}
}

func TestFileTooLarge(t *testing.T) {
	t.Chdir(files(t, map[string]string{"x.toml": ""}))
	if err := os.Truncate("x.toml", maxFile+1); err != nil {
		t.Fatal(err)
	}
	_, err := Load("x.toml")
	if got, want := fmt.Sprint(err), "x.toml: open: a file of more than 256 MiB; want a readable file"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
