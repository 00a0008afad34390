package conf

import (
	"regexp"
	"slices"
	"strings"
)

// exampleHost is the API hostname of the examples.
var exampleHost = regexp.MustCompile(`(?i)^api-x{4,}\.`)

// IsExampleSecret reports whether a secret is the placeholder of the examples: one or more letters X and nothing else.
func IsExampleSecret(s string) bool { return s != "" && strings.Trim(s, "X") == "" }

// placeholder reports a value that is the placeholder of an example.
func (t *table) placeholder(key string) {
	t.out.problems = append(t.out.problems, finding{at: t.under(key), example: true})
}

// oneOfExamples merges all placeholders into one problem: a file with several of them is an example that nobody has edited
// yet. The example's host alone is no problem here, because check finds out whether the host answers.
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
			others = append(others, f.at.shown())
		}
	}
	if first < 0 {
		return list
	}
	list = slices.Clone(list)
	list[first].text = "still the example's value"
	if len(others) > 0 {
		list[first].text += ", and so are " + strings.Join(others, ", ")
	}
	list[first].text += "; want your own"
	list[first].example = false
	return slices.DeleteFunc(list, func(f finding) bool { return f.example })
}
