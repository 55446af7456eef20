package control

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A name is bytes, and JSON has none of these. So every string of the API, in questions and in answers, is written by one rule: a byte
// that belongs to no UTF-8 is U+FFFD and its two hexadecimal digits, a U+FFFD is two of them, and all else is itself.

// mark is U+FFFD, the replacement character.
const mark = string(utf8.RuneError)

// escape writes a text by the rule.
func escape(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, mark) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(mark + hex.EncodeToString([]byte{s[i]}))
		case r == utf8.RuneError:
			b.WriteString(mark + mark)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// unescape reads what escape wrote. What nobody would have written so is refused: half a name could be that of another file.
func unescape(s string) (string, error) {
	var b strings.Builder
	for rest := s; ; {
		before, after, found := strings.Cut(rest, mark)
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		if next, is := strings.CutPrefix(after, mark); is {
			b.WriteString(mark)
			rest = next
			continue
		}
		one, err := hex.DecodeString(after[:min(2, len(after))])
		if err != nil || len(one) != 1 || one[0] < utf8.RuneSelf {
			return "", fmt.Errorf("%q: a U+FFFD stands before two hexadecimal digits of a byte that is not UTF-8, or before another one", s)
		}
		b.Write(one)
		rest = after[2:]
	}
}

// Write writes a value of the API as JSON, with indent before each level. No rows are [].
func Write(out io.Writer, value any, indent string) error {
	text, err := encoded(value, indent)
	if err == nil && (bytes.Contains(text, []byte(mark)) || bytes.Contains(text, []byte(`\ufffd`))) { // few have such names
		text, err = encoded(mapped(reflect.ValueOf(value), escape).Interface(), indent)
	}
	if err == nil {
		_, err = out.Write(text)
	}
	return err
}

func encoded(value any, indent string) ([]byte, error) {
	if v := reflect.ValueOf(value); v.Kind() == reflect.Slice && v.IsNil() {
		return []byte("[]\n"), nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	err := e.Encode(value)
	return b.Bytes(), err
}

// errNotWhole is about bytes that the decoder would replace silently, so that the name of another file could come out.
var errNotWhole = errors.New("it is not UTF-8, or has half a surrogate pair: docs/control.md says how a name is written that is not UTF-8")

// read reads a value of the API. strict refuses fields that it does not know.
func read(text []byte, into any, strict bool) (err error) {
	if !isWhole(text) {
		return errNotWhole
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	value := reflect.ValueOf(into).Elem()
	value.Set(mapped(value, func(s string) string {
		exact, wrong := unescape(s)
		if wrong != nil && err == nil {
			err = wrong
		}
		return exact
	}))
	return err
}

// isWhole reports whether a JSON text is UTF-8, and each \\u of a surrogate one of a pair (RFC 8259, 8.2).
func isWhole(text []byte) bool {
	for rest := text; ; {
		_, after, found := bytes.Cut(rest, []byte{'\\'}) // which are in strings alone
		if !found || len(after) == 0 {
			return utf8.Valid(text)
		}
		rest = after[1:]
		if r, is := escapedRune(after); is && utf16.IsSurrogate(r) {
			next, follows := bytes.CutPrefix(after[len("uD83D"):], []byte{'\\'})
			second, pair := escapedRune(next)
			if !follows || !pair || utf16.DecodeRune(r, second) == utf8.RuneError {
				return false
			}
			rest = next[len("uDE00"):]
		}
	}
}

// escapedRune reads uXXXX.
func escapedRune(text []byte) (rune, bool) {
	if len(text) < 5 || text[0] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[1:5]), 16, 16)
	return rune(n), err == nil
}

// mapped is a copy of a value in which each string is what f makes of it. What is not exported, as in a time, stays as it is.
func mapped(v reflect.Value, f func(string) string) reflect.Value {
	made := reflect.New(v.Type()).Elem()
	made.Set(v)
	switch v.Kind() {
	case reflect.String:
		made.SetString(f(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			made.Set(reflect.New(v.Type().Elem()))
			made.Elem().Set(mapped(v.Elem(), f))
		}
	case reflect.Slice:
		if !v.IsNil() {
			made.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		}
		for i := range v.Len() {
			made.Index(i).Set(mapped(v.Index(i), f))
		}
	case reflect.Map:
		if !v.IsNil() {
			made.Set(reflect.MakeMap(v.Type()))
		}
		for key, one := range v.Seq2() {
			made.SetMapIndex(mapped(key, f), mapped(one, f))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				made.Field(i).Set(mapped(v.Field(i), f))
			}
		}
	default: // numbers and truths
	}
	return made
}
