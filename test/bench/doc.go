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
// Each box is a process of its own, so that the system reports its processor time and memory separately. This process makes
// the load: it has sockets on many loopback addresses, sends a Message-Authenticator with each request, uses Identifiers
// again, and repeats requests that get no reply. Every reply is verified. Where servers take turns, the requests of a turn are
// signed before the turn begins and the Access-Accepts are verified after it has ended (stock.go), because a real NAS has
// processors of its own. The load is the same for all servers. It shares the machine with them, so the table shows its
// processor time too.
//
// There is one rule: only ratios count. The speed of a virtual machine changes from one second to the next. Therefore the
// servers of a row take turns of a fifth of a second, so that a disturbance meets all of them. The turns come in a random
// order. Several turns of each server are a round, which also includes the work that a server does only from time to time.
// Each figure is the median of the rounds, and each ratio is the median of the ratios of all rounds.
//
// The hypervisor of a virtual machine may give the processors to other machines. The system reports how much time this takes
// (steal, in proc_stat(5)). A turn that has lost more than half a percent of the machine's time is repeated after a pause;
// in a short turn, this is one tick of the system's clock. Each row may spend two minutes on this with --quick, otherwise
// five. Only the lost time decides whether a turn counts, never its result. Below the table stands how many turns were
// repeated, and in which rows disturbed turns count because the time for repeating was over. Measure such a row again.
//
// A rival does the whole work: it signs its calls, the Duo server verifies them, and the rival accepts the users whom Duo
// allows and nobody else. It is configured to be fast: with threads, connections that stay open, and no log. FreeRADIUS asks
// Duo in three ways. Each makes one synchronous call for a login, where the daemon makes three:
//
//   - rlm_rest: the server's own HTTP client, with connections that stay open. The signature is made in the server's own
//     language.
//   - rlm_perl, LWP: the way of existing scripts. Duo's client for Perl makes a new LWP::UserAgent for each call, so that each
//     call opens a connection, makes a TLS handshake and builds a new TLS context. The target of one tenth of rlm_perl's
//     processor time refers to this way.
//   - rlm_perl, kept connections: the least work that Perl can do. It uses HTTP::Tiny, one connection for each thread, and
//     TCP_NODELAY, without which each call waits 40 ms for an acknowledgement. No target refers to it.
//
// With --profile the daemon runs with serve --pprof. For each row in which servers take turns, the folder gets one file for
// each of the row's daemons, with the profile of its last turn:
//
//	go tool pprof -top FOLDER/remembered_login-duoradiusd.pprof
//
// Profiling costs some of the speed, so do not quote the figures of such a run.
//
// In one row the daemon keeps its approvals in a Redis on this machine (Debian: redis-server), as one of several daemons does.
// It is compared with a daemon that keeps them in its memory, and with FreeRADIUS and its own cache.
//
// The program runs on Linux, in its own folder. It needs FreeRADIUS (Debian: freeradius, freeradius-rest, and for rlm_perl
// libwww-perl and liblwp-protocol-https-perl). It leaves out what is not installed, and prints that.
package main
