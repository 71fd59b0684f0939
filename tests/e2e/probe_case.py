"""A world for tests of the guest's network: this host with addresses and
listeners of all kinds, a neighbour outside, and a guest with a shell on its
serial port and the program of tests/e2e/probe in it.

    this host                                 the neighbour
    192.0.2.1, fd00:2::1     host0 == outside0  192.0.2.9, 192.168.7.9, fd00:2::9
    198.51.100.1, on lo
    br0, without address      lan0 == lan1      10.0.2.9
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

from harness import GUESTS, Site, eventually

HERE = pathlib.Path(__file__).resolve().parent / "probe"
OUTSIDE = "192.0.2.9"
BRIDGE = "br0"
BRIDGE_MAC = "02:00:00:00:00:01"
SLIRP_MAC = "52:55:0a:00:02:02"

LISTENERS = {
    4001: "0.0.0.0",
    4002: "[::]",
    4003: "127.0.0.1",
    4004: "[::1]",
    4005: "192.0.2.1",
    4006: "[fd00:2::1]",
    4007: "198.51.100.1",
    4008: "127.0.0.53",
}
MULTICAST = "224.0.0.251"
MULTICAST_PORT = 4009
SERVICE_PORTS = (6080, 8080)
PORTS = (*LISTENERS, MULTICAST_PORT, *SERVICE_PORTS, 53)

# Where a guest may look for this host.
ADDRESSES = (
    "127.0.0.1", "127.0.0.53", "0.0.0.0", "10.0.2.2", "10.0.2.3", "10.0.2.4",
    "10.0.2.15", "192.0.2.1", "198.51.100.1", "192.0.2.255", "255.255.255.255",
    MULTICAST, "::1", "::", "::ffff:127.0.0.1", "::ffff:192.0.2.1", "fd00:2::1",
    "fec0::2", "fec0::3",
)  # fmt: skip


def quietly(*command, **more):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)


class Listening:
    """listen.py, in this network namespace or (new_net) one of its own."""

    def __init__(self, *listeners, new_net=False, **environment):
        self.log = tempfile.NamedTemporaryFile(prefix="heard", dir="/tmp")
        command = ["unshare", "--net"] if new_net else []
        command += [sys.executable, str(HERE / "listen.py"), *listeners]
        self.process = subprocess.Popen(
            command, stdout=self.log, stdin=subprocess.DEVNULL, env=os.environ | environment
        )

    def wait(self):
        eventually(lambda: self.lines()[:1] == ["listening"], 10, "the listeners")
        return self

    def lines(self):
        return pathlib.Path(self.log.name).read_text().splitlines()

    def heard(self):
        """[protocol, port, from, text] of all that came."""
        found = [json.loads(line) for line in self.lines()[1:] if line.endswith("]")]
        wrong = [entry for entry in found if entry[0] == "error"]
        if wrong:
            raise AssertionError(wrong)
        return found

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class World:
    """The interfaces and listeners, until close()."""

    def __init__(self):
        with contextlib.ExitStack() as undo:
            self.outside = Listening(
                *(f"{protocol}:0.0.0.0:{port}" for port in (22, 4001) for protocol in ("tcp", "udp")),
                new_net=True,
            )
            undo.callback(self.outside.close)
            self.outside.wait()
            pid = str(self.outside.process.pid)
            self.pair(undo, "host0", "outside0", pid)
            self._configure("outside0", f"{OUTSIDE}/24", "fd00:2::9/64", netns=pid)
            self._configure("host0", "192.0.2.1/24", "fd00:2::1/64")
            quietly("ip", "address", "add", "198.51.100.1/32", "dev", "lo")
            undo.callback(quietly, "ip", "address", "del", "198.51.100.1/32", "dev", "lo")
            quietly("ip", "route", "add", "default", "via", OUTSIDE)
            quietly("nsenter", "-t", pid, "-n", "ip", "address", "add", "192.168.7.9/32", "dev", "lo")
            self.pair(undo, "lan0", "lan1", pid)
            quietly("ip", "link", "add", BRIDGE, "address", BRIDGE_MAC, "type", "bridge")
            undo.callback(quietly, "ip", "link", "del", BRIDGE)
            quietly("ip", "link", "set", "lan0", "master", BRIDGE, "up")
            quietly("ip", "link", "set", BRIDGE, "up")
            self._configure("lan1", "10.0.2.9/24", "fd00:3::9/64", netns=pid)
            self._use_resolver(undo)
            self.host = Listening(
                *(
                    f"{protocol}:{address}:{port}"
                    for port, address in LISTENERS.items()
                    for protocol in ("tcp", "udp")
                ),
                f"udp:{MULTICAST}:{MULTICAST_PORT}",
                "udp:127.0.0.53:53",
                DNS_ANSWER=OUTSIDE,
            )
            undo.callback(self.host.close)
            self.host.wait()
            self.undo = undo.pop_all()

    @staticmethod
    def pair(undo, here, there, pid):
        quietly("ip", "link", "add", here, "type", "veth", "peer", "name", there)
        undo.callback(quietly, "ip", "link", "del", here)
        quietly("ip", "link", "set", there, "netns", pid)

    @staticmethod
    def _configure(interface, v4, v6, netns=None):
        into = ["nsenter", "-t", netns, "-n"] if netns else []
        for command in (
            ["link", "set", "lo", "up"],
            ["link", "set", interface, "up"],
            ["address", "add", v4, "dev", interface],
            ["address", "add", v6, "dev", interface, "nodad"],
        ):
            quietly(*into, "ip", *command)

    @staticmethod
    def _use_resolver(undo):
        """The resolver of this mount namespace is at 127.0.0.53."""
        conf = pathlib.Path("/tmp/resolv.conf")
        conf.write_text("nameserver 127.0.0.53\n")
        undo.callback(conf.unlink)
        quietly("mount", "--bind", conf, os.path.realpath("/etc/resolv.conf"))
        undo.callback(quietly, "umount", os.path.realpath("/etc/resolv.conf"))

    def close(self):
        self.undo.close()


class Serial:
    """A shell on a guest's serial port, a unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.settimeout(300)
        self.text = ""
        self.count = 0
        self.until("tiny:/# ")
        # Without line editing and echo.
        self.send("exec sh -c 'stty -echo; echo rea\"\"dy; while read -r x; do eval \"$x\"; done'")
        self.until("ready\n")

    def until(self, word):
        while word not in self.text:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError(f"the serial port closed after {self.text[-500:]}")
            self.text += piece.decode("latin-1").replace("\r", "")
        found, _, self.text = self.text.partition(word)
        return found

    def send(self, command):
        """Have the shell run it; nothing is awaited."""
        self.socket.sendall(command.encode() + b"\n")

    def run(self, command, seconds=300):
        """What the command writes."""
        self.count += 1
        self.socket.settimeout(seconds)
        self.send(f"{command}; echo; echo do''ne-{self.count}-")
        return self.until(f"\ndone-{self.count}-").strip("\n")

    def close(self):
        self.socket.close()


