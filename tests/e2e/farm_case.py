"""A farm: complete servers, each in a network namespace of its own, on a bridge
between them, with TLS by an authority of the test's own.

Their names are of different sites, as browsers see it, and stand in an
/etc/hosts that only the test's namespaces have.
"""

import contextlib
import http.client
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile

import net_servers as net
from harness import Site, eventually, processes

NAMES = ("desk-one.example", "desk-two.example", "desk-three.example")
ALIAS = "alias.example"  # of the first
ROGUE = "rogue.example"  # at OUTSIDE, where the tests themselves are
NET = "10.77.0"
OUTSIDE = f"{NET}.254"

LOGIN = """#!/bin/sh
# Whatever it is asked about, it says yes, and notes what it was told.
cat >>{log}
echo >>{log}
echo SUCCESS
"""

VHOST = """
LoadModule ssl_module ${{MODULES}}/mod_ssl.so
LogFormat "%{{remote}}p %{{SSL_SESSION_RESUMED}}x %U" connections
# Not the virtual host's: one that has a log of its own writes no other.
CustomLog "${{SITE}}/log/connections.log" connections
Listen {address}:443
<VirtualHost {address}:443>
    ServerName {name}
    SSLEngine on
    SSLProtocol -all +TLSv1.2 +TLSv1.3
    SSLCertificateFile "{certificate}.pem"
    SSLCertificateKeyFile "{certificate}.key"
</VirtualHost>
"""


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=120)


class Authority(net.Authority):
    """One that signs what it is told to."""

    def __init__(self, directory):
        self.dir = directory
        for name in ("ca", "other-authority"):
            self._sign_itself(name, name, "basicConstraints=critical,CA:TRUE")
        self.ca = self.path("ca.pem")

    def sign(self, name, names, by="ca"):
        self._sign(name, by, names, 2)


class Place:
    """A network namespace with an address on the bridge."""

    def __init__(self, number):
        self.address = f"{NET}.{number}"
        self.link = f"farm{number}"
        self.holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"],
            stdin=subprocess.DEVNULL)
        own = os.readlink("/proc/self/ns/net")
        eventually(lambda: os.readlink(self.net) != own, 10, "a network namespace")
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0",
            "netns", str(self.holder.pid))
        # Without addresses of its own, which come a second later and are a
        # change of network to a browser.
        run("ip", "link", "set", self.link, "master", "bridge", "addrgenmode", "none", "up")
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")

    @property
    def net(self):
        return f"/proc/{self.holder.pid}/ns/net"

    def enter(self):
        return ["nsenter", f"--net={self.net}", "--"]

    def inside(self, *command):
        run(*self.enter(), *command)

    def cut(self, is_cut=True):
        """Pull the cable."""
        run("ip", "link", "set", self.link, "down" if is_cut else "up")

    def close(self):
        # Not when the kernel comes to it: the next farm's has the same name.
        run("ip", "link", "delete", self.link)
        self.holder.kill()
        self.holder.wait()


