// Package fileauth is a first factor in a file: htpasswd lines, user:hash, hashed with bcrypt or argon2id.
//
//	Authenticate ─▶ file changed? ─▶ find the user, else a stand-in ─▶ wait for a turn ─▶ hash ─▶ yes, ErrRejected
//	                 (reread, whole or not at all)
//
// Every password that is checked costs one hash, also for a user who is not in the file. So the time of an answer does not
// tell which names are in the file.
package fileauth
