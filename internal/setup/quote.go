package setup

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quote writes a text as a TOML string. What a terminal would obey or not show is escaped. The text must be UTF-8.
func Quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// quoteKey writes the name of a key or a table.
func quoteKey(key string) string {
	const bare = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	if key != "" && strings.Trim(key, bare) == "" {
		return key
	}
	return Quote(key)
}

// oneLine is a text that can stand in a comment.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r != ' ' && (!unicode.IsGraphic(r) || unicode.IsSpace(r)) {
			return ' '
		}
		return r
	}, text)
}
