package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "duoradiusd/policy"
	"duoradiusd/policy/factor"
)

func TestMenu(t *testing.T) {
	second := smartphone
	second.ID, second.Number, second.NextCode = "D9", "XXX-XXX-7777", ""
	for _, tt := range []struct {
		name    string
		factors []factor.Factor
		devices []Device
		want    string
	}{
		{"two phones and a token", allFactors, []Device{smartphone, landline, token}, menuText},
		{"by the order of factors", []factor.Factor{factor.SMS, factor.Passcode, factor.Phone, factor.Push}, []Device{smartphone, token},
			"1. SMS passcodes to XXX-XXX-4508 (next code starts with 1)\n2. Phone call to XXX-XXX-4508\n" +
				"3. Duo Push to XXX-XXX-4508\nPasscode or option (1-3):"},
		{"push only", []factor.Factor{factor.Push, factor.Passcode}, []Device{smartphone, second}, "1. Duo Push to XXX-XXX-4508\n" +
			"2. Duo Push to XXX-XXX-7777\nPasscode or option (1-2):"},
		{"one option", []factor.Factor{factor.Push, factor.Passcode}, []Device{tablet}, "1. Duo Push to Tablet (iOS)\nPasscode or option (1):"},
		{"no code starts anywhere", []factor.Factor{factor.SMS, factor.Passcode}, []Device{second}, "1. SMS passcodes to XXX-XXX-7777\nPasscode or option (1):"},
		{"without a name", []factor.Factor{factor.Phone, factor.Passcode}, []Device{{ID: "D", Capabilities: []string{"phone"}}},
			"1. Phone call to your phone\nPasscode or option (1):"},
		{"a token only", allFactors, []Device{token}, "Passcode:"},
		{"no device", allFactors, nil, "Passcode:"},
		{"no codes", []factor.Factor{factor.Push, factor.Phone}, []Device{smartphone}, "1. Duo Push to XXX-XXX-4508\n2. Phone call to XXX-XXX-4508\nOption (1-2):"},
		{"no codes, one option", []factor.Factor{factor.Push}, []Device{smartphone}, "1. Duo Push to XXX-XXX-4508\nOption (1):"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inChallenge(t, func(w *world) {
				w.client.Factors, w.duo.pre.Devices = tt.factors, tt.devices
				v := w.login("pw")
				w.wants(v, "challenge challenged: Duo login for alice\n"+tt.want)
				if v.Wait != 2*time.Minute || v.User != "alice" || len(v.State) != 32 || strings.Trim(v.State, "0123456789abcdef") != "" {
					t.Errorf("Wait %v, User %q, State %q", v.Wait, v.User, v.State)
				}
				if !w.duo.preauths[0].VerifiedPush {
					t.Error("we did not tell Duo that we can show a code")
				}
			})
		})
	}
}

// TestMenuShrinks: a menu of three devices with all factors fits one Reply-Message, because it is written short.
func TestMenuShrinks(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.duo.pre.Devices = nil
		for i := range 3 {
			w.duo.pre.Devices = append(w.duo.pre.Devices, Device{ID: fmt.Sprint("DP", i), Number: fmt.Sprint("+XX XX XXXX 000", i),
				Name: "Téléphone de l'été", NextCode: "3", Capabilities: []string{"push", "phone", "sms"}})
		}
		name := "firstname.lastname@sub.example.com"
		w.ldap.passwords[name] = "pw"
		if v := w.login("pw", as(name)); len(v.Message) > 253 || !strings.Contains(v.Message, "\n7. SMS 0000\n") || !strings.HasSuffix(v.Message, "Passcode or option (1-9):") {
			t.Errorf("%d octets: %s", len(v.Message), v.Message)
		}
	})
}

// TestMenuFits: three options fit one Reply-Message, with a long name too (RFC 2865 §5.18).
func TestMenuFits(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.duo.pre.Devices = []Device{smartphone, token}
		name := strings.Repeat("x", 64)
		w.ldap.passwords[name] = "pw"
		if v := w.login("pw", as(name)); len(v.Message) > 253 || !strings.HasSuffix(v.Message, "(1-3):") {
			t.Errorf("%d octets: %s", len(v.Message), v.Message)
		}
	})
}

// TestManyDevices: an option has one digit.
func TestManyDevices(t *testing.T) {
	inChallenge(t, func(w *world) {
		w.duo.pre.Devices = nil
		for range 20 {
			w.duo.pre.Devices = append(w.duo.pre.Devices, smartphone)
		}
		v := w.login("pw")
		if !strings.HasSuffix(v.Message, "\n9. Push 4508\nPasscode or option (1-9):") || len(v.Message) > 253 {
			t.Error(v.Message)
		}
		w.answers(allows(0))
		w.answer(v.State, "9", "accept approved push T1")
	})
}

func TestNothingToOffer(t *testing.T) {
	for _, tt := range []struct {
		devices []Device
		want    string
	}{
		{nil, "reject no-device: Duo knows no device of yours. Ask your help desk."},
		{[]Device{token}, "reject no-device: Duo can't reach a device of yours that way from here."},
	} {
		inChallenge(t, func(w *world) {
			w.client.Factors, w.duo.pre.Devices = []factor.Factor{factor.Push}, tt.devices
			w.wants(w.login("pw"), tt.want)
		})
	}
}
