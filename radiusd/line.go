package radiusd

import (
	"encoding/hex"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Lines writes the line of each login, octet for octet as slog's TextHandler or JSONHandler does. Through slog the line
// costs more than all else that a remembered login does.
type Lines struct {
	To    io.Writer // is given one line at a time, from many goroutines at once
	JSON  bool
	Level slog.Level // of the lowest that are written

	buffers sync.Pool // of *[]byte
}

func (l *Lines) write(e *Event) {
	level := e.level()
	if level < l.Level {
		return
	}
	buffer, ok := l.buffers.Get().(*[]byte)
	if !ok {
		buffer = new([]byte)
	}
	if l.JSON {
		*buffer = e.appendJSON((*buffer)[:0], level)
	} else {
		*buffer = e.appendText((*buffer)[:0], level)
	}
	l.To.Write(*buffer) // there is nowhere to say that it failed
	l.buffers.Put(buffer)
}

func (e *Event) appendText(b []byte, level slog.Level) []byte {
	b = append(b, "time="...)
	b = appendMillis(b, e.Time)
	b = append(b, " level="...)
	b = append(b, level.String()...)
	b = append(b, " msg=login"...)
	for f := range e.fields {
		b = append(append(append(b, ' '), f.key...), '=')
		switch {
		case f.number:
			b = strconv.AppendInt(b, f.n, 10)
		case bare(f.text):
			b = append(b, f.text...)
		default:
			b = strconv.AppendQuote(b, f.text)
		}
	}
	return append(b, '\n')
}

// appendMillis appends t to the millisecond. For this layout alone package time knows a short way, and it leaves zeros
// at the end out: with a fourth digit there are none, and that goes.
func appendMillis(b []byte, t time.Time) []byte {
	from := len(b)
	b = t.Truncate(time.Millisecond).Add(100*time.Microsecond).AppendFormat(b, time.RFC3339Nano)
	fourth := from + len("2006-01-02T15:04:05.000")
	return append(b[:fourth], b[fourth+1:]...)
}

// bare reports whether slog writes s without quotes.
func bare(s string) bool {
	for _, r := range s {
		plain := '!' <= r && r <= '~' || r > '~' && r != utf8.RuneError && unicode.IsPrint(r)
		if !plain || r == '=' || r == '"' {
			return false
		}
	}
	return s != ""
}

func (e *Event) appendJSON(b []byte, level slog.Level) []byte {
	b = append(b, `{"time":"`...)
	b = e.Time.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"`...)
	b = append(b, level.String()...)
	b = append(b, `","msg":"login"`...)
	for f := range e.fields {
		b = append(append(append(b, `,"`...), f.key...), `":`...)
		if f.number {
			b = strconv.AppendInt(b, f.n, 10)
			continue
		}
		b = appendJSONString(b, f.text)
	}
	return append(b, "}\n"...)
}

func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ':
			b = append(b, `\u00`...)
			b = hex.AppendEncode(b, []byte{c})
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
