package conf

import (
	"time"

	"duoradiusd/policy"
)

// User is one [[user]]: what the configuration says of one person. Package daemon turns it into a policy.User, which has no
// comment and no names of attributes.
type User struct {
	Name          string
	Aliases       []string // other login names of the same user
	DuoUserID     string   // "DU..."; at most one of DuoUserID and DuoUsername is set
	DuoUsername   string
	Services      []string             // where a second factor is required
	ServicesGiven bool                 // false: a second factor is required everywhere; true and no Services: nowhere
	Elsewhere     policy.ElsewhereMode // at any other service
	Remember      *time.Duration       // nil: as the rule or the client says
	Attributes    []ReplyAttribute     // added to the Access-Accept, as those of Reply
	Comment       string
}

func readUser(t *table) User {
	u := User{
		Name:          t.name("name"),
		Aliases:       t.words("aliases"),
		DuoUserID:     t.word("duo_user_id", ""),
		DuoUsername:   t.word("duo_username", ""),
		Services:      t.words("services"),
		ServicesGiven: t.has("services"),
		Elsewhere: oneOf(t, "elsewhere", policy.ElsewhereFirstFactor,
			policy.ElsewhereFirstFactor, policy.ElsewhereReject),
		Remember: t.optional("remember", 0, maxRemember),
		Comment:  t.string("comment", ""),
	}
	u.Attributes = t.replyAttributes("attributes", false)
	if u.DuoUserID != "" && u.DuoUsername != "" {
		t.bad("duo_username", "given beside duo_user_id; want one of them")
	}
	if t.has("elsewhere") && !u.ServicesGiven {
		t.bad("elsewhere", "given without services; want services, or no elsewhere")
	}
	return u
}
