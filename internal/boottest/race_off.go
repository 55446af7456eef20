//go:build !race

package boottest

const raceEnabled = false
