// Package conf reads duoradiusd's configuration: TOML in, one Config out, or every problem of every file at once.
//
//	FILE ─▶ decode ─▶ tree ─┐
//	  │ include             ├─▶ tables: one reader each, typed accessors ─▶ references ─▶ *Config and its Warnings
//	  └─▶ FILE ─▶ decode ─▶ tree ─┘            │                                │
//	                                           └──────── findings ─▶ lines ─────┴──▶ Problems
//
// Its one rule: a key is either understood or reported, in one line that says where it stands, what was found and what
// is wanted. Nothing is guessed, nothing is passed over in silence, and no secret is ever part of a line.
//
// The values of [[reply]] are encoded here, with a dictionary of RADIUS attributes that is read when it is first needed.
//
// The decoder (BurntSushi/toml) turns each file into plain maps with exact keys. A reader such as readClient takes the
// keys that it knows out of a table; every other key of the table is unknown. The decoder does not tell the lines of keys.
// A scanner of our own (lines.go) finds them when there is something to report. The scanner also refuses brackets that
// nest so deep that the decoder would exhaust its stack.
//
// Where to look: a table of the file has a Go file of its name (client.go, rule.go, guard.go); checks that concern several
// tables are in references.go, combinations.go, tellapart.go and names.go; table.go has the typed accessors; problems.go
// writes the lines.
package conf