def make_image(directory):
    """The tiny guest with the probe on its CD."""
    program = pathlib.Path(directory) / "probe"
    image = pathlib.Path(directory) / "probe.iso"
    quietly("gcc", "-static", "-O1", "-o", program, HERE / "probe.c")
    quietly(
        "xorriso", "-indev", GUESTS / "tiny.iso", "-outdev", image, "-boot_image", "any",
        "replay", "-map", program, "/probe", stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return image


class ProbeSite(Site):
    """A site whose guests have the probe, and a serial port at vm/serial."""

    def __init__(self, image, options=None, **more):
        more_options = {
            "qemu_exec_options": "-machine pc,vmport=off,hpet=off -accel tcg,thread=multi "
            "-cpu qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt "
            "-serial unix:/vm/serial,server=on,wait=off",
        }
        machine = {"name": "probe.iso", "description": "Probe", "file": image}
        super().__init__(options=more_options | (options or {}), machines=[machine], **more)

    def shell(self, name):
        return Serial(self.session_dir(name) / "vm/serial")


def prepare(shell, static=False, gateway=SLIRP_MAC):
    """Have the probe at /mnt/probe, and the guest's network as wide open as it
    can be.  static: an address of its own, for there is nobody to ask."""
    shell.run("until mount -t iso9660 -o ro /dev/sr0 /mnt; do usleep 50000; done 2>/dev/null")
    if static:
        shell.run("until ip link set eth0 up; do usleep 50000; done 2>/dev/null")
        shell.run("pkill udhcpc; ip addr add 10.0.2.15/24 dev eth0")
        shell.run("ip route add default via 10.0.2.2")
        shell.run(f"ip neigh add 10.0.2.2 lladdr {gateway} dev eth0")
    shell.run("until ip addr show eth0 | grep -q 10.0.2.15; do usleep 50000; done")
    for line in OPEN_KERNEL.splitlines():
        shell.run(f"{line.format(gateway=gateway)} 2>/dev/null")


# The guest's own loopback is out of the way: its kernel sends such packets to
# the network, as any other.
OPEN_KERNEL = """\
ip link set lo down
ip addr flush dev lo
for f in /proc/sys/net/ipv4/conf/*/route_localnet; do echo 1 >$f; done
ip route add 127.0.0.0/8 via 10.0.2.2
ip route add 224.0.0.0/4 via 10.0.2.2
ip -6 addr add fec0::15/64 dev eth0 nodad
ip neigh add fe80::2 lladdr {gateway} dev eth0
ip -6 route add default via fe80::2 dev eth0
ip -6 route add ::1/128 via fe80::2 dev eth0"""


def probe(shell, addresses=ADDRESSES, ports=PORTS, seconds=2, gateway=SLIRP_MAC):
    """All that the guest reached: a set of (protocol, way, address, port)."""
    words = shell.run(
        f"/mnt/probe eth0 {gateway} {seconds} {' '.join(addresses)}"
        f" -- {' '.join(map(str, ports))}",
        300,
    )
    if f"probed {len(addresses) * len(ports)}" not in words:
        raise AssertionError(f"the probe did not end: {words[-2000:]}")
    return {
        (*line.split()[1:4], int(line.split()[4]))
        for line in words.splitlines()
        if line.startswith("reached ")
    }


@contextlib.contextmanager
def switch_off(directory):
    """bubblewrap leaves QEMU in this host's network, with IPv6, as if nobody
    had thought of anything: the plain user network that others use.  For this
    mount namespace alone."""
    directory = pathlib.Path(directory)
    real = directory / "bwrap-itself"
    real.write_bytes(pathlib.Path("/usr/bin/bwrap").read_bytes())
    fake = directory / "bwrap"
    fake.write_text(
        "#!/usr/bin/python3 -I\n"
        "import os, sys\n"
        "args = [a.replace(',ipv6=off', '') for a in sys.argv[1:] if a != '--unshare-net']\n"
        f"os.execv({str(real)!r}, ['bwrap', *args])\n"
    )
    for program in (real, fake):
        program.chmod(0o755)
    directory.chmod(0o755)
    quietly("mount", "--bind", fake, "/usr/bin/bwrap")
    try:
        yield
    finally:
        quietly("umount", "/usr/bin/bwrap")


@contextlib.contextmanager
def bridge_helper(directory):
    """qemu-bridge-helper as a host needs it for bridge=br0: set-user-id root,
    and the bridge allowed.  For this mount namespace alone."""
    place = pathlib.Path(directory) / "helper"
    place.mkdir()
    helper = pathlib.Path("/usr/lib/qemu/qemu-bridge-helper")
    with contextlib.ExitStack() as undo:
        quietly("mount", "-t", "tmpfs", "-o", "mode=755,suid", "helper", place)
        undo.callback(quietly, "umount", place)
        copy = place / "qemu-bridge-helper"
        copy.write_bytes(helper.read_bytes())
        copy.chmod(0o4755)
        quietly("mount", "--bind", copy, helper)
        undo.callback(quietly, "umount", helper)
        # /etc/qemu need not exist.
        (place / "etc").mkdir()
        (place / "work").mkdir()
        layers = f"lowerdir=/etc,upperdir={place}/etc,workdir={place}/work"
        quietly("mount", "-t", "overlay", "-o", layers, "etc", "/etc")
        undo.callback(quietly, "umount", "/etc")
        pathlib.Path("/etc/qemu").mkdir(exist_ok=True)
        pathlib.Path("/etc/qemu/bridge.conf").write_text(f"allow {BRIDGE}\n")
        yield
