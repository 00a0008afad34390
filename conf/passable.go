package conf

import "strings"

// Passable returns how pass_attributes spells the attribute with this name, in whatever case the name is. ok is false where
// pass_attributes may not hold the attribute.
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
