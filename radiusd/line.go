package radiusd

import (
	"encoding/hex"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
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
	latest  atomic.Pointer[stamp]
}

// stamp is how a second is written.
type stamp struct {
	unix int64
	in   *time.Location
	text string
	zone string
}

// appendTime begins a line of text. The second is written anew only when there is another.
func (l *Lines) appendTime(b []byte, t time.Time) []byte {
	now := l.latest.Load()
	if now == nil || now.unix != t.Unix() || now.in != t.Location() {
		now = &stamp{t.Unix(), t.Location(), t.Format("time=2006-01-02T15:04:05."), t.Format("Z07:00 level=")}
		l.latest.Store(now)
	}
	ms := t.Nanosecond() / 1e6
	b = append(b, now.text...)
	b = append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	return append(b, now.zone...)
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
		*buffer = e.appendText(l.appendTime((*buffer)[:0], e.Time), level)
	}
	l.To.Write(*buffer) // there is nowhere to say that it failed
	l.buffers.Put(buffer)
}

func (e *Event) appendText(b []byte, level slog.Level) []byte {
	b = append(b, level.String()...)
	b = append(b, " msg=login"...)
	for f := range e.fields {
		b = append(append(append(b, ' '), f.key...), '=')
		switch {
		case f.number:
			b = strconv.AppendInt(b, f.n, 10)
		case f.addr.IsValid():
			b = f.addr.AppendTo(b)
		case bare(f.text):
			b = append(b, f.text...)
		default:
			b = strconv.AppendQuote(b, f.text)
		}
	}
	return append(b, '\n')
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
		switch {
		case f.number:
			b = strconv.AppendInt(b, f.n, 10)
		case f.addr.IsValid():
			b = append(f.addr.AppendTo(append(b, '"')), '"')
		default:
			b = appendJSONString(b, f.text)
		}
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
