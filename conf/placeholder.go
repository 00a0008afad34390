package conf

import (
	"regexp"
	"slices"
	"strings"
)

// exampleHost is the API hostname of the examples.
var exampleHost = regexp.MustCompile(`(?i)^api-x{4,}\.`)

// IsExampleSecret reports whether a secret is what the examples have in its place: nothing but X.
func IsExampleSecret(s string) bool { return s != "" && strings.Trim(s, "X") == "" }

// placeholder reports a value that an example has and nobody can have.
func (t *table) placeholder(key string) {
	t.out.problems = append(t.out.problems, finding{at: t.under(key), example: true})
}

// oneOfExamples makes one problem of all placeholders: a file with several is an example that nobody has edited yet. The
// example's host alone is none: check finds out whether it answers.
func oneOfExamples(list []finding) []finding {
	if !slices.ContainsFunc(list, func(f finding) bool { return f.example && f.at.key != "api_host" }) {
		return slices.DeleteFunc(slices.Clone(list), func(f finding) bool { return f.example })
	}
	var others []string
	first := -1
	for i, f := range list {
		switch {
		case !f.example:
		case first < 0:
			first = i
		default:
			others = append(others, f.at.path())
		}
	}
	if first < 0 {
		return list
	}
	list = slices.Clone(list)
	list[first].text = "the example's value still"
	if len(others) > 0 {
		list[first].text += ", and so are " + strings.Join(others, ", ")
	}
	list[first].text += "; want your own"
	list[first].example = false
	return slices.DeleteFunc(list, func(f finding) bool { return f.example })
}
