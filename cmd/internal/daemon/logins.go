package daemon

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"duoradiusd/cmd/internal/history"
)

// LoginsPage is a part of the last logins, the newest first.
type LoginsPage struct {
	Logins []history.Record `json:"logins"`
	Last   uint64           `json:"last"`           // the number of the newest login of all
	User   string           `json:"user,omitempty"` // canonical name of the user that was asked for
}

// maxWait bounds how long a request for new logins waits. A client that follows the logins asks again.
const maxWait = 30 * time.Second

// loginsPage answers a request for logins. The query may hold user, client and reason, which must all fit; most, the number of
// logins; and after=NUMBER, for logins with a greater number. With wait=true it waits until there is such a login.
func (d *Daemon) loginsPage(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q := history.Query{Client: v.Get("client"), Reason: v.Get("reason")}
	if user := v.Get("user"); user != "" {
		q.User = d.canonical(user)
	}
	q.After, _ = strconv.ParseUint(v.Get("after"), 10, 64)
	q.Most, _ = strconv.Atoi(v.Get("most"))
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	if v.Get("wait") != "true" {
		cancel()
	}
	logins, last := d.logins.Wait(ctx, q)
	answer(w, LoginsPage{history.Records(logins), last, q.User})
}
