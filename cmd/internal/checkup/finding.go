package checkup

import (
	"fmt"
	"time"
)

// Level says how well a thing works.
type Level string

const (
	OK      Level = "ok"      // it works
	Warning Level = "warning" // it works, or the check can't know
	Problem Level = "problem" // logins will fail
)

// Finding says how well one thing works.
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

// about sets the subject of findings.
func about(subject string, list ...Finding) []Finding {
	for i := range list {
		list[i].Subject = subject
	}
	return list
}
