package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kaizala-drop/internal/matrix/dendritetest"
)

// roomTrouble is something that happens to a room while the daemon runs, what a person reads of it, and how it is mended.
type roomTrouble struct {
	befalls func(w *matrixWorld, room string)
	words   string                            // "ROOM" stands for the room that the folder names, "NEXT" for the one that takes its place
	mended  func(w *matrixWorld, room string) // nil: for ever
}

// roomTroubles are those of Matrix rooms, by the name of the folder. Folders whose name begins with "no" have no room before.
func roomTroubles(next func(folder string) string) map[string]roomTrouble {
	invite := func(w *matrixWorld, room string) { w.reader.Invite(room, w.bot) }
	moveTo := func(folder string) func(w *matrixWorld, room string) {
		return func(w *matrixWorld, _ string) { w.moveAlias(folder, next(folder)) }
	}
	return map[string]roomTrouble{
		"kicked": {func(w *matrixWorld, room string) { w.reader.Kick(room, w.bot, "be quiet") },
			`@bot:localhost is not in ROOM any more: it was removed, or left (the reason given: "be quiet"). Have it invited again`, invite},
		"kicked silently": {func(w *matrixWorld, room string) { w.reader.Kick(room, w.bot, "") },
			`@bot:localhost is not in ROOM any more: it was removed, or left. Have it invited again`, invite},
		"left": {func(w *matrixWorld, room string) { w.bot.Leave(room) },
			`@bot:localhost is not in ROOM any more: it was removed, or left. Have it invited again`, invite},
		"banned": {func(w *matrixWorld, room string) { w.reader.Ban(room, w.bot, "spam") },
			`@bot:localhost is banned from ROOM (the reason given: "spam"): have the ban lifted, and have it invited again`,
			func(w *matrixWorld, room string) { w.reader.Unban(room, w.bot); w.reader.Invite(room, w.bot) }},
		"level": {func(w *matrixWorld, room string) { w.reader.SetLevel(room, 50) },
			`@bot:localhost may not post in ROOM: that needs the power level 50, and it has 0. Have it raised, or that of messages lowered`,
			func(w *matrixWorld, room string) { w.reader.SetLevel(room, 0) }},
		"replaced": {func(w *matrixWorld, room string) {
			w.reader.SetState(room, "m.room.tombstone", map[string]any{"replacement_room": next("replaced")})
			w.reader.SetLevel(room, 50) // as all clients do
		}, `ROOM was replaced by the room NEXT: write that for room, or have the address moved to it`, moveTo("replaced")},
		"encrypted": {func(w *matrixWorld, room string) {
			w.reader.SetState(room, "m.room.encryption", map[string]any{"algorithm": "m.megolm.v1.aes-sha2"})
		}, `ROOM is encrypted, and this program was built without encryption (go build -tags goolm): nothing is sent there in the clear`, nil},
		"nowhere": {func(*matrixWorld, string) {}, `ROOM leads to no room: correct room, or have somebody give a room this address`, moveTo("nowhere")},
		"noid":    {func(*matrixWorld, string) {}, `@bot:localhost is not in ROOM, and was not invited: have it invited`, nil},
	}
}

// moveAlias has the alias of a folder lead to another room.
func (w *matrixWorld) moveAlias(folder, room string) {
	w.t.Helper()
	w.reader.SetAlias("#"+alias(folder)+":localhost", room)
	w.rooms[folder] = room
}

