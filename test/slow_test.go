package test

import "testing"

// slow skips a test that takes long, if -short is given. why says what takes the time.
func slow(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow: " + why + "; -short leaves it out")
	}
}
