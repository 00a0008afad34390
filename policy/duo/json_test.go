package duo

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// What a string stands for.
func TestStrings(t *testing.T) {
	for _, tt := range [][2]string{
		{`""`, ""},
		{`"allow"`, "allow"},
		{"\"\x7f\u2028é日\U0001F600\"", "\x7f\u2028é日\U0001F600"},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{`"a\\"`, `a\`},
		{`"a\\\"b"`, `a\"b`},
		{`"\u0000\u0041\u00e9\u20AC\uFFFF"`, "\x00Aé€\uffff"},
		{`"\ud83d\ude00\uD83D\uDE00"`, "\U0001F600\U0001F600"},
		{`"\ud83d"`, "\ufffd"},
		{`"\ude00x"`, "\ufffdx"},
		{`"\ude00\ud83d"`, "\ufffd\ufffd"},
		{`"\ud83d\ud83d\ude00"`, "\ufffd\U0001F600"},
		{`"\ud83d\u0041"`, "\ufffdA"},
		{`"\ud83d\n"`, "\ufffd\n"},
		{`"\ud83dude00"`, "\ufffdude00"},
		{"\"\xff\xc3\"", "\ufffd\ufffd"},
		{"\"\xc3\\u0041\xa9\"", "\ufffdA\ufffd"},
		{"\"\xed\xa0\xbd\"", "\ufffd\ufffd\ufffd"},
		{"\"\xc0\x80\"", "\ufffd\ufffd"},
	} {
		var a answer
		var out status
		if err := a.parse([]byte(`{"response": {"status": `+tt[0]+` , "txid":"after"}}`), into{status: &out}); err != nil {
			t.Errorf("%q: %v", tt[0], err)
		}
		if out.Status != tt[1] || out.Txid != "after" {
			t.Errorf("%q: got %q and then %q, want %q", tt[0], out.Status, out.Txid, tt[1])
		}
	}
}

// What is no JSON, or not ours, is an error in whatever place it is; where it is none the rest is read.
func TestValues(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, tt := range []struct{ value, err string }{
		{`null`, ""}, {`true`, ""}, {`false`, ""}, {`[]`, ""}, {`{}`, ""}, {`[[], {}, "", 0, null]`, ""},
		{`{"a": {"b": [1, {"c": null}]}, "a": 0, "": ""}`, ""}, // what is not ours may come twice
		{"[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n]", ""},
		{`[0, -0, 12, -9, 0.0, 10.25, 1e5, 1E+05, 0e-0, 123456789012345678901234567890]`, ""},
		{deep(maxDepth - 1), ""}, // one is the object around it
		{"[" + strings.Repeat(`[],[[1]],{},{"a":{}},`, maxDepth) + deep(maxDepth-2) + "]", ""},
		{deep(maxDepth), "nested deeper than 32"},
		{strings.Repeat("[", 1000), "nested deeper than 32"},
		{strings.Repeat(`{"a":`, 1000), "nested deeper than 32"},

		{``, "invalid character '}' looking for beginning of value"},
		{`nul`, "invalid character 'n' in place of null"},
		{`nulls`, "invalid character 's' after a value"},
		{`True`, "invalid character 'T' looking for beginning of value"},
		{`NaN`, "invalid character 'N' looking for beginning of value"},
		{`undefined`, "invalid character 'u' looking for beginning of value"},
		{`01`, "invalid character '1' after a value"},
		{`-`, "invalid character '}' in a number"},
		{`+1`, "invalid character '+' looking for beginning of value"},
		{`.5`, "invalid character '.' looking for beginning of value"},
		{`1.`, "invalid character '}' in a number"},
		{`1.e5`, "invalid character 'e' in a number"},
		{`1e`, "invalid character '}' in a number"},
		{`1e+-1`, "invalid character '-' in a number"},
		{`0x10`, "invalid character 'x' after a value"},
		{`1_000`, "invalid character '_' after a value"},
		{`-Infinity`, "invalid character 'I' in a number"},
		{`[`, "invalid character '}' looking for beginning of value"},
		{`[1,]`, "invalid character ']' looking for beginning of value"},
		{`[,1]`, "invalid character ',' looking for beginning of value"},
		{`[1 2]`, "invalid character '2' after a value"},
		{`[1}`, "invalid character '}' after a value"},
		{`]`, "invalid character ']' looking for beginning of value"},
		{`{"a":1,}`, "invalid character '}' in place of a name"},
		{`{,}`, "invalid character ',' in place of a name"},
		{`{a:1}`, "invalid character 'a' in place of a name"},
		{`{'a':1}`, "invalid character '\\'' in place of a name"},
		{`{null:1}`, "invalid character 'n' in place of a name"},
		{`{"a"}`, "invalid character '}' after a name"},
		{`{"a",1}`, "invalid character ',' after a name"},
		{`{"a":}`, "invalid character '}' looking for beginning of value"},
		{`{"a":1]`, "invalid character ']' after a value"},
		{`{"a":1 "b":2}`, "invalid character '\"' after a value"},
		{`'a'`, "invalid character '\\'' looking for beginning of value"},
		{`"a`, "unexpected end of JSON input"},
		{"\"a\nb\"", "invalid character '\\n' in a string"},
		{"\"\\n\x00\"", "invalid character '\\x00' in a string"},
		{`"\x41"`, "invalid escape in a string"},
		{`"\'"`, "invalid escape in a string"},
		{`"\U0041"`, "invalid escape in a string"},
		{`"\u004"`, "invalid escape in a string"},
		{`"\u00g0"`, "invalid escape in a string"},
		{`"\u+041"`, "invalid escape in a string"},
		{`"\u0_41"`, "invalid escape in a string"},
		{`"\ud83d\u00"`, "invalid escape in a string"},
		{"\"\\\n\"", "invalid escape in a string"},
		{"1 // one", "invalid character '/' after a value"},
		{"/* */ 1", "invalid character '/' looking for beginning of value"},
		{"\v1", "invalid character '\\v' looking for beginning of value"},
		{"\u00a01", "invalid character 'Â' looking for beginning of value"},
		{"\x00", "invalid character '\\x00' looking for beginning of value"},
	} {
		for _, name := range []string{"code", "unknown"} {
			text := `{"message":"before","` + name + `":` + tt.value
			if tt.err == "" {
				text += `,"message_detail":"after"`
			}
			text += "}"
			var a answer
			err := a.parse([]byte(text), into{})
			switch {
			case tt.err == "":
				if err != nil || a.message != "before" || a.detail != "after" {
					t.Errorf("%.80s: got %+v, %v", text, a, err)
				}
			case err == nil || err.Error() != tt.err:
				t.Errorf("%.80s: got %v, want %s", text, err, tt.err)
			case a != answer{}:
				t.Errorf("%.80s: got %+v of what is no JSON", text, a)
			}
			if json.Valid([]byte(text)) != (tt.err == "") && !strings.HasPrefix(tt.err, "nested") {
				t.Errorf("%.80s: encoding/json says otherwise", text)
			}
		}
	}
}

// A body is one value, all of it.
func TestBodies(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "unexpected end of JSON input",
		" \n":                                    "unexpected end of JSON input",
		"\t{} ":                                  "",
		"{} {}":                                  "invalid character '{' after top-level value",
		"{}}":                                    "invalid character '}' after top-level value",
		"{},":                                    "invalid character ',' after top-level value",
		"{}\x00":                                 "invalid character '\\x00' after top-level value",
		"\ufeff{}":                               "invalid character 'ï' looking for beginning of value",
		"null":                                   "",
		"[]":                                     "array in place of an object",
		`"allow"`:                                "string in place of an object",
		`{"stat":"OK"`:                           "unexpected end of JSON input",
		`{"stat":"OK","stat":"OK"}`:              "stat comes twice",
		`{"stat":null,"stat":"OK"}`:              "stat comes twice",
		`{"stat":"OK","st\u0061t":"FAIL"}`:       "stat comes twice",
		`{"Stat":"OK","STAT":"OK","stat ":"OK"}`: "", // none of ours
		`{"response":{},"response":null}`:        "response comes twice",
		`{"response":{"result":"deny","result":"allow"}}`:                     "result comes twice",
		`{"response":{"devices":[],"devices":[]}}`:                            "devices comes twice",
		`{"response":{"devices":[{"type":"a"},{"type":"b"}]}}`:                "",
		`{"response":{"devices":[{"type":"phone","name":"","type":"x"}]}}`:    "type comes twice",
		`{"response":{"result":"a"},"x":{"result":"b"},"result":1}`:           "",
		`{"response":{"result":5}}`:                                           "number in place of response.result",
		`{"response":{"result":-5}}`:                                          "number in place of response.result",
		`{"response":{"result":true,"txid":1}}`:                               "bool in place of response.result",
		`{"response":{"result":{"result":"allow"}}}`:                          "object in place of response.result",
		`{"response":{"result":["allow"]}}`:                                   "array in place of response.result",
		`{"response":{"result":5}`:                                            "unexpected end of JSON input",
		`{"response":{"devices":{}}}`:                                         "object in place of response.devices",
		`{"response":{"devices":[1]}}`:                                        "number in place of response.devices",
		`{"response":{"devices":[{"name":"a"},{"name":[]}]}}`:                 "array in place of response.devices.name",
		`{"response":{"devices":[{"capabilities":"push"}]}}`:                  "string in place of response.devices.capabilities",
		`{"response":{"devices":[null,{"capabilities":[null,"push",true]}]}}`: "bool in place of response.devices.capabilities",
		`{"response":[]}`:                                                     "array in place of response",
		`{"stat":1}`:                                                          "number in place of stat",
	} {
		var a answer
		err := a.parse([]byte(text), into{preauth: new(preauth)})
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestIntegers(t *testing.T) {
	for value, want := range map[string]int64{
		"0": 0, "-0": 0, "1800000000": 1800000000, "-5": -5, "9223372036854775807": 1<<63 - 1, "null": 0,
		"9223372036854775808": -1, "1.5": -1, "1.0": -1, "1e3": -1, `"5"`: -1, "true": -1, "[5]": -1, "{}": -1,
	} {
		var a answer
		var out clock
		err := a.parse([]byte(`{"response":{"time": `+value+` }}`), into{clock: &out})
		if want == -1 {
			if _, odd := errors.AsType[*misfit](err); !odd || out.time != 0 || !strings.HasSuffix(err.Error(), " in place of response.time") {
				t.Errorf("%s: got %d, %v", value, out.time, err)
			}
		} else if err != nil || out.time != want {
			t.Errorf("%s: got %d, %v", value, out.time, err)
		}
	}
}

// An answer that is cut anywhere is an error.
func TestCutAnswers(t *testing.T) {
	for _, text := range seeds {
		for n := range text {
			var a answer
			if err := a.parse([]byte(text[:n]), into{preauth: new(preauth)}); err == nil || a != (answer{}) {
				t.Errorf("%s: got %+v, %v", text[:n], a, err)
			}
		}
	}
}

// What comes with 200 and says OK is no answer all the same where something of it is not what it should be.
func TestOddAnswers(t *testing.T) {
	for body, want := range map[string]string{
		`{"stat":"OK","response":{"result":"allow","status":5}}`:         "number in place of response.status",
		`{"stat":"OK","response":{"result":"allow"},"message":[]}`:       "array in place of message",
		`{"stat":"OK","response":{"result":"allow","result":"allow"}}`:   "result comes twice",
		`{"stat":"OK","response":{"result":"allow","x":"\x"}}`:           "invalid escape in a string",
		`{"stat":"OK","response":null}`:                                  "no response in the answer",
		`{"stat":"OK","RESPONSE":{"result":"allow"}}`:                    "no response in the answer",
		`{"STAT":"OK","response":{"result":"allow"}}`:                    `stat ""`,
		`{"stat":null,"response":{"result":"allow"}}`:                    `stat ""`,
		`{"stat":"OK","response":{"result":"allow"},"code":40002,"x":0}`: "",
	} {
		err := decode(authPath, &response{status: 200, body: []byte(body)}, into{status: new(status)})
		if e, _ := errors.AsType[*Error](err); want != "" && (e == nil || e.kind != unknown || e.Err == nil || e.Err.Error() != want) {
			t.Errorf("%s: got %v, want %s", body, err, want)
		} else if want == "" && err != nil {
			t.Errorf("%s: got %v", body, err)
		}
	}
}

// With a refusal, what can be read of it counts, and nothing where it is no JSON.
func TestOddRefusals(t *testing.T) {
	for body, want := range map[string]Error{
		`{"stat":1,"code":40103,"message":[],"message_detail":"no"}`:         {Code: 40103, Detail: "no"},
		`{"code":"40103","message":"a","response":"","x":[1]}`:               {Code: 40103, Message: "a"},
		`{"code":40103.0,"message":"a"}`:                                     {Message: "a"},
		`{"code":{"code":40103},"message":"a"}`:                              {Message: "a"},
		`{"stat":"FAIL","code":40103,"message":"a"`:                          {},
		`{"stat":"FAIL","code":40103,"message":"a","message":"b"}`:           {},
		`{"stat":"FAIL","code":40103,"message":"a","message_detail":"\u00"}`: {},
	} {
		err := decode(authPath, &response{status: 401, body: []byte(body)}, into{status: new(status)})
		want.Path, want.Status, want.kind = authPath, 401, misconfigured
		if got, ok := errors.AsType[*Error](err); !ok || *got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", body, got, want)
		}
	}
}

var seeds = []string{
	`{"response": {"devices": [{"capabilities": ["auto", "push", "sms", "phone", "mobile_otp"], "device": "DPAAAAAAAAAAAAAAAAAA", ` +
		`"display_name": "J\u00f6's (XXX-XXX-0100)", "name": "", "number": "XXX-XXX-0100", "sms_nextcode": "1", "type": "phone"}, ` +
		`{"device": "DHAAAAAAAAAAAAAAAAAA", "name": "0123456", "type": "token"}], "result": "auth", "status_msg": "Account is active"}, "stat": "OK"}`,
	`{"response": {"txid": "f22b1678-252a-4070-b176-0ca2be7319fd"}, "stat": "OK"}`,
	`{"stat":"OK","response":{"result":"allow","status":"allow","status_msg":"Success. Logging you in...","auth_delayed":false,"x":-1.5e+3}}`,
	`{"response": {"time": 1800000000}, "stat": "OK"}`,
	`{"code": 40002, "message": "Invalid request parameters", "message_detail": "username", "stat": "FAIL"}`,
	`{"response":{"result":"enroll","enroll_portal_url":"https:\/\/x\/?a=\ud83d\ude00\udead","verification_code":"123","txid":null,"devices":null}}`,
}
