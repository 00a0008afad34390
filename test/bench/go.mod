// A module of its own, so that the product's go.mod names nothing that only measurements need.
module duoradiusd/test/bench

go 1.26.0

require (
	duoradiusd v0.0.0-00010101000000-000000000000 // the tests' NAS
	github.com/duosecurity/duo_api_golang v0.0.0-20250430191550-ac36954387e7 // a floor: what Duo's SDK takes
	golang.org/x/net v0.62.0 // the floor: many datagrams with one system call
	golang.org/x/sys v0.49.0 // its processor time and its limits
	layeh.com/radius v0.0.0-20231213012653-1006025d24f8 // a rival
)

replace duoradiusd => ../..
