package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Query says which deliveries are searched for. What is zero does not count; what is not must all be so.
type Query struct {
	Folder string // absolute path of the watched folder
	// Name is that of a file, with or without the subfolders in which it lies below the watched folder: its name now, when it was
	// claimed or, without subfolders, where it was moved. Bytes.
	Name  string
	Part  string // is in such a name, in whatever case
	Dest  string // absolute path where one of the files lies now
	State State
	// Since and Until bound when the delivery came to its end, or else its last step (Delivery.At): not before Since, before Until.
	Since, Until time.Time
	// ByTime has the latest by Delivery.At come first, instead of those that were claimed last.
	ByTime bool
	// Before is the id of the last one of the page before, and BeforeAt, with ByTime, its time.
	Before   int64
	BeforeAt time.Time
	Limit    int // how many at most; 0 = SearchMost
}

// SearchMost is the most that one Search gives.
const SearchMost = 1000

// Search finds deliveries, those that were claimed last first, each with all of its files. It takes a few milliseconds for a
// name or a path, however much the ledger holds, and reads all that it holds at most.
func (l *Reader) Search(ctx context.Context, q Query) (found []Delivery, err error) {
	limit := q.Limit
	if limit <= 0 || limit > SearchMost {
		limit = SearchMost
	}
	query, args := q.query()
	err = l.reading(ctx, func(tx *sql.Tx) error {
		ids, err := collect(ctx, tx, func(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) }, query+" LIMIT ?", append(args, limit)...)
		if err != nil || len(ids) == 0 {
			return err
		}
		list, err := json.Marshal(ids)
		if err == nil {
			found, err = loadIn(ctx, tx, "id IN (SELECT value FROM json_each(?))", string(list))
		}
		return err
	})
	slices.Reverse(found)
	if q.ByTime {
		slices.SortStableFunc(found, func(a, b Delivery) int { return b.At().Compare(a.At()) })
	}
	return found, err
}

// query selects the ids, in their order.
func (q Query) query() (string, []any) {
	where, args := q.where()
	switch {
	case !q.ByTime:
		return "SELECT d.id FROM delivery d WHERE " + where + " ORDER BY d.id DESC", args
	case q.Name != "" || q.Dest != "" || q.State == Failed: // few, which an index finds
		return "SELECT d.id FROM delivery d WHERE " + where + " ORDER BY coalesce(d.finished_at, d.updated_at) DESC, d.id DESC", args
	}
	const half = "SELECT d.id, d.%s AS at FROM delivery d WHERE d.finished_at IS %s AND " // each with an index of its own
	return "SELECT id FROM (" + fmt.Sprintf(half, "finished_at", "NOT NULL") + where + " UNION ALL " + fmt.Sprintf(half, "updated_at", "NULL") + where +
		" ORDER BY at DESC, id DESC)", slices.Concat(args, args)
}

// where is the condition that the query makes of a delivery d.
func (q Query) where() (string, []any) {
	where, args := []string{"true"}, []any(nil)
	add := func(condition string, values ...any) { where, args = append(where, condition), append(args, values...) }
	switch {
	case q.Folder != "" && q.State == Failed:
		add("+d.folder = ?", []byte(q.Folder)) // by the index of the few that failed, not that of all of the folder
	case q.Folder != "":
		add("d.folder = ?", []byte(q.Folder))
	}
	if q.Name != "" {
		add(q.named())
		args = append(args, q.nameArgs()...)
	}
	if q.Part != "" {
		add(q.inPart())
		args = append(args, q.partArgs()...)
	}
	if q.Dest != "" {
		base := []byte(filepath.Base(q.Dest))
		add(`d.id IN (SELECT delivery FROM file WHERE base = ? AND dest_base IS NULL AND dest = ?
			UNION ALL SELECT delivery FROM file WHERE dest_base = ? AND dest = ?)`, base, []byte(q.Dest), base, []byte(q.Dest))
	}
	if q.State == Failed {
		add("d.state = 'failed'") // as the index has it
	} else if q.State != "" {
		add("d.state = ?", string(q.State))
	}
	if !q.Since.IsZero() {
		add("coalesce(d.finished_at, d.updated_at) >= ?", timeText(q.Since))
	}
	if !q.Until.IsZero() {
		add("coalesce(d.finished_at, d.updated_at) < ?", timeText(q.Until))
	}
	switch {
	case q.Before != 0 && q.ByTime:
		add("(coalesce(d.finished_at, d.updated_at), d.id) < (?, ?)", timeText(q.BeforeAt), q.Before)
	case q.Before != 0:
		add("d.id < ?", q.Before)
	}
	return strings.Join(where, " AND "), args
}

