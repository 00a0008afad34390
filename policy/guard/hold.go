package guard

import "time"

// PushEnd says how a push, a call or an SMS ended.
type PushEnd struct {
	Status string        // the status from Duo; "" means none
	Took   time.Duration // the time since Duo began it
}

// Hold is the reason why a user's phone must not ring.
type Hold string

const (
	HoldUnanswered Hold = "unanswered" // [guard]: too many ended without the user's approval, or the user reported one as fraud
	HoldByDuo      Hold = "duo"        // Duo has refused one, because there were too many or because it was unusual
	HoldTooQuick   Hold = "too-quick"  // one was denied sooner than a human can react
)

// Duo uses these words for a push that it refuses by itself. It refuses new pushes within 15 seconds of an unanswered one,
// and a push that looks like an attack. Duo's documentation of the Auth API does not list these words, but Duo's
// authentication log does.
const (
	StatusFrequent  = "frequent_attempts"
	StatusAnomalous = "anomalous_push"
)

const (
	HoldTime     = time.Minute // the length of HoldByDuo and HoldTooQuick
	fastestHuman = time.Second // the least time in which a human sees a push and denies it
)

// Hold returns why the phone must not ring for HoldTime after this end. It returns "" if this end is no reason.
func (e PushEnd) Hold() Hold {
	switch {
	case e.Status == StatusFrequent, e.Status == StatusAnomalous:
		return HoldByDuo
	case e.Status == "deny" && e.Took < fastestHuman:
		return HoldTooQuick
	}
	return ""
}
