package policy

import "time"

// Alive returns when every table that a login looks into has answered. When one hangs it never returns.
func (m *Memory) Alive() {
	m.Approvals.Len()
	m.challenges.take("", "", "", time.Time{})
	m.guard.cooling(Identity{}, time.Time{})
	m.Counts()
}
