package wire

import (
	"cmp"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kaizala-drop/internal/text"
)

// secrets are texts that no text may show.
type secrets []string

// clean takes the secrets out of a text from the network, bounds it and makes it safe to print.
func (s secrets) clean(said string) string { return text.Printable(s.bounded(strings.TrimSpace(said))) }

// bounded takes the secrets out before it cuts: the begin of one would be left.
func (s secrets) bounded(text string) string { return Bounded(s.takenOut(text)) }

// cleanError returns err, or, if its text shows a secret, an error with a clean text that wraps err.
func (s secrets) cleanError(err error) error {
	if err == nil || s.takenOut(err.Error()) == err.Error() {
		return err
	}
	return &cleanError{text: s.clean(err.Error()), err: err}
}

func (s secrets) takenOut(text string) string {
	if text == "" { // as for every success
		return ""
	}
	for _, form := range s.forms() {
		text = strings.ReplaceAll(text, form, "[secret]")
	}
	return text
}

// forms are the spellings in which a server may repeat a secret, each also as an error would quote it. The longest come first,
// because a secret may be a part of another.
func (s secrets) forms() []string {
	var forms []string
	for _, secret := range s {
		if isSecret(secret) {
			forms = append(forms, spellings(secret)...)
		}
	}
	for _, form := range forms {
		forms = append(forms, quoted(form)...)
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(forms)
}

func spellings(s string) []string {
	inJSON, _ := json.Marshal(s) // no string fails
	return append(quoted(s), s, unquoted(string(inJSON)), url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s))
}

func quoted(s string) []string {
	return []string{unquoted(strconv.Quote(s)), unquoted(strconv.QuoteToASCII(s))}
}

func unquoted(s string) string { return s[1 : len(s)-1] }

// isSecret reports whether s is long enough to be hidden. Hiding shorter texts would cut words apart, and so show where they
// are.
func isSecret(s string) bool { return len(s) >= 4 }

// Bounded keeps a text from the network from filling a log: it is cut after 300 bytes, between characters.
func Bounded(s string) string { return text.Shorten(s, 300) }
