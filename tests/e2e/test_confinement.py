"""What a QEMU that a guest has taken over still has, and what a guest can use
up (rows SR24, SR26, SR27, RR11, P21, P27)."""

import contextlib
import os
import pathlib
import re
import subprocess
import unittest

from harness import CGI, SERVICE_USER, TINY, Site, Vnc, eventually
from probe_case import Serial

MEGABYTE = 1 << 20
# A serial port for a shell, and a monitor to look at the devices: this file's
# own additions.
OPTIONS = (
    "-machine pc,vmport=off,hpet=off -accel tcg,thread=multi "
    "-cpu qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt "
    "-serial unix:/vm/serial,server=on,wait=off "
    "-qmp unix:/vm/qmp,server=on,wait=off"
)


def limits(process):
    text = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
    return {
        line[:25].strip(): line[25:].split()[:2] for line in text.splitlines()[1:]
    }


class WhatQemuHas(unittest.TestCase):
    """Looks at one session, which is as the service makes it."""

    @classmethod
    def setUpClass(cls):
        cls.site = cls.enterClassContext(Site(qmp=True))
        cls.name = cls.site.running()["name"]
        cls.qemu = cls.site.process("qemu", cls.name)
        cls.status = pathlib.Path(f"/proc/{cls.qemu.pid}/status").read_text()

    def test_seccomp_no_new_privileges_and_no_capability(self):
        """SR24, P27."""
        self.assertIn("Seccomp:\t2\n", self.status)
        self.assertIn("NoNewPrivs:\t1\n", self.status)
        for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
            self.assertIn(f"Cap{kind}:\t0000000000000000\n", self.status)

    def test_its_own_namespaces(self):
        """SR24, SR25, P27."""
        for kind in ("user", "net", "pid", "ipc", "mnt", "uts"):
            ours = os.readlink(f"/proc/self/ns/{kind}")
            self.assertNotEqual(os.readlink(f"/proc/{self.qemu.pid}/ns/{kind}"), ours, kind)

    def test_no_device_that_nobody_asked_for(self):
        """SR24 (-nodefaults), SR27, P21: no floppy, no serial or parallel
        port, no second card, no share."""
        with self.site.qmp(self.name) as qmp:
            tree = qmp.command("human-monitor-command", **{"command-line": "info qtree"})
            devices = re.findall(r'dev: ([\w.-]+), id', tree)
            characters = {c["label"] for c in qmp.command("query-chardev")}
            blocks = {b["node-name"]: b["drv"] for b in qmp.command("query-named-block-nodes")
                      if not b["node-name"].startswith("#")}  # fmt: skip
        self.assertIn("virtio-net-pci", devices)
        cards = [d for d in devices if "net-pci" in d or d.startswith(("e1000", "rtl", "ne2k"))]
        self.assertEqual(cards, ["virtio-net-pci"])
        unwanted = r"floppy|serial$|isa-serial|parallel|9p|fsdev|vhost|vfio|ivshmem|pvpanic"
        self.assertFalse([d for d in devices if re.search(unwanted, d) and "virtio-ser" not in d])
        self.assertFalse([d for d in devices if d in ("ide-cd", "scsi-cd")][1:])
        # The second monitor is this test's.
        self.assertLessEqual(characters, {"qmp0", "compat_monitor0", "vdagent0"})
        self.assertEqual(blocks, {"image": "raw", "disk": "qcow2"})

    def test_no_share_of_the_hosts_files(self):
        """SR27, P21: unless somebody configures one."""
        words = " ".join(self.qemu.argv)
        for word in ("9p", "virtfs", "fsdev", "vhost-user", "virtiofs"):
            self.assertNotIn(word, words)
        inside = sorted(os.listdir(f"/proc/{self.qemu.pid}/root"))
        self.assertEqual(
            inside,
            ["bin", "dev", "etc", "image", "lib", "lib64", "overlay", "proc", "usr", "vm"],
        )
        etc = set(os.listdir(f"/proc/{self.qemu.pid}/root/etc/"))
        self.assertEqual(etc, {"ld.so.cache", "resolv.conf"})
        devices = set(os.listdir(f"/proc/{self.qemu.pid}/root/dev/"))
        self.assertLessEqual(devices, {"null", "urandom", "kvm"})

    def test_the_image_cannot_be_written(self):
        """P29's part of the guest: nobody's master changes."""
        mounts = pathlib.Path(f"/proc/{self.qemu.pid}/mountinfo").read_text()
        rights = {line.split()[4]: line.split()[5].split(",")[0] for line in mounts.splitlines()}
        self.assertEqual(
            {place: rights[place] for place in ("/usr", "/image", "/overlay", "/vm")},
            {"/usr": "ro", "/image": "ro", "/overlay": "rw", "/vm": "rw"},
        )

    def test_no_descriptor_but_its_own(self):
        """RR11."""
        own = re.compile(
            r"/dev/null|/dev/kvm|/image|/overlay|anon_inode:.*|socket:.*|pipe:.*|"
            r"/memfd:.*"
        )
        for number, target in self.qemu.descriptors().items():
            self.assertRegex(target, rf"^({own.pattern})$", number)
        # The web server's, by their inodes: pipes have no name.
        theirs = set()
        for process in (p for p in self.site_processes() if p.role == "apache"):
            theirs |= {t for t in process.descriptors().values() if ":" in t}
        self.assertTrue(theirs)
        mine = {t for t in self.qemu.descriptors().values() if t.startswith(("socket:", "pipe:"))}
        self.assertEqual(mine & theirs, set())

    @staticmethod
    def site_processes():
        from harness import processes

        return processes()

    def test_limits_on_what_it_can_leave_on_disk(self):
        """SR26: the overlay's largest size, and no core dump."""
        record = self.site.record(self.name)
        disk = record["disk_mb"] * MEGABYTE
        most = disk + disk // 1024 + 64 * MEGABYTE
        self.assertEqual(limits(self.qemu)["Max file size"], [str(most)] * 2)
        self.assertEqual(limits(self.qemu)["Max core file size"], ["0", "0"])


