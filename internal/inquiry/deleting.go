package inquiry

import (
	"fmt"

	"kaizala-drop/internal/text"
)

// deleting says what it is to delete what lies where the file of r was posted from. sure says why the file is in the group. Safe is
// only what holds what was posted: a name, a size and a modification time do not show that.
func (k *facts) deleting(r row, sure string) []string {
	at, in := quote(r.at), "in the "+k.nounOf(r)
	switch {
	case !r.isSomewhere():
		return nil
	case r.holds == holdsSame:
		return []string{"It is safe to delete " + at + ": " + sure + "."}
	case r.holds == holdsOther:
		advice := []string{"What lies at " + at + " now is not what was posted, and is not " + in + " as it is: to delete it is to lose it."}
		if k.folder.Path != "" {
			advice = append(advice, "To have it posted as it is now, too, copy it into "+quote(k.folder.Path)+".")
		}
		return advice
	case r.sum == nil:
		return []string{"Whether " + at + " is what was posted is not known: compare it with what is " + in + " before you delete it."}
	}
	return []string{fmt.Sprintf("Whether %s is what was posted cannot be said quickly. Do not delete it before you have compared: it is, if this prints %x: sha256sum %s",
		at, r.sum, text.Quoted(r.at))}
}
