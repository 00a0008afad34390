package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"
)

// disturbing is the share of the machine that its hypervisor may give to others during a turn. Of what it gives away no
// process knows: a turn with more of that measures the neighbours.
const disturbing = 0.005

// longestPause is between a turn that was disturbed and the next try: who disturbs does so for a while.
const longestPause = 16 * time.Second

// calmly takes a turn, and takes it again as long as the machine was disturbed meanwhile and the row has patience left.
// Whether it counts is not seen from its result.
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

// machineTime is that of all processors since the machine was started, in ticks (proc_stat(5)).
type machineTime struct{ all, stolen float64 }

// machine is machineTime now.
func (b *bench) machine() machineTime {
	if b.fakeMachine != nil {
		return b.fakeMachine()
	}
	return readMachineTime()
}

func readMachineTime() machineTime {
	b, _ := os.ReadFile("/proc/stat") // without it nothing is known to be stolen
	line, _, _ := strings.Cut(string(b), "\n")
	return parseMachineTime(line)
}

// parseMachineTime reads "cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL GUEST...": guests are in USER already.
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

// stolenSince is the share of the time since then that the hypervisor gave to others.
func (t machineTime) stolenSince(before machineTime) float64 {
	return ratio(t.stolen-before.stolen, t.all-before.all)
}
