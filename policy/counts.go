package policy

// Counts is what a Memory is busy with, for those who watch.
type Counts struct {
	Transactions int    // pushes, calls and passcode checks that wait for Duo's answer
	Joins        uint64 // logins that were given a transaction which another had begun, since the start
}

// Counts returns what m is busy with.
func (m *Memory) Counts() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Counts{Transactions: m.running, Joins: m.joins}
}
