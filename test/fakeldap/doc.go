// Package fakeldap is a strict fake of an LDAP directory, for tests. It answers simple binds, searches and changes of passwords
// (RFC 4511, RFC 3062), offers LDAPS and StartTLS with a certificate of its own, remembers every request, and misbehaves on
// demand.
//
//	dir := fakeldap.Start(t, fakeldap.Config{BindDN: "cn=svc", BindPassword: "secret", TLS: true}) // ends with the test
//	dir.Set(fakeldap.Entry{DN: "uid=jo,dc=example,dc=com", Password: "pw", Attributes: map[string][]string{"uid": {"jo"}}})
//	dir.Inject("search", fakeldap.Fault{Hang: true}) // the next one
//
// The way of a request, each step in the file named:
//
//	connection  server.go    numbered; counted while open; TLS
//	  decode    message.go   a message that is none ends the connection, and is a violation, which fails the test
//	  remember  memory.go    on arrival, so that a request nobody ever answers is seen too
//	  fault     fault.go     hang, delay, drop, another answer: what a test has injected
//	  answer    bind.go search.go password.go
//
// The one rule: be as strict as the strictest directory about what is asked, and as lax as the laxest about what it
// means. Only the service account may search, a connection bound as a user may do nothing more; but a bind without a
// password succeeds (RFC 4513 §5.1.2), one without a name too, and names are compared without case, accents and
// superfluous spaces. A careful client passes, a careless one lets strangers in, and its test sees it.
package fakeldap
