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
// What [[reply]] gives is encoded here, by a dictionary of RADIUS attributes that is read when it is first needed.
//
// The decoder (BurntSushi/toml) turns each file into plain maps, whose keys are exact; readers such as readClient take
// what they know out of a table, and what nobody asked for is an unknown key. The decoder keeps the lines of keys to
// itself, so a scanner of our own finds them, only when there is something to report. It also
// refuses brackets that nest so deep that the decoder would use up its stack.
package conf
