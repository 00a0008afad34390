package radiusd

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestTryTwice: what there is no room for is tried once more, whatever else fails is not.
func TestTryTwice(t *testing.T) {
	for _, tt := range []struct {
		answers []error
		want    error
		tries   int
	}{
		{[]error{nil}, nil, 1},
		{[]error{unix.EAGAIN, nil}, nil, 2},
		{[]error{unix.EAGAIN, unix.EAGAIN}, unix.EAGAIN, 2},
		{[]error{unix.EPERM}, unix.EPERM, 1},
	} {
		tries := 0
		got := tryTwice(0, func() error {
			tries++
			return tt.answers[tries-1]
		})
		if got != tt.want || tries != tt.tries {
			t.Errorf("%v: %v after %d tries", tt.answers, got, tries)
		}
	}
}
