// Package wire is the codec of RADIUS packets: attributes, vendors' attributes, hidden values, the authenticators, and texts
// for the user. Package radiusd uses it towards clients and package radiusauth towards upstream servers, so that no octet
// means one thing at the front and another at the back.
//
// It reads without copying: the values that it returns are parts of the packet. It decides nothing. What a packet must hold
// and may not hold is its callers' business. The types and codes are those of layeh.com/radius, which also encodes the
// values of typed attributes.
package wire
