package text_test

import (
	"testing"

	"kaizala-drop/internal/text"
)

func TestCommand(t *testing.T) {
	for _, c := range []struct {
		config string
		words  []string
		want   string
	}{
		{"", []string{"status"}, "kaizala-drop status"},
		{"", []string{"retry", "--as-it-is", "/a b"}, "kaizala-drop retry --as-it-is '/a b'"},
		{"/etc/it's.toml", []string{"retry", "/a\n"}, `kaizala-drop retry --config '/etc/it'\''s.toml' $'/a\n'`},
	} {
		if got := text.Command(text.Options(c.config), c.words[0], c.words[1:]...); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
