package checkup

import (
	"fmt"
	"time"
)

// Level says how a thing is.
type Level string

const (
	OK      Level = "ok"      // it works
	Warning Level = "warning" // it works, or can't be known
	Problem Level = "problem" // logins will fail
)

// Finding is how one thing is.
type Finding struct {
	Level   Level         `json:"level"`
	Subject string        `json:"subject"` // what was looked at
	Found   string        `json:"found"`
	Remedy  string        `json:"remedy,omitempty"` // what to do about it; "" when all is well
	Took    time.Duration `json:"-"`
	Millis  int64         `json:"ms"`
}

func ok(format string, args ...any) Finding {
	return Finding{Level: OK, Found: fmt.Sprintf(format, args...)}
}

func problem(remedy, format string, args ...any) Finding {
	return Finding{Level: Problem, Found: fmt.Sprintf(format, args...), Remedy: remedy}
}

func warning(remedy, format string, args ...any) Finding {
	return Finding{Level: Warning, Found: fmt.Sprintf(format, args...), Remedy: remedy}
}

// about names what findings are about.
func about(subject string, list ...Finding) []Finding {
	for i := range list {
		list[i].Subject = subject
	}
	return list
}
