package daemon

import (
	"encoding/json"
	"net/netip"
	"time"

	"duoradiusd/cmd/internal/history"
	"duoradiusd/policy"
	"duoradiusd/policy/reasons"
	"duoradiusd/radiusd"
)

// authRecord is a line of auth_log. First come the fields of Duo's authevents.log, in its words, so that rules written for
// that log work; then our own fields.
type authRecord struct {
	Timestamp         string     `json:"timestamp"`
	Username          string     `json:"username"`
	Status            string     `json:"status"`
	AuthStage         string     `json:"auth_stage"`
	ClientIP          netip.Addr `json:"client_ip,omitzero"` // the user's address, as in authevents.log
	Msg               string     `json:"msg"`
	ServerSection     string     `json:"server_section"`
	ServerSectionIkey string     `json:"server_section_ikey"`
	Hostname          string     `json:"hostname"`
	Factor            string     `json:"factor"`
	EventType         string     `json:"event_type"`
	LogLevel          string     `json:"log_level"`

	Client        string     `json:"client"`
	ClientAddr    netip.Addr `json:"client_addr,omitzero"`
	Service       string     `json:"service"`
	UserIP        netip.Addr `json:"user_ip,omitzero"`
	Code          string     `json:"code"`
	Reason        string     `json:"reason"`
	Txid          string     `json:"txid"`
	FirstFactorMS int64      `json:"first_factor_ms"`
	DuoMS         int64      `json:"duo_ms"`
	TookMS        int64      `json:"took_ms"`
	Error         string     `json:"error,omitempty"`
	LoginID       string     `json:"login_id,omitempty"`
	Rule          string     `json:"rule,omitempty"`
	DuoUser       string     `json:"duo_user,omitempty"`
	DuoMessage    string     `json:"duo_message,omitempty"`

	Steps []history.Step `json:"steps,omitempty"`
}

func (l *AuthLog) record(e radiusd.Event) authRecord {
	status := authStatus(e)
	return authRecord{
		Timestamp:         e.Time.UTC().Format("2006-01-02T15:04:05.000000Z"),
		Username:          e.User,
		Status:            status,
		AuthStage:         authStage(e.Reason, e.Code),
		ClientIP:          e.UserIP,
		Msg:               e.Code + ": " + string(e.Reason),
		ServerSection:     e.Client,
		ServerSectionIkey: l.key(e.Client),
		Hostname:          l.host,
		Factor:            string(e.Factor),
		EventType:         "authentication",
		LogLevel:          authLevel(e.Reason, status),

		Client:        e.Client,
		ClientAddr:    e.ClientAddr,
		Service:       e.Service,
		UserIP:        e.UserIP,
		Code:          e.Code,
		Reason:        string(e.Reason),
		Txid:          e.Txid,
		FirstFactorMS: e.FirstTook.Milliseconds(),
		DuoMS:         e.DuoTook.Milliseconds(),
		TookMS:        e.Took.Round(time.Millisecond).Milliseconds(),
		Error:         e.Err,
		LoginID:       e.LoginID,
		Rule:          e.Rule,
		DuoUser:       e.DuoUser,
		DuoMessage:    e.DuoMessage,
		Steps:         history.Steps(e.Steps),
	}
}

// authStatus returns Allow, Reject or Error, which are the words that such rules count. An event that does not end a login,
// such as a challenge or an answer for which nobody waited, gets another word.
func authStatus(e radiusd.Event) string {
	switch {
	case e.Code == "Access-Accept":
		return "Allow"
	case e.Code == "Access-Challenge":
		return "Challenge"
	case !settled(e.Reason):
		return "Error"
	case e.Code == "Access-Reject":
		return "Reject"
	}
	return "Discard"
}

// settled reports whether a reason is an answer about the user. Other reasons say that nobody could be asked.
func settled(why policy.Reason) bool {
	switch why {
	case policy.ReasonNoFirstFactor, policy.ReasonDuoUnavailable, policy.ReasonDuoConfig, policy.ReasonDuoRefused, policy.ReasonDuoUnknown,
		policy.ReasonBadSecret, policy.ReasonShuttingDown, policy.ReasonPanicked, policy.ReasonUnanswerable, policy.ReasonStoreUnavailable:
		return false
	}
	return true
}

// authStage says what decided: the second factor, a remembered approval, or an earlier step.
func authStage(why policy.Reason, code string) string {
	if why == policy.ReasonBadField && code == "Access-Challenge" { // the answer to a menu
		return "Secondary authentication"
	}
	switch why {
	case policy.ReasonExempt, policy.ReasonRelayed, policy.ReasonUnproven, policy.ReasonBadName, policy.ReasonProbe, policy.ReasonDeniedByRule, policy.ReasonBadPassword,
		policy.ReasonAccountRefused, policy.ReasonNoFirstFactor, policy.ReasonUnlisted, policy.ReasonElsewhere, policy.ReasonBadField, policy.ReasonThrottled,
		policy.ReasonUnsupported, policy.ReasonBadSecret, policy.ReasonPanicked:
		return "Primary authentication"
	}
	return "Secondary authentication"
}

func authLevel(why policy.Reason, status string) string {
	switch {
	case status == "Error":
		return "error"
	case why == policy.ReasonFailedOpen || why == policy.ReasonFraud:
		return "warning"
	}
	return "info"
}

// ParseAuthRecord reads a line of auth_log. It reports false for a line that is incomplete or not about a login.
func ParseAuthRecord(line []byte) (history.Record, bool) {
	var a authRecord
	if json.Unmarshal(line, &a) != nil || a.Reason == "" {
		return history.Record{}, false
	}
	at, err := time.Parse(time.RFC3339, a.Timestamp)
	if err != nil {
		return history.Record{}, false
	}
	return history.Record{
		Time: at, User: a.Username, Client: a.Client, ClientAddr: a.ClientAddr, Service: a.Service, UserIP: a.UserIP,
		Code: a.Code, Reason: a.Reason, Factor: a.Factor, Txid: a.Txid, TookMS: a.TookMS, FirstFactorMS: a.FirstFactorMS, DuoMS: a.DuoMS,
		Error: a.Error, LoginID: a.LoginID, Rule: a.Rule, DuoUser: a.DuoUser, DuoMessage: a.DuoMessage,
		Cure: reasons.Cure(policy.Reason(a.Reason)), Steps: a.Steps,
	}, true
}
