package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/matrix"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: "version prints the version of the package, or the tag or commit that it was built from, the version of Go, the system it is for, " +
			"and whether it lacks encryption for Matrix.",
		Example: `  kaizala-drop version`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "kaizala-drop %s (%s, %s/%s)%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, encrypts())
			return err
		},
	}
}

// encrypts says what the program lacks.
func encrypts() string {
	if matrix.CanEncrypt {
		return ""
	}
	return ", built without encryption for Matrix (go build -tags goolm)"
}

// packaged is the version of the package that the program is in: packaging/build has the linker write it here, and nothing else does.
var packaged string

// version is that of the package, or else what the Go toolchain stamped into the binary: a tag, or the commit it was built from.
func version() string {
	if packaged != "" {
		return packaged
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = " " + s.Value[:min(len(s.Value), 12)]
		}
	}
	return info.Main.Version + revision
}
