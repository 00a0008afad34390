package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"duoradiusd/conf"
	"duoradiusd/radiusd"
)

const clientPages = "../conf/clients"

// headings are the headings that every page has, in this order.
var headings = []string{"## What to set there", "## The client here", "## What the user sees", "## What goes wrong"}

var (
	tomlBlock   = regexp.MustCompile("(?ms)^```toml\n(.*?)^```$")
	answersIn   = regexp.MustCompile(`(?m)^It answers within ([\d.]+m?s)`)
	secretFile  = regexp.MustCompile(`(?m)^secret_file\s*= "(.+)"$`)
	reasonShown = regexp.MustCompile(`reason=(?:"([^"]+)"|([\w-]+))`)
	reasonKnown = regexp.MustCompile(`(?m)^\t\w+\s+Reason = "([\w-]+)"`)
)

// directory is the first factor that the pages leave out, because the reader has it.
const directory = `
[[first_factor]]
name = "directory"
type = "ldap"
urls = ["ldaps://dc1.example.com"]
base_dn = "dc=example,dc=com"
bind_dn = "cn=duoradiusd,dc=example,dc=com"
bind_password = "of-no-directory"
`

// TestClientPages: every page has its parts, is in the index, and names only reasons that exist. The configuration that it
// gives loads without a warning, and does what the page says.
func TestClientPages(t *testing.T) {
	t.Parallel()
	index := read(t, "README.md")
	pages, err := filepath.Glob(filepath.Join(clientPages, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 33 {
		t.Fatalf("%d pages in %s, want the index and 32 at least", len(pages), clientPages)
	}
	reasons := knownReasons(t)
	for _, path := range pages {
		name := filepath.Base(path)
		text := read(t, name)
		for _, r := range unknownReasons(text, reasons) {
			t.Errorf("%s: reason %q, which is none of ours", name, r)
		}
		if name != "README.md" {
			t.Run(name, func(t *testing.T) { mustBePage(t, name, text, index) })
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([\w-]+\.md)\)`).FindAllStringSubmatch(index, -1) {
		if !slices.Contains(pages, filepath.Join(clientPages, link[1])) {
			t.Errorf("README.md links to %s, which is not there", link[1])
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(clientPages, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mustBePage(t *testing.T, name, text, index string) {
	var found []string
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "## ") {
			found = append(found, line)
		}
	}
	if !slices.Equal(found, headings) {
		t.Errorf("headings %q, want %q", found, headings)
	}
	tried := strings.Contains(text, "\n**Tried**: ")
	if tried == strings.Contains(text, "\n**Not tried** ") {
		t.Error(`want one of "**Tried**: " and "**Not tried** " at the top`)
	}
	blocks := tomlBlock.FindAllStringSubmatch(text, -1)
	if len(blocks) == 0 {
		t.Fatal("nothing to copy")
	}
	for i, block := range blocks {
		client := loadBlock(t, block[1])
		if i > 0 {
			continue
		}
		said := answersIn.FindStringSubmatch(text)
		if said == nil || said[1] != short(client) {
			t.Errorf("the page says %q, and the client answers within %s", said, short(client))
		}
		row := fmt.Sprintf("(%s) | %s | %s | %s |", name, client.Profile, yes(tried), short(client))
		if client.Profile != "generic" { // this page is not about one make
			row += " " + yes(client.Preset().Challenge) + " |"
		}
		if !strings.Contains(index, row) {
			t.Errorf("README.md has no row with %q", row)
		}
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// short returns a client's timeout as a page writes it.
func short(c conf.Client) string { return c.Timeout.String() }

// loadBlock loads the configuration of a page, with the tables that it needs, and returns the client.
func loadBlock(t *testing.T, block string) conf.Client {
	t.Helper()
	dir := t.TempDir()
	for i, m := range secretFile.FindAllStringSubmatch(block, -1) {
		write(t, filepath.Join(dir, m[1]), fmt.Sprintf("a-secret-of-nobody-%d\n", i))
	}
	if strings.Contains(block, `"directory"`) {
		block += directory
	}
	furnish(t, dir, nil, block)
	c, err := conf.Load(filepath.Join(dir, configFile))
	if err != nil {
		t.Fatalf("what is to be copied is refused: %v", err)
	}
	// A warning about a setting that these clients can't do without is allowed.
	deliberate := regexp.MustCompile(`client "[^"]*" (timeout|omit_reply_message_authenticator): `)
	if w := slices.DeleteFunc(slices.Clone(c.Warnings), deliberate.MatchString); len(w) > 0 {
		t.Errorf("what is to be copied is warned about: %v", w)
	}
	if len(c.Clients) != 1 {
		t.Fatalf("%d clients, want 1", len(c.Clients))
	}
	if !slices.Contains(conf.ProfileNames(), c.Clients[0].Profile) {
		t.Errorf("no profile %q", c.Clients[0].Profile)
	}
	return c.Clients[0]
}

// knownReasons returns all words that can follow reason= in the log.
func knownReasons(t *testing.T) []string {
	t.Helper()
	list := radiusd.DropReasons()
	source, err := os.ReadFile("../policy/attempt.go")
	if err != nil {
		t.Fatal(err)
	}
	found := reasonKnown.FindAllStringSubmatch(string(source), -1)
	if len(found) < 30 {
		t.Fatalf("%d reasons in policy/attempt.go", len(found))
	}
	for _, m := range found {
		list = append(list, m[1])
	}
	return list
}

func unknownReasons(text string, known []string) (list []string) {
	for _, m := range reasonShown.FindAllStringSubmatch(text, -1) {
		if r := m[1] + m[2]; !slices.Contains(known, r) {
			list = append(list, r)
		}
	}
	return list
}
