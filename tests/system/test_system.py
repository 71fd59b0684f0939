"""The Debian package on a Debian machine of its own, with systemd: installed by
apt inside, used from outside over HTTP (issue 6, item 5; issue 4, item 5).

One story in one boot (and one more), since a machine takes minutes to start
where there is no KVM.  Usage: tests/run system (make check-system).
"""

import http.client
import os
import pathlib
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from harness import CGI, HOME, TREE, Client, WebSocket, eventually
from machine import Machine

BUILD = TREE / "build"
DISK = BUILD / "system/debian.raw"
PORT = 18080
CONFIG = "/etc/qemu-web-desktop/config.d/test.conf"
PROGRAM = "/usr/libexec/qemu-web-desktop/cgi/qemu-web-desktop"
# A session in a machine that is itself emulated starts in some ten seconds on
# an idle host, and in minutes on a busy one.
PATIENCE_S = 900

# What changes by itself, or belongs to apt, dpkg and Apache's own switches: the
# modules that the package enabled stay so, since others may use them by then.
NOT_OURS = (
    r"/(proc|sys|dev|run|tmp|media|boot)(/|$)|/var/(log|cache|tmp|spool)/|/root(/|$)"
    r"|/var/lib/(dpkg|apt|systemd|logrotate|private|apache2|AppArmor)(/|$)|/etc/apache2/mods-enabled/"
    r"|/var/lib/(dbus|misc)|/etc/(passwd|group|shadow|gshadow|subuid|subgid|resolv.conf|mtab)-?$"
    r"|/etc/machine-id|__pycache__|/etc/\.pwd\.lock|/var/lib/initramfs"
)


class Place:
    """What harness.Client wants to know of a site."""

    def __init__(self, machine):
        self.machine = machine
        self.host = f"localhost:{PORT}"
        self.url = f"http://{self.host}"

    def connect(self, seconds):
        return http.client.HTTPConnection("127.0.0.1", PORT, timeout=seconds)

    def order(self, **fields):
        return {
            "user": "ann", "machine": "tiny.iso", "cpu": "1", "memory": "0.125",
            "snapshot_lifetime": "7200", "create": "1",
        } | fields  # fmt: skip

    def words(self):
        return self.machine.run(
            "tail -n 20 /run/qemu-web-desktop/sessions/log /var/log/apache2/error.log;"
            "journalctl --no-pager -b -n 40 -u 'qemu-web-desktop*'",
            check=False,
        ).out


class Visitor(Client):
    def request(self, *arguments, seconds=PATIENCE_S, **more):
        return super().request(*arguments, seconds=seconds, **more)

    def running(self, **fields):
        return self.wait_state(self.create(**fields)["name"], "running", PATIENCE_S)

    def display(self, session):
        """What the VNC server says first, through Apache and the gateway."""
        token = session["url"].rpartition("token%3D")[2]
        path = f"/qemu-web-desktop/display/websockify?token={token}"
        with WebSocket(PORT, path, origin=self.site.url, seconds=PATIENCE_S) as s:
            return s.recv(12)


def build_media(place):
    """Our package, a newer one of the same, Apache's packages, a guest."""
    (deb,) = (BUILD / "deb").glob("qemu-web-desktop_*.deb")
    shutil.copy(deb, place / "ours.deb")
    shutil.copy(BUILD / "guests/tiny.iso", place)
    shutil.copy(TREE / "debian/tests/main-job", place)
    with tempfile.TemporaryDirectory(dir="/tmp") as tree:
        def run(*command):
            subprocess.run(command, check=True, capture_output=True)

        run("dpkg-deb", "-R", deb, f"{tree}/x")
        control = pathlib.Path(tree, "x/DEBIAN/control")
        control.write_text(re.sub(r"(?m)^(Version: .*)", r"\1+newer", control.read_text()))
        run("dpkg-deb", "-b", f"{tree}/x", place / "newer.deb")
    for cached in (BUILD / "system/apache").glob("*.deb"):
        shutil.copy(cached, place)


