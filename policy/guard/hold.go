package guard

import "time"

// PushEnd is what a push, a call or an SMS came to.
type PushEnd struct {
	Status string        // Duo's; "" is none
	Took   time.Duration // since Duo had begun it
}

// Hold is why a user's phone must not ring.
type Hold string

const (
	HoldUnanswered Hold = "unanswered" // [guard]: too many went without a yes, or the user reported one
	HoldByDuo      Hold = "duo"        // Duo has refused one as one of too many, or as unusual
	HoldTooQuick   Hold = "too-quick"  // one was denied sooner than its user can have done it
)

// Duo's words for a push that it refuses by itself: new ones within 15 seconds of an unanswered one, or one that looks like an
// attack. Its documentation of the Auth API does not list them; its authentication log does.
const (
	StatusFrequent  = "frequent_attempts"
	StatusAnomalous = "anomalous_push"
)

const (
	HoldTime     = time.Minute // of HoldByDuo and HoldTooQuick
	fastestHuman = time.Second // to see a push and to deny it
)

// Hold returns why the phone must not ring after such an end, for HoldTime; "" where it may, as far as this end goes.
func (e PushEnd) Hold() Hold {
	switch {
	case e.Status == StatusFrequent, e.Status == StatusAnomalous:
		return HoldByDuo
	case e.Status == "deny" && e.Took < fastestHuman:
		return HoldTooQuick
	}
	return ""
}
