package daemon

import (
	"cmp"
	"runtime/debug"
)

// version is what a package says it is, set by -ldflags -X; "" leaves it to what the build recorded.
var version string

// Version is the package's version or the module's as the build recorded it, "devel" for a build from a checkout.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "(devel)" {
		return cmp.Or(version, "devel")
	}
	return cmp.Or(version, info.Main.Version, "devel")
}

// Commit is the commit that the build was made of, with "+changes" where it was more than that; "" where the build
// does not know.
func Commit() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return ""
	}
	commit, changes := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changes = "+changes"
		}
	}
	if commit == "" {
		return ""
	}
	return commit + changes
}
