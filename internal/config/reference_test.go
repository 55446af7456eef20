package config

import (
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
	if len(c.Folders) != 1 || !slices.Equal(c.Unresolved, []string{"one", "two"}) || c.Kaizala.RefreshToken != (Secret{}) {
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
