package main

import (
	"bytes"
	"strings"

	"github.com/spf13/cobra"
)

// cobra's script for bash quotes a name when it is the only one, and not what several have in common: with two files whose names have a
// space in them, what is completed becomes two words. The shell's own way (bash(1), compopt -o filenames) leaves a "$" as it is in the
// name of what does not lie where the person is. Nor does cobra know names with both a ":" and a "=".
const (
	quotesOne = `        # First, escape the completions to handle special characters
        IFS=$'\n' read -ra completions -d '' < <(printf "%q\n" "${completions[@]}")
        # Only consider the completions that match what the user typed
        IFS=$'\n' read -ra COMPREPLY -d '' < <(IFS=$'\n'; compgen -W "${completions[*]}" -- "${cur}")

        # compgen looses the escaping so, if there is only a single completion, we need to
        # escape it again because it will be inserted on the command-line.  If there are multiple
        # completions, we don't want to escape them because they will be printed in a list
        # and we don't want to show escape characters in that list.
        if (( ${#COMPREPLY[@]} == 1 )); then
            COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]}")
        fi
`
	quotesAll = `        # They match already, and are quoted as what was typed must be, also what several have in common.
        IFS=$'\n' read -ra COMPREPLY -d '' < <(printf "%q\n" "${completions[@]}")
`
	trimsTwice = `    __kaizala-drop_handle_special_char "$cur" :
    __kaizala-drop_handle_special_char "$cur" =
`
	trimsOnce = `    # The shell replaces what is behind the last ":" or "=" alone, as far as these break words.
    local breaks=
    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+==
    if [[ -n $breaks && $cur == *["$breaks"]* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*["$breaks"]}"}"}")
    fi
`
)

// quoteInBash mends the script that "completion bash" writes.
func quoteInBash(root *cobra.Command) {
	completion, _, err := root.Find([]string{"completion", "bash"})
	if err != nil || completion.Name() != "bash" {
		return
	}
	completion.RunE = func(cmd *cobra.Command, _ []string) error {
		without, err := cmd.Flags().GetBool("no-descriptions")
		if err != nil {
			return err
		}
		var script bytes.Buffer
		if err := root.GenBashCompletionV2(&script, !without); err != nil {
			return failed(err)
		}
		_, err = cmd.OutOrStdout().Write([]byte(strings.NewReplacer(quotesOne, quotesAll, trimsTwice, trimsOnce).Replace(script.String())))
		return unlessGone(err)
	}
}
