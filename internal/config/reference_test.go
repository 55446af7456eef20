package config

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestWithoutCredentials: where nobody gives out credentials, a reference to one is a warning for whoever asks for that,
// and all the rest is read. Everything else that is wrong with it stays a problem.
func TestWithoutCredentials(t *testing.T) {
	dir := tree(t)
	const file = "[kaizala]\napplication_id = 'id'\napplication_secret = 'credential:one'\nrefresh_token = 'credential:two'\n" + folderA
	outside := env()
	outside.WithoutCredentials = true
	c := mustLoad(t, dir, file, outside)
	if len(c.Folders) != 1 || !slices.Equal(c.Unresolved, []string{"one", "two"}) || c.Destinations[0].Kaizala.RefreshToken != (Secret{}) || !c.Destinations[0].Unresolved {
		t.Errorf("got %+v", c)
	}
	for i, want := range []string{`application_secret refers to the credential "one"`, `refresh_token refers to the credential "two"`} {
		if len(c.Warnings) != 2 || c.Warnings[i].Line != 3+i || !strings.Contains(c.Warnings[i].Text, want) ||
			!strings.Contains(c.Warnings[i].Text, "$CREDENTIALS_DIRECTORY is not set") {
			t.Errorf("got %v, want %q", c.Warnings, want)
		}
	}
	if got := mustLoad(t, dir, strings.ReplaceAll(file, "two", "one"), outside).Unresolved; !slices.Equal(got, []string{"one"}) {
		t.Errorf("one credential for both: got %q", got)
	}
	if got := problemsOf(t, dir, strings.ReplaceAll(file, "two", "../two"), outside); len(got) != 1 || !strings.Contains(got[0].Text, "no slash") {
		t.Errorf("got %v", got)
	}

	inside := env("CREDENTIALS_DIRECTORY", dir+"/secrets")
	inside.WithoutCredentials = true
	if got := problemsOf(t, dir, strings.ReplaceAll(file, "two", "good"), inside); len(got) != 1 || got[0].Line != 3 ||
		!strings.Contains(got[0].Text, "/secrets/one\", which is not there: correct the name, or give the service LoadCredential=one:/path") {
		t.Errorf("a credential that is missing: got %v", got)
	}
	if c := mustLoad(t, dir, strings.NewReplacer("one", "good", "two", "good").Replace(file), inside); len(c.Unresolved)+len(c.Warnings) != 0 {
		t.Errorf("got %v, %v", c.Unresolved, c.Warnings)
	}
}

// TestSecretsAsEditorsSaveThem: Notepad's byte order marks are no part of the secret, and what is no text is refused as such.
func TestSecretsAsEditorsSaveThem(t *testing.T) {
	dir := tree(t)
	const file = "[kaizala]\naccess_token = 'file:$DIR/secrets/saved'\n" + folderA
	save := func(content string) {
		if err := os.WriteFile(dir+"/secrets/saved", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		"as it is":        "töken\n",
		"UTF-8 with mark": "\xef\xbb\xbftöken\r\n",
		"UTF-16LE":        "\xff\xfet\x00\xf6\x00k\x00e\x00n\x00\r\x00\n\x00",
		"UTF-16BE":        "\xfe\xff\x00t\x00\xf6\x00k\x00e\x00n",
	} {
		save(content)
		if got := mustLoad(t, dir, file, env()).Destinations[0].Kaizala.AccessToken.Reveal(); got != "töken" {
			t.Errorf("%s: read as %q", name, got)
		}
	}
	for content, want := range map[string]string{
		"t\x00o\x00k\x00":      "no text in UTF-8",
		"t\xf6ken":             "no text in UTF-8",
		"\xff\xfet\x00o":       "UTF-16 and is none",
		"\xef\xbb\xbf\r\n":     "it is empty",
		"\xff\xfe\r\x00\n\x00": "it is empty",
	} {
		save(content)
		if got := problemsOf(t, dir, file, env()); len(got) != 1 || !strings.Contains(got[0].Text, want) {
			t.Errorf("%q: got %v, want %q", content, got, want)
		}
	}
}

// TestUnresolvedByDestination: a destination whose own secrets are here can be asked, whatever others lack.
func TestUnresolvedByDestination(t *testing.T) {
	outside := env("TOKEN", "x")
	outside.WithoutCredentials = true
	c := mustLoad(t, tree(t), office+"[kaizala]\napplication_id = 'id'\napplication_secret = 'credential:one'\n"+folderA, outside)
	for _, d := range c.Destinations {
		if d.Unresolved != (d.Name == "kaizala") {
			t.Errorf("%s: got %+v", d.Name, d.Kaizala)
		}
	}
}

// TestNoRefreshToken: an application without one is right, for a login brings it.
func TestNoRefreshToken(t *testing.T) {
	c := mustLoad(t, tree(t), "[kaizala]\napplication_id = 'id'\napplication_secret = 'x'\n"+folderA, env())
	if k := c.Destinations[0].Kaizala; k.RefreshToken != (Secret{}) || k.ApplicationID != "id" || c.Destinations[0].Unresolved {
		t.Errorf("got %+v", k)
	}
}

// TestWithoutFolders: who asks for what folders need gets the destinations of a file whose folders are not right yet, and those
// folders that can be told. What is wrong with the destinations stays a problem.
func TestWithoutFolders(t *testing.T) {
	dir, bare := tree(t), env("TOKEN", "x")
	bare.WithoutFolders = true
	for name, c := range map[string]struct {
		text    string
		folders int
	}{
		"none":           {token, 0},
		"no group":       {token + "[[folder]]\npath = '$DIR/a'\n", 0},
		"one of two":     {token + folderA + "[[folder]]\npath = '$DIR/b'\n", 1},
		"no path":        {token + "[[folder]]\ngroup_id = 'g@2'\n", 0},
		"two on one":     {token + folderA + folderA, 2},
		"not a list":     {token + "[folder]\npath = '$DIR/a'\n", 0},
		"defaults wrong": {token + "[defaults]\nsettle = 5\n" + folderA, 1},
		"which":          {office + branch + folderA, 0},
		"right":          {token + folderA, 1},
	} {
		if c2 := mustLoad(t, dir, c.text, bare); len(c2.Folders) != c.folders || len(c2.Destinations) == 0 {
			t.Errorf("%s: got %+v", name, c2)
		}
	}
	if got := problemsOf(t, dir, "[kaizala]\nendpoint = 'x'\n", bare); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}
