package authproxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// TestParse: the dialect, one rule of it at a time. Options are shown as "section.name@line=value".
func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
		problems   []string // the line, a colon, and how the text begins
	}{
		{"both delimiters", "[a]\nx=1\ny: 2\nz = a:b=c\n", []string{"a.x@2=1", "a.y@3=2", "a.z@4=a:b=c"}, nil},
		{"byte order mark, CRLF, no end", "\ufeff[a]\r\nx = 1\r\ny = 2", []string{"a.x@2=1", "a.y@3=2"}, nil},
		{"comments", "# x\n; y\n[a] ; b\n  # c\nx = 1 ; kept\n", []string{"a.x@5=1 ; kept"}, nil},
		{"names are small, sections are not", "[Ab]\nXy = Z\n", []string{"Ab.xy@2=Z"}, nil},
		{"lines that go on", "[a]\nx =\n  1,\n\n  # between\n  2\ny = 3\n", []string{"a.x@2=1,\n2", "a.y@7=3"}, nil},
		{"an indented block", "[a]\n  x = 1\n  y = 2\n", []string{"a.x@2=1", "a.y@3=2"}, nil},
		{"indented less", "[a]\n    x = 1\n  y = 2\n", []string{"a.x@2=1", "a.y@3=2"}, nil},
		{"an option that goes on by mistake", "[a]\nx = 1\n  y = 2\n", []string{"a.x@2=1"}, []string{"3: indented further"}},
		{"a section that goes on by mistake", "[a]\nx = 1\n  [b]\n", []string{"a.x@2=1"}, []string{"3: indented further"}},
		{"the last one counts", "[a]\nx=1\n[b]\n[a]\nx=2\n", []string{"a.x@2=1", "a.x@5=2"}, nil},
		{"no section", "x=1\n", nil, []string{"1: an option before"}},
		{"no end", "[a\nx=1\n", nil, []string{"1: a section without its"}},
		{"no name", "[]\nx=1\n[ ]\n", nil, []string{"1: a section without a name", "3: a section without a name"}},
		{"more behind it", "[a] x=1\ny=2\n", nil, []string{"1: more text after"}},
		{"neither", "[a]\nx\n=1\n", nil, []string{"2: neither", "3: a value without"}},
		{"bytes", "[a]\nx=\xff\ny=\x1b[31m\nz=1\n", []string{"a.z@4=1"}, []string{"2: not UTF-8", "3: a control character"}},
		{"UTF-16", "\xff\xfe[\x00", nil, []string{"0: UTF-16"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, problems := parse([]byte(tt.text))
			var got []string
			for _, s := range p.sections {
				for _, o := range s.options {
					got = append(got, fmt.Sprintf("%s.%s@%d=%s", s.name, o.name, o.line, o.value))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for i, x := range problems {
				if line := fmt.Sprintf("%d: %s", x.line, x.text); i >= len(tt.problems) || !strings.HasPrefix(line, tt.problems[i]) {
					t.Errorf("problem %q", line)
				}
			}
			if len(problems) != len(tt.problems) {
				t.Errorf("%d problems, want %d", len(problems), len(tt.problems))
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		in, want string // "" is refused
		exact    bool
	}{
		{"192.0.2.1", "192.0.2.1/32", true},
		{"2001:db8::1", "2001:db8::1/128", true},
		{"::ffff:192.0.2.1", "192.0.2.1/32", true},
		{"192.0.2.0/24", "192.0.2.0/24", true},
		{"192.0.2.77/24", "192.0.2.0/24", false},
		{"192.0.2.77 / 255.255.255.0", "192.0.2.0/24", false},
		{"0.0.0.0/0", "0.0.0.0/0", true},
		{"192.0.2.10-192.0.2.10", "192.0.2.10/32", false},
		{"192.0.2.10 - 192.0.2.20", "192.0.2.10/31 192.0.2.12/30 192.0.2.16/30 192.0.2.20/32", false},
		{"192.0.2.0-192.0.2.255", "192.0.2.0/24", false},
		{"0.0.0.0-255.255.255.255", "0.0.0.0/0", false},
		{"255.255.255.254-255.255.255.255", "255.255.255.254/31", false},
		{"2001:db8::-2001:db8::ffff", "2001:db8::/112", false},
		{"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0", false},
		{"192.0.2.20-192.0.2.10", "", false},
		{"192.0.2.1-2001:db8::1", "", false},
		{"192.0.2.1/33", "", false},
		{"192.0.2.1/255.0.255.0", "", false},
		{"2001:db8::/255.0.0.0", "", false},
		{"192.0.2.1/", "", false},
		{"192.0.2.1/+8", "", false},
		{"fe80::1%eth0", "", false},
		{"vpn.example.com", "", false},
		{"", "", false},
	} {
		list, exact, ok := addresses(tt.in)
		words := make([]string, len(list))
		for i, p := range list {
			words[i] = p.String()
		}
		if got := strings.Join(words, " "); got != tt.want || ok != (tt.want != "") || ok && exact != tt.exact {
			t.Errorf("%q: got %q, %v, %v; want %q, %v", tt.in, got, exact, ok, tt.want, tt.exact)
		}
	}
}

// TestSpan: every range among a few addresses is covered exactly.
func TestSpan(t *testing.T) {
	const n = 20
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	for low := range n {
		for high := low; high < n; high++ {
			list := span(at(low), at(high))
			for i := range n {
				in := 0
				for _, p := range list {
					if p.Contains(at(i)) {
						in++
					}
				}
				if want := low <= i && i <= high; (in == 1) != want || in > 1 {
					t.Fatalf("%d-%d: %v covers %d %d times", low, high, list, i, in)
				}
			}
		}
	}
}

// TestString: whatever is written, TOML reads it back.
func TestString(t *testing.T) {
	for _, s := range []string{"", "plain", `q"uo\te`, "tab\tand\x7f\u0085\u2028", "Ünal 🔑", `\u0041`, "'''", "#"} {
		var v struct{ S string }
		if _, err := toml.Decode("s = "+str(s), &v); err != nil || v.S != s {
			t.Errorf("%q: got %q, %v", s, v.S, err)
		}
	}
}

// TestFilter: what stands in the file is a value in the filter, and never a part of it.
func TestFilter(t *testing.T) {
	for in, want := range map[string]string{
		"CN=a,DC=b":            "CN=a,DC=b",
		`CN=a\, b (c*),DC=d`:   `CN=a\5c, b \28c\2a\29,DC=d`,
		"CN={username},DC=x":   `CN=\7busername},DC=x`,
		"CN=a)(objectClass=*)": `CN=a\29\28objectClass=\2a\29`,
	} {
		if got := escapeFilter(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
