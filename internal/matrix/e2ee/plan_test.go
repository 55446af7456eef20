package e2ee

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPlan is the table of what follows from who may read and who was given the key.
func TestPlan(t *testing.T) {
	d := device{"@a:x", "D"}
	for name, k := range map[string]struct {
		now            *reader
		before         *given
		rotate         bool
		give, withhold bool
	}{
		"new":                         {&reader{"i", ""}, nil, false, true, false},
		"new, may not":                {&reader{"i", Unsigned}, nil, false, false, true},
		"has it":                      {&reader{"i", ""}, &given{"i", givenKey}, false, false, false},
		"was told that it may not":    {&reader{"i", NewIdentity}, &given{"i", givenWithheld}, false, false, false},
		"was signed since":            {&reader{"i", ""}, &given{"i", givenWithheld}, false, true, false},
		"there was no key for it":     {&reader{"i", ""}, &given{"i", givenNothing}, false, true, false},
		"there was none, and may not": {&reader{"i", Unsigned}, &given{"i", givenNothing}, false, false, true},
		"left":                        {nil, &given{"i", givenKey}, true, false, false},
		"left, and never had it":      {nil, &given{"i", givenWithheld}, false, false, false},
		"may not any more":            {&reader{"i", NewIdentity}, &given{"i", givenKey}, true, false, true},
		"has another key now":         {&reader{"j", ""}, &given{"i", givenKey}, true, true, false},
		"another one, and may not":    {&reader{"j", Unsigned}, &given{"i", givenWithheld}, false, false, true},
	} {
		now, before := map[device]reader{}, map[device]given{}
		if k.now != nil {
			now[d] = *k.now
		}
		if k.before != nil {
			before[d] = *k.before
		}
		got := plan(now, before)
		if got.rotate != k.rotate || slices.Contains(got.give, d) != k.give || slices.Contains(got.withhold, d) != k.withhold {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestPlanHolds follows a room in which everything changes at random: after each plan was done, exactly those who may read have the key,
// and no session's key was ever with somebody who may not read what it encrypts.
func TestPlanHolds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	reasons := []Reason{"", "", Unsigned, NewIdentity}
	before := map[device]given{}
	rotated := 0
	for range 5000 {
		now := map[device]reader{}
		for i := range random.IntN(6) {
			now[device{fmt.Sprint(i / 2), fmt.Sprint(i)}] = reader{fmt.Sprint(random.IntN(2)), reasons[random.IntN(len(reasons))]}
		}
		s := plan(now, before)
		if s.rotate {
			before = map[device]given{}
			rotated++
		}
		for _, d := range s.give {
			before[d] = given{now[d].identity, givenKey}
			if random.IntN(4) == 0 {
				before[d] = given{now[d].identity, givenNothing}
			}
		}
		for _, d := range s.withhold {
			before[d] = given{now[d].identity, givenWithheld}
		}
		for d, g := range before {
			if r := now[d]; g.how == givenKey && (r.why != "" || r.identity != g.identity) {
				t.Fatalf("%v has the key: %+v, %+v", d, r, g)
			}
		}
		for d, r := range now {
			if g, known := before[d]; r.why == "" && (!known || g.how == givenWithheld) {
				t.Fatalf("%v was passed over: %+v", d, r)
			}
		}
	}
	if rotated == 0 {
		t.Error("it never rotated")
	}
}
