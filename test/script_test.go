package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/fakeldap"
)

// TestScripts plays the transcripts of testdata/script, each with a Duo and a daemon of its own. Beside testscript's
// own commands there are:
//
//	duo start | user | forget | requests | shown | count | await | pushes        script_duo_test.go
//	    passcode | approve | deny | fraud | down | up | skew | inject | heal
//	directory start | user | remove | down | up | inject                         script_directory_test.go
//	    heal | forget | count | await | requests
//	upstream start | user | down | up | mute | old | lax                         script_upstream_test.go
//	    heal | forget | count | requests
//	daemon config | start | stop | reload | rewrite | signal | log | exit        script_daemon_test.go
//	nas login | send | resend | retry | reply | silence, status                  script_nas_test.go
//	occupied VARIABLE                                                            below
//
// "-> Access-Reject 'Login denied.'" behind a command of nas is the whole answer: the code and the exact text for the
// user, in which \n is a line break; nothing behind the code means no text. A configuration says only what its
// transcript is about; complete adds the rest, and $PORT, $DIRECTORY, $UPSTREAM stand for what commands have put there,
// $FARDAY for a day of the week that is neither today nor near. exec duoradiusd is the daemon's own program.
func TestScripts(t *testing.T) {
	t.Parallel()
	program := daemonProgram(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Setenv("FARDAY", strings.ToLower(time.Now().UTC().AddDate(0, 0, 3).Format("Mon")))
			env.Values[stageKey{}] = &stage{scriptT: scriptT{TB: env.T().(testing.TB)}, sent: make(map[string]*sent),
				directories: make(map[string]*fakeldap.Server), upstreams: make(map[string]*fakeUpstream)}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"duo":       command((*stage).duoCommand),
			"directory": command((*stage).directoryCommand),
			"upstream":  command((*stage).upstreamCommand),
			"daemon":    command((*stage).daemonCommand),
			"nas":       command((*stage).nasCommand),
			"status":    command((*stage).statusCommand),
			"occupied":  command((*stage).occupiedCommand),
		},
	})
}

type stageKey struct{}

// stage holds everything that a script uses.
type stage struct {
	scriptT
	duo         *fakeduo.Server
	directories map[string]*fakeldap.Server // by name
	upstreams   map[string]*fakeUpstream    // by name
	daemon      *daemon
	secrets     []string         // of directories and upstreams
	sent        map[string]*sent // by name
	last        string           // the name of the request that was sent last
	apart       int              // logins since "nas apart"; 0 before it
}

// scriptT is a script's testing.TB: a failure names the script's line, and what is opened is closed at the script's end.
type scriptT struct {
	testing.TB
	ts *testscript.TestScript
}

func (t *scriptT) Helper()                           {}
func (t *scriptT) Fatal(args ...any)                 { t.ts.Fatalf("%s", fmt.Sprint(args...)) }
func (t *scriptT) Fatalf(format string, args ...any) { t.ts.Fatalf(format, args...) }
func (t *scriptT) Cleanup(f func())                  { t.ts.Defer(f) }

// command makes a command for testscript from one of the tests' own. Only a few of these accept "!".
func command(f func(s *stage, not bool, args []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, not bool, args []string) {
		s := ts.Value(stageKey{}).(*stage)
		s.ts = ts
		f(s, not, args)
	}
}

// print writes what the script's stdout and cmp stdout then read.
func (s *stage) print(format string, args ...any) { fmt.Fprintf(s.ts.Stdout(), format, args...) }

// only refuses "!" and a wrong number of arguments.
func (s *stage) only(not bool, args []string, least, most int) {
	if not || len(args) < least || len(args) > most {
		s.Fatalf("not so, see TestScripts: %q", args)
	}
}

func (s *stage) number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		s.Fatalf("%v", err)
	}
	return n
}

func (s *stage) duration(word string) time.Duration {
	d, err := time.ParseDuration(word)
	if err != nil {
		s.Fatalf("%v", err)
	}
	return d
}

// occupiedCommand takes a UDP port, until the script ends, and puts its number into a variable.
func (s *stage) occupiedCommand(not bool, args []string) {
	s.only(not, args, 1, 1)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	s.ts.Setenv(args[0], strconv.Itoa(conn.LocalAddr().(*net.UDPAddr).Port))
}
