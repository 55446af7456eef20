package control

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"kaizala-drop/internal/view"
)

// hostile are names that JSON has no characters for, or that programs take for something else.
func hostile() []string {
	return []string{
		"\xff", "a\xffb.pdf", "\xff\xfe41", "\xe2\x82", "two\nlines", "tab\t", "\x00", "\ufffd", "\ufffdff", "\xff\ufffd", `back\slash`, `\ufffd`, `\udcff`,
		`"quoted"`, "<&>", "😀.jpg", "100%.pdf", "%ff", strings.Repeat("\xff", 255), strings.Repeat("ü", 127), "\u2028", "\x1b[31m", "",
	}
}

// TestExact: what is written is UTF-8, and is read as the same bytes.
func TestExact(t *testing.T) {
	for _, name := range hostile() {
		var b bytes.Buffer
		if err := Write(&b, []string{name}, ""); err != nil || !utf8.Valid(b.Bytes()) {
			t.Errorf("%q is written as %q, %v", name, b.Bytes(), err)
		}
		var got []string
		if err := read(b.Bytes(), &got, true); err != nil || len(got) != 1 || got[0] != name {
			t.Errorf("%q is read as %q, %v", name, got, err)
		}
		if utf8.ValidString(name) && !strings.Contains(name, "\ufffd") { // for programs that do not know of the rule
			var plain []string
			if err := json.Unmarshal(b.Bytes(), &plain); err != nil || plain[0] != name {
				t.Errorf("%q is not itself: %s", name, b.Bytes())
			}
		}
	}
}

// FuzzExact: no two names are written alike, and what is read is what would have been written.
func FuzzExact(f *testing.F) {
	for _, name := range hostile() {
		f.Add(name, []byte(`["`+name+`"]`))
	}
	f.Add("", []byte("[]0"))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		if got, err := unescape(escape(name)); err != nil || got != name {
			t.Errorf("%q became %q, %v", name, got, err)
		}
		var got []string
		if read(text, &got, true) == nil {
			var plain []string
			if json.Unmarshal(text, &plain) != nil || len(plain) != len(got) {
				t.Fatalf("%q", text)
			}
			for i, one := range got {
				if !strings.EqualFold(escape(one), plain[i]) {
					t.Errorf("%q is read as %q, which is written %q", text, one, escape(one))
				}
			}
		}
	})
}

// fill puts a hostile name into each string of a value. A type that holds itself is filled twice.
func fill(v reflect.Value, n *int, outer ...reflect.Type) {
	if first := slices.Index(outer, v.Type()); v.Kind() == reflect.Struct && first >= 0 && slices.Contains(outer[first+1:], v.Type()) {
		return
	}
	outer = append(slices.Clip(outer), v.Type())
	switch v.Kind() {
	case reflect.String:
		*n++
		v.SetString(hostile()[*n%len(hostile())] + "x")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n, outer...)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), n, outer...)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n, outer...)
		fill(value, n, outer...)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(7, 0).UTC()))
			return
		}
		for _, field := range v.Fields() {
			fill(field, n, outer...)
		}
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(7)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic(v.Type().String())
	}
}

// TestExactEverywhere: the rule is kept by every string of every question and answer.
func TestExactEverywhere(t *testing.T) {
	n := 0
	for range hostile() {
		for _, value := range []any{&Status{}, &Story{}, &[]Entry{}, &[]Retried{}, &Retry{}, &view.Watched{}} {
			v := reflect.ValueOf(value).Elem()
			fill(v, &n)
			var b bytes.Buffer
			if err := Write(&b, v.Interface(), "  "); err != nil || !utf8.Valid(b.Bytes()) {
				t.Fatal(err)
			}
			got := reflect.New(v.Type())
			if err := read(b.Bytes(), got.Interface(), true); err != nil || !reflect.DeepEqual(got.Elem().Interface(), v.Interface()) {
				t.Errorf("%v\n%+v\n%+v", err, got.Elem(), v)
			}
		}
	}
}

// TestNothing: no rows are no null.
func TestNothing(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, []Entry(nil), ""); err != nil || b.String() != "[]\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
