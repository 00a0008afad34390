// Package fileauth is a first factor in a file: htpasswd lines, user:hash, hashed with bcrypt or argon2id.
//
//	Authenticate ─▶ file changed? ─▶ find the user, else a stand-in ─▶ wait for a turn ─▶ hash ─▶ yes, ErrRejected
//	                 (reread, whole or not at all)
//
// Its one rule: every password that is asked about costs one hash, whoever the user is, so that the time of an answer
// does not tell which names are in the file.
package fileauth
