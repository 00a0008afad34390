//go:build race

package radiusd

// raceDetector says that allocations can't be counted: it empties pools at random.
const raceDetector = true
