package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// LoadChaos reads a Chaos from a TOML file. The error names the file, and the line or key that is unknown or wrong.
func LoadChaos(path string) (*Chaos, error) {
	var f struct {
		Seed           uint64        `toml:"seed"`
		CallsPerMinute int           `toml:"calls_per_minute"`
		Window         time.Duration `toml:"window"`
		Rules          []struct {
			Call       string        `toml:"call"`
			Chance     *float64      `toml:"chance"`
			First      int           `toml:"first"`
			Do         string        `toml:"do"`
			Status     int           `toml:"status"`
			Body       string        `toml:"body"`
			RetryAfter time.Duration `toml:"retry_after"`
			AsDate     bool          `toml:"as_date"`
			For        time.Duration `toml:"for"`
			Full       bool          `toml:"full"`
		} `toml:"rule"`
	}
	meta, err := toml.DecodeFile(path, &f)
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		return nil, fmt.Errorf("chaos file %q: line %d: %s", path, parse.Position.Line, parse.Message)
	}
	if err != nil {
		return nil, fmt.Errorf("chaos file %q: %w", path, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("chaos file %q: unknown: %v", path, unknown)
	}
	c := &Chaos{Seed: f.Seed, CallsPerMinute: f.CallsPerMinute, Window: f.Window}
	for _, r := range f.Rules {
		chance := 1.0
		if r.Chance != nil {
			chance = *r.Chance
		}
		c.Rules = append(c.Rules, Rule{
			Call: r.Call, Chance: chance, First: r.First, Do: r.Do, Status: r.Status, Body: r.Body,
			RetryAfter: r.RetryAfter, AsDate: r.AsDate, For: r.For, Full: r.Full,
		})
	}
	if _, err := newChaos(nil, *c); err != nil {
		return nil, fmt.Errorf("chaos file %q: %w", path, err)
	}
	return c, nil
}

// Disturbances lists the values of Rule.Do.
func Disturbances() []string { return names(disturbances()) }

func names(m map[string]disturbance) []string { return slices.Sorted(maps.Keys(m)) }

// ChaosExample is the text of a file that LoadChaos accepts, with every key.
func ChaosExample() string {
	return strings.TrimPrefix(`
seed = 1                  # gives the same chaos for the same calls
calls_per_minute = 100    # more are answered with 429
window = "1m"             # takes the place of a minute, for tests

[[rule]]                  # at most one rule disturbs a call: the first that applies
call = "actions"          # accessToken, media, actions, groups or a call of a login; left out: all
chance = 0.1              # of a call to be disturbed; left out: 1
first = 20                # how many calls at most; left out: no limit
do = "lose answer"        # the message is in the group, but the connection is reset

[[rule]]
call = "media"
chance = 0.05
do = "status"
status = 503
body = "html"             # json, html or none
retry_after = "2s"
as_date = true            # Retry-After as a date, not in seconds

[[rule]]
chance = 0.05
do = "delay"
for = "300ms"             # hang and slow have it as well

[[rule]]
chance = 0.01
do = "moved"              # 308 to the same server under another name
full = true               # Location holds the address of the call, not only the endpoint
`, "\n")
}
