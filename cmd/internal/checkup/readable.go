package checkup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"duoradiusd/internal/system"
)

// readable finds out whether the user of the packages' unit can read the files that root has just read. It does so only for
// the configuration of that unit.
func (r *run) readable() []question {
	if os.Geteuid() != 0 || !slices.Contains(r.config.Files, system.ConfigFile()) {
		return nil
	}
	return []question{{"files of " + system.ConfigFile(), func(context.Context) []Finding { return unreadable(system.UnitUser, r.config.Files) }}}
}

// unreadable returns a problem for each file that the user can't read.
func unreadable(user string, paths []string) (list []Finding) {
	for _, path := range paths {
		switch can, known, err := system.CanRead(user, path); {
		case !known:
			return nil
		case err != nil:
			list = append(list, about(path, warning("look at the file and the folders above it", "whether user %s can read it can't be told: %v", user, err))...)
		case !can:
			list = append(list, about(path, problem(fmt.Sprintf("chgrp %s %s && chmod 640 %s, and let the group into %s", user, path, path, filepath.Dir(path)), "user %s, as whom the unit runs, can't read it", user))...)
		}
	}
	if list == nil {
		list = []Finding{ok("user %s can read them", user)}
	}
	return list
}
