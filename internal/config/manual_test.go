package config

import (
	"strings"
	"testing"

	"kaizala-drop/packaging/manpage"
)

// TestManualHasEverySetting: each setting of each table has its paragraph in the manual page, with its default, and with a text.
func TestManualHasEverySetting(t *testing.T) {
	page, err := manpage.Edition{Version: "1"}.Settings(example(t))
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{}
	for _, part := range strings.Split(string(page), "\n.SS ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		tables[strings.Trim(name, `"`)] = text
	}
	inManual(t, tables["Before the first table"], topSettings())
	inManual(t, tables["[kaizala]"], kaizalaSettings())
	inManual(t, tables["[destination.NAME]"], destinationSettings())
	inManual(t, tables["[destination.NAME]"], matrixSettings())
	inManual(t, tables["[defaults]"], defaultable(folderSettings()))
	inManual(t, tables["[[folder]]"], folderSettings()[:3])
	inManual(t, tables["[control]"], controlSettings())
	if len(tables) != 6 {
		t.Errorf("the manual has %d tables: this test knows 6", len(tables))
	}
}

func inManual[T any](t *testing.T, table string, rows []setting[T]) {
	t.Helper()
	for _, row := range rows {
		_, rest, ok := strings.Cut("\n"+table, "\n\\fB"+row.name+"\\fR = ")
		if !ok {
			t.Errorf("%s has no paragraph", row.name)
			continue
		}
		// Behind the tags of settings that share a paragraph comes its text.
		_, rest, _ = strings.Cut(rest, "\n")
		for strings.HasPrefix(rest, ".TQ\n") {
			_, rest, _ = strings.Cut(strings.TrimPrefix(rest, ".TQ\n"), "\n")
		}
		if text, _, _ := strings.Cut(rest, "\n"); len(text) < 10 || strings.HasPrefix(text, ".") {
			t.Errorf("%s has the text %q", row.name, text)
		}
	}
}
