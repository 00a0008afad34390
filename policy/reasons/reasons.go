// Package reasons is the catalogue of the reasons for the results of logins. It says what each reason means, and what to do
// about it.
package reasons

import "duoradiusd/policy"

// Text explains a policy.Reason to an administrator.
type Text struct {
	Reason  policy.Reason `json:"reason"`
	Meaning string        `json:"meaning"`
	Cure    string        `json:"cure"` // what to do about the reason; "" if there is nothing to do
}

// All returns the catalogue of all reasons. The reasons for an accept come first, then those for a challenge, then those for
// a reject. The hints in the log, the pages and the command duoradiusd reasons use this catalogue.
func All() []Text { return reasons }

// Cure returns what an administrator can do about a reason. It returns "" if there is nothing to do.
func Cure(why policy.Reason) string { return cures[why] }

var cures = func() map[policy.Reason]string {
	m := make(map[policy.Reason]string, len(reasons))
	for _, r := range reasons {
		m[r.Reason] = r.Cure
	}
	return m
}()

var reasons = []Text{
	{policy.ReasonApproved, "Duo allowed it after a push, a call or a passcode.", ""},
	{policy.ReasonRemembered, "An earlier approval of this person still counts, so nobody was asked.", "duoradiusd approvals forget USER ends it."},
	{policy.ReasonExempt, "The configuration asks for no second factor here: a rule, the user's services, or unlisted.", "duoradiusd explain USER says which."},
	{policy.ReasonBypass, "Duo's own policy, or the user's status at Duo, asks for no second factor.", "If that is not intended, look at the user and at the application's policy in the Duo Admin Panel."},
	{policy.ReasonFailedOpen, `Duo could not be asked, and failmode = "safe" lets in on the first factor alone.`, "Restore the connection to Duo, or set failmode = \"secure\" where a second factor matters more."},
	{policy.ReasonRepeated, "Duo allowed this login a moment ago; its reply was lost and the client asked again. The phone did not ring again.", ""},
	{policy.ReasonChallenged, "The user was asked for the second factor by an Access-Challenge; the login goes on with the answer.", ""},
	{policy.ReasonRelayed, "The first factor asked back, such as for a new password; the login goes on with the answer.", ""},

	{policy.ReasonBadName, "The name is empty, too long or holds characters that can't be seen, so no user can have it.", "Look at what the client sends as User-Name; password_charset says how its octets are read."},
	{policy.ReasonProbe, "A health check of the client: the name is one of probe_users. It is rejected at once and nobody is asked.", ""},
	{policy.ReasonUnproven, "Nobody has proven the name: it stood outside of an EAP tunnel, and the upstream server did not say who was inside.",
		"Let the upstream put the name from inside the tunnel into its Access-Accept (FreeRADIUS: update outer.session-state { User-Name := &User-Name } in the inner-tunnel's post-auth) " +
			"and set inner_user_name = true of the [[first_factor]]. For NPS, which can't, there is [username] unproven = \"ask\"."},
	{policy.ReasonDeniedByRule, `A [[rule]] with second_factor = "deny" fits. The user is told, on purpose, that the name or the password is wrong.`, "duoradiusd explain USER shows the rule."},
	{policy.ReasonBadPassword, "The first factor says that the user name or the password is wrong.", "If the password is right, look at the name that the directory was asked for (duoradiusd check --user USER)."},
	{policy.ReasonAccountRefused, "The password is right, but it has expired or the account is disabled or locked.", "Unlock the account, or have the user change the password at the directory."},
	{policy.ReasonNoFirstFactor, "The first factor could not be asked.", "duoradiusd status shows which server does not answer; duoradiusd check shows why."},
	{policy.ReasonUnlisted, `No [[user]] lists this name, and [username] unlisted = "reject".`, "Add a [[user]], or change unlisted."},
	{policy.ReasonElsewhere, `The [[user]] is not listed for this service, and elsewhere = "reject".`, "Add the client's service to the user's services."},
	{policy.ReasonBadField, "The password field holds neither a factor nor a passcode.", "Tell users what this client's field takes: nothing, push, phone, sms or a passcode."},
	{policy.ReasonNotAllowed, "The user chose a factor that is not among the factors of the client or the rule.", "Add it to factors, or tell users which ones are allowed."},
	{policy.ReasonNeedsPasscode, "Only a passcode counts here, and none was typed.", "Tell users to type one; mode and factors say what is allowed."},
	{policy.ReasonNoDevice, "Duo knows no device of the user that can do any of the allowed factors.", "Look at the user's devices in the Duo Admin Panel, or allow passcode in factors."},
	{policy.ReasonThrottled, "Too many wrong passwords or passcodes of this person, or from this address: this one was not checked.", "It ends by itself; the error says which limit of [guard] it is and until when. duoradiusd guard clear ends it at once."},
	{policy.ReasonCooldown, "Too many pushes of this person were not approved: only a passcode counts for now.", "Ask the user whether the pushes were theirs. It ends by itself; [guard] cooldown says when."},
	{policy.ReasonPending, "Another login of this person waits for the same phone.", "Answer that one first. If the user knows of none, somebody else has the password."},
	{policy.ReasonDenied, "The user said no to the push, or the passcode was wrong.", ""},
	{policy.ReasonFraud, "The user reported the push as fraud.", "Somebody else knows this password: have it changed, and look for the address in the log."},
	{policy.ReasonNoAnswer, "The user did not answer in time.", "If the push came late, raise the timeout of the client and of the appliance; duoradiusd clients says how long it waits."},
	{policy.ReasonCodesSent, "Passcodes were sent by SMS. This login is rejected on purpose; the user types a passcode at the next one.", ""},
	{policy.ReasonDeniedByDuo, "Duo's policy denies this login, or the user is locked out there.", "Look at the user's status and the application's policy in the Duo Admin Panel."},
	{policy.ReasonNotEnrolled, "Duo does not know the user by the name duo_user, or the user has no device there.", "Enrol the user, or correct the name: [[user]] duo_username, or duo_username_attribute of the first factor."},
	{policy.ReasonDuoUnavailable, "Duo could not be asked.", "Look at the connection to Duo: DNS, the firewall for TCP port 443, the proxy. duoradiusd check tries it."},
	{policy.ReasonDuoConfig, "Duo does not accept the keys or the time of this daemon, or can't be asked as the application is configured.", "duoradiusd check says which of them is wrong."},
	{policy.ReasonDuoRefused, "Duo refused the call itself, such as for a name that it does not allow.", "The error says what Duo refused."},
	{policy.ReasonDuoUnknown, "Duo gave an answer that this version does not understand.", "Update duoradiusd; the error holds the answer."},
	{policy.ReasonBadState, "The answer to a challenge came too late, twice, from another client or for another user.", "The user starts again. If there are many of these, the appliance sends an old State; see its page."},
	{policy.ReasonReplayed, "A copy of a request whose login is long over.", "This is harmless when rare. If there are many of these, somebody sends recorded packets again."},
	{policy.ReasonAbandoned, "The client sent a new request or gave up before there was an answer.", "Raise the timeout of the appliance; duoradiusd clients says how long it waits."},
	{policy.ReasonShuttingDown, "The daemon was ending.", ""},
	{policy.ReasonStoreUnavailable, "State that outlives a request, such as approvals and challenges, could not be read or stored.", "Look at the error, and at [state] and [cluster]."},
	{policy.ReasonUnsupported, "The client sends a kind of login that is not supported, such as CHAP, MS-CHAP or EAP.", "Set the client to PAP, or use a first factor of type \"radius\" that knows the method."},
	{policy.ReasonBadSecret, "The password can't be decoded.", "Is this client's secret right on both sides? If its users type letters outside of ASCII, see password_charset."},
	{policy.ReasonPanicked, "A fault in the program; the login was rejected.", "Report it with the log line; the log holds the error."},
	{policy.ReasonUnanswerable, "The reply does not fit into a RADIUS packet or into an EAP conversation.", "Shorten the attributes of [[reply]] or the texts of [messages]."},
}
