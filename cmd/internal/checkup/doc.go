// Package checkup looks at everything that a configuration relies on, before a daemon uses it: the clock, Duo, directories,
// upstream servers, ports, certificates. It changes nothing and rings no phone.
//
//	conf.Config ─▶ Run ─▶ questions, all asked at once ─▶ Finding, Finding, ... in a fixed order
//
// The package has one rule: every Finding that is not well says what to do about it.
package checkup
