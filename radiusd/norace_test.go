//go:build !race

package radiusd

const raceDetector = false
