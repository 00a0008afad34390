// Command bench measures the daemon beside its rivals, in one run and on one machine:
//
//	go run ./test/bench --quick     two minutes
//	go run ./test/bench             a quarter of an hour at most
//
//	            ┌─▶ duoradiusd ──────────────┐
//	NASes ──────┼─▶ FreeRADIUS + rlm_cache   │
//	(load.go)   ├─▶ FreeRADIUS + rlm_rest ───┼─▶ a Duo that answers at once (duo.go)
//	            ├─▶ FreeRADIUS + rlm_perl ───┘
//	            ├─▶ a bare UDP loop: the floor
//	            └─▶ layeh's server
//
// Each box is a process of its own, so that what the system says of its processor time and memory is its own. The
// load is made by this process: sockets on many loopback addresses, Message-Authenticator on, Identifiers used again,
// copies of what is not answered. Every reply is verified.
//
// Its one rule: only ratios count. The servers of a row take turns, several rounds of it; each figure is the median of
// its rounds, and each ratio the median of the ratios round by round: what else the machine did, it did to both.
//
// Of FreeRADIUS (Debian: freeradius, freeradius-rest) what is not installed is left out, and said.
package main
