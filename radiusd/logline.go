package radiusd

import (
	"encoding/hex"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// LoginLog writes the line of each login, octet for octet as slog's TextHandler or JSONHandler does. Through slog the line
// costs more than all else that a remembered login does.
type LoginLog struct {
	To    io.Writer // is given whole lines, from many goroutines at once
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
func (l *LoginLog) appendTime(b []byte, t time.Time) []byte {
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

// write writes the line of e, or has it written with those of the other logins of d's batch.
func (l *LoginLog) write(e *Event, d *datagram) {
	if e.level() < l.Level {
		return
	}
	if d.inBatch {
		d.listener.logLines = l.append(d.listener.logLines, e)
		return
	}
	buffer, ok := l.buffers.Get().(*[]byte)
	if !ok {
		buffer = new([]byte)
	}
	*buffer = l.append((*buffer)[:0], e)
	l.To.Write(*buffer) // there is nowhere to say that it failed
	l.buffers.Put(buffer)
}

func (l *LoginLog) append(b []byte, e *Event) []byte {
	if l.JSON {
		to := line{form: asJSON, b: append(b, `{"time":"`...)}
		to.b = e.Time.AppendFormat(to.b, time.RFC3339Nano)
		to.b = append(to.b, `","level":"`...)
		to.b = append(to.b, e.level().String()...)
		to.b = append(to.b, `","msg":"login"`...)
		e.writeTo(&to)
		return append(to.b, "}\n"...)
	}
	to := line{form: asText, b: l.appendTime(b, e.Time)}
	to.b = append(to.b, e.level().String()...)
	to.b = append(to.b, " msg=login"...)
	e.writeTo(&to)
	return append(to.b, '\n')
}

// line is what a login's line says, in one of the forms that it has.
type line struct {
	form  form
	b     []byte      // of text and JSON
	attrs []slog.Attr // of slog
}

type form int

const (
	asText form = iota
	asJSON
	asAttrs
)

func (l *line) text(key, s string) {
	switch l.form {
	case asAttrs:
		l.attrs = append(l.attrs, slog.String(key, s))
	case asJSON:
		l.key(key)
		l.b = appendJSONString(l.b, s)
	case asText:
		l.key(key)
		if bare(s) {
			l.b = append(l.b, s...)
		} else {
			l.b = strconv.AppendQuote(l.b, s)
		}
	}
}

// optional writes nothing for an empty text.
func (l *line) optional(key, s string) {
	if s != "" {
		l.text(key, s)
	}
}

func (l *line) addr(key string, a netip.Addr) {
	switch {
	case !a.IsValid():
		l.text(key, "")
	case l.form == asAttrs:
		l.attrs = append(l.attrs, slog.String(key, a.String()))
	case l.form == asJSON:
		l.key(key)
		l.b = append(a.AppendTo(append(l.b, '"')), '"')
	default:
		l.key(key)
		l.b = a.AppendTo(l.b)
	}
}

func (l *line) number(key string, n int64) {
	if l.form == asAttrs {
		l.attrs = append(l.attrs, slog.Int64(key, n))
		return
	}
	l.key(key)
	l.b = strconv.AppendInt(l.b, n, 10)
}

func (l *line) key(key string) {
	if l.form == asJSON {
		l.b = append(append(append(l.b, `,"`...), key...), `":`...)
	} else {
		l.b = append(append(append(l.b, ' '), key...), '=')
	}
}

// bare reports whether slog writes s without quotes.
func bare(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '=' || c == '"' {
			return c > '~' && !strings.ContainsFunc(s, quoted)
		}
	}
	return s != ""
}

func quoted(r rune) bool {
	return r <= ' ' || r == '=' || r == '"' || r == utf8.RuneError || !unicode.IsPrint(r)
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
