"""Listeners for test_probe.py, in whatever network namespace it is run.

usage: listen.py LISTENER...      as udp:127.0.0.1:4003, tcp:[::1]:4004

Says "listening" when all listen, then for each arrival a line of JSON:
[protocol, port, from, text].  Answers what it hears.  udp:224.0.0.251:4009
joins that group.  A UDP listener at port 53 answers every question for an
address with the one in the environment's DNS_ANSWER.
"""

import ipaddress
import json
import os
import selectors
import socket
import sys

chosen = selectors.DefaultSelector()
flows = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def listener(text):
    protocol, _, place = text.partition(":")
    address, _, port = place.rpartition(":")
    address = address.strip("[]")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, flows[protocol])
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if family == socket.AF_INET and ipaddress.ip_address(address).is_multicast:
        for interface in socket.if_nameindex():
            member = socket.inet_aton(address) + b"\0" * 4
            member += interface[0].to_bytes(4, sys.byteorder)
            s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        address = "0.0.0.0"
    s.bind((address, int(port)))
    if protocol == "tcp":
        s.listen(1000)
    s.setblocking(False)
    chosen.register(s, selectors.EVENT_READ, (protocol, int(port)))


def dns_answer(question):
    """RFC 1035: the question's name has that address, for no time at all."""
    head = question[:2] + b"\x81\x80" + question[4:6]
    asked = question[12:]
    end = asked.index(b"\0") + 5
    if asked[end - 4 : end - 2] != b"\0\1":
        return head + b"\0\0" + b"\0" * 4 + asked[:end]
    address = socket.inet_aton(os.environ["DNS_ANSWER"])
    record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + address
    return head + b"\0\1" + b"\0" * 4 + asked[:end] + record


def tell(*what):
    print(json.dumps(what), flush=True)


def arrived(s, protocol, port):
    if protocol == "tcp":
        peer, address = s.accept()
        with peer:
            tell(protocol, port, address[0], "")
            peer.sendall(b"heard\n")
        return
    data, address = s.recvfrom(2000)
    tell(protocol, port, address[0], data.decode("latin-1"))
    answer = dns_answer(data) if port == 53 and not data.startswith(b"probe") else b"heard\n"
    try:
        s.sendto(answer, address)
    except OSError:
        pass  # the sender gave an address that cannot be


for text in sys.argv[1:]:
    listener(text)
print("listening", flush=True)
while True:
    for key, _ in chosen.select():
        try:
            arrived(key.fileobj, *key.data)
        except OSError as e:
            tell("error", key.data[1], "", str(e))
