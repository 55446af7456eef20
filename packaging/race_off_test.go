//go:build !race

package packaging_test

const raceEnabled = false
