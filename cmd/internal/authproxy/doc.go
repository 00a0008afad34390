// Package authproxy turns the authproxy.cfg of Duo's Authentication Proxy into a duoradiusd.toml. It knows that file from
// Duo's public documentation and from files that its users published.
//
//	text ─▶ parse ─▶ sections, options ─▶ importer ─▶ tables ─▶ TOML
//	                                         └─▶ notes ─▶ comments in the TOML, and the summary
//
// The package has one rule: no option passes in silence. Each option is carried over, changed, dropped or left for a person to
// decide, and both the TOML and the summary say so. An unknown option is named, and its meaning is never guessed.
package authproxy
