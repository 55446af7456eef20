package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kaizala-drop/internal/text"
)

// What a command line is refused for, in words that say what to write.

// plainly has a program say in plain words what is wrong with a command line.
func plainly(root *cobra.Command) {
	root.SetHelpCommand(newHelp(root))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion") // else only when it is executed
	quoteInBash(root)
	root.SetFlagErrorFunc(flagRefused)
	root.SuggestionsMinimumDistance = 2
	root.DisableFlagsInUseLine = true
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return noSuch("command", args[0], root.SuggestionsFor(args[0]))
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	for _, cmd := range root.Commands() {
		plainArgs(cmd)
	}
}

// plainArgs has cmd, and the commands below it, say in plain words what is wrong with its arguments.
func plainArgs(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		plainArgs(sub)
	}
	if cmd.HasSubCommands() {
		cmd.Args = func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name one of " + strings.Join(namesBelow(cmd), ", "))
			}
			return noSuch(cmd.Name(), args[0], namesBelow(cmd))
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		return
	}
	allowed := cmd.Args
	if allowed == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := allowed(cmd, args)
		if _, own := errors.AsType[*exitError](err); own || err == nil { // what the command itself says
			return err
		}
		for i, arg := range args {
			if allowed(cmd, args[:i]) == nil && allowed(cmd, args[:i+1]) != nil {
				return fmt.Errorf("%s is too much. It is used so: %s", quotedArg(arg), usedSo(cmd))
			}
		}
		return fmt.Errorf("name what it is about: %s", usedSo(cmd))
	}
}

func namesBelow(cmd *cobra.Command) (names []string) {
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return names
}

// usedSo is how a command is used.
func usedSo(cmd *cobra.Command) string { return cmd.Parent().CommandPath() + " " + cmd.Use }

func quotedArg(arg string) string { return `"` + text.Line(arg, 60) + `"` }

func noSuch(what, name string, near []string) error {
	err := fmt.Errorf("there is no %s %s", what, quotedArg(name))
	if len(near) > 0 {
		err = fmt.Errorf("%w: did you mean %s?", err, strings.Join(near, ", "))
	}
	return err
}

// newHelp is cobra's, but that a command that there is not is an error.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return namesBelow(root), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			about := root
			for _, name := range args {
				found, rest, err := about.Find([]string{name})
				if err != nil || len(rest) > 0 || found == about {
					return noSuch("command", name, about.SuggestionsFor(name))
				}
				about = found
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// flagRefused says in plain words what is wrong with a flag.
func flagRefused(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return unknownFlag(cmd, unknown)
	}
	if bare, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		name, about := pflag.UnquoteUsage(bare.GetFlag())
		return fmt.Errorf("--%s needs a %s behind it: %s", bare.GetFlag().Name, name, about)
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		name, about := pflag.UnquoteUsage(wrong.GetFlag())
		switch wrong.GetFlag().Value.Type() {
		case "bool":
			return fmt.Errorf("--%s takes true or false, not %s", wrong.GetFlag().Name, quotedArg(wrong.GetValue()))
		case "int":
			name = "a number"
		}
		return fmt.Errorf("--%s takes %s, not %s: %s", wrong.GetFlag().Name, name, quotedArg(wrong.GetValue()), about)
	}
	if wrong, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return fmt.Errorf("%s is no flag: write --name or --name=value", quotedArg(wrong.GetSpecifiedFlag()))
	}
	return err
}

func unknownFlag(cmd *cobra.Command, unknown *pflag.NotExistError) error {
	name := unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		return noSuch("flag", "-"+name, nil)
	}
	if !cmd.HasParent() {
		for _, sub := range cmd.Commands() {
			if sub.Flags().Lookup(name) != nil {
				return fmt.Errorf("--%s goes behind the command: kaizala-drop %s --%[1]s", name, sub.Name())
			}
		}
	}
	known := cobra.Command{SuggestionsMinimumDistance: cmd.Root().SuggestionsMinimumDistance}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		known.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	near := known.SuggestionsFor(name)
	for i := range near {
		near[i] = "--" + near[i]
	}
	return noSuch("flag", "--"+name, near)
}

// refused says in plain words what cobra says of several flags.
func refused(err error) error {
	_, all, ok := strings.Cut(err.Error(), "none of the others can be; [")
	set, _, closed := strings.Cut(all, "]")
	if !ok || !closed {
		return err
	}
	return fmt.Errorf("--%s do not go together: give one of them", strings.ReplaceAll(set, " ", " and --"))
}
