package manpage

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// settingsPage is the page of the settings.
const settingsPage = "kaizala-drop.toml(5)"

// Commands writes a page for a program, and one for each of its commands, by the names of their files.
func (e Edition) Commands(root *cobra.Command) map[string][]byte {
	pages := map[string][]byte{}
	also := []string{settingsPage}
	for _, cmd := range root.Commands() {
		name := pageOf(cmd)
		pages[name+".1"] = e.command(cmd, pageOf(root)+"(1)", settingsPage)
		also = append(also, name+"(1)")
	}
	slices.Sort(also)
	pages[pageOf(root)+".1"] = e.command(root, also...)
	return pages
}

// pageOf is the name of a command's page: words joined by hyphens.
func pageOf(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func (e Edition) command(cmd *cobra.Command, also ...string) []byte {
	p := e.newPage(pageOf(cmd), "1", "User Commands")
	p.macro("SH", "NAME")
	p.text(escaped(pageOf(cmd)) + ` \- ` + escaped(withoutCapital(cmd.Short)))
	p.macro("SH", "SYNOPSIS")
	p.synopsis(cmd)
	p.macro("SH", "DESCRIPTION")
	p.prose(cmd.Long)
	if cmd.HasSubCommands() {
		p.macro("SH", "COMMANDS")
		p.commands(cmd)
	}
	p.macro("SH", "OPTIONS")
	p.flags(cmd)
	if cmd.Example != "" {
		p.macro("SH", "EXAMPLES")
		p.literal(trimmed(strings.Split(strings.Trim(cmd.Example, "\n"), "\n")))
	}
	if !cmd.HasParent() {
		p.files()
	}
	p.see(also...)
	return p.Bytes()
}

// synopsis writes how a command is used: what is typed as it is in bold.
func (p *page) synopsis(cmd *cobra.Command) {
	uses := []string{strings.TrimSuffix(cmd.Use, " [flags]")}
	if cmd.HasSubCommands() {
		uses = []string{cmd.Name() + " COMMAND [ARGUMENT]..."}
	}
	above := ""
	if cmd.HasParent() {
		above = cmd.Parent().CommandPath() + " "
	}
	for _, use := range uses {
		name, rest, _ := strings.Cut(use, " ")
		line := bold(above + name)
		if cmd.HasAvailableFlags() && !cmd.HasSubCommands() {
			line += ` [` + italic("flags") + `]`
		}
		if rest != "" {
			line += " " + escaped(rest)
		}
		p.text(line)
	}
}

// commands writes what the commands below one are for. Those of the program have pages of their own, with their flags.
func (p *page) commands(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		p.item(bold(sub.Name()))
		if cmd.HasParent() {
			p.filled(sub.Short + ".")
			p.macro("RS")
			p.flags(sub)
			p.macro("RE")
			continue
		}
		p.text(escaped(sub.Short) + ": " + bold(pageOf(sub)) + "(1).")
	}
}

// flags writes a paragraph for each flag.
func (p *page) flags(cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value, about := pflag.UnquoteUsage(f)
		tag := bold("--" + f.Name)
		if f.Shorthand != "" {
			tag = bold("-"+f.Shorthand) + ", " + tag
		}
		if value != "" {
			tag += " " + italic(value)
		}
		p.item(tag)
		p.filled(about + defaultOf(f))
	})
}

// defaultOf says what a flag is if it is left out, unless it is nothing.
func defaultOf(f *pflag.Flag) string {
	switch {
	case slices.Contains([]string{"", "false", "0", "0s", "[]"}, f.DefValue):
		return ""
	case f.Value.Type() == "string":
		return " (default " + strconv.Quote(f.DefValue) + ")"
	}
	return " (default " + f.DefValue + ")"
}

// files writes where everything is once it is installed.
func (p *page) files() {
	p.macro("SH", "FILES")
	for _, f := range []struct {
		about string
		paths []string
	}{
		{"The settings: `kaizala-drop.toml`(5).", []string{"/etc/kaizala-drop/config.toml"}},
		{"Secrets that systemd hands to the service (systemd.exec(5), LoadCredential=), for root's eyes alone.",
			[]string{"/etc/credstore/kaizala-drop.application-secret", "/etc/credstore/kaizala-drop.refresh-token"}},
		{"The ledger, and the tokens of logins.", []string{"/var/lib/kaizala-drop"}},
		{"Where the daemon answers.", []string{"/run/kaizala-drop/control.sock"}},
		{"More to read, and the example of the settings.", []string{"/usr/share/doc/kaizala-drop"}},
	} {
		for i := range f.paths {
			f.paths[i] = italic(f.paths[i])
		}
		p.item(f.paths...)
		p.filled(f.about)
	}
}

func withoutCapital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToLower(first)) + text[size:]
}
