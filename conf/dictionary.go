package conf

import (
	_ "embed"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"layeh.com/radius/debug"
	"layeh.com/radius/dictionary"

	"duoradiusd/policy"
)

//go:embed dictionary
var dictionaryText string

// attribute is one attribute as the dictionary describes it.
type attribute struct {
	policy.AttributeID
	*dictionary.Attribute
	values map[string]uint32 // the numbers of the values that have names
}

// attributes is the dictionary by name and by number. The dictionary is read when it is first needed.
type attributes struct {
	byName map[string]*attribute
	byID   map[policy.AttributeID]*attribute
}

var theDictionary = sync.OnceValue(func() *attributes {
	more, err := new(dictionary.Parser).Parse(dictionaryFile{strings.NewReader(dictionaryText)})
	if err != nil {
		panic("conf: dictionary: " + err.Error()) // can't happen: the dictionary is part of the program, and a test reads it
	}
	d := &attributes{map[string]*attribute{}, map[policy.AttributeID]*attribute{}}
	d.add(0, debug.IncludedDictionary.Attributes, debug.IncludedDictionary.Values)
	d.add(0, more.Attributes, more.Values)
	for _, v := range more.Vendors {
		d.add(uint32(v.Number), v.Attributes, v.Values)
	}
	return d
})

// dictionaryFile is the embedded dictionary as the file that the parser reads.
type dictionaryFile struct{ io.Reader }

func (dictionaryFile) Name() string { return "dictionary" }
func (dictionaryFile) Close() error { return nil }

func (d *attributes) add(vendor uint32, list []*dictionary.Attribute, values []*dictionary.Value) {
	for _, a := range list {
		x := &attribute{policy.AttributeID{Vendor: vendor, Type: byte(a.OID[0])}, a, nil}
		d.byName[a.Name] = x
		if d.byID[x.AttributeID] == nil {
			d.byID[x.AttributeID] = x
		}
	}
	for _, v := range values {
		if a := d.byName[v.Attribute]; a != nil {
			if a.values == nil {
				a.values = map[string]uint32{}
			}
			a.values[v.Name] = uint32(v.Number)
		}
	}
}

// AttributeName returns the attribute's name in the dictionary. An attribute without a name is Attr-TYPE or
// Attr-26.VENDOR.TYPE.
func AttributeName(id policy.AttributeID) string {
	if a := theDictionary().byID[id]; a != nil {
		return a.Name
	}
	if id.Vendor != 0 {
		return fmt.Sprintf("Attr-26.%d.%d", id.Vendor, id.Type)
	}
	return fmt.Sprintf("Attr-%d", id.Type)
}

// findAttribute returns the attribute with this name. Attr-26.VENDOR.TYPE needs no entry in the dictionary.
func findAttribute(name string) (a *attribute, ok bool) {
	d := theDictionary()
	if a := d.byName[name]; a != nil {
		return a, true
	}
	rest, ok := strings.CutPrefix(name, "Attr-26.")
	if !ok {
		return nil, false
	}
	first, last, _ := strings.Cut(rest, ".")
	vendor, errV := strconv.ParseUint(first, 10, 24) // RFC 2865 §5.26: the high octet is 0
	typ, errT := strconv.ParseUint(last, 10, 8)
	if errV != nil || errT != nil || vendor == 0 || typ == 0 {
		return nil, false
	}
	id := policy.AttributeID{Vendor: uint32(vendor), Type: byte(typ)}
	if a := d.byID[id]; a != nil {
		return a, true
	}
	return &attribute{id, &dictionary.Attribute{Name: name, Type: dictionary.AttributeOctets}, nil}, true
}

// unknownAttribute returns what to report of a name that is not in the dictionary.
func unknownAttribute(name string) string {
	known := slices.Sorted(maps.Keys(theDictionary().byName))
	if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 {
		return fmt.Sprintf("%s is not an attribute; differs from %q only in case", quote(name), known[i])
	}
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("%s is not an attribute; did you mean %q?", quote(name), near)
	}
	return fmt.Sprintf("%s is not an attribute that is known here; want the name of one, or Attr-26.VENDOR.TYPE by numbers", quote(name))
}

// perAccept says how many of each standard attribute an Access-Accept may carry (RFC 2865 §5.44, RFC 2868 §4, RFC 2869
// §5.19, RFC 3162 §3, RFC 4372 §3, RFC 4675 §3, RFC 4818 §4, RFC 4849 §3, RFC 6911 §4). An attribute that is missing here
// may not be there at all.
var perAccept = func() map[byte]int {
	const many = 255
	m := map[byte]int{}
	for _, t := range []byte{1, 6, 7, 8, 9, 10, 12, 15, 16, 19, 20, 23, 27, 28, 29, 34, 35, 36, 37, 39, 57, 59, 62, 63, 71, 72, 85, 88, 89, 96, 100} {
		m[t] = 1
	}
	for _, t := range []byte{11, 13, 14, 18, 22, 25, 38, 56, 58, 64, 65, 66, 67, 69, 78, 81, 82, 83, 90, 91, 92, 97, 98, 99, 123, 168, 169, 171, 172} {
		m[t] = many
	}
	return m
}()

// forbidden says why an Access-Accept must not carry the attribute; "" when it may. Attributes that belong to one exchange, or
// that prove or encrypt something in it, are made in that exchange and can't be configured.
func (a *attribute) forbidden() string {
	switch {
	case a.Vendor == 0 && slices.Contains([]byte{2, 3, 24, 33, 60, 79, 80}, a.AttributeID.Type):
		return "which belongs to one exchange only"
	case a.Vendor == 0 && perAccept[a.AttributeID.Type] == 0:
		return "which an Access-Accept can't have"
	case a.Vendor == 311 && (strings.HasPrefix(a.Name, "MS-MPPE-") || strings.HasPrefix(a.Name, "MS-CHAP")):
		return "which only the authentication method can make"
	}
	return ""
}
