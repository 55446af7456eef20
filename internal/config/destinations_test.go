package config

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

const (
	office = "[destination.office]\ntype = 'kaizala'\naccess_token = 'env:TOKEN'\n"
	branch = "[destination.branch]\ntype = 'kaizala'\naccess_token = 'env:TOKEN'\ncalls_per_minute = 7\n"
)

// TestDestinations: which there are, and to which one each folder posts. A file of before works as it did when another destination
// is added to it.
func TestDestinations(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		want    []string // names
		folders []string // where each posts to
	}{
		"as ever":               {token + folderA + folderB, []string{"kaizala"}, []string{"kaizala", "kaizala"}},
		"one more":              {token + office + folderA + folderB, []string{"kaizala", "office"}, []string{"kaizala", "kaizala"}},
		"one more, said before": {office + token + folderA + folderB, []string{"kaizala", "office"}, []string{"kaizala", "kaizala"}},
		"the only one":          {office + folderA, []string{"office"}, []string{"office"}},
		"each its own": {office + branch + folderA + "destination = 'office'\n" + folderB + "destination = 'branch'\n",
			[]string{"branch", "office"}, []string{"office", "branch"}},
		"by default": {office + branch + "[defaults]\ndestination = 'office'\n" + folderA + folderB + "destination = 'branch'\n",
			[]string{"branch", "office"}, []string{"office", "branch"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustLoad(t, tree(t), c.text, env("TOKEN", "t0ken"))
			var names, folders []string
			for _, d := range got.Destinations {
				names = append(names, d.Name)
				limit := 100
				if d.Name == "branch" {
					limit = 7
				}
				if d.Type != "kaizala" || d.Kaizala.AccessToken.Reveal() != "t0ken" || d.Kaizala.CallsPerMinute != limit || d.Kaizala.StallTimeout != time.Minute {
					t.Errorf("%+v", d)
				}
			}
			for _, f := range got.Folders {
				folders = append(folders, f.Destination)
			}
			if fmt.Sprint(names, folders) != fmt.Sprint(c.want, c.folders) || !reflect.DeepEqual(names, c.want) {
				t.Errorf("destinations %q, folders post to %q", names, folders)
			}
		})
	}
}
