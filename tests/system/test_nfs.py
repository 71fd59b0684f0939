"""Sessions as jobs of a Slurm cluster over a real NFS, on a Debian machine of
its own (issue 7): the web host and the node are two clients of one server, and
the units are systemd's.

One story in one boot, as test_system.py has it, for the same reason.  Usage:
tests/run nfs (make check-nfs).
"""

import contextlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from harness import CGI, HOME, Vnc, WebSocket, eventually
from machine import Machine
from nfs_site import SERVED, SERVICE, SHARED, NfsSite
from test_system import BUILD, DISK, PATIENCE_S, PORT, Place, Visitor

STORE = "/run/qemu-web-desktop/sessions"


class NfsPlace(Place):
    def order(self, **fields):
        return super().order(machine="tiny.qcow2") | fields

    def words(self):
        return super().words() + self.machine.run(
            f"tail -n 20 /var/log/slurm/*; tail -n 5 {SERVED}/*/*/output; ls -lAR {SERVED};"
            "journalctl --no-pager -b -n 20 -u nfs-server -u node1; dmesg | tail -n 20",
            check=False,
        ).out


def build_media(place):
    (deb,) = (BUILD / "deb").glob("qemu-web-desktop_*.deb")
    shutil.copy(deb, place / "ours.deb")
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2"]
        + [BUILD / "guests/tiny.iso", place / "tiny.qcow2"],
        check=True,
    )


