package duo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"duoradiusd/policy"
)

// reference is an answer as encoding/json reads it.
type reference[T any] struct {
	Stat     string          `json:"stat"`
	Response *T              `json:"response"`
	Code     json.RawMessage `json:"code"`
	Message  string          `json:"message"`
	Detail   string          `json:"message_detail"`
}

type referencePreauth struct {
	Result    string `json:"result"`
	StatusMsg string `json:"status_msg"`
	EnrollURL string `json:"enroll_portal_url"`
	Txid      string `json:"txid"`
	Code      string `json:"verification_code"`
	Devices   []struct {
		Device       string   `json:"device"`
		Type         string   `json:"type"`
		Name         string   `json:"name"`
		DisplayName  string   `json:"display_name"`
		Number       string   `json:"number"`
		Capabilities []string `json:"capabilities"`
		NextCode     string   `json:"sms_nextcode"`
	} `json:"devices"`
}

type referenceStatus struct {
	Txid      string `json:"txid"`
	Result    string `json:"result"`
	Status    string `json:"status"`
	StatusMsg string `json:"status_msg"`
}

type referenceClock struct {
	Time int64 `json:"time"`
}

// ours are the names of all members that we read somewhere.
var ours = []string{
	"stat", "response", "code", "message", "message_detail", "result", "status", "status_msg", "enroll_portal_url", "txid",
	"verification_code", "devices", "device", "type", "name", "display_name", "number", "capabilities", "sms_nextcode", "time",
}

// shape says how deep JSON goes, and whether encoding/json must read it as we do: it takes Stat for stat, and the last
// of two.
func shape(text []byte) (depth int, exact bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	exact = true
	var names [][]string // of each object around; nil for an array
	var atName []bool
	for {
		token, err := d.Token()
		if err != nil {
			return depth, exact
		}
		top := len(names) - 1
		name, isString := token.(string)
		if top >= 0 && names[top] != nil && atName[top] && isString {
			atName[top] = false
			for _, our := range ours {
				if strings.EqualFold(our, name) && (our != name || slices.Contains(names[top], name)) {
					exact = false
				}
			}
			names[top] = append(names[top], name)
			continue
		}
		switch token {
		case json.Delim('{'):
			names, atName = append(names, []string{}), append(atName, true)
			depth = max(depth, len(names))
			continue
		case json.Delim('['):
			names, atName = append(names, nil), append(atName, false)
			depth = max(depth, len(names))
			continue
		case json.Delim('}'), json.Delim(']'):
			names, atName = names[:top], atName[:top]
		}
		if top = len(names) - 1; top >= 0 {
			atName[top] = names[top] != nil
		}
	}
}

// both reads text twice, and holds that the two say the same.
func both[T any](t *testing.T, text []byte, to into, same func(*T)) {
	t.Helper()
	var a answer
	err := a.parse(text, to)
	_, odd := errors.AsType[*misfit](err)
	read := err == nil || odd
	depth, exact := shape(text)
	if valid := json.Valid(text); read && !valid || !read && valid && exact && depth <= maxDepth {
		t.Fatalf("%q: %v; encoding/json says valid %v", text, err, valid)
	} else if !read && a != (answer{}) {
		t.Fatalf("%q: got %+v of what is no JSON", text, a)
	} else if !read || !exact {
		return
	} else if depth > maxDepth {
		t.Fatalf("%q: %d deep", text, depth)
	}
	var want reference[T]
	wantErr := json.Unmarshal(text, &want)
	if got, want := fmt.Sprint(err), fmt.Sprint(oddly(wantErr)); got != want {
		t.Fatalf("%q:\n got %s\nwant %s", text, got, want)
	}
	if w := (answer{want.Stat, want.Response != nil, string(want.Code), want.Message, want.Detail}); a != w {
		t.Fatalf("%q:\n got %+v\nwant %+v", text, a, w)
	}
	if want.Response == nil {
		want.Response = new(T)
	}
	same(want.Response)
}

// oddly says in our words what encoding/json says of a value of the wrong type.
func oddly(err error) error {
	odd, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	value, _, _ := strings.Cut(odd.Value, " ") // "number 1.5"
	place := ""
	if odd.Field != "" {
		place = "." + odd.Field
	}
	return &misfit{value, place}
}

// FuzzAnswer: what we read encoding/json reads, and the same in it; what encoding/json reads we read, as long as our names
// are exactly ours, none comes twice and it is not too deep.
func FuzzAnswer(f *testing.F) {
	for _, text := range seeds {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"stat":"\u00e9\ud83d\ude00\ud83d","\u0073tat":1,"Response":[{"a":[]}],"response":{"result":{"x":"\"\\"},"time":1.5,"txid":[null]}}`))
	f.Add([]byte("{\"message\":\"\xff\xed\xa0\x80\x7f\",\"code\":-0.5E-7,\"devices\":[true,false,null]}"))
	f.Add([]byte(`{"response":{"devices":[1,null,{"capabilities":[2,null,"push"],"name":{}}],"time":-9223372036854775809},"stat":[]}`))
	f.Add([]byte(strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		var pre preauth
		both(t, text, into{preauth: &pre}, func(want *referencePreauth) {
			w := preauth{want.Result, policy.Preauth{Message: want.StatusMsg, EnrollURL: want.EnrollURL, Txid: want.Txid, Code: want.Code}}
			for _, d := range want.Devices {
				name := d.DisplayName
				if name == "" {
					name = d.Name
				}
				w.Devices = append(w.Devices, policy.Device{ID: d.Device, Type: d.Type, Name: name, Number: d.Number,
					Capabilities: d.Capabilities, NextCode: d.NextCode})
			}
			for _, list := range [][]policy.Device{pre.Devices, w.Devices} { // an empty list is none
				for i := range list {
					list[i].Capabilities = append([]string{}, list[i].Capabilities...)
				}
			}
			if !reflect.DeepEqual(pre, w) {
				t.Fatalf("%q:\n got %+v\nwant %+v", text, pre, w)
			}
		})
		var end status
		both(t, text, into{status: &end}, func(want *referenceStatus) {
			if end != status(*want) {
				t.Fatalf("%q:\n got %+v\nwant %+v", text, end, want)
			}
		})
		var now clock
		both(t, text, into{clock: &now}, func(want *referenceClock) {
			if now.time != want.Time {
				t.Fatalf("%q: got %d, want %d", text, now.time, want.Time)
			}
		})
		if !bytes.Equal(text, before) {
			t.Fatalf("%q became %q", before, text)
		}
	})
}