class WhatAGuestCanUseUp(unittest.TestCase):
    def test_a_disk_that_is_written_full_costs_no_more_than_its_limit(self):
        """SR26: and when that is reached, only this guest stops."""
        options = {"snapshot_alloc_disk": "0.1", "qemu_exec_options": OPTIONS,
                   "service_max_cpu_fraction_nb_per_user": 100}  # fmt: skip
        with Site(options, machines=[TINY]) as site:
            name = site.running()["name"]
            other = site.running()["name"]
            shell = Serial(site.session_dir(name) / "vm/serial")
            self.addCleanup(shell.close)
            qemu = site.process("qemu", name)
            most = int(limits(qemu)["Max file size"][0])
            shell.run("until [ -b /dev/vda ]; do usleep 50000; done")
            write = "dd if=/dev/urandom of=/dev/vda bs=1M conv=fsync 2>&1"
            self.assertIn("No space left on device", shell.run(write))
            (overlay,) = site.overlays(name)
            self.assertGreater(overlay.stat().st_size, 90 * MEGABYTE)
            self.assertLess(overlay.stat().st_size, most)

            # As if the overlay could grow beyond what the disk can need: with
            # a snapshot in it, what is written again is new.
            with site.qmp(name) as qmp:
                qmp.command("blockdev-snapshot-internal-sync", device="disk", name="x")
            size = overlay.stat().st_size + 10 * MEGABYTE
            subprocess.run(
                ["prlimit", f"--pid={qemu.pid}", f"--fsize={size}:{size}"],
                check=True, user=SERVICE_USER.pw_uid, group=SERVICE_USER.pw_gid,
            )  # fmt: skip
            shell.send(write)
            log = site.store / "log"
            eventually(lambda: "event=disk-error" in log.read_text(), 30, "the guest's stop")
            self.assertLessEqual(overlay.stat().st_size, size)
            self.assertTrue(qemu.alive())
            self.assertEqual(site.session(other)["state"], "running")
            with Vnc.of(site, other) as vnc:
                vnc.screen()
            site.end(name)
            self.assertEqual(site.overlays(name), [])

    def test_a_guest_that_found_the_host_full_goes_on_when_there_is_room(self):
        """SR26, RR7: it says so as long as it stands still, and nothing that
        it wrote is lost."""
        with Site({"qemu_exec_options": OPTIONS, "snapshot_alloc_disk": "0.1"},
                  machines=[TINY]) as site:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=700,uid="
                            f"{SERVICE_USER.pw_uid}", "full", site.snapshots_dir], check=True)
            try:
                self.fill_and_empty(site)
            finally:
                site.stop_all()
                subprocess.run(["umount", "-l", site.snapshots_dir], check=True)

    def fill_and_empty(self, site):
        name = site.running()["name"]
        shell = Serial(site.session_dir(name) / "vm/serial")
        self.addCleanup(shell.close)
        shell.run("until [ -b /dev/vda ]; do usleep 50000; done")
        filler = site.snapshots_dir / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as f:
            while True:
                f.write(b"x" * MEGABYTE)
        shell.send("dd if=/dev/zero of=/dev/vda bs=1M count=20 conv=fsync 2>&1; echo wri''tten")
        eventually(lambda: site.session(name)["notice"], 30, "the notice")
        self.assertIn("no room left on the server's disk", site.session(name)["notice"])
        self.assertEqual(site.session(name)["state"], "running")
        self.assertIn("no room left", site.get(f"{CGI}?session={name}", accept="html").text)
        filler.unlink()
        self.assertIn("20+0 records out", shell.until("written"))
        eventually(lambda: not site.session(name)["notice"], 60, "the end of the notice")
        log = (site.store / "log").read_text()
        self.assertEqual(log.count("event=disk-error"), 1, log)
        self.assertEqual(log.count("event=disk-again"), 1, log)
        site.end(name)
        self.assertIsNone(site.session(name)["notice"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
