package test

import (
	"cmp"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

func (s *stage) running() *daemon {
	if s.daemon == nil {
		s.Fatalf("no daemon: daemon start comes first")
	}
	return s.daemon
}

// daemonCommand is duoradiusd, run on duoradiusd.toml:
//
//	config         completes duoradiusd.toml, for exec duoradiusd
//	start          the same, and starts the daemon
//	stop           SIGTERM, and exit status 0
//	reload FILE    FILE takes duoradiusd.toml's place, SIGHUP; with ! it must be refused
//	rewrite FILE   the same without SIGHUP
//	signal NAME    TERM, INT, HUP or KILL
//	log REGEXP...  waits for a line that matches all, -count N for the N-th of them; with ! there must be none so far
//	exit N         waits for the end, with that status
func (s *stage) daemonCommand(not bool, args []string) {
	if len(args) == 0 {
		args = []string{""}
	}
	what, args := args[0], args[1:]
	switch what {
	case "config", "start":
		s.only(not, args, 0, 0)
		furnish(s, s.ts.MkAbs("."), s.duo, s.configuration(configFile))
		if what == "start" {
			s.daemon = launch(s, s.duo, s.ts.MkAbs("."))
			s.daemon.forbid(s.secrets...)
			s.print("%s\n", s.daemon.StartLine())
		}
	case "stop":
		s.only(not, args, 0, 0)
		s.running().Stop()
	case "reload":
		s.only(false, args, 1, 1)
		if s.running().Reload(s.configuration(args[0])) == not {
			s.Fatalf("reload %s: taken is %v", args[0], !not)
		}
	case "rewrite":
		s.only(not, args, 1, 1)
		s.running().Rewrite(s.configuration(args[0]))
	case "signal":
		s.only(not, args, 1, 1)
		s.running().Signal(signals[args[0]])
	case "log":
		s.log(not, args)
	case "exit":
		s.only(not, args, 1, 1)
		s.same("exit status", s.running().Wait(), s.number(args[0]))
	default:
		s.Fatalf("daemon %s: no such command", what)
	}
}

// configuration reads a file that may hold variables, such as $PORT.
func (s *stage) configuration(file string) string {
	return variable.ReplaceAllStringFunc(s.ts.ReadFile(file), func(v string) string { return cmp.Or(s.ts.Getenv(v[1:]), v) })
}

var variable = regexp.MustCompile(`\$[A-Z]+\b`)

var signals = map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}

func (s *stage) log(not bool, args []string) {
	count := 1
	if len(args) > 2 && args[0] == "-count" {
		count = s.number(args[1])
		args = args[2:]
	}
	fits := s.fits(args)
	nth := func(line string) bool {
		if fits(line) {
			count--
		}
		return count == 0
	}
	if not {
		if i := slices.IndexFunc(s.running().Log(), nth); i >= 0 {
			s.Fatalf("in the log: %s", s.daemon.Log()[i])
		}
		return
	}
	if _, ok := s.running().log.wait(nth); !ok {
		s.Fatalf("no such line in the log:\n%s", strings.Join(s.daemon.Log(), "\n"))
	}
}

// fits returns what matches lines that match all of some regular expressions.
func (s *stage) fits(expressions []string) func(line string) bool {
	var all []*regexp.Regexp
	for _, e := range expressions {
		re, err := regexp.Compile(e)
		if err != nil {
			s.Fatal(err)
		}
		all = append(all, re)
	}
	return func(line string) bool {
		return !slices.ContainsFunc(all, func(re *regexp.Regexp) bool { return !re.MatchString(line) })
	}
}
