// Package version is the verb "naru version".
package version

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// New returns the verb.
func New(env *cli.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of naru and what it was built from",
		Args:  cli.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			return print(env.Stdout, info)
		},
	}
}

// print writes one line for people and scripts alike, then the modules that decide what gen writes.
func print(w io.Writer, info *debug.BuildInfo) error {
	if info == nil {
		info = &debug.BuildInfo{}
	}
	if _, err := fmt.Fprintf(w, "naru %s (%s, %s/%s)\n", describe(info), runtime.Version(), runtime.GOOS, runtime.GOARCH); err != nil {
		return err
	}
	for _, path := range []string{"google.golang.org/protobuf", "github.com/bufbuild/protocompile"} {
		for _, dep := range info.Deps {
			if dep.Path == path {
				if _, err := fmt.Fprintf(w, "  %-34s %s\n", dep.Path, dep.Version); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// describe returns the module version, or for a build from a checkout "devel" and the commit if
// known.
func describe(info *debug.BuildInfo) string {
	v := info.Main.Version
	if v != "" && v != "(devel)" {
		return v
	}
	v = "devel"
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if rev := settings["vcs.revision"]; rev != "" {
		v += " " + rev[:min(len(rev), 12)]
		if settings["vcs.modified"] == "true" {
			v += ", modified"
		}
	}
	return v
}
