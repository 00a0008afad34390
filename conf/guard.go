package conf

import "time"

// Guard is what stands against push bombing and guessing.
type Guard struct {
	Pushes      int           // so many unanswered or denied pushes ...
	Window      time.Duration // ... within this time, and only a passcode counts ...
	Cooldown    time.Duration // ... for this long
	RejectDelay time.Duration // how long an Access-Reject waits
}

func readGuard(t *table) Guard {
	return Guard{
		Pushes:      t.int("pushes", 3, 1, 1000),
		Window:      t.duration("window", 10*time.Minute, time.Second, 24*time.Hour),
		Cooldown:    t.duration("cooldown", 10*time.Minute, time.Second, 24*time.Hour),
		RejectDelay: t.duration("reject_delay", time.Second, 0, 5*time.Second),
	}
}
