package conf

import "log/slog"

// Log says how the daemon logs.
type Log struct {
	Format string // "text" or "json"
	Level  slog.Level
}

func readLog(t *table) Log {
	l := Log{Format: oneOf(t, "format", "text", "text", "json")}
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
