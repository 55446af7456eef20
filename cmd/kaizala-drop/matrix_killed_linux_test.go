package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"kaizala-drop/internal/matrix/dendritetest"
)

// TestHomeserverIsKilled kills the homeserver and the daemon together, while posts are under way to many rooms. What the homeserver had
// taken, and shows only minutes later, is not posted again: every file is shown once, and none is missing.
func TestHomeserverIsKilled(t *testing.T) {
	t.Parallel()
	takesLong(t)
	if raceEnabled {
		t.Skip("it waits for the homeserver: the race detector would see nothing new")
	}
	folders := make([]string, 30)
	for i := range folders {
		folders[i] = fmt.Sprintf("room%02d", i)
	}
	c := &matrixCrash{
		matrixWorld: newMatrixWorld(t, dendritetest.Options{}, "", folders...),
		rand:        rand.New(rand.NewPCG(firstSeed(t), 3)), kills: map[string]int{}, left: map[string]int{},
	}
	defer c.keepLog()
	c.reconfigure("shown_within = \"0s\"\n", "")
	mended, kills := 0, 40
	for i := range kills {
		for range 10 {
			c.make(folders[c.rand.IntN(len(folders))], ".txt")
		}
		k := c.atRandom()
		if at := []string{"before its answer", "after its answer", ""}[i%3]; at != "" {
			atPost := c.atCall("/send/m.room.message/", "", at, 1+c.rand.IntN(4))
			k = matrixKiller{name: "at a post, " + at, start: func(kill func()) {
				atPost(kill)
				time.AfterFunc(5*time.Second, kill) // as folders wait, there may be no such post
			}}
		}
		c.live(k)
		c.server.Kill()
		c.server.Begin()
		if c.reader.Mend(c.rooms[folders[0]]) {
			mended++
		}
	}
	c.finish()
	for _, folder := range folders {
		c.wantOnce(folder)
	}
	t.Logf("%d files, %d kills, deliveries that they left: %v; the homeserver's queue was mended %d times", c.number, kills, c.left, mended)
	if c.left["posting"] == 0 {
		t.Error("no kill left a post in doubt")
	}
}
