package conf

import (
	_ "embed"
	"slices"

	"duoradiusd/policy"
	"duoradiusd/policy/messages"
)

// Example is a complete configuration with every key that this version understands, each explained once.
//
//go:embed duoradiusd.toml
var Example string

// Config is the configuration as the rest of the daemon sees it: defaults filled in, paths absolute, secrets read.
type Config struct {
	Duo          *Duo // nil when absent: every client names an application then
	Applications []Application
	Listen       []Listen // at least one
	Clients      []Client // at least one
	FirstFactors []FirstFactor
	Username     Username
	Users        []User
	Rules        []policy.Rule // in the files' order; the first that fits decides
	Replies      []Reply       // all that fit are added
	Remember     Remember
	Cluster      Cluster
	Guard        Guard
	Messages     messages.Texts // that replace the defaults
	Log          Log
	Admin        Admin
	State        State

	Files    []string // the absolute paths of what was read, each once, for who looks whether the daemon's user can read it
	Warnings []string // "FILE:LINE: KEY: found; wanted"; they never stop the daemon
}

// Load reads the configuration at path and the files that it includes. The error is Problems.
func Load(path string) (*Config, error) {
	l := &loader{whole: true}
	l.open(path)
	c := l.config()
	if problems := oneOfExamples(l.problems); len(problems) > 0 {
		return nil, Problems(render(problems))
	}
	c.Warnings = render(l.warnings)
	slices.Sort(l.opened)
	c.Files = slices.Compact(l.opened)
	return c, nil
}

// loader is one Load under way.
type loader struct {
	report
	files []*file
	whole bool // every file could be read, so that what is missing is missing
}

// config reads every table of every file.
func (l *loader) config() *Config {
	l.unknownTables()
	c := &Config{
		Username: single(l, "username", readUsername),
		Remember: single(l, "remember", readRemember),
		Cluster:  single(l, "cluster", readCluster),
		Guard:    single(l, "guard", readGuard),
		Messages: single(l, "messages", readMessages),
		Log:      single(l, "log", readLog),
		Admin:    single(l, "admin", readAdmin),
		State:    single(l, "state", readState),
	}
	if l.has("duo") {
		duo := single(l, "duo", readDuo)
		c.Duo = &duo
	}
	var at sites
	c.Applications, at.applications = list(l, "application", readApplication)
	c.Listen, at.listen = list(l, "listen", readListen)
	c.Clients, at.clients = list(l, "client", readClient)
	c.FirstFactors, at.firstFactors = list(l, "first_factor", readFirstFactor)
	c.Users, at.users = list(l, "user", readUser)
	c.Rules, at.rules = list(l, "rule", readRule)
	c.Replies, at.replies = list(l, "reply", readReply)
	c.directoryAttributes()
	if len(c.Listen) == 0 {
		c.Listen = []Listen{defaultListen}
	}
	l.duplicates(c, at)
	l.userNames(c, at)
	l.sharedSecrets(c, at)
	l.combinations(c, at)
	l.domains(c, at)
	if l.whole {
		l.missing(c)
		l.references(c, at)
		l.firstFactors(c, at)
		l.directoryValues(c, at)
	}
	return c
}
