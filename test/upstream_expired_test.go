package test

import (
	"bytes"
	"crypto/rand"
	"crypto/rc4"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"layeh.com/radius"
	"layeh.com/radius/rfc2759"

	"duoradiusd/test/fakeduo"
	"duoradiusd/test/nas"
)

// passwordChange is a new password by MS-CHAPv2, with the proofs of the old one and of the new one (RFC 2548 §2.1, §2.3.4).
type passwordChange struct {
	msCHAPv2              // of the new password
	encryptedHash  []byte // the old hash, encrypted with the new one (RFC 2759 §8.12)
	encryptedBlock []byte // the new password, encrypted with the old hash (RFC 2759 §8.9)
}

// readPasswordChange reads it from a request: MS-CHAP-Challenge, MS-CHAP2-CPW, and all parts of MS-CHAP-NT-Enc-PW in order.
func readPasswordChange(p *radius.Packet) (c passwordChange, ok bool) {
	challenges, changes := vendorValues(p, vendorMicrosoft, msCHAPChallenge), vendorValues(p, vendorMicrosoft, msCHAP2CPW)
	if len(challenges) != 1 || len(challenges[0]) != 16 || len(changes) != 1 || len(changes[0]) != 68 || changes[0][0] != 7 {
		return c, false
	}
	v := changes[0]
	c = passwordChange{msCHAPv2{challenges[0], v[18:34], v[42:66], v[1]}, v[2:18], nil}
	for i, piece := range vendorValues(p, vendorMicrosoft, msCHAPNTEncPW) {
		if len(piece) < 4 || piece[0] != 6 || piece[1] != c.ident || int(binary.BigEndian.Uint16(piece[2:])) != i+1 {
			return c, false
		}
		c.encryptedBlock = append(c.encryptedBlock, piece[4:]...)
	}
	return c, len(c.encryptedBlock) == 516
}

// changed reports whether a request changes the password, and stores the new one. Both proofs must be right.
func (user *upstreamUser) changed(p *radius.Packet, name string) bool {
	c, ok := readPasswordChange(p)
	if !ok {
		return false
	}
	old := ntHash(user.password)
	block := underRC4(old, c.encryptedBlock)
	length := binary.LittleEndian.Uint32(block[512:])
	if length > 512 || length%2 != 0 {
		return false
	}
	var units []uint16
	for pair := range slices.Chunk(block[512-length:512], 2) {
		units = append(units, binary.LittleEndian.Uint16(pair))
	}
	changed := string(utf16.Decode(units))
	if !bytes.Equal(c.encryptedHash, encryptHash(old, ntHash(changed))) || !c.proves(name, changed) {
		return false
	}
	user.password, user.expired = changed, false
	return true
}

// refuseExpired returns a reject that says that the password is right and has expired (RFC 2759 §6).
func (u *fakeUpstream) refuseExpired(p *radius.Packet) *radius.Packet {
	reply := p.Response(radius.CodeAccessReject)
	if responses := vendorValues(p, vendorMicrosoft, msCHAP2Response); len(responses) == 1 {
		text := "E=648 R=0 C=00000000000000000000000000000000 V=3 M=Password expired"
		addVendor(reply, vendorMicrosoft, msCHAPError, append(responses[0][:1:1], text...))
	}
	return reply
}

func ntHash(password string) []byte {
	text, err := rfc2759.ToUTF16([]byte(password))
	if err != nil {
		panic(err) // the password is not UTF-8
	}
	return rfc2759.NTPasswordHash(text)
}

func encryptHash(old, with []byte) []byte {
	return append(rfc2759.DESCrypt(with[:7], old[:8]), rfc2759.DESCrypt(with[7:14], old[8:])...)
}

func underRC4(key, b []byte) []byte {
	cipher, err := rc4.NewCipher(key)
	if err != nil {
		panic(err) // an empty key
	}
	out := make([]byte, len(b))
	cipher.XORKeyStream(out, b)
	return out
}