class System(unittest.TestCase):
    def step(self, text):
        print(f"  {time.monotonic() - self.began:6.0f} s  {text}", file=sys.stderr, flush=True)

    def test_install_use_restart_upgrade_reboot_purge(self):
        self.began = time.monotonic()
        with tempfile.TemporaryDirectory(dir="/tmp") as media, tempfile.TemporaryDirectory(
            dir="/tmp"
        ) as place:
            build_media(pathlib.Path(media))
            with Machine(DISK, media, place, PORT) as self.machine:
                self.site = Place(self.machine)
                self.visitor = Visitor(self.site)
                try:
                    self.story()
                except BaseException:
                    print(self.site.words(), file=sys.stderr)
                    raise

    def story(self):
        self.step("booted")
        before = self.files()
        self.install()
        self.go_the_newcomers_way()
        self.try_as_installed()
        self.use()
        self.restart_the_web_server()
        self.upgrade()
        self.end()
        self.lose_an_owner()
        self.confine_the_program()
        self.switch_set_user_id_off()
        self.reboot()
        self.remove(before)
        self.step("done")

    # ---- Helpers

    def sh(self, script, **more):
        return self.machine.run(script, **more).out.strip()

    def files(self):
        return {
            line
            for line in self.machine.lines("find / -xdev -printf '%p\\n'")
            if not re.search(NOT_OURS, line)
        }

    def check(self, word, level):
        text = self.sh("qwdctl check", check=False)
        found = [line for line in text.splitlines() if word in line]
        self.assertTrue(found, f"{word!r} in:\n{text}")
        self.assertTrue(found[0].startswith(level), found[0])

    def unit_of(self, pid):
        return self.sh(f"cat /proc/{pid}/cgroup").rpartition("/")[2]

    def pids(self, pattern):
        return self.sh(f"pgrep -f -- '{pattern}'", check=False).split()

    def owner(self, name):
        (pid,) = self.pids(f"^/proc/self/exe --session-owner {name} ")
        return pid

    def lives(self, session):
        """The same machine, its screen reachable."""
        now = self.visitor.session(session["name"])
        self.assertEqual((now["state"], now["url"]), ("running", session["url"]))
        self.assertEqual(self.visitor.display(now), b"RFB 003.008\n")

    def nothing_left(self, name):
        left = self.sh(
            f"ls /run/qemu-web-desktop/sessions/run /var/lib/qemu-web-desktop/snapshots;"
            f"ps -eo args= | grep -v -e '^/bin/bash -c' -e '^grep' | grep -F {name}",
            check=False,
        )
        return name not in left

    # ---- The story

    def install(self):
        self.installing = time.monotonic()
        self.sh("apt-get -q -y install /media/ours.deb")
        self.step("installed")
        self.assertEqual(
            self.sh(f"stat -c '%U %G %a' {PROGRAM} {os.path.dirname(PROGRAM)}").splitlines(),
            ["_qemu-web-desktop kvm 6755", "root www-data 750"],
        )
        self.assertEqual(
            self.sh(
                "cd /var/lib/qemu-web-desktop && stat -c '%n %U %a' . machines snapshots secret"
            ).splitlines(),
            [
                ". root 755", "machines root 755", "snapshots _qemu-web-desktop 700",
                "secret _qemu-web-desktop 600",
            ],
        )  # fmt: skip
        self.assertEqual(
            self.sh("stat -c '%U %a' /run/qemu-web-desktop/sessions"), "_qemu-web-desktop 700"
        )
        for unit in ("session.socket", "gateway.socket", "purge.timer"):
            for verb in ("is-active", "is-enabled"):
                self.sh(f"systemctl {verb} qemu-web-desktop-{unit}")
        # No login is configured: the visitor is not of this host.
        refused = self.visitor.get(HOME)
        self.assertEqual(refused.status, 403, refused)
        # The host itself is told what to do.
        first = self.sh(
            "curl -s -H 'Accept: application/json' http://localhost/qemu-web-desktop/"
            " | jq -r '.setup[].what'"
        )
        for word in ("No machine is installed.", "Logins:", "Nothing is encrypted"):
            self.assertIn(word, first)
        self.check("runs as user _qemu-web-desktop", "ok:")
        self.check("units of systemd", "ok:")
        self.check("no machine can be started", "error:")
        self.step("looked at what was installed")

    def go_the_newcomers_way(self):
        """What README says, from apt to a screen, on the host itself; the images
        come from a web server of our own, since nothing leads out of here."""
        self.sh(
            "systemd-run -q --unit=images python3 -m http.server -d /media -b 127.0.0.1 8000;"
            "curl -sfIo /dev/null --retry 600 --retry-delay 1 --retry-connrefused"
            " http://127.0.0.1:8000/tiny.iso;"
            f"echo 'service_max_load = 1000' >{CONFIG}"  # it emulates, and is busy with that
        )
        self.machine.put(
            "/root/editor",
            "#!/bin/sh\nprintf '[tiny.iso]\\ndescription = Tiny\\n"
            "url = http://127.0.0.1:8000/tiny.iso\\n' >>\"$1\"\n",
            0o755,
        )
        self.sh("EDITOR=/root/editor qwdctl edit machines")
        self.assertIn("tiny.iso: fetched", self.sh("qwdctl download"))
        ask = "curl -sS --max-time 600 -b /root/jar -c /root/jar -H 'Accept: application/json'"
        home, cgi = "http://localhost/qemu-web-desktop/", "http://localhost/cgi-bin/qemu-web-desktop"
        self.assertIn('"Tiny"', self.sh(f"{ask} {home}"))
        name = self.sh(
            f"{ask} -d 'user=ann&machine=tiny.iso&cpu=1&memory=0.125&create=1' {cgi}"
            " | jq -r .session.name"
        )
        eventually(
            lambda: self.sh(f"{ask} '{cgi}?session={name}' | jq -r .session.state") == "running",
            PATIENCE_S, "a newcomer's session", pause=1,
        )  # fmt: skip
        url = self.sh(f"{ask} '{cgi}?session={name}' | jq -r .session.url")
        page = url.partition("#")[0].partition("?")[0]
        self.assertIn("noVNC", self.sh(f"curl -sSf '{page}'"))
        token = url.rpartition("token%3D")[2]
        # The first bytes of a VNC server, in a frame of a websocket.
        greeting = self.sh(
            "curl -s --http1.1 --max-time 20 -N -H 'Connection: Upgrade' -H 'Upgrade: websocket'"
            " -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=='"
            " -H 'Sec-WebSocket-Protocol: binary' -H 'Origin: http://localhost'"
            f" 'http://localhost/qemu-web-desktop/display/websockify?token={token}'"
            " | head -c 14 | tail -c 12",
            check=False,
        )
        self.assertEqual(greeting, "RFB 003.008")
        self.step(
            "a newcomer has a screen, "
            f"{time.monotonic() - self.installing:.0f} s after apt began"
        )
        self.sh(f"{ask} -d 'session_stop={name}&now=1' {cgi}")
        eventually(lambda: self.nothing_left(name), PATIENCE_S, "nothing left", pause=1)
        self.sh(
            f"systemctl stop images; rm {CONFIG} /root/editor /root/jar;"
            "sed -i '/^.tiny.iso/,$d' /etc/qemu-web-desktop/machines.conf;"
            "rm -f /var/lib/qemu-web-desktop/machines/*tiny.iso* "
            "/var/lib/qemu-web-desktop/machines/.tiny.iso*; qwdctl refresh"
        )

    def try_as_installed(self):
        """The package's own test, as autopkgtest runs it."""
        self.sh("bash /media/main-job")
        self.sh("rm /etc/qemu-web-desktop/config.d/test.conf")
        self.step("the package's own test passes")

    def use(self):
        self.sh(
            "cp /media/tiny.iso /var/lib/qemu-web-desktop/machines/;"
            "printf '[tiny.iso]\\ndescription = Tiny\\n' >>/etc/qemu-web-desktop/machines.conf;"
            f"printf '%s\\n' 'allow_anonymous = yes' 'service_url = {self.site.url}'"
            f" 'service_max_load = 1000' 'layout_title = Kept' >{CONFIG};"
            "qwdctl refresh"
        )
        self.assertIn("Kept", self.visitor.get(HOME, accept="html").text)
        self.session = self.visitor.running()
        self.step("a session runs")
        name = self.session["name"]
        owner = self.owner(name)
        self.assertRegex(self.unit_of(owner), r"^qemu-web-desktop-session@.*\.service$")
        qemu = self.pids(f"^/usr/bin/qemu-system-x86_64 -name guest={name}")
        self.assertEqual({self.unit_of(p) for p in qemu}, {self.unit_of(owner)})
        (keeper,) = self.pids("^/proc/self/exe --gateway-keeper")
        self.assertRegex(self.unit_of(keeper), r"^qemu-web-desktop-gateway@.*\.service$")
        users = self.sh(f"ps -o ruser:30=,euser:30= -p {','.join([owner, keeper, *qemu])}")
        self.assertEqual(set(users.split()), {"_qemu-web-desktop"})
        web = self.sh("cat $(find /sys/fs/cgroup -path '*apache2.service/cgroup.procs')").split()
        self.assertFalse(set(web) & {owner, keeper, *qemu})
        # Bounded, and confined as the unit says.
        shown = self.sh(
            f"systemctl show -p MemoryMax,TasksMax,NoNewPrivileges {self.unit_of(owner)}"
        )
        self.assertRegex(shown, r"MemoryMax=\d+")
        # And by the kernel, which has it from systemd: session, and all of them.
        host = 1024 * int(self.sh("awk '/^MemTotal/ { print $2 }' /proc/meminfo"))
        group = self.sh(f"sed -n 's/^0:://p' /proc/{owner}/cgroup").strip()
        for place, most in ((group, 0.86), (posixpath.dirname(group), 0.91)):
            bound = int(self.sh(f"cat '/sys/fs/cgroup{place}/memory.max'"))
            self.assertLessEqual(bound, most * host, place)
        self.assertIn("TasksMax=512", shown)
        self.assertIn("NoNewPrivileges=yes", shown)
        # The hardening has left the sandbox and the guest's network whole.
        record = self.sh(f"cat /run/qemu-web-desktop/sessions/{name}.json")
        self.assertIn('"network":"user"', record)
        self.lives(self.session)
        self.step("its units are as they should be")

    def restart_the_web_server(self):
        self.sh("systemctl restart apache2")
        self.lives(self.session)
        self.step("it outlived a restart of Apache")
        self.sh("systemctl stop apache2; systemctl start apache2")
        self.lives(self.session)
        self.sh("apt-get -q -y install --reinstall /media/apache2*.deb")
        self.lives(self.session)
        self.step("and Apache's upgrade")

    def upgrade(self):
        self.sh("apt-get -q -y install /media/newer.deb")
        self.assertIn("+newer", self.sh("dpkg-query -W qemu-web-desktop"))
        self.lives(self.session)
        self.assertIn("Kept", self.visitor.get(HOME, accept="html").text)
        self.assertEqual(
            self.sh(f"stat -c '%U %G %a' {PROGRAM}"), "_qemu-web-desktop kvm 6755"
        )
        self.step("it outlived its own package's upgrade")

    def end(self):
        name = self.session["name"]
        self.visitor.post_form({"session_stop": name, "now": "1"})
        self.visitor.wait_state(name, "ended", PATIENCE_S)
        eventually(lambda: self.nothing_left(name), PATIENCE_S, "nothing left", pause=1)
        eventually(
            lambda: "session@" not in self.sh("systemctl list-units --plain 'qemu-web-*'"),
            PATIENCE_S, "the unit's end", pause=1,
        )  # fmt: skip
        self.step("it was stopped, and nothing is left")

    def lose_an_owner(self):
        name = self.visitor.running()["name"]
        self.sh(f"kill -KILL {self.owner(name)}")
        # Nobody visits: the timer finds it.
        eventually(lambda: self.nothing_left(name), PATIENCE_S, "the timer's purge", pause=2)
        self.assertEqual(self.visitor.session(name)["state"], "failed")
        self.step("an owner was killed, and the timer has cleaned up")

    def confine_the_program(self):
        """AppArmor's profile, as its first lines say."""
        profile = "/etc/apparmor.d/qemu-web-desktop"
        if "Y" not in self.sh("cat /sys/module/apparmor/parameters/enabled", check=False):
            self.step("AppArmor is not enabled in this kernel")
            return
        self.sh(
            "cp /usr/share/doc/qemu-web-desktop/apparmor/qemu-web-desktop /etc/apparmor.d/;"
            f"apparmor_parser -r {profile}"
        )
        session = self.visitor.running()
        unit = self.unit_of(self.owner(session["name"]))
        self.assertRegex(unit, "^qemu-web-desktop-session@")
        self.visitor.post_form({"session_stop": session["name"], "now": "1"})
        self.visitor.wait_state(session["name"], "ended", PATIENCE_S)
        self.assertEqual(self.sh("dmesg | grep 'apparmor=.DENIED.*qemu-web'", check=False), "")
        self.sh(f"apparmor_parser -R {profile}; rm {profile}")
        self.step("the program works in AppArmor's profile")

    def switch_set_user_id_off(self):
        """It is told: it would go in silence."""
        dropin = "/run/systemd/system/apache2.service.d"
        self.sh(
            f"mkdir -p {dropin}; printf '[Service]\\nNoNewPrivileges=yes\\n' >{dropin}/x.conf;"
            "systemctl daemon-reload; systemctl restart apache2"
        )
        self.check("NoNewPrivileges", "error:")
        self.assertEqual(self.visitor.post_form(self.site.order()).status, 500)
        self.sh(f"rm -r {dropin}; systemctl daemon-reload; systemctl restart apache2")
        self.check("runs as user _qemu-web-desktop", "ok:")
        self.step("NoNewPrivileges was found")

    def reboot(self):
        name = self.visitor.running()["name"]
        overlay = f"/var/lib/qemu-web-desktop/snapshots/{name}.qcow2"
        self.sh(f"test -e {overlay}")
        self.machine.reboot()
        self.step("rebooted")
        eventually(
            lambda: self.sh(f"test -e {overlay} || echo gone") == "gone",
            PATIENCE_S, "the overlay's end", pause=2,
        )  # fmt: skip
        self.assertEqual(self.visitor.get(f"{CGI}?session={name}").status, 401)
        self.visitor = Visitor(self.site)
        self.assertEqual(self.sh("systemctl list-units --failed --plain --no-legend 'qemu-web*'"), "")
        self.session = self.visitor.running()
        self.lives(self.session)
        self.step("and a session runs again")

    def remove(self, before):
        name = self.session["name"]
        self.sh("apt-get -q -y remove qemu-web-desktop")
        self.assertEqual(self.sh("ps -o pid= -u _qemu-web-desktop", check=False), "")
        self.assertTrue(self.nothing_left(name))
        self.sh(f"test -e {CONFIG}; systemctl is-active apache2")
        self.step("removed while a session ran")
        self.sh("apt-get -q -y purge qemu-web-desktop")
        self.assertEqual(self.files() - before, set())
        self.assertEqual(self.sh("getent passwd _qemu-web-desktop", check=False), "")
        self.sh("test ! -e /run/qemu-web-desktop")
        self.assertEqual(self.sh("find / -xdev -nouser -o -xdev -nogroup"), "")
        self.sh("apachectl configtest; systemctl is-active apache2")
        self.step("purged: the files are those of before")


if __name__ == "__main__":
    unittest.main(verbosity=2)
