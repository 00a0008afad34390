package conf

import (
	"time"

	"duoradiusd/policy/guard"
)

// Guard holds the limits against push bombing and guessing.
type Guard struct {
	Pushes      int           // after so many unanswered or denied pushes of a person ...
	Window      time.Duration // ... within this time, Duo is asked about passcodes only ...
	Cooldown    time.Duration // ... for this long
	RejectDelay time.Duration // how long an Access-Reject is held back

	Guesses guard.GuessLimits // a limit of 0 is turned off
}

func readGuard(t *table) Guard {
	g := Guard{
		Pushes:      t.int("pushes", 3, 1, 1000),
		Window:      t.duration("window", 10*time.Minute, time.Second, 24*time.Hour),
		Cooldown:    t.duration("cooldown", 10*time.Minute, time.Second, 24*time.Hour),
		RejectDelay: t.duration("reject_delay", time.Second, 0, 5*time.Second),
		Guesses: guard.GuessLimits{
			WrongPasswords: t.int("wrong_passwords", 10, 0, 1000),
			WrongPasscodes: t.int("wrong_passcodes", 10, 0, 1000),
			WrongPerSource: t.int("wrong_per_source", 50, 0, 1_000_000),
			Refill:         t.duration("refill", 30*time.Second, time.Second, 24*time.Hour),
		},
	}
	if g.Guesses.WrongPasswords == 0 {
		t.warn("wrong_passwords", "0: passwords can be guessed without limit; want a number such as 10")
	}
	if g.Guesses.WrongPasscodes == 0 {
		t.warn("wrong_passcodes", "0: whoever has a password can guess passcodes without limit; want a number such as 10")
	}
	return g
}
