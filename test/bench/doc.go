// Command bench measures the daemon beside its rivals, in one run and on one machine:
//
//	go -C test/bench run . --quick           three minutes, more where the machine is disturbed
//	go -C test/bench run .                   eight minutes
//	go -C test/bench run . --only push       one row; with a comma between, several
//	go -C test/bench run . --profile FOLDER  with profiles of what the daemon's time goes into
//
//	            ┌─▶ duoradiusd ─(Redis)──────┐
//	NASes ──────┼─▶ FreeRADIUS + rlm_cache   │
//	(load.go)   ├─▶ FreeRADIUS + rlm_rest ───┼─▶ a Duo that answers at once (duo.go)
//	            ├─▶ FreeRADIUS + rlm_perl ───┘
//	            ├─▶ a bare UDP loop: the floor
//	            └─▶ layeh's server
//
// Each box is a process of its own, so that what the system says of its processor time and memory is its own. The
// load is made by this process: sockets on many loopback addresses, Message-Authenticator on, Identifiers used again,
// copies of what is not answered. Every reply is verified. Where servers take turns, what the load sends is signed before
// a turn begins and the Access-Accepts are verified when it is over (stock.go): a NAS has processors of its own. The load
// is the same for all, and its own processor time stands in the table, for it shares the machine.
//
// Its one rule: only ratios count. The servers of a row take turns of a fifth of a second, because the speed of a virtual
// machine changes from one second to the next: what else the machine did, it did to both. Several turns of each, whose
// order is drawn, are a round: all that a server did in it, what it does only now and then included. Each figure is the
// median of the rounds, each ratio the median of the ratios round by round.
//
// On a virtual machine the hypervisor may give the processors to others. What it took the system tells (steal, in
// proc_stat(5)): a turn that lost more than half a hundredth of the machine, one tick of the system's in a short one, is
// taken again, after a pause, as long as its row has patience left (two minutes with --quick, else five). Which turns count
// is settled by that alone, never by what was measured in them; how many were taken again, and in which rows some count
// all the same, stands below the table: such a row is to be measured again.
//
// A rival does the whole work: its call is signed, the Duo verifies that, and it accepts whom Duo allows and nobody else.
// It has what makes it fast: threads, kept connections, no log. FreeRADIUS asks Duo in three ways, each by one
// synchronous call for a login where ours makes three:
//
//   - rlm_rest: the server's own HTTP client, its connections kept, the signature made in the server's own language;
//   - rlm_perl, LWP: as scripts do it. Duo's client for Perl makes a new LWP::UserAgent for each call, and so each call
//     dials, shakes hands and builds a TLS context anew. With this one our eighth is compared;
//   - rlm_perl, kept connections: the least that Perl can do, with HTTP::Tiny, one connection a thread, and TCP_NODELAY,
//     without which each call waits 40 ms for an acknowledgement. It has no target of its own.
//
// With --profile the daemon runs with serve --pprof, and the folder gets a file for each row whose servers take turns
// and each of its daemons, its last turn's:
//
//	go tool pprof -top FOLDER/remembered_login-duoradiusd.pprof
//
// Profiling costs some of the speed: such a run's figures are not to be quoted.
//
// In one row the daemon keeps its approvals in a Redis on this machine (Debian: redis-server), as one of several daemons does;
// beside it stand a daemon that has them in its memory, and FreeRADIUS with its own cache.
//
// It runs on Linux, from its own folder. Of FreeRADIUS (Debian: freeradius, freeradius-rest, and for rlm_perl libwww-perl and liblwp-protocol-https-perl) what
// is not installed is left out, and said.
package main
