"""qwdctl capture: what a session has written becomes a machine."""
# lane: guests

import contextlib
import os
import pathlib
import socket
import subprocess
import time
import unittest

from harness import BLINK, PATIENCE, Site, Vnc, eventually, pictures_differ, wait_for_prompt

DISK = {"name": "tiny.qcow2", "description": "Tiny disk"}
PLACE = 30000  # of the disk, in sectors: behind the guest's own
MARK = pathlib.Path("/bin/busybox").read_bytes()[: 1 << 20]


def run(site, *arguments, **more):
    """As root: the image is to be root's."""
    return subprocess.Popen(
        [str(site.dir / "bin/qwdctl"), f"--config={site.dir}/etc/config.conf",
         *arguments],
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}, cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, **more)


def capture(site, *arguments):
    process = run(site, "capture", *arguments)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


class Freezer:
    """Whoever asks the session's owner that the guest stand still."""

    def __init__(self, site, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(60)
        self.socket.connect(str(site.session_dir(name) / "control"))
        self.socket.send(b'{"verb":"freeze"}')
        if self.socket.recv(16) != b"ok":
            raise AssertionError("refused")

    def close(self):
        self.socket.close()


class Capture(unittest.TestCase):
    def lives(self, vnc):
        """The guest's screen answers to keys, of which it may lose some."""
        before = vnc.screen()

        def answers():
            vnc.type("x")
            return pictures_differ(before, vnc.screen()) > BLINK

        eventually(answers, 20, "an answer of the guest", pause=0.2)

    def names(self, site):
        return sorted(p.name for p in site.machines_dir.iterdir())

    def test_the_disk_of_a_running_session_becomes_a_machine(self):
        with Site(machines=[DISK | {"cpu": "1 1-1", "memory": "0.25 0.25-0.5"}]) as site:
            name = site.running(machine="tiny.qcow2")["name"]
            with Vnc.of(site, name) as vnc:
                wait_for_prompt(vnc.screen)
                overlay = site.overlays(name)[0]
                before = os.stat(overlay).st_blocks
                # All of it: the tables of the overlay come on top.
                def written():
                    return os.stat(overlay).st_blocks > before + len(MARK) // 512

                # The shell is there before the disk's driver, and a guest on a
                # busy host loses a key now and then: until it is done.  (No
                # character needs the shift key, which nobody presses here.)
                for _ in range(8):
                    vnc.type("\nif test -b /dev/vda; then dd if=/bin/busybox "
                             f"of=/dev/vda bs=512 seek={PLACE} "
                             f"count={len(MARK) // 512} conv=fsync; clear; fi\n")
                    with contextlib.suppress(AssertionError):
                        eventually(written, 15 / PATIENCE, "the guest's write", pause=0.2)
                        break
                self.assertTrue(written(), "the guest did not write")
                status, out, err = capture(site, name, "mine.qcow2",
                                           "--description=My own")
                self.assertEqual((status, err), (0, ""), out)
                self.lives(vnc)
            image = site.machines_dir / "mine.qcow2"
            self.assertEqual(self.names(site), ["mine.qcow2", "tiny.qcow2"])
            self.assertEqual(image.stat().st_mode & 0o777, 0o644)
            info = subprocess.run(["qemu-img", "info", image], text=True,
                                  capture_output=True, check=True).stdout
            self.assertNotIn("backing file", info)
            raw = site.dir / "raw"
            subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw",
                            image, raw], check=True)
            with open(raw, "rb") as f:
                f.seek(PLACE * 512)
                self.assertEqual(f.read(len(MARK)), MARK)
            raw.unlink()
            self.assertIn("[mine.qcow2]\ndescription = My own\n"
                          "cpu = 1 1-1\nmemory = 0.25 0.25-0.5\n",
                          (site.dir / "etc/machines.conf").read_text())
            site.stop(name)
            # And it is offered and starts.
            again = site.running(machine="mine.qcow2", user="bob")["name"]
            self.assertEqual(site.record(again)["machine"], "mine.qcow2")

    def test_a_guest_goes_on_when_the_capture_is_ended(self):
        with Site(machines=[DISK]) as site:
            name = site.running(machine="tiny.qcow2")["name"]
            with Vnc.of(site, name) as vnc:
                wait_for_prompt(vnc.screen)
                # The disk cannot be had: its place is taken by a directory.
                (site.snapshots_dir / f"{name}.capture").mkdir()
                status, _, err = capture(site, name, "mine.qcow2")
                self.assertEqual(status, 1)
                self.assertIn("cannot make", err)
                self.lives(vnc)
                (site.snapshots_dir / f"{name}.capture").rmdir()
                holder = Freezer(site, name)
                before = vnc.screen()
                vnc.type("y" * 30)
                time.sleep(2)
                self.assertLessEqual(pictures_differ(before, vnc.screen()), BLINK,
                                     "it does not stand still")
                # Only one at a time.
                status, _, err = capture(site, name, "mine.qcow2")
                self.assertEqual(status, 1)
                self.assertIn("it cannot be frozen now", err)
                holder.close()
                self.lives(vnc)
            self.assertEqual(self.names(site), ["tiny.qcow2"])

    def test_the_guest_goes_on_when_whoever_captures_is_killed(self):
        """Also where qwdctl has become the service's user on the way."""
        with Site(machines=[DISK]) as site:
            name = site.running(machine="tiny.qcow2")["name"]
            overlay = site.overlays(name)[0]
            part = site.snapshots_dir / f"{name}.capture"
            with Vnc.of(site, name) as vnc:
                wait_for_prompt(vnc.screen)
                # A disk whose reader waits for ever; QEMU has the real one.
                overlay.rename(f"{overlay}.away")
                os.mkfifo(overlay, 0o666)
                os.chmod(overlay, 0o666)
                process = run(site, "capture", name, "mine.qcow2")
                try:
                    eventually(part.exists, 20, "the copy's begin")
                finally:
                    process.kill()
                    process.wait()
                    process.stdout.close()
                    process.stderr.close()
                try:
                    eventually(lambda: not part.exists(), 20, "the copy's end")
                finally:
                    # Whoever may still wait for it goes on.
                    os.close(os.open(overlay, os.O_RDWR | os.O_NONBLOCK))
                    os.rename(f"{overlay}.away", overlay)
                self.lives(vnc)
            self.assertEqual(self.names(site), ["tiny.qcow2"])

    def test_the_end_of_the_session_ends_its_capture(self):
        """What is not still any more is not copied on."""
        with Site(machines=[DISK]) as site:
            name = site.running(machine="tiny.qcow2")["name"]
            conf = (site.dir / "etc/machines.conf").read_text()
            slow = site.dir / "slow"
            slow.write_text("#!/bin/sh\nexec sleep 1000\n")
            slow.chmod(0o755)
            # For this test alone: it has a mount namespace of its own.
            subprocess.run(["mount", "--bind", slow, "/usr/bin/qemu-img"], check=True)
            try:
                process = run(site, "capture", name, "mine.qcow2")
                eventually(lambda: "sleep 1000" in subprocess.run(
                    ["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout,
                    20, "the copy's begin")
                site.qwdctl("stop", name, "--now")
                out, err = process.communicate(timeout=60)
            finally:
                subprocess.run(["umount", "/usr/bin/qemu-img"], check=True)
            self.assertEqual((process.returncode, out, err),
                             (1, "", f"qwdctl capture: {name}: it has ended meanwhile\n"))
            self.assertEqual(self.names(site), ["tiny.qcow2"])
            self.assertEqual((site.dir / "etc/machines.conf").read_text(), conf)
            self.assertEqual(list(site.snapshots_dir.iterdir()), [])

    def test_what_cannot_be_captured_changes_nothing(self):
        with Site(machines=[DISK]) as site:
            name = site.running(machine="tiny.qcow2")["name"]
            (site.machines_dir / "there.qcow2").write_bytes(b"precious")
            conf = (site.dir / "etc/machines.conf").read_text()
            rows = (
                (2, "name a session and a new machine", name),
                (2, "must end with .qcow2", name, "mine.raw"),
                (2, "must end with .qcow2", name, "../mine.qcow2"),
                (1, "[tiny.qcow2] is there twice", name, "tiny.qcow2"),
                (1, "a file there.qcow2 is in dir_machines", name, "there.qcow2"),
                (1, "no such session", name[:-1] + ("a" if name[-1] != "a" else "b"),
                 "mine.qcow2"),
            )
            for status, message, *arguments in rows:
                with self.subTest(message):
                    got, _, err = capture(site, *arguments)
                    self.assertEqual(got, status, err)
                    self.assertIn(message, err)
            self.assertEqual((site.dir / "etc/machines.conf").read_text(), conf)
            self.assertEqual((site.machines_dir / "there.qcow2").read_bytes(), b"precious")
            self.assertEqual(self.names(site), ["there.qcow2", "tiny.qcow2"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
