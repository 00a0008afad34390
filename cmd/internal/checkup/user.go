package checkup

import (
	"context"
	"fmt"

	"duoradiusd/cmd/internal/daemon"
	"duoradiusd/internal/display"
	"duoradiusd/policy"
)

// atDuo asks preauth of each application about --user. Preauth rings no phone.
func (r *run) atDuo() (list []question) {
	name, valid := r.parts.Canonical(r.User)
	if r.User == "" || !valid {
		return nil
	}
	for _, a := range r.parts.Applications() {
		list = append(list, one(fmt.Sprintf("user %q at Duo, %s", name, a.Host), func(ctx context.Context) Finding { return preauth(ctx, a, name) }))
	}
	return list
}

func preauth(ctx context.Context, a daemon.DuoApplication, name string) Finding {
	pre, err := a.Client.Preauth(ctx, policy.PreauthRequest{User: policy.Identity{Username: name}})
	switch {
	case err != nil:
		return problem("see above", "could not be asked: %v", err)
	case pre.Result == policy.PreauthEnroll:
		return warning("enrol the user, or correct the name that Duo is asked for: [[user]] duo_username, or duo_username_attribute of the directory",
			"Duo does not know this name, or the user has no device there")
	case pre.Result == policy.PreauthDeny:
		return warning("look at the user and at the application's policy in the Duo Admin Panel", "Duo denies: %s", pre.Message)
	case pre.Result == policy.PreauthAllow:
		return ok("Duo lets this user in without a second factor: %s", pre.Message)
	}
	return ok("Duo knows this name, with %s", display.Count(len(pre.Devices), "device"))
}
