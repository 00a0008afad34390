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

// LoginLog writes the log line of each login. The line has the same octets as a line of slog's TextHandler or JSONHandler.
// LoginLog exists because slog needs more time for this line than all other work of a remembered login takes.
type LoginLog struct {
	To    io.Writer // receives complete lines, from many goroutines at once
	JSON  bool
	Level slog.Level // lines of a lower level are not written

	buffers sync.Pool // of *[]byte
	latest  atomic.Pointer[stamp]
}

// stamp is the text of one second in the log.
type stamp struct {
	unix int64
	in   *time.Location
	text string
	zone string
}

// appendTime appends the time with which a line in text form begins. It formats the date and time again only when the
// second has changed.
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

// write writes the line of e. If d is part of a batch, it adds the line to the batch's lines, which receiveBatch writes
// together.
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
	l.To.Write(*buffer) // an error of the log can't be logged
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

// line collects the fields of a login's log line in one of three forms: text, JSON or slog attributes.
type line struct {
	form  form
	b     []byte      // the line in the forms asText and asJSON
	attrs []slog.Attr // the fields in the form asAttrs
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

// optional writes a text field, but nothing if the text is empty.
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
