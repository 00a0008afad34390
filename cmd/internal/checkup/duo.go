package checkup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/conf"
	"duoradiusd/policy"
	"duoradiusd/policy/duo"
)

// duo asks each application for Duo's clock first, and then whether the keys are right.
func (r *run) duo() (list []question) {
	for _, a := range r.parts.Applications() {
		subject := "Duo at " + a.Host
		if a.Name != "" {
			subject += fmt.Sprintf(" (application %q)", a.Name)
		}
		list = append(list, question{subject, func(ctx context.Context) []Finding { return checkDuo(ctx, a) }})
	}
	return list
}

func checkDuo(ctx context.Context, a daemon.DuoApplication) []Finding {
	start := time.Now()
	now, err := a.Client.Ping(ctx)
	if err != nil {
		return []Finding{problem("check api_host, the network (DNS, the firewall for TCP port 443, the proxy) and, if something between here and Duo decrypts TLS, ca", "can't be asked: %v", err)}
	}
	list := frontEnd(a.Client.Front(), a.CA)
	list[0].Took = time.Since(start)
	skew := time.Since(now).Round(time.Second)
	list = append(list, clock(skew))
	if skew.Abs() >= clockProblem {
		return list // Duo then refuses every key, so its refusal says nothing about this key
	}
	start = time.Now()
	_, err = a.Client.Check(ctx)
	keys := ok("accepts these keys")
	switch {
	case errors.Is(err, policy.ErrMisconfigured):
		keys = problem(`copy integration key, secret key and API hostname from the application's page in the Duo Admin Panel; its type must be "Auth API", for keys of a type such as RADIUS or Cisco ASA can't be used here`, "does not accept them: %v", err)
	case err != nil:
		keys = problem("try again in a minute", "could not be asked about the keys: %v", err)
	}
	keys.Took = time.Since(start)
	return append(list, keys)
}

// frontEnd says what the handshake has shown: which HTTP Duo's front end offers, whose root vouches for it, and the proxy.
func frontEnd(f *duo.Front, ca string) []Finding {
	if f == nil {
		return []Finding{ok("answers")}
	}
	offers := "HTTP/1.1 only"
	if f.HTTP == "HTTP/2" {
		offers = "HTTP/2"
	}
	way := ", without a proxy"
	if f.Proxy != "" {
		way = ", through the proxy " + f.Proxy
	}
	list := []Finding{ok("answers; its server offers %s (ALPN)%s", offers, way)}
	if f.Root != nil {
		list = append(list, expiry(fmt.Sprintf("its root certificate, %s,", f.Root.Subject), f.Root.NotAfter))
	}
	if ca == conf.CAPinned {
		list = append(list, ok("the built-in list of root certificates is Duo's of %s%s", duo.PinnedRoots, age(duo.PinnedRoots, time.Now())))
	}
	return list
}

// age says how many months ago a day was; "" if there is nothing to say.
func age(day string, now time.Time) string {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil || now.Before(at) {
		return ""
	}
	return fmt.Sprintf(", %d months old", int(now.Sub(at).Hours()/24/30.44))
}

// Duo refuses a clock that is five minutes off. A clock that is one minute off will probably get there.
const (
	clockWarning = time.Minute
	clockProblem = 4 * time.Minute
)

// clock judges by how much this machine's clock is ahead of Duo's.
func clock(skew time.Duration) Finding {
	switch off := skew.Abs(); {
	case off >= clockProblem:
		return problem("set this machine's clock (NTP)", "this machine's clock is off by %s; Duo refuses calls from five minutes on", skew)
	case off >= clockWarning:
		return warning("set this machine's clock (NTP)", "this machine's clock is off by %s", skew)
	}
	return ok("this machine's clock is right to %s", max(skew.Abs(), time.Second))
}
