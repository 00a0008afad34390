package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"duoradiusd/test/nas"
)

// scene is one login of the demo and how it should end.
type scene struct {
	title string
	user  string
	typed string // what the user types into the password field
	want  byte
}

func (d *desk) scenes() []scene {
	return []scene{
		{"push, approved", "alice", "wonderland", nas.CodeAccessAccept},
		{"again: remembered", "alice@example.com", "wonderland", nas.CodeAccessAccept},
		{"passcode, right", "bob", "builder," + d.duo.Passcode("bob"), nas.CodeAccessAccept},
		{"passcode, wrong", "bob", "builder,000000", nas.CodeAccessReject},
		{"push, denied", "carol", "christmas", nas.CodeAccessReject},
		{"wrong password", "carol", "easter", nas.CodeAccessReject},
		{"unknown to Duo", "dave", "diver", nas.CodeAccessReject},
		{"unknown to all", "mallory", "guess", nas.CodeAccessReject},
	}
}

// logins plays the scenes, prints the table, and reports whether all ended as they should.
func (d *desk) logins(ctx context.Context, out io.Writer) (asExpected bool) {
	fmt.Fprintf(out, "%-18s %-18s %-16s %-14s %7s  %s\n", "what", "User-Name", "User-Password", "answer", "time", "Reply-Message")
	asExpected = true
	for _, s := range d.scenes() {
		start := time.Now()
		answer, message := d.play(ctx, s)
		took := time.Since(start)
		mark := ""
		if answer != s.want {
			asExpected, mark = false, "  <- not as it should be"
		}
		if ctx.Err() != nil {
			return false
		}
		line := fmt.Sprintf("%-18s %-18s %-16s %-14s %5d ms  %s%s",
			s.title, s.user, s.typed, codeName(answer), took.Milliseconds(), message, mark)
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	fmt.Fprintf(out, "\nDuo was called for %d preauths and rang %d phones; the remembered login made no call.\n",
		d.duo.Count("/auth/v2/preauth"), d.duo.Pushes())
	return asExpected
}

// play logs in once, as a VPN does. If there is no answer, message says why.
func (d *desk) play(ctx context.Context, s scene) (code byte, message string) {
	n, err := nas.Dial(d.radius, netip.AddrPort{})
	if err != nil {
		return 0, err.Error()
	}
	defer n.Close()
	r := nas.AccessRequest(secret, s.user, s.typed).Sign(nas.First).AddString(nas.CallingStationID, "203.0.113.7")
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	reply, err := n.Exchange(ctx, r, nas.Retransmit{Every: 3 * time.Second, Copies: 4})
	if err != nil {
		return 0, err.Error()
	}
	return reply.Code, strings.ReplaceAll(reply.ReplyMessage(), "\n", " ")
}

func codeName(code byte) string {
	switch code {
	case nas.CodeAccessAccept:
		return "Access-Accept"
	case nas.CodeAccessReject:
		return "Access-Reject"
	case nas.CodeAccessChallenge:
		return "Challenge"
	}
	return "none"
}

// invite prints what can be tried, and opens the gate for the log.
func (d *desk) invite(out io.Writer) {
	fmt.Fprintf(out, `
Now you. Open your phone: %s
and log in from another terminal (radclient comes with Debian's freeradius-utils):

  echo 'User-Name=you,User-Password=demo,Calling-Station-Id=203.0.113.8,Message-Authenticator=0x00' |
    radclient -x -t 30 -r 1 %s auth %s

The phone's page shows the push; it also shows the code for User-Password="demo,CODE".
The daemon's log follows. Ctrl-C ends.

`, d.page, d.radius, secret)
	d.log.open.Store(true)
}
