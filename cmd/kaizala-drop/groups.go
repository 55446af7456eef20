package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"

	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/text"
)

func newGroups() *cobra.Command {
	var path string
	var asTOML, asJSON bool
	cmd := &cobra.Command{
		Use:   "groups [NAME]",
		Short: "List the groups that can be posted to",
		Long: `groups asks Kaizala for the groups of the account, and lists them with their type, the account's role in them, and the folders that
post to them already. NAME is as for login. The configuration may have no folders yet. Who may post in a group is for its
administrators to say: the role tells what the account is there.

Run it as root or as the daemon's user, for the token lies in state_dir.`,
		Example: `  kaizala-drop groups
  kaizala-drop groups office --toml   # lines to paste into a [[folder]]
  kaizala-drop groups --json | jq -r '.groups[].id'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := loadAccount(path, args)
			if err != nil {
				return err
			}
			ctx, stop := untilSignalled(cmd.Context())
			defer stop()
			groups, err := a.groups(ctx, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			switch {
			case asTOML:
				return failed(groupsAsTOML(cmd.OutOrStdout(), groups))
			case asJSON:
				return failed(groupsAsJSON(cmd.OutOrStdout(), a.to.Name, groups))
			}
			return failed(groupsAsTable(cmd.OutOrStdout(), groups))
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "the configuration `FILE`")
	completeConfig(cmd)
	cmd.ValidArgsFunction = completeAccount(&path)
	cmd.Flags().BoolVar(&asTOML, "toml", false, "print a line for the configuration for each group")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("toml", "json")
	return cmd
}

// listedGroup is a group as it is listed. Its texts are Kaizala's, but for Folders.
type listedGroup struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Role    string   `json:"role"`
	Folders []string `json:"folders"` // that post to it
}

// groups asks for them. On warn it says what is configured and not among them.
func (a account) groups(ctx context.Context, warn io.Writer) ([]listedGroup, error) {
	client, err := a.client("groups")
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if err := client.Ready(); err != nil {
		return nil, &exitError{exitConfig, err}
	}
	if err := client.Unread(); err != nil {
		fmt.Fprintf(warn, "kaizala-drop: %v\n", err)
	}
	groups, err := client.Groups(ctx)
	if err != nil {
		return nil, failed(fmt.Errorf("%s: %w", a.to.Kaizala.Endpoint, err))
	}
	listed, strange := a.list(groups)
	for _, line := range strange {
		fmt.Fprintf(warn, "kaizala-drop: %s\n", line)
	}
	return listed, nil
}

// list joins the groups, by name, with the folders that post to them, and tells of folders that post elsewhere.
func (a account) list(groups []kaizala.Group) (listed []listedGroup, strange []string) {
	for _, g := range groups {
		listed = append(listed, listedGroup{ID: g.ID, Name: g.Name, Type: g.Type, Role: g.Role, Folders: []string{}})
	}
	for _, f := range foldersOf(a.to.Name, a.config.Folders) {
		i := slices.IndexFunc(listed, func(g listedGroup) bool { return g.ID == f.GroupID })
		if i < 0 {
			strange = append(strange, fmt.Sprintf("folder %q: group_id %q is not among the groups of this account", f.Path, f.GroupID))
			continue
		}
		listed[i].Folders = append(listed[i].Folders, f.Path)
	}
	slices.SortStableFunc(listed, func(x, y listedGroup) int {
		return cmp.Or(cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)), cmp.Compare(x.ID, y.ID))
	})
	return listed, strange
}

func groupsAsTable(out io.Writer, groups []listedGroup) error {
	if len(groups) == 0 {
		_, err := fmt.Fprintln(out, "the account is in no group: have it added to one in Kaizala")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tTYPE\tROLE\tFOLDER")
	for _, g := range groups {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", text.Printable(g.ID), shown(g.Name), shown(g.Type), shown(g.Role), shownFolders(g.Folders))
	}
	return table.Flush()
}

// shown is a text of Kaizala's on a terminal: harmless, and not so long that it hides the others.
func shown(name string) string { return cmp.Or(text.Line(name, 60), "-") }

func shownFolders(folders []string) string {
	if len(folders) == 0 {
		return "-"
	}
	harmless := make([]string, len(folders))
	for i, folder := range folders {
		harmless[i] = text.Printable(folder)
	}
	return strings.Join(harmless, ", ")
}

// groupsAsTOML prints a line for each group that can be pasted as it is: what is behind the id is a comment.
func groupsAsTOML(out io.Writer, groups []listedGroup) error {
	for _, g := range groups {
		line, err := toml.Marshal(map[string]string{"group_id": g.ID})
		if err != nil {
			return err
		}
		setting := hiddenEscaped(string(bytes.TrimSpace(line)), func(r rune) string {
			if r > 0xffff {
				return fmt.Sprintf(`\U%08X`, r)
			}
			return fmt.Sprintf(`\u%04X`, r)
		})
		comment := fmt.Sprintf("%s (%s, %s)", shown(g.Name), shown(g.Type), shown(g.Role))
		if len(g.Folders) > 0 {
			comment += ", of " + shownFolders(g.Folders)
		}
		if _, err := fmt.Fprintf(out, "%s   # %s\n", setting, comment); err != nil {
			return err
		}
	}
	return nil
}

func groupsAsJSON(out io.Writer, destination string, groups []listedGroup) error {
	if groups == nil {
		groups = []listedGroup{}
	}
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(struct {
		Destination string        `json:"destination"`
		Groups      []listedGroup `json:"groups"`
	}{destination, groups})
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, harmlessJSON(plain.String()))
	return err
}

// harmlessJSON is a JSON text that a terminal can be shown, and that says the same.
func harmlessJSON(plain string) string {
	return hiddenEscaped(plain, func(r rune) string {
		if r1, r2 := utf16.EncodeRune(r); r1 != unicode.ReplacementChar {
			return fmt.Sprintf(`\u%04x\u%04x`, r1, r2)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
}

// hiddenEscaped spells the characters that a terminal would obey, or not show, as escapes of the language that plain is in. In that
// they can stand within quotes only.
func hiddenEscaped(plain string, escape func(rune) string) string {
	var b strings.Builder
	for _, r := range plain {
		if r == ' ' || r == '\n' || unicode.IsGraphic(r) && !unicode.IsSpace(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(escape(r))
		}
	}
	return b.String()
}