// TestMatrixRooms: what happens to a room while the daemon runs holds up its own folder, with the reason that a person needs in the log,
// in status, in explain and in check --online; the other folder goes on, nothing goes to failed/, and once it is mended the files follow
// by themselves, each of them once. Nothing is sent in the clear to a room that is encrypted since.
func TestMatrixRooms(t *testing.T) {
	t.Parallel()
	var w *matrixWorld
	nexts := map[string]string{}
	next := func(folder string) string {
		if nexts[folder] == "" {
			nexts[folder] = w.reader.NewRoom(dendritetest.Room{Name: "next of " + folder, Users: []*dendritetest.User{w.bot}})
		}
		return nexts[folder]
	}
	troubles := roomTroubles(next)
	folders := slices.Sorted(maps.Keys(troubles))
	w = newMatrixWorld(t, dendritetest.Options{}, "", append(folders, "good", "moved")...)
	w.reader.Do(http.MethodDelete, "/_matrix/client/v3/directory/room/%23nowhere:localhost", nil)
	w.reconfigure(`"#noid:localhost"`, `"!nobody:localhost"`)
	w.reconfigure("[defaults]", fmt.Sprintf("[control]\nsocket = %q\n[defaults]", w.dir+"/socket"))
	p := w.daemon()
	for _, folder := range append(folders, "good", "moved") {
		if !strings.HasPrefix(folder, "no") {
			w.drop(folder, "before.txt", "before, for "+folder)
			w.filed(folder, 1)
		}
	}
	for _, folder := range folders {
		troubles[folder].befalls(w, w.rooms[folder])
		w.drop(folder, "after.txt", "after, for "+folder)
	}
	check := w.says(1, "", "check", "--online")
	for _, folder := range folders {
		text := strings.NewReplacer("ROOM", roomOf(folder), "NEXT", nexts[folder]).Replace(troubles[folder].words)
		w.wantTold(p, folder, text)
		if !strings.Contains(check, fmt.Sprintf("PROBLEM  folder %q: %s\n", w.folder(folder), text)) {
			t.Errorf("check --online does not say %q:\n%s", text, check)
		}
	}
	w.drop("good", "after.txt", "after, for good")
	w.filed("good", 2)
	w.reader.Kick(w.rooms["moved"], w.bot, "") // so that it does not lead there unnoticed for five minutes
	w.moveAlias("moved", next("moved"))
	w.drop("moved", "after.txt", "after, for moved")
	for _, folder := range folders {
		if mended := troubles[folder].mended; mended != nil {
			mended(w, w.rooms[folder])
		}
	}
	w.wantFollowed(folders, troubles, nexts)
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func roomOf(folder string) string {
	if folder == "noid" {
		return "!nobody:localhost"
	}
	return "#" + alias(folder) + ":localhost"
}

// wantTold waits until the log, status and explain say of the file in a folder why it waits.
func (w *matrixWorld) wantTold(p *process, folder, text string) {
	w.t.Helper()
	path := w.folder(folder) + "/after.txt"
	eventually(w.t, func() error {
		for said, by := range map[string]string{
			strings.ReplaceAll(p.log(), `\"`, `"`): "the log", w.says(0, "", "status"): "status", w.says(0, "", "explain", path): "explain",
		} {
			if !strings.Contains(strings.Join(strings.Fields(said), " "), text) {
				return fmt.Errorf("%s does not say %q of %s", by, text, folder)
			}
		}
		return nil
	})
}

// wantFollowed waits until all files that can be are filed, and looks whether each of them is shown once.
func (w *matrixWorld) wantFollowed(folders []string, troubles map[string]roomTrouble, nexts map[string]string) {
	w.t.Helper()
	for _, folder := range append(folders, "moved") {
		if troubles[folder].mended == nil && folder != "moved" {
			lies := files(w.t, w.folder(folder))
			if lies["after.txt"] == "" || len(lies) > 2 {
				w.t.Errorf("%s: %v", folder, lies)
			}
			if n := len(w.shown(folder)); folder == "encrypted" && n != 1 {
				w.t.Errorf("%d messages in the room that is encrypted since the first", n)
			}
			continue
		}
		want := map[bool]int{true: 1, false: 2}[folder == "nowhere"]
		w.filed(folder, want)
		shown := len(w.shown(folder))
		if nexts[folder] != "" { // what came before is in the room before
			want = 1
		}
		if shown != want {
			w.t.Errorf("%s: %d messages, want %d", folder, shown, want)
		}
	}
}
