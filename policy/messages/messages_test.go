package messages

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestCatalogue(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	var seen []ID
	for _, m := range All() {
		switch {
		case !form.MatchString(string(m.ID)):
			t.Errorf("%q is no ID", m.ID)
		case slices.Contains(seen, m.ID):
			t.Errorf("%s stands twice", m.ID)
		case m.Where == "":
			t.Errorf("%s tells no place", m.ID)
		}
		if problems := m.Check(m.Text); len(problems) > 0 {
			t.Errorf("%s: %v", m.ID, problems)
		}
		seen = append(seen, m.ID)
	}
	if list := (Texts)(nil).TooLong(); len(list) > 0 {
		t.Errorf("the defaults are too long: %v", list)
	}
}

func TestSay(t *testing.T) {
	texts := Texts{MenuOfUser: "Anmeldung von {user}"}
	for _, tt := range []struct {
		got, want string
	}{
		{texts.Say(MenuOfUser, "user", "bob"), "Anmeldung von bob"},
		{texts.Say(WrongPassword), "Wrong user name or password."},
		{Texts(nil).Say(HeldPasswords, "wait", "5 minutes"), "Too many wrong passwords. Try again in 5 minutes."},
		{texts.Say(MenuOfUser, "user", "{user}{url}"), "Anmeldung von {user}{url}"}, // the value of a variable is not searched for variables
		{Texts(nil).Say(OptionSMSNext, "device", "{digit}", "digit", "4"), "SMS passcodes to {digit} (next code starts with 4)"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		id      ID
		text    string
		want    string // a part of the first problem; "" means that there is none
		warning bool
	}{
		{WrongPassword, "Benutzername oder Passwort falsch.", "", false},
		{WrongPassword, " ", "empty", false},
		{WrongPassword, "red \x1b[31m", "control character", false},
		{WrongPassword, "two\nlines", "", false},
		{WrongPassword, "{user}: falsch", `"{user}", which is no variable of this message; want none in this message`, false},
		{Enroll, "Besuche {ulr}, {url}", `"{ulr}", which is no variable of this message; want {url}`, false},
		{Enroll, "Besuche enroll.example.com", "without {url}", true},
		{AnswerPushByCode, "Tippe den Code", "without {code}", false},
		{MenuOfUser, "Duo", "", false},
		{DuoPushDenied, "Abgelehnt.", "", false},
		{HeldPasswords, "Zu viele. {wait", "without {wait}", true},
		{MenuOfUser, "Duo {user", "an unpaired brace", false},
	} {
		m, ok := Find(tt.id)
		problems := m.Check(tt.text)
		switch {
		case !ok:
			t.Errorf("no %s", tt.id)
		case tt.want == "" && len(problems) > 0:
			t.Errorf("%q: %v", tt.text, problems)
		case tt.want != "" && (len(problems) == 0 || !strings.Contains(problems[0].Text, tt.want) || problems[0].Warning != tt.warning):
			t.Errorf("%q: %v, want %q", tt.text, problems, tt.want)
		}
	}
}

// TestTooLong counts octets and not letters, and adds the usual length of variables.
func TestTooLong(t *testing.T) {
	for _, tt := range []struct {
		texts Texts
		want  []ID
	}{
		{Texts{TryLater: strings.Repeat("x", 253)}, nil},
		{Texts{TryLater: strings.Repeat("x", 254)}, []ID{TryLater}},
		{Texts{TryLater: strings.Repeat("ü", 127)}, []ID{TryLater}},
		{Texts{Enroll: strings.Repeat("x", 200) + "{url}"}, []ID{Enroll}},
		{Texts{PasswordExpired: strings.Repeat("x", 240)}, []ID{PasswordExpired, NewPassword}},
	} {
		list := tt.texts.TooLong()
		if tt.want == nil && len(list) > 0 || tt.want != nil && (len(list) != 1 || !slices.Equal(list[0].IDs, tt.want)) {
			t.Errorf("%v: got %v, want %v", tt.texts, list, tt.want)
		}
	}
}
