"""A hostile guest, root in its machine, tries to reach this host: through its
kernel and by frames of its own, TCP and UDP (rows SR25, P5; probe/probe.c).

The four guests run side by side, for time's sake: one on each kind of network,
and one for which the defence is switched off, which shows that the probe finds
what there is to find.
"""
# lane: guests

import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

from harness import CGI, TREE, Site, eventually
from probe_case import (
    ADDRESSES,
    BRIDGE,
    BRIDGE_MAC,
    LISTENERS,
    MULTICAST,
    MULTICAST_PORT,
    OUTSIDE,
    SERVICE_PORTS,
    ProbeSite,
    World,
    bridge_helper,
    make_image,
    prepare,
    probe,
    quietly,
    switch_off,
)

FIREWALL = TREE / "etc/firewall/guests.nft"
EVERY_WAY = {(protocol, way) for protocol in ("tcp", "udp") for way in ("kernel", "frame")}
# The one thing of this host that a guest is to reach: its resolver, by
# slirp4netns, at an address of the guest's own network.
RESOLVER = {("udp", way, "10.0.2.3", 53) for way in ("kernel", "frame")}


def by_every_way(address, port):
    return {(*way, address, port) for way in EVERY_WAY}


@contextlib.contextmanager
def firewall():
    quietly("nft", "-f", FIREWALL)
    try:
        yield
    finally:
        quietly("nft", "delete", "table", "inet", "qwd_guests")