// changePassword replaces the password of a request by MS-CHAP2-CPW (RFC 2759 §8.9 to §8.13).
func changePassword(r *nas.Request, old, new string) msCHAPv2 {
	challenge, peer, block := make([]byte, 16), make([]byte, 16), make([]byte, 516)
	for _, b := range [][]byte{challenge, peer, block} {
		rand.Read(b)
	}
	nt, err := rfc2759.GenerateNTResponse(challenge, peer, []byte(named(r)), []byte(new))
	if err != nil {
		panic(err) // the password is not UTF-8
	}
	text, _ := rfc2759.ToUTF16([]byte(new))
	copy(block[512-len(text):], text)
	binary.LittleEndian.PutUint32(block[512:], uint32(len(text)))
	const ident = 9
	r.MSCHAPv2Proof(challenge, peer, nt)
	r.Attributes = r.Attributes[:len(r.Attributes)-1] // MS-CHAP2-Response
	r.AddVSA(vendorMicrosoft, msCHAP2CPW, bytes.Join([][]byte{{7, ident}, encryptHash(ntHash(old), ntHash(new)), peer, make([]byte, 8), nt, {0, 0}}, nil))
	sequence := byte(0)
	for piece := range slices.Chunk(underRC4(ntHash(old), block), 243) {
		sequence++
		r.AddVSA(vendorMicrosoft, msCHAPNTEncPW, append([]byte{6, ident, 0, sequence}, piece...))
	}
	return msCHAPv2{challenge, peer, nt, ident}
}

// TestPasswordChangeAtUpstream: the upstream gets the complete new password that a client sends after E=648, and Duo is
// asked after the change, and not before. Debian 12's FreeRADIUS 3.2.1 sends E=648 (TestUpstream), but ends with a
// segmentation fault when it decrypts a new password, so this upstream is a fake that checks both proofs.
func TestPasswordChangeAtUpstream(t *testing.T) {
	duo := startDuo(t, fakeduo.User{Username: "eve"})
	u := startFakeUpstream(t)
	u.set(func() { u.users["eve"] = &upstreamUser{password: "old-password", expired: true} })
	d := startDaemon(t, duo, (&upstream{port: u.addr.Port}).behind(""))
	d.forbid("old-password", "new-password", "other-password", upstreamSecret)
	refused := func(r *nas.Response, word string) {
		t.Helper()
		e := r.VSA(vendorMicrosoft, msCHAPError)
		if r.Code != nas.CodeAccessReject || word == "" && len(e) > 0 || word != "" && (len(e) != 1 || !strings.Contains(string(e[0]), word)) || duo.Pushes() != 0 {
			t.Errorf("got %v, MS-CHAP-Error %q, %d pushes; want %s", r, e, duo.Pushes(), word)
		}
	}
	refused(login(t, d, "eve", "old-password", with(proveByMSCHAPv2)), "E=648 R=0")
	refused(login(t, d, "eve", "", with(func(r *nas.Request) { changePassword(r, "wrong-password", "other-password") })), "")

	var proof msCHAPv2
	r := login(t, d, "eve", "", with(func(r *nas.Request) { proof = changePassword(r, "old-password", "new-password") }))
	if got := r.VSA(vendorMicrosoft, msCHAP2Success); r.Code != nas.CodeAccessAccept || len(got) != 1 || string(got[0]) != proof.success("eve", "new-password") {
		t.Errorf("changed: %v, MS-CHAP2-Success %q", r, got)
	}
	if got := duo.Pushes(); got != 1 {
		t.Errorf("%d pushes, want 1", got)
	}
	duo.Forget()
	refused(login(t, d, "eve", "old-password", with(proveByMSCHAPv2)), "E=691")
	if r := login(t, d, "eve", "new-password", with(proveByMSCHAPv2)); r.Code != nas.CodeAccessAccept {
		t.Errorf("with the new password: %v", r)
	}
}

// These are the types of Microsoft's attributes in a password change.
const (
	msCHAPNTEncPW = 6
	msCHAP2CPW    = 27
)