func (q Query) named() string {
	if strings.Contains(q.Name, "/") {
		return `d.id IN (SELECT delivery FROM file WHERE base = ? AND ? IN (name, claimed_as)
			UNION ALL SELECT delivery FROM file WHERE claimed_base = ? AND claimed_as = ?)`
	}
	return `d.id IN (SELECT delivery FROM file WHERE base = ? UNION ALL SELECT delivery FROM file WHERE claimed_base = ?
		UNION ALL SELECT delivery FROM file WHERE dest_base = ?)`
}

func (q Query) nameArgs() []any {
	base := []byte(filepath.Base(q.Name))
	if strings.Contains(q.Name, "/") {
		return []any{base, []byte(q.Name), base, []byte(q.Name)}
	}
	return []any{base, base, base}
}

// inPart looks for a text in a name, with each letter in whatever case. SQLite's lower() knows those of ASCII alone, so every
// other letter of the text has its other cases replaced in the name.
func (q Query) inPart() string {
	fold := "lower(CAST(%s AS TEXT))"
	for range otherCases(q.Part) {
		fold = "replace(" + fold + ", ?, ?)"
	}
	var anyOf []string
	for _, column := range []string{"f.name", "f.claimed_as", "f.dest_base"} {
		anyOf = append(anyOf, "instr(CAST("+strings.Replace(fold, "%s", column, 1)+" AS BLOB), ?) > 0") // bytes, for names that are not UTF-8
	}
	return "EXISTS (SELECT 1 FROM file f WHERE f.delivery = d.id AND (" + strings.Join(anyOf, " OR ") + "))"
}

func (q Query) partArgs() (args []any) {
	for range 3 {
		for _, c := range otherCases(q.Part) {
			args = append(args, c.other, c.folded)
		}
		args = append(args, []byte(folded(q.Part)))
	}
	return args
}

// otherCase is a letter and what stands for it in all its cases.
type otherCase struct{ other, folded string }

// otherCases gives the letters that SQLite's lower() leaves as they are.
func otherCases(part string) (all []otherCase) {
	for _, r := range folded(part) {
		for other := unicode.SimpleFold(r); other != r && r != utf8.RuneError; other = unicode.SimpleFold(other) {
			c := otherCase{string(other), string(r)}
			if other >= utf8.RuneSelf && !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

// folded spells a text with the least rune of all cases of each letter, but with the small letters of ASCII. What is not UTF-8 stays.
func folded(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && n == 1 {
			b.WriteByte(text[i])
		} else {
			b.WriteRune(foldedRune(r))
		}
		i += n
	}
	return b.String()
}

func foldedRune(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}

// FailedLike finds the failed deliveries of which a file of that many bytes lies in failed/, as far as is known, the latest first.
func (l *Reader) FailedLike(ctx context.Context, size int64) ([]Delivery, error) {
	found, err := l.load(ctx, `state = 'failed' AND finished_at IS NOT NULL AND
		EXISTS (SELECT 1 FROM file f WHERE f.delivery = delivery.id AND f.size = ? AND f.dest IS NOT NULL)`, size)
	slices.Reverse(found)
	return found, err
}
