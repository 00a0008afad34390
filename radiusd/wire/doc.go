// Package wire is the codec of RADIUS packets: attributes, vendors' attributes, hidden values, the authenticators, and
// texts for the user. Package radiusd uses this package for its clients, and package radiusauth uses it for upstream
// servers. So both sides read and write every octet in the same way.
//
// The package reads without copying: the values that it returns are parts of the packet. It has no policy: its callers
// decide what a packet must hold and must not hold. The types and codes are those of layeh.com/radius, which also encodes
// the values of typed attributes.
package wire
