package conf

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"duoradiusd/internal/system"
)

// Log says how the daemon logs.
type Log struct {
	Format  string // "text" or "json"
	Level   slog.Level
	AuthLog string // absolute path of the file with one JSON line a login; "" = none
}

func readLog(t *table) Log {
	l := Log{
		Format:  oneOf(t, "format", "text", "text", "json"),
		AuthLog: t.writable("auth_log"),
	}
	switch oneOf(t, "level", "info", "debug", "info", "warn", "error") {
	case "debug":
		l.Level = slog.LevelDebug
	case "warn":
		l.Level = slog.LevelWarn
	case "error":
		l.Level = slog.LevelError
	}
	return l
}

// writable reads the path of a file that the daemon will write. It only warns, because the user who checks a configuration
// may be another one than the user who serves it.
func (t *table) writable(key string) string {
	path := t.file.abs(t.string(key, ""))
	if path == "" {
		return ""
	}
	at, what := path, "file"
	if _, err := os.Stat(path); err != nil {
		at, what = filepath.Dir(path), "folder"
	}
	info, err := os.Stat(at)
	if err == nil && info.IsDir() != (what == "folder") {
		err = map[bool]error{true: syscall.EISDIR, false: syscall.ENOTDIR}[info.IsDir()]
	}
	if what == "folder" && errors.Is(err, os.ErrNotExist) {
		return path // serve makes it, and check says so
	}
	if err == nil {
		err = system.Writable(at)
	}
	if err != nil {
		t.warn(key, "a %s that can't be written: %s; want one that can", what, reason(err))
	}
	return path
}
