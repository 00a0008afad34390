package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"
)

// disturbing is the largest share of the machine's time that the hypervisor may give to other machines during a turn.
// Processes do not notice that time, so a turn with more of it would measure the other machines.
const disturbing = 0.005

// longestPause is the longest pause before a disturbed turn is repeated. A disturbance often lasts for some time.
const longestPause = 16 * time.Second

// calmly calls turn, and calls it again if the machine was disturbed in that time and the row may still wait. Only the
// disturbance decides whether a turn counts, never its result.
func calmly[T any](ctx context.Context, b *bench, row string, turn func() (T, error)) (T, error) {
	for pause := time.Second; ; pause = min(2*pause, longestPause) {
		start, before := time.Now(), b.machine()
		result, err := turn()
		stolen := b.machine().stolenSince(before)
		if err != nil || stolen <= disturbing {
			return result, err
		}
		if b.waited[row] >= b.scale.Patience {
			b.report.Disturbed[row]++
			return result, nil
		}
		b.report.Repeated++
		b.say("%s: the hypervisor took %.1f %% of the machine meanwhile: once more in %v", row, 100*stolen, pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return result, ctx.Err()
		}
		b.waited[row] += time.Since(start)
	}
}

// machineTime is the time of all processors since the machine was started, in ticks (proc_stat(5)).
type machineTime struct{ all, stolen float64 }

// machine returns the present machineTime.
func (b *bench) machine() machineTime {
	if b.fakeMachine != nil {
		return b.fakeMachine()
	}
	return readMachineTime()
}

func readMachineTime() machineTime {
	b, _ := os.ReadFile("/proc/stat") // if it can't be read, no time counts as stolen
	line, _, _ := strings.Cut(string(b), "\n")
	return parseMachineTime(line)
}

// parseMachineTime reads the line "cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL GUEST...". The time of guests is
// already part of USER.
func parseMachineTime(line string) (t machineTime) {
	const steal = 8
	for i, word := range strings.Fields(line) {
		n, err := strconv.ParseFloat(word, 64)
		if i > steal || err != nil && i > 0 {
			break
		}
		t.all += n
		if i == steal {
			t.stolen = n
		}
	}
	return t
}

// stolenSince returns the share of the time since before that the hypervisor has given to other machines.
func (t machineTime) stolenSince(before machineTime) float64 {
	return ratio(t.stolen-before.stolen, t.all-before.all)
}
