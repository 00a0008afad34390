package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/messages"
)

// marked replaces each text by its ID and its variables, such as "<menu-of-user {user}>".
func marked() messages.Texts {
	texts := messages.Texts{}
	for _, m := range messages.All() {
		text := "<" + string(m.ID)
		for _, v := range m.Variables() {
			text += " {" + v.Name + "}"
		}
		texts[m.ID] = text + ">"
	}
	for _, id := range []messages.ID{messages.PushService, messages.PushClient, messages.PushUserAddress} {
		delete(texts, id) // the fake Duo checks these
	}
	return texts
}

// TestMessages: users read the texts of the configuration, with all variables filled in, and a reload changes them.
func TestMessages(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Messages = marked()
		w.settings.Rules = []Rule{{Users: []string{"bob"}, Need: NeedDeny}}
		w.load()
		w.wants(w.login("no"), "reject bad-password: <wrong-password>")
		w.wants(w.login("pw", as("bob")), "reject denied-by-rule: <wrong-password>")
		w.wants(w.login("pw,nonsense!"), "reject bad-password: <wrong-password>")
		w.answers(denied)
		w.wants(w.login("pw"), "reject denied push T1: <duo-push-denied Login request denied.>")
		w.duo.pre = Preauth{Result: PreauthEnroll, EnrollURL: "https://example.com/"}
		w.wants(w.login("pw"), "reject not-enrolled: <enroll https://example.com/>")
		w.duo.pre = Preauth{Result: PreauthDeny, Message: "Locked out"}
		w.wants(w.login("pw"), "reject denied-by-duo: <duo-denies Locked out>")
		w.duo.pre = Preauth{Result: PreauthDeny}
		w.wants(w.login("pw"), "reject denied-by-duo: <denied>")

		w.settings.Messages[messages.WrongPassword] = "Falsch."
		w.settings.Rules[0].Message = "Not at night."
		w.load()
		w.wants(w.login("no"), "reject bad-password: Falsch.")
		w.wants(w.login("pw", as("bob")), "reject denied-by-rule: Not at night.")
	})
}

// TestMessagesOfChallenges: the menu uses the configured texts, too. Users type the same words in every language.
func TestMessagesOfChallenges(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.settings.Messages = marked()
		w.load()
		v := w.login("pw")
		for _, want := range []string{"<menu-of-user alice>\n1. <option-push ", "\n2. <option-call ", "<choose-or-passcode 1-"} {
			if !strings.Contains(v.Message, want) {
				t.Errorf("got %q, want %q", v.Message, want)
			}
		}
		w.answers(denies("deny", "Incorrect passcode. Please try again.", 0), allows(time3))
		v = w.decide(w.Context(), w.attempt("123456", state(v.State)))
		if want := "<duo-wrong-passcode Incorrect passcode. Please try again.>\n1. "; !strings.HasPrefix(v.Message, want) {
			t.Errorf("got %q, want %q", v.Message, want)
		}
		w.answer(v.State, "push", "accept approved push T1")
	})
	inVerified(t, func(w *world) {
		w.settings.Messages = marked()
		w.load()
		w.answers(allows(time.Second))
		v := w.login("pw")
		w.wants(v, "challenge challenged push V1: <answer-push-by-code-or-passcode 376>")
		w.answer(v.State, "", "accept approved push V1")
	})
}

// TestLabelsOfPush: the labels on the phone are those of the configuration.
func TestLabelsOfPush(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Messages = messages.Texts{messages.PushUserAddress: "Adresse"}
		w.load()
		w.answers(allows(time3))
		w.wants(w.login("pw"), "accept approved push T1")
		if info := w.duo.auths[0].Info; len(info) != 3 || info[0][0] != "Service" || info[1][0] != "Client" || info[2] != [2]string{"Adresse", home.String()} {
			t.Errorf("beside the push: %q", info)
		}
	})
}

// TestDuosWords: a text without {duo} replaces what Duo says.
func TestDuosWords(t *testing.T) {
	inWorld(t, func(w *world) {
		w.settings.Messages = messages.Texts{messages.DuoWrongPasscode: "Der Code ist falsch."}
		w.load()
		w.answers(denies("deny", "Incorrect passcode. Please try again.", 0), denies("deny", "", 0), denied)
		w.wants(w.login("pw,123456"), "reject denied passcode: Der Code ist falsch.")
		w.wants(w.login("pw,123457"), "reject denied passcode: Der Code ist falsch.")
		w.wants(w.login("pw"), "reject denied push T1: Login request denied.")
	})
}

// TestEveryMessageIsUsed: the code uses each message, and uses its ID and never a text of its own.
func TestEveryMessageIsUsed(t *testing.T) {
	read := func(pattern string) (text string) {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text += string(b)
		}
		return text
	}
	code := read("*.go")
	ids := regexp.MustCompile(`(?m)^\t(\w+) +ID = `).FindAllStringSubmatch(read("messages/catalogue.go"), -1)
	if len(ids) != len(messages.All()) {
		t.Errorf("%d constants, %d messages", len(ids), len(messages.All()))
	}
	for _, id := range ids {
		if !regexp.MustCompile(`\bmessages\.` + id[1] + `\b`).MatchString(code) {
			t.Errorf("nobody says messages.%s", id[1])
		}
	}
	if literal := regexp.MustCompile(`(reject|challenge|askAgain|askNewPasswordAgain)\([^)\n]*"\w[^"\n]* |Message = "\w`).FindString(code); literal != "" {
		t.Errorf("a sentence without an ID: %s", literal)
	}
}