class Nfs(unittest.TestCase):
    def step(self, text):
        print(f"  {time.monotonic() - self.began:6.0f} s  {text}", file=sys.stderr, flush=True)

    def test_sessions_are_jobs_over_nfs(self):
        self.began = time.monotonic()
        with tempfile.TemporaryDirectory(dir="/tmp") as media, tempfile.TemporaryDirectory(
            dir="/tmp"
        ) as place:
            build_media(pathlib.Path(media))
            with Machine(DISK, media, place, PORT) as self.machine:
                self.place = NfsPlace(self.machine)
                self.visitor = Visitor(self.place)
                self.site = NfsSite(self.machine)
                try:
                    self.story()
                except BaseException:
                    print(self.place.words(), file=sys.stderr)
                    raise

    def story(self):
        self.step("booted")
        self.sh("apt-get -q -y install /media/ours.deb")
        self.step("installed")
        self.site.start_server()
        self.site.start_cluster()
        self.step("a file system, a web host and a node stand")
        self.look_at_the_units_as_shipped()
        self.show_a_screen_with_the_disk_on_the_node()
        self.share_an_image_and_lock_the_disk()
        self.stop_the_file_server()
        self.lose_the_directory()
        self.hold_a_file_open()
        self.want_sudo_without_its_units()
        self.work_as_the_visitor()
        self.lose_a_visitor_s_owner()
        self.step("done")

    # ---- Helpers

    def sh(self, script, **more):
        return self.machine.run(script, **more).out.strip()

    def as_service(self, script, **more):
        return self.machine.run(f"runuser -u {SERVICE} -- {script}", **more)

    def state(self, name):
        return self.visitor.session(name)["state"]

    @contextlib.contextmanager
    def viewer(self, session):
        """Through Apache, the gateway and both ends of the tunnel."""
        token = session["url"].rpartition("token%3D")[2]
        path = f"/qemu-web-desktop/display/websockify?token={token}"
        with WebSocket(PORT, path, origin=self.place.url, seconds=PATIENCE_S) as stream:
            yield Vnc(stream)

    def see_screen(self, session):
        with self.viewer(session) as vnc:
            eventually(
                lambda: len(vnc.screen().getcolors(1 << 20)) > 1,
                PATIENCE_S, "a picture", pause=1,
            )  # fmt: skip

    def stop(self, session, reason="Stopped by its user."):
        name = session["name"]
        answer = self.visitor.post_form({"session_stop": name, "now": "1"})
        self.assertEqual(answer.status, 200, answer)
        self.ends(name, reason)

    def ends(self, name, reason):
        """And nothing is left, on either side: no .nfs of a file that was open."""
        ended = self.visitor.wait_state(name, "ended", PATIENCE_S)
        self.assertEqual(ended["reason"], reason)
        eventually(
            lambda: not [p for p in self.site.left("jobs") if name in p]
            and not self.site.processes(name),
            PATIENCE_S, f"nothing left of {name}", pause=1,
        )  # fmt: skip
        # By the wish in its directory, or if that took long by scancel.
        state = self.site.jobs()[name][0]
        self.assertIn(state, ("COMPLETED", "COMPLETING", "CANCELLED"))
        self.step(f"a job has ended, {state}")

    # ---- The story

    def look_at_the_units_as_shipped(self):
        """They let nobody write there, and check says so."""
        self.sh(f"cp /media/tiny.qcow2 {SERVED}/machines/")
        self.sh("printf '[tiny.qcow2]\\n' >>/etc/qemu-web-desktop/machines.conf")
        self.site.configure(self.place.url, slurm_overlay="scratch")
        told = self.as_service("qwdctl check", check=False).out
        self.assertIn(f"ok: dir_slurm {SHARED}/jobs\n", told)
        self.assertIn("ok: a node of the cluster has dir_slurm\n", told)
        for unit in ("session@", "purge"):
            self.assertRegex(
                told,
                "warning: launcher = slurm: systemd's unit keeps sessions from writing to "
                rf"dir_slurm; install the example slurm.conf in .*-{unit}\.service\.d\n",
            )
        self.site.install_units("slurm.conf", "jobs")
        told = self.as_service("qwdctl check", check=False).out
        self.assertNotIn("systemd's unit", told)
        # Root is nobody there.
        self.assertNotEqual(self.machine.run(f"touch {SHARED}/jobs/x", check=False).status, 0)
        self.step("the units may write to it, by the example")

    def show_a_screen_with_the_disk_on_the_node(self):
        session = self.visitor.running()
        self.see_screen(session)
        self.assertEqual(self.site.jobs()[session["name"]], ("RUNNING", SERVICE))
        names = self.sh("cat /proc/fs/nfsd/clients/*/info | grep ^name:").splitlines()
        self.assertEqual(len(set(names)), 2, names)
        self.stop(session)
        self.step("a job has shown its screen, its disk on the node")

    def share_an_image_and_lock_the_disk(self):
        """What is held here is held there: QEMU's locks and ours, beside each
        other, over the network."""
        self.site.configure(self.place.url, slurm_overlay="shared")
        self.sessions = [self.visitor.running(), self.visitor.running()]
        for session in self.sessions:
            self.see_screen(session)
            name = session["name"]
            image = f"{SHARED}/machines/tiny.qcow2"
            disk = f"{SHARED}/jobs/{name}/disk/{name}.qcow2"
            second = self.as_service(f"qemu-img info {disk}", check=False)
            self.assertEqual(second.status, 1)
            self.assertIn('Failed to get shared "write" lock', second.err)
            # As a purge of another service would try.
            held = self.as_service(f"python3 /usr/local/lib/hold {disk}", check=False)
            self.assertEqual((held.status, held.out), (1, "held\n"), held)
            held = self.as_service(f"python3 /usr/local/lib/hold --shared {image}")
            self.assertEqual(held.out, "free\n")
        self.step("two jobs share an image, their disks on NFS, locked for all")

    def stop_the_file_server(self):
        """For twenty seconds and as long as it takes."""
        stopped, stays = self.sessions
        with self.viewer(stays) as vnc:
            vnc.screen()
            self.site.stop_server()
            since = time.monotonic()
            # Pages are of the web host's own record.
            for session in self.sessions:
                self.assertEqual(self.state(session["name"]), "running")
            self.assertEqual(self.visitor.get(HOME, accept="html").status, 200)
            self.assertEqual(self.visitor.get(f"{CGI}?manage=1").status, 200)
            # Its owner waits for the server.
            (owner,) = self.site.processes(stopped["name"], "--config=/etc")
            eventually(
                lambda: self.sh(f"ps -o stat= -p {owner}").startswith("D"),
                PATIENCE_S, "an owner that waits", pause=0.5,
            )  # fmt: skip
            answer = self.visitor.post_form({"session_stop": stopped["name"], "now": "1"})
            self.assertEqual(answer.status, 409, answer)
            self.assertIn("as soon as it does", answer.json()["error"]["message"])
            self.assertEqual(self.state(stopped["name"]), "running")
            # Who looks goes on looking.
            vnc.screen()
            time.sleep(max(0.0, 20 - (time.monotonic() - since)))
            self.assertEqual(self.state(stays["name"]), "running")
            self.site.restart_server()
            vnc.screen()
        self.ends(stopped["name"], "Stopped by its user.")
        self.see_screen(stays)
        now = self.visitor.session(stays["name"])
        self.assertEqual((now["state"], now["job"]["id"]), ("running", stays["job"]["id"]))
        self.assertEqual(len(self.site.guests(stays["name"])), 1)
        self.assertEqual(
            [n for n, (state, _) in self.site.jobs().items() if state == "RUNNING"],
            [stays["name"]],
        )
        # The purge that has waited for it all that time, or the next one.
        eventually(
            lambda: self.machine.run("systemctl start qemu-web-desktop-purge", check=False).status
            == 0,
            PATIENCE_S, "a purge", pause=1,
        )  # fmt: skip
        self.stop(stays)
        self.step("the file server was away, and nothing was lost or doubled")

    def lose_the_directory(self):
        """Removed on the server: each client has a handle that is stale."""
        session = self.visitor.running()
        self.sh(f"rm -r {SERVED}/jobs/{session['name']}")
        self.ends(session["name"], "Its job on the cluster has ended.")
        self.step("a directory was removed, and the job has ended")

    def hold_a_file_open(self):
        """An administrator reads the output: the file stays, by another name."""
        session = self.visitor.running()
        name = session["name"]
        output = f"{SHARED}/jobs/{name}/output"
        self.sh(
            f"systemd-run -q --unit=reader --uid={SERVICE} sh -c 'exec sleep infinity <{output}'"
        )
        eventually(
            lambda: self.site.opened_by("reader") == output, PATIENCE_S, "a reader", pause=0.5
        )
        answer = self.visitor.post_form({"session_stop": name, "now": "1"})
        self.assertEqual(answer.status, 200, answer)
        self.visitor.wait_state(name, "ended", PATIENCE_S)
        eventually(lambda: not self.site.processes(name), PATIENCE_S, "its end", pause=1)
        self.assertRegex(" ".join(self.site.left("jobs")), rf"{name}/\.nfs")
        # It keeps nobody else's: six, of which readdir gives some later.
        purge = "systemctl start qemu-web-desktop-purge"
        self.sh("systemctl stop qemu-web-desktop-purge.timer")
        self.machine.run(purge, check=False)  # waits for one that runs
        for letter in "bcdefg":
            other = f"{SHARED}/jobs/qemu-web-desktop-{letter * 20}"
            self.as_service(
                f"sh -c 'mkdir -m 700 {other} && cp {SHARED}/jobs/{name}/host {other}/'"
            )
        self.assertNotEqual(self.machine.run(purge, check=False).status, 0)
        self.assertEqual(self.sh(f"ls {SERVED}/jobs"), name)
        self.sh("systemctl stop reader; systemctl start qemu-web-desktop-purge.timer")
        eventually(
            lambda: self.machine.run(purge, check=False).status == 0
            and not self.site.left("jobs"),
            PATIENCE_S, "the purge", pause=1,
        )  # fmt: skip
        self.step("a file was open, and its directory went when it was closed")

    def want_sudo_without_its_units(self):
        """slurm_user = visitor with the wrong drop-in: a sentence, and no trace."""
        self.site.make_visitors()
        self.site.configure(self.place.url, visitors=True)
        self.sh(
            "qwdctl sudo-rule desktops >/etc/sudoers.d/qemu-web-desktop;"
            "chmod 440 /etc/sudoers.d/qemu-web-desktop; visudo -c -q"
        )
        self.site.install_units("slurm.conf", "visitors")
        self.visitor = Visitor(self.place)
        name = self.visitor.create(password="any")["name"]
        failed = self.visitor.wait_state(name, "failed", PATIENCE_S)
        self.assertIn("not set up to start machines on the cluster for you", failed["reason"])
        self.assertIn("by NoNewPrivileges", self.sh(f"grep {name} {STORE}/log"))
        self.assertEqual(self.site.left("visitors"), [])
        self.site.install_units("slurm-visitor.conf", "visitors")
        told = self.as_service("qwdctl check", check=False).out
        self.assertIn("ok: sudo has a rule for", told)
        self.assertNotIn("error:", told)
        self.step("sudo is let in, by the example")

    def work_as_the_visitor(self):
        session = self.visitor.running(password="any")
        name = session["name"]
        self.see_screen(session)
        self.assertEqual(self.site.jobs()[name], ("RUNNING", "ann"))
        place = f"{SERVED}/visitors/{name}"
        self.assertEqual(
            self.sh(f"stat -c '%U %G %a' {place} {place}/order {place}/mark").splitlines(),
            [f"ann {SERVICE} 2750", f"ann {SERVICE} 600", f"ann {SERVICE} 640"],
        )
        (guest,) = self.site.guests(name)
        self.assertEqual(self.sh(f"ps -o ruser= -p {guest}"), "ann")
        # Neither root, who is nobody, nor another visitor reads there.
        for who in ("", "runuser -u bob -- "):
            reads = self.machine.run(f"{who}cat {SHARED}/visitors/{name}/mark", check=False)
            self.assertIn("Permission denied", reads.err)
        self.stop_visitors(name)
        # carla is in no group that may.
        carla = Visitor(self.place)
        other = carla.create(user="carla", password="any")["name"]
        failed = carla.wait_state(other, "failed", PATIENCE_S)
        self.assertIn("Your account may not have machines on the cluster", failed["reason"])
        self.step("a job was its visitor's, root being nobody")

    def stop_visitors(self, name):
        answer = self.visitor.post_form({"session_stop": name, "now": "1"})
        self.assertEqual(answer.status, 200, answer)
        self.visitor.wait_state(name, "ended", PATIENCE_S)
        eventually(
            lambda: not self.site.left("visitors"), PATIENCE_S, "nothing left", pause=1
        )

    def lose_a_visitor_s_owner(self):
        """The timer's unit calls sudo as well."""
        name = self.visitor.running(password="any")["name"]
        (owner,) = self.site.processes(name, "--config=/etc")
        self.sh(f"kill -KILL {owner}")
        eventually(
            lambda: not self.site.left("visitors"), PATIENCE_S, "the timer's purge", pause=2
        )
        eventually(lambda: not self.site.processes(name), PATIENCE_S, "its end", pause=1)
        self.assertEqual(self.state(name), "failed")
        self.assertIn(
            "USER=ann ; COMMAND=/usr/libexec/qemu-web-desktop/qwd-visitor",
            self.sh("journalctl --no-pager -b -t sudo -u qemu-web-desktop-purge"),
        )
        self.step("an owner was killed, and the timer has cleaned up as the visitor")


if __name__ == "__main__":
    unittest.main(verbosity=2)