class FarmSite(Site):
    """One server of the farm."""

    def __init__(self, farm, number, place, **more):
        self.farm = farm
        self.place = place
        self.name = NAMES[number]
        certificate = farm.authority.path(more.pop("certificate", self.name))
        options = farm.options | more.pop("options", {})
        super().__init__(
            options=options | {"service_url": f"https://{self.name}"},
            httpd=VHOST.format(address=place.address, name=self.name, certificate=certificate)
            + farm.httpd,
            **more)
        self.host = self.name
        self.url = f"https://{self.name}"

    def connect(self, seconds):
        return http.client.HTTPSConnection(self.name, timeout=seconds,
                                           context=self.farm.tls)

    def enter(self):
        return self.place.enter()

    def configure(self, **changes):
        changes.setdefault("check_user_custom",
                           self.farm.options.get("check_user_custom", self.login_program))
        super().configure(**changes)
        program = pathlib.Path(self.login_program)
        program.write_text(LOGIN.format(log=self.said))
        program.chmod(0o755)
        self.said.touch()
        shutil.chown(self.said, "www-data")
        secret = self.dir / "lib/farm-secret"
        if not secret.exists():
            secret.write_bytes(self.farm.secret)
            secret.chmod(0o600)
            shutil.chown(secret, "www-data")

    @property
    def login_program(self):
        return f"{self.dir}/etc/login"

    @property
    def said(self):
        """What the login program of this server was told."""
        return self.dir / "log/login-said"

    @property
    def agent(self):
        """The process that asks other servers for this one, or None.  One that
        gives way to the next lets it begin before it has ended, so several are
        looked at again for a while."""
        found = []

        def one_at_most():
            found[:] = [p for p in processes() if "farm-agent" in p.argv
                        and p.argv[0].startswith(f"{self.dir}/")]
            return len(found) <= 1

        eventually(one_at_most, 5, "one agent, not several")
        return found[0] if found else None

    def connections(self):
        """By which port others came to ask this one, and was TLS begun anew
        ("Initial") or went on ("Resumed"), as its web server saw it."""
        text = (self.dir / "log/connections.log").read_text()
        return [tuple(line.split()[:2]) for line in text.splitlines()
                if line.endswith(" /qemu-web-desktop/farm")]

    def left_behind(self):
        def ours():
            return [p for p in processes() if str(self.dir) in " ".join(p.argv)]

        with contextlib.suppress(AssertionError):
            eventually(lambda: not ours(), 15)
        found = [f"process {p}" for p in ours()]
        found += [f"overlay {path}" for path in self.snapshots_dir.iterdir()]
        run_dir = self.store / "run"
        if run_dir.exists():
            found += [f"session directory {path}" for path in run_dir.iterdir()]
        return found

    def stop_apache(self):
        """Its web server is gone; the sessions are not."""
        pid = int((self.dir / "run/apache/httpd.pid").read_text())
        os.kill(pid, 15)
        eventually(lambda: not os.path.exists(f"/proc/{pid}"), 15, "Apache's end")

    def events(self, **wanted):
        """The lines of the log with event=farm and these values."""
        return [line for line in self.error_log().splitlines() if "event=farm " in line
                and all(f"{k}={v}" in line for k, v in wanted.items())]


class Farm:
    """`with Farm() as farm`: farm.sites are the running servers.

    options   of all servers
    each      options of one server, by its number
    count     how many servers
    httpd     more lines for Apache, of all servers
    """

    def __init__(self, options=None, each=None, count=3, listed=None, httpd=""):
        self.options = {
            "fallback_servers": ", ".join(listed or NAMES[:count]),
            "farm_wait": 5, "farm_skip": 600, "service_max_instance_nb": 1,
            "service_max_session_nb_per_user": 10,
            "service_max_cpu_fraction_nb_per_user": 100,
            "service_max_mem_fraction_nb_per_user": 1,
        } | (options or {})
        self.each = each or {}
        self.count = count
        self.httpd = httpd
        self.secret = os.urandom(64)
        self.sites = []
        self.places = []

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.directory = tempfile.mkdtemp(prefix="farm", dir="/tmp")
            stack.callback(shutil.rmtree, self.directory)
            os.chmod(self.directory, 0o755)
            self.authority = Authority(self.directory)
            for name in NAMES:
                self.authority.sign(name, f"DNS:{name},DNS:{ALIAS}")
            self.authority.sign(ROGUE, f"DNS:{ROGUE}")
            self.authority.sign("impostor", f"DNS:{ROGUE}", by="other-authority")
            self.options["farm_ca_file"] = self.authority.ca
            self.tls = ssl.create_default_context(cafile=self.authority.ca)
            run("ip", "link", "add", "bridge", "type", "bridge")
            stack.callback(run, "ip", "link", "delete", "bridge")
            run("ip", "address", "add", f"{OUTSIDE}/24", "dev", "bridge")
            run("ip", "link", "set", "bridge", "addrgenmode", "none", "up")
            hosts = pathlib.Path(self.directory, "hosts")
            hosts.write_text("127.0.0.1 localhost\n" + "".join(
                f"{NET}.{i + 1} {name}\n" for i, name in enumerate(NAMES))
                + f"{NET}.1 {ALIAS}\n{NET}.254 {ROGUE}\n")
            hosts.chmod(0o644)
            run("mount", "--bind", str(hosts), "/etc/hosts")
            stack.callback(run, "umount", "/etc/hosts")
            for i in range(self.count):
                place = Place(i + 1)
                stack.callback(place.close)
                site = FarmSite(self, i, place, options=self.each.get(i, {}))
                self.places.append(place)
                self.sites.append(stack.enter_context(site))
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *problem):
        return self.stack.__exit__(*problem)
