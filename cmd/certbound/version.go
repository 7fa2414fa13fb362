package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/ops"
)

// versionInfo says what was built, as far as the build recorded it.
type versionInfo struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a tree with uncommitted changes
}

func (m *Main) versionCommand() *cobra.Command {
	output := cli.OneOf{Value: "table", Allowed: []string{"table", "json"}}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			v := newVersionInfo(info)
			if output.Value == "json" {
				return cli.JSON(m.Stdout, v)
			}
			_, err := fmt.Fprintf(m.Stdout, "certbound %s (%s)\n", v.Version, v.Go)
			return err
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// buildMetrics makes metrics that know this build.
func buildMetrics() *ops.Metrics {
	info, _ := debug.ReadBuildInfo()
	v := newVersionInfo(info)
	return ops.NewMetrics(v.Version, v.Go)
}

// newVersionInfo reads what the toolchain stamped into the binary; nil when it
// stamped nothing.
func newVersionInfo(info *debug.BuildInfo) versionInfo {
	v := versionInfo{Version: "(unknown)", Go: "(unknown)"}
	if info == nil {
		return v
	}
	v.Go = info.GoVersion
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
