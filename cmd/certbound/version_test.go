package main

import (
	"runtime/debug"
	"testing"
)

func TestNewVersionInfo(t *testing.T) {
	stamped := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-11-22T00:00:00Z"}, {Key: "vcs.modified", Value: "true"}, {Key: "GOOS", Value: "linux"},
	}}
	for name, tt := range map[string]struct {
		info *debug.BuildInfo
		want versionInfo
	}{
		"stamped":     {stamped, versionInfo{"v1.2.3", "go1.26.8", "abc", "2026-11-22T00:00:00Z", true}},
		"not stamped": {nil, versionInfo{Version: "(unknown)", Go: "(unknown)"}},
		"bare":        {&debug.BuildInfo{GoVersion: "go1.26.8"}, versionInfo{Version: "(unknown)", Go: "go1.26.8"}},
	} {
		if got := newVersionInfo(tt.info); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}
