// Package authproxy makes a duoradiusd.toml of the authproxy.cfg of Duo's Authentication Proxy. It knows that file from
// Duo's public documentation and from what its users published.
//
//	text ─▶ parse ─▶ sections, options ─▶ importer ─▶ tables ─▶ TOML
//	                                         └─▶ notes ─▶ comments in the TOML, and the summary
//
// Its one rule: no option passes in silence. Each is carried over, changed, dropped or left for a person to decide, and
// both the TOML and the summary say so. What is not known is named, never guessed.
package authproxy
