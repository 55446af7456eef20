package inquiry

import (
	"cmp"
	"strings"
	"time"
)

// filedLate is how long after its post a file is moved to done/ for both times to be told.
const filedLate = time.Minute

// goesTo says which group the files of the folder are for.
func (k *facts) goesTo() string {
	if target := k.target(); target != "" {
		return "It is for " + the(target) + "."
	}
	return ""
}

// target is the group of the folder now.
func (k *facts) target() string {
	if k.lane.Target != "" {
		return k.lane.Target
	}
	return k.folder.Target()
}

// setting is the key by which the folder names that.
func (k *facts) setting() string {
	if k.folder.Room != "" {
		return "room"
	}
	return "group_id"
}

// noun is what people call what is posted to: a Matrix room, whose name begins with a sign that no Kaizala group has, or a group.
func noun(target string) string {
	if strings.HasPrefix(target, "!") || strings.HasPrefix(target, "#") {
		return "room"
	}
	return "group"
}

// the names what is posted to.
func the(target string) string { return "the " + noun(target) + " " + quote(target) }

// noun is what people call what the folder posts to.
func (k *facts) noun() string { return noun(k.target()) }

// nounOf is what people call what r was posted to, or is to be.
func (k *facts) nounOf(r row) string { return noun(cmp.Or(r.Target, k.target())) }

// goesToOf says in which group a file may be that may have been posted, else which it is for. The configuration may name another
// group now, to which another post would go.
func (k *facts) goesToOf(r row) []string {
	if !r.MaybePosted || r.Target == "" {
		return []string{k.goesTo()}
	}
	lines := []string{"If it was posted, it is in " + the(r.Target) + "."}
	if now := k.target(); now != "" && now != r.Target {
		lines = append(lines, "Its folder posts elsewhere now: to post it again sends it to "+the(now)+".")
	}
	return lines
}
