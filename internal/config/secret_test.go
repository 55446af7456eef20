package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/rs/zerolog"
)

const hidden = "hunter2"

// TestSecretNeverShows tries every way there is to print one, alone and inside of other things.
func TestSecretNeverShows(t *testing.T) {
	s := NewSecret(hidden)
	type private struct{ inner Secret }
	outputs := map[string]string{"String": s.String(), "GoString": s.GoString()}
	for name, value := range map[string]any{
		"secret": s, "pointer": &s, "field": Kaizala{AccessToken: s}, "config": &Config{Destinations: []Destination{{Kaizala: Kaizala{RefreshToken: s}}}},
		"slice": []Secret{s}, "map": map[string]Secret{"a": s}, "key": map[Secret]int{s: 1}, "private": private{s}, "private pointer": &private{s},
		"error": fmt.Errorf("bad secret %v", s), "any": []any{s},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%U", "%c", "%e", "%o", "%p", "%T", "%10.3s", "%!"} {
			outputs[name+" "+verb] = fmt.Sprintf(verb, value)
		}
		if name != "key" { // a map that no encoder takes
			encoded, err := json.Marshal(value)
			outputs[name+" json"] = fmt.Sprintf("%s %v", encoded, err)
		}
		var b bytes.Buffer
		log := zerolog.New(&b)
		log.Info().Interface("value", value).Any("again", value).Msgf("%v", value)
		outputs[name+" zerolog"] = b.String()
		b.Reset()
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "value", value)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "value", value)
		outputs[name+" slog"] = b.String()
	}
	var b bytes.Buffer
	plain, console := zerolog.New(&b), zerolog.New(zerolog.ConsoleWriter{Out: &b})
	plain.Info().Stringer("secret", s).Send()
	console.Info().Interface("secret", s).Send()
	if err := toml.NewEncoder(&b).Encode(map[string]any{"secret": s}); err != nil {
		t.Fatal(err)
	}
	outputs["others"] = b.String()

	hex := fmt.Sprintf("%x", hidden)
	for how, output := range outputs {
		if output == "" {
			t.Errorf("%s: nothing was printed", how)
		}
		if strings.Contains(output, hidden) || strings.Contains(strings.ToLower(strings.ReplaceAll(output, " ", "")), hex) ||
			strings.Contains(output, "hun") {
			t.Errorf("%s shows it: %s", how, output)
		}
	}
}

func TestSecret(t *testing.T) {
	s := NewSecret(hidden)
	if s.Reveal() != hidden || s != NewSecret(hidden) || s == NewSecret("other") {
		t.Error("want the text back, and equality by text")
	}
	var none Secret
	if none.Reveal() != "" || none != NewSecret("") || none.String() != "" || fmt.Sprintf("%v%s", none, none) != "" {
		t.Error("want the zero value to be the empty text, with nothing to stand in for")
	}
	if got, err := json.Marshal(map[string]Secret{"set": s, "unset": none}); err != nil || string(got) != `{"set":"[secret]","unset":""}` {
		t.Errorf("got %s, %v", got, err)
	}
}
