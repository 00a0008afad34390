package radiusd

import "layeh.com/radius"

// Status-Server a second that one client may send, and at once.
const (
	statusRate  = 5
	statusBurst = 20
)

// answerStatus answers a Status-Server, which says only that logins would be answered (RFC 5997 §4.2). It touches
// nothing else: no user, no exchange, no count of logins.
func (s *Server) answerStatus(d *datagram) dropped {
	if !d.client.traffic.statuses.take(d.at, statusRate, statusBurst) {
		return statusTooOften
	}
	if s.Able != nil && !s.Able() {
		return statusUnable
	}
	d.answer(finish(d.packet.begin(nil, d.client, radius.CodeAccessAccept), d.client))
	return passed
}
