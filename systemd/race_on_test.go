//go:build race

package systemd_test

const raceEnabled = true
