package conf

import "time"

// Profile holds what is known of a make of appliance: presets for the keys that a client does not set, and what its
// administrator should know. Sources: the vendors' documentation and reports of users.
type Profile struct {
	Name       string
	Timeout    time.Duration // how long the appliance can wait for a reply once it is set up for pushes, less a margin
	UserIP     []string
	ProbeUsers []string // user names of its health checks
	Challenge  bool     // whether the appliance shows an Access-Challenge and sends the answer back
	Replies    []string // attributes of Access-Accept that the appliance acts on
	Advice     []string // what to set in the appliance
}

const (
	genericProfile  = "generic"
	ordinaryTimeout = 55 * time.Second
)

var (
	ordinaryUserIP = []string{"Tunnel-Client-Endpoint", "Calling-Station-Id"}
	callingStation = []string{"Calling-Station-Id"}
)

// profiles are the makes that Client.Profile can name, the generic one first.
var profiles = []Profile{
	{
		Name: genericProfile, Timeout: ordinaryTimeout, UserIP: ordinaryUserIP, Challenge: true,
		Advice: []string{"set its RADIUS timeout to 60 s and one try"},
	},
	{
		Name: "cisco-asa", Timeout: ordinaryTimeout, UserIP: ordinaryUserIP, Challenge: true,
		Replies: []string{"Class (OU=group-policy;)", "Filter-Id", "Cisco-AVPair", "Session-Timeout", "Idle-Timeout", "Framed-IP-Address"},
		Advice: []string{
			"aaa-server: timeout 60, max-failed-attempts 1; AnyConnect profile: AuthenticationTimeout 60 (12 s by default)",
			"leave password-management off; if it is on, the ASA sends MS-CHAPv2, which holds no password to check",
		},
	},
	{
		Name: "palo-alto", Timeout: 22 * time.Second, UserIP: []string{"PaloAlto-Client-Source-IP", "Calling-Station-Id"}, Challenge: true,
		Replies: []string{"PaloAlto-User-Group", "PaloAlto-Admin-Role"},
		Advice: []string{
			"GlobalProtect gives up after about 25 s whatever is set; RADIUS timeout 25, retries 1",
			"set authentication-protocol PAP: auto tries CHAP first, which is rejected at once",
			"PAN-OS sends the user's address only after this command: set authentication radius-vsa-on client-source-ip",
		},
	},
	{
		Name: "fortigate", Timeout: ordinaryTimeout, UserIP: []string{"Fortinet-Client-IP", "Calling-Station-Id", "Framed-IP-Address"}, Challenge: true,
		ProbeUsers: []string{"test01"},
		Replies:    []string{"Fortinet-Group-Name", "Class"},
		Advice: []string{
			"config user radius: set timeout 60, set auth-type pap; config system global: set remoteauthtimeout 60 (5 s by default)",
			"its connectivity test logs in as test01, without Message-Authenticator",
		},
	},
	{
		Name: "citrix", Timeout: 25 * time.Second, UserIP: callingStation, Challenge: true,
		Replies: []string{"Citrix-User-Groups (vendor and attribute as configured there)", "Class"},
		Advice: []string{
			"authTimeout 30; callingstationid ENABLED; the gateway gives up after 30 s whatever is set",
			"set ns timeout -NewConnIdleTimeOut 60: by default a late Access-Accept is lost after 4 s",
		},
	},
	{
		Name: "f5", Timeout: ordinaryTimeout, UserIP: callingStation, Challenge: true,
		Replies: []string{"Class", "Filter-Id", "F5-LTM-User-Role"},
		Advice:  []string{"AAA server: timeout 60, retries 1"},
	},
	{
		Name: "sonicwall", Timeout: ordinaryTimeout, UserIP: callingStation, Challenge: true,
		Replies: []string{"Filter-Id", "SonicWall-User-Group"},
		Advice: []string{
			"RADIUS server timeout 60, retries 0; the shared secret may have 31 characters at most",
			"leave password updates off; if they are on, it sends MS-CHAPv2",
		},
	},
	{
		Name: "check-point", Timeout: ordinaryTimeout, UserIP: callingStation, Challenge: true,
		Replies: []string{"Class", "CP-Gaia-User-Role"},
		Advice: []string{
			"RADIUS object: version 2.0, PAP; raise radius_retrant_timeout to 60 and radius_retrant_num to 1",
			"an empty password is refused there: tell users to type push",
			"some releases drop replies with Message-Authenticator; omit_reply_message_authenticator is only for those",
		},
	},
	{
		Name: "meraki", Timeout: ordinaryTimeout, UserIP: callingStation,
		ProbeUsers: []string{"meraki_8021x_test"},
		Replies:    []string{"Filter-Id"},
		Advice:     []string{"the RADIUS timeout is 5 s x 3; before MX 16.14 only Meraki's support can set 60 s"},
	},
	{
		Name: "mikrotik", Timeout: ordinaryTimeout, UserIP: callingStation,
		Replies: []string{"Mikrotik-Group", "Mikrotik-Rate-Limit", "Framed-IP-Address", "Session-Timeout"},
		Advice: []string{
			"/radius set timeout=60s (300 ms by default); PPP: authentication=pap",
			"Winbox and WebFig always send CHAP, which is rejected",
		},
	},
	{
		Name: "openvpn", Timeout: 25 * time.Second, UserIP: callingStation,
		Replies: []string{"Framed-IP-Address", "Framed-Route"},
		Advice: []string{
			"radiusplugin: wait=30, retry=0, useauthcontrolfile=true; hand-window 60 on server and client; it needs answers to its accounting requests too",
			"or auth-pam with pam_radius and setenv deferred_auth_pam 1, without which nobody can log in while a push waits",
			"reneg-sec 0 or auth-gen-token: otherwise every renegotiation is a login; neither plugin sends Message-Authenticator, so nothing is remembered",
		},
	},
	{
		Name: "strongswan", Timeout: 12 * time.Second, UserIP: callingStation,
		Replies: []string{"Class", "Filter-Id", "Session-Timeout", "Framed-IP-Address"},
		Advice: []string{
			"eap-radius gives up after 14.2 s; with retransmit_timeout = 10 and half_open_timeout = 70 there it waits about 70 s, and timeout can be \"55s\" here",
			"as an IKEv1 client strongSwan gives up after 30 s whatever is set",
		},
	},
	{
		Name: "ivanti", Timeout: ordinaryTimeout, UserIP: callingStation, Challenge: true,
		Replies: []string{"Class", "Filter-Id"},
		Advice: []string{
			"RADIUS timeout 60, retries 0",
			"for challenges add a custom RADIUS rule: Access-Challenge, show Generic Login page",
		},
	},
}

// Preset returns what is known of the client's make of appliance.
func (c Client) Preset() Profile { return profileOf(c.Profile) }

func profileOf(name string) Profile {
	for _, p := range profiles {
		if p.Name == name {
			return p
		}
	}
	return profiles[0]
}

// ProfileNames returns the values of Client.Profile.
func ProfileNames() (names []string) {
	for _, p := range profiles {
		names = append(names, p.Name)
	}
	return names
}
