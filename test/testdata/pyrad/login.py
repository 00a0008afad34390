"""One PAP login as pyrad does it: three copies of one datagram, --timeout apart. The answer, or its lack, is JSON.

login.py PORT SECRET USER PASSWORD [--sign] [--timeout SECONDS] [--from ADDRESS]
"""
import argparse
import hashlib
import hmac
import json
import os

import pyrad.client
import pyrad.dictionary
import pyrad.packet

MESSAGE_AUTHENTICATOR = 80


def signature(secret, header, attributes):
    """The Message-Authenticator that belongs into attributes (RFC 3579 section 3.2), the one there, and where it is."""
    at, place = 0, None
    while at < len(attributes):
        if attributes[at] == MESSAGE_AUTHENTICATOR:
            place = at
        at += attributes[at + 1]
    if place is None:
        return None, None, None
    there = attributes[place + 2:place + 18]
    blank = attributes[:place + 2] + bytes(16) + attributes[place + 18:]
    return hmac.new(secret, header + blank, hashlib.md5).digest(), there, place


class Client(pyrad.client.Client):
    """Keeps what it receives, for pyrad does not look at a reply's Message-Authenticator."""

    def SendPacket(self, packet):
        verify = packet.VerifyReply

        def keep(reply, raw=None):
            packet.raw = raw
            return verify(reply, raw)

        packet.VerifyReply = keep
        return super().SendPacket(packet)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("port", type=int)
    p.add_argument("secret", type=str.encode)
    p.add_argument("user")
    p.add_argument("password")
    p.add_argument("--sign", action="store_true")
    p.add_argument("--timeout", type=float, default=5)
    p.add_argument("--from", dest="local", default="127.0.0.1")
    a = p.parse_args()

    words = pyrad.dictionary.Dictionary(os.path.join(os.path.dirname(__file__), "dictionary"))
    client = Client(server="127.0.0.1", authport=a.port, secret=a.secret, dict=words)
    client.timeout = a.timeout
    client.bind((a.local, 0))
    request = client.CreateAuthPacket(User_Name=a.user, Calling_Station_Id="203.0.113.7", Proxy_State=b"pyrad")
    request["User-Password"] = request.PwCrypt(a.password)
    if a.sign:
        request["Message-Authenticator"] = bytes(16)
        raw = request.RequestPacket()
        request["Message-Authenticator"] = signature(a.secret, raw[:20], raw[20:])[0]
    else:
        del request["Proxy-State"]  # unsigned, it would be refused

    try:
        reply = client.SendPacket(request)
    except pyrad.client.Timeout:
        print(json.dumps({"code": 0}))
        return
    raw = request.raw
    right, there, place = signature(a.secret, raw[:4] + request.authenticator, raw[20:])
    print(json.dumps({
        "code": reply.code,
        "text": "".join(reply.get(18, []) and [v.decode() for v in reply.get(18)]),
        "proxy_state": [v.decode() for v in reply.get(33, [])],
        "signed_first": place == 0,
        "signed_right": there is not None and there == right,
    }))


main()
