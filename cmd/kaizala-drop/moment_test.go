package main

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/control"
)

// TestMomentOf: a time is read as people write it, or refused.
func TestMomentOf(t *testing.T) {
	zone := time.FixedZone("here", 2*60*60)
	now := time.Date(2026, 11, 28, 10, 15, 0, 0, zone)
	for written, want := range map[string]string{
		"2026-11-24": "2026-11-24 00:00:00", "2026-11-24 09:00": "2026-11-24 09:00:00", "2026-11-24 09:00:01": "2026-11-24 09:00:01",
		"2026-11-24T09:00": "2026-11-24 09:00:00", "2026-11-24T07:00:00Z": "2026-11-24 09:00:00", "09:00": "2026-11-28 09:00:00",
		"9:00": "2026-11-28 09:00:00", "today": "2026-11-28 00:00:00", "Yesterday": "2026-11-27 00:00:00", "now": "2026-11-28 10:15:00",
		"2h": "2026-11-28 08:15:00", "-1h": "2026-11-28 09:15:00", "7d": "2026-11-21 10:15:00", "90m ago": "2026-11-28 08:45:00", "1d2h": "2026-11-27 08:15:00",
		"": "", "tomorrow": "", "tuesday": "", "1": "", "+1h": "", "--1h": "", "1h ago ago": "", "2026-13-01": "", "25:00": "", "28.11.2026": "", "2h\n": "", "-": "",
	} {
		got, err := momentOf(written, now)
		if text := got.In(zone).Format(time.DateTime); want == "" && err == nil || want != "" && (err != nil || text != want) {
			t.Errorf("%q is %s, %v; want %s", written, text, err, want)
		}
		if want == "" && !strings.Contains(err.Error(), "is no time: write 2026-11-24") {
			t.Error(err)
		}
	}
}

// TestCSV: whatever a name holds, a row stays a row with as many cells, none is a formula for a spreadsheet, and a plain backslash is one.
func TestCSV(t *testing.T) {
	states := map[string]string{"filed": "delivered", "failed": "failed", "claimed": "waiting", "uploaded": "waiting", "posting": "waiting", "posted": "waiting"}
	for state, want := range states {
		for name, shown := range map[string]string{
			"scan.pdf": "scan.pdf", "a,b.pdf": "a,b.pdf", `say "hi".pdf`: `say "hi".pdf`, "two\r\nlines.pdf": `two\r\nlines.pdf`, `back\slash.pdf`: `back\slash.pdf`,
			"=cmd|' /C calc'!A0.pdf": "'=cmd|' /C calc'!A0.pdf", "+1.pdf": "'+1.pdf", "-1.pdf": "'-1.pdf", "@x.pdf": "'@x.pdf", "\t=1.pdf": `\t=1.pdf`,
			"  =1.pdf": "'  =1.pdf", "＝1.pdf": "'＝1.pdf", `"=1.pdf`: `'"=1.pdf`, "a;=1.pdf": "a;=1.pdf", "\xff.pdf": `\xff.pdf`, "\x1b[31m.pdf": `\x1b[31m.pdf`,
		} {
			var b bytes.Buffer
			rows := []control.Entry{{ID: 7, Folder: "/srv/a b", Name: name, State: state, Reason: name, Size: 5}}
			if err := writeCSV(&b, rows); err != nil {
				t.Fatal(err)
			}
			read, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
			if err != nil || len(read) != 2 || read[1][3] != shown || read[1][7] != want || read[1][8] != shown {
				t.Errorf("%q, %s: %q, %v", name, state, read, err)
			}
			if strings.Contains(name, ";") && !strings.Contains(b.String(), `"`+name+`"`) {
				t.Errorf("%q is two cells for who takes a semicolon for the comma:\n%s", name, b.String())
			}
		}
	}
}