class AHostileGuest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.undo = contextlib.ExitStack()
        cls.addClassCleanup(cls.undo.close)
        directory = cls.undo.enter_context(tempfile.TemporaryDirectory(dir="/tmp"))
        pathlib.Path(directory).chmod(0o755)
        cls.undo.enter_context(bridge_helper(directory))
        cls.world = World()
        cls.undo.callback(cls.world.close)
        options = {"service_max_cpu_fraction_nb_per_user": 100,
                   "service_max_session_nb_per_user": 10}  # fmt: skip
        cls.site = cls.undo.enter_context(ProbeSite(make_image(directory), options))
        cls.guests = {}
        for network in ("user", "isolated", f"bridge={BRIDGE}"):
            cls.start(network, network)
        with switch_off(directory):
            cls.start("off", "user")
        for kind, (_, shell) in cls.guests.items():
            bridged = kind.startswith("bridge")
            prepare(shell, static=bridged, **({"gateway": BRIDGE_MAC} if bridged else {}))

    @classmethod
    def start(cls, kind, network):
        cls.site.configure(guest_network=network)
        name = cls.site.running()["name"]
        shell = cls.site.shell(name)
        cls.undo.callback(shell.close)
        cls.guests[kind] = (name, shell)

    def setUp(self):
        self.before = len(self.world.host.heard())

    def heard(self):
        """What this host's listeners have heard in this test: (protocol, port)."""
        return {(entry[0], entry[1]) for entry in self.world.host.heard()[self.before :]}

    def network(self, name):
        return self.site.record(name)["network"]

    def test_it_reaches_the_outside_and_no_listener_of_this_host(self):
        """SR25, P5: no listener, and no display of the service."""
        name, shell = self.guests["user"]
        self.assertEqual(self.network(name), "user")
        self.assertEqual(probe(shell), RESOLVER)
        self.assertEqual(self.heard(), {("udp", 53)})
        # Its network worked all the time.
        self.assertEqual(probe(shell, [OUTSIDE], [4001]), by_every_way(OUTSIDE, 4001))
        self.assertIn(OUTSIDE, shell.run("nslookup outside.test"))

    def test_it_reaches_all_of_it_when_the_defence_is_switched_off(self):
        name, shell = self.guests["off"]
        wanted = {(protocol, port) for protocol in ("tcp", "udp") for port in LISTENERS}
        wanted.add(("udp", MULTICAST_PORT))
        reached = set()
        for _ in range(3):  # UDP may be lost
            reached |= probe(shell)
            if wanted <= self.heard():
                break
        self.assertEqual(wanted - self.heard(), set())
        # The gateway of all displays, and the web server, which answer.
        for port in SERVICE_PORTS:
            for way in ("kernel", "frame"):
                for address in ("127.0.0.1", "10.0.2.2"):
                    self.assertIn(("tcp", way, address, port), reached)
        # Each kind of address was a way in.
        texts = {entry[3] for entry in self.world.host.heard()[self.before :]}
        for address in ("127.0.0.1", "0.0.0.0", "10.0.2.2", "192.0.2.1", "198.51.100.1",
                        "::1", "::ffff:127.0.0.1", MULTICAST, "255.255.255.255"):  # fmt: skip
            self.assertTrue([t for t in texts if f" {address} " in t], address)

    def test_an_address_that_this_host_gets_later_is_closed_off(self):
        name, shell = self.guests["user"]
        late = "203.0.113.7"
        qemu = self.site.process("qemu", name)
        slirp = self.slirp(name)

        def closed():
            done = subprocess.run(
                ["nsenter", "-t", str(qemu.pid), "-n", "ip", "route", "show", late],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            return done.stdout.startswith("unreachable")

        self.assertFalse(closed())
        quietly("ip", "address", "add", f"{late}/32", "dev", "lo")
        self.addCleanup(quietly, "ip", "address", "del", f"{late}/32", "dev", "lo")
        eventually(closed, 10, "the route")
        self.assertEqual(probe(shell, [late]), set())
        self.assertEqual(self.heard(), set())
        # slirp4netns was stopped meanwhile, and goes on.
        eventually(lambda: self.slirp(name).state in "SR", 5, "slirp4netns")
        self.assertEqual(self.slirp(name).pid, slirp.pid)
        self.assertEqual(probe(shell, [OUTSIDE], [4001]), by_every_way(OUTSIDE, 4001))
        self.assertEqual(self.network(name), "user")

    def slirp(self, name):
        """The session's slirp4netns: its owner's child."""
        owner = self.site.process("owner", name)
        found = [p for p in self.site.processes()
                 if p.role == "slirp4netns" and p.parent == owner.pid]  # fmt: skip
        return found[0] if found else None

    def test_isolated_it_has_an_address_and_reaches_nobody(self):
        name, shell = self.guests["isolated"]
        self.assertEqual(self.network(name), "isolated")
        self.assertIsNone(self.slirp(name))
        self.assertEqual(probe(shell, (*ADDRESSES, OUTSIDE)), set())
        self.assertEqual(self.heard(), set())

    def test_on_a_bridge_it_is_a_machine_of_that_network(self):
        name, shell = self.guests[f"bridge={BRIDGE}"]
        self.assertEqual(self.network(name), f"bridge={BRIDGE}")
        self.assertIsNone(self.slirp(name))
        lan = "10.0.2.9"
        mac = {line.split()[1] for line in shell.run("ip link show eth0").splitlines()
               if "ether" in line}  # fmt: skip
        self.assertRegex(mac.pop(), "^02:")
        with firewall():
            self.assertEqual(probe(shell, gateway=BRIDGE_MAC), set())
            self.assertEqual(self.heard(), set())
            self.assertLessEqual(
                {("tcp", "kernel", lan, 4001), ("udp", "kernel", lan, 4001)},
                probe(shell, [lan], [4001], gateway=BRIDGE_MAC),
            )
        # Without a firewall this host is a machine of that network as well.
        probe(shell, ["192.0.2.1"], [4001], gateway=BRIDGE_MAC)
        self.assertIn(("udp", 4001), self.heard())

    def test_the_firewall_forbids_ssh_to_the_sites_own_machines(self):
        shell = self.guests["user"][1]
        own = "192.168.7.9"
        self.assertIn(("tcp", "kernel", own, 22), probe(shell, [own], [22]))
        with firewall():
            reached = probe(shell, [own, OUTSIDE], [22, 4001])
        self.assertNotIn(("tcp", "kernel", own, 22), reached)
        self.assertNotIn(("tcp", "frame", own, 22), reached)
        for address, port in ((own, 4001), (OUTSIDE, 22), (OUTSIDE, 4001)):
            self.assertIn(("tcp", "kernel", address, port), reached)

    def test_the_firewall_is_a_second_line_of_defence(self):
        """With the first switched off, TCP reaches only what the service needs."""
        shell = self.guests["off"][1]
        with firewall():
            probe(shell, ["127.0.0.1", "10.0.2.2", "192.0.2.1"], [4001, 4003, 8080, 6080])
        self.assertFalse([entry for entry in self.heard() if entry[0] == "tcp"])


class ItsNetwork(unittest.TestCase):
    def test_when_slirp4netns_dies_the_record_says_so(self):
        with Site() as site:
            name = site.running()["name"]
            slirp = site.process("slirp4netns")
            os.kill(slirp.pid, signal.SIGKILL)
            eventually(lambda: site.record(name)["network"] == "failed", 10, "the truth")
            self.assertEqual(site.session(name)["state"], "running")
            page = site.get(f"{CGI}?session={name}", accept="html").text
            self.assertIn("has no network", page)
            log = (site.store / "log").read_text()
            self.assertIn('result=failed message="slirp4netns ended"', log)

    def test_a_bridge_that_gives_no_port_leaves_the_guest_without_network(self):
        options = {"guest_network": "bridge=nowhere0"}
        with Site(options) as site:
            name = site.running()["name"]
            self.assertEqual(site.record(name)["network"], "failed")
            qemu = site.process("qemu", name)
            self.assertFalse([arg for arg in qemu.argv if "netdev" in arg])


if __name__ == "__main__":
    unittest.main(verbosity=2)
