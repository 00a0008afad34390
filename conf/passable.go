package conf

import "strings"

// Passable returns how pass_attributes spells the attribute of that name, whatever the name's case, if it may hold it.
func Passable(name string) (spelled string, ok bool) {
	a, ok := findAttribute(name)
	if !ok {
		for known, b := range theDictionary().byName {
			if strings.EqualFold(known, name) && (a == nil || known < a.Name) {
				a = b
			}
		}
	}
	if a == nil || a.forbidden() != "" {
		return "", false
	}
	return a.Name, true
}
