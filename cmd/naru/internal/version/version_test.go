package version

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestPrint(t *testing.T) {
	platform := " (" + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")\n"
	for _, tc := range []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"no build information", nil, "naru devel" + platform},
		{"release", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "naru v1.2.3" + platform},
		{"checkout", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"},
		}}, "naru devel 0123456789ab, modified" + platform},
		{"what decides generated code", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Deps: []*debug.Module{
			{Path: "github.com/bufbuild/protocompile", Version: "v0.14.1"}, {Path: "example.com/other", Version: "v9.9.9"},
			{Path: "google.golang.org/protobuf", Version: "v1.36.12"},
		}}, "naru v1.2.3" + platform + "  google.golang.org/protobuf         v1.36.12\n  github.com/bufbuild/protocompile   v0.14.1\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b strings.Builder
			if err := print(&b, tc.info); err != nil {
				t.Fatal(err)
			}
			if b.String() != tc.want {
				t.Errorf("got:\n%swant:\n%s", b.String(), tc.want)
			}
		})
	}
}
