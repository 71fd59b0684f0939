"""Boot scripts for guests without cloud-init: virt-customize in its sandbox, on
a disk that it takes for Debian.  Needs tests/packages/long, which make check-long
installs; with LONG only, for each takes a minute or two without KVM.  (SR28,
P34)"""
# lane: guests

import glob
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import LONG, guest
from test_boot_scripts import ScriptSite, Watch, eventually, files_with, serial, steps

TOOLS = shutil.which("virt-customize") and glob.glob("/boot/vmlinuz-*")

# What a tiny guest that boots from this disk runs: whatever virt-customize's
# --firstboot has put into it.
FIRSTBOOT = """#!/bin/sh
cat etc/hostname etc/motd 2>/dev/null
echo
for script in usr/lib/virt-sysprep/scripts/*; do
    [ ! -e "$script" ] || sh "$script"
done
"""


def run(*command):
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def make_disk(directory):
    """tiny.iso as a disk, with a partition behind it that holds the skeleton
    of a Debian system, enough for libguestfs to know it; a qcow2 file."""
    root = pathlib.Path(directory, "root")
    for name in ("bin", "etc/systemd/system", "usr/bin", "usr/lib/systemd", "lib/systemd",
                 "var/lib/dpkg", "tmp", "root", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for name in "sh ls echo cat mkdir chmod touch rm ln id".split():
        (root / "bin" / name).symlink_to("busybox")
    for name, text in {
        "etc/debian_version": "12.0\n",
        "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
        "etc/shadow": "root:*:1::::::\n",
        "etc/hostname": "old\n",
        "etc/fstab": "LABEL=root / ext4 defaults 0 1\n",
        "etc/os-release": 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n',
        "var/lib/dpkg/status": "Package: dpkg\nStatus: install ok installed\n"
                               "Version: 1.21\nArchitecture: amd64\n",
        "firstboot.sh": FIRSTBOOT,
    }.items():
        (root / name).write_text(text)
    part = f"{directory}/part"
    disk = f"{directory}/disk"
    with open(part, "wb") as f:
        f.truncate(64 << 20)
    run("/sbin/mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", str(root), part)
    shutil.copy(guest("tiny.iso"), disk)
    begin = (os.path.getsize(disk) + (1 << 20) - 1) >> 20 << 20
    with open(disk, "r+b") as f, open(part, "rb") as p:
        f.seek(begin)
        shutil.copyfileobj(p, f)
        # The MBR's table: nothing (parted does not take the ISO's own entry,
        # which begins at 0), and Linux, from there to the end.
        f.seek(446)
        f.write(bytes(16))
        f.write(bytes((0, 0xFE, 0xFF, 0xFF, 0x83, 0xFE, 0xFF, 0xFF)))
        f.write((begin // 512).to_bytes(4, "little") + (64 << 11).to_bytes(4, "little"))
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, f"{directory}/disk.qcow2")
    return f"{directory}/disk.qcow2"


def firstboot_output(site, name):
    def look():
        text = serial(site, name).replace("\r", "")
        return "TINY-FIRSTBOOT-END" in text and text

    text = eventually(look, 120, "the guest's scripts", pause=0.2)
    return re.search(r"TINY-FIRSTBOOT-START \S+\n(.*)\nTINY-FIRSTBOOT-END", text, re.S).group(1)


@unittest.skipUnless(LONG, "LONG is not set")
@unittest.skipUnless(TOOLS, "libguestfs-tools or a kernel in /boot are missing")
class VirtCustomize(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.mkdtemp(prefix="customize-")
        cls.addClassCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        cls.disk = make_disk(directory)
        cls.shared = pathlib.Path(directory, "libguestfs")

    def site(self, scripts, **options):
        site = ScriptSite(
            scripts=scripts,
            options={"config_script_timeout": 600} | options,
            machines=[{"name": "debian.qcow2", "description": "Debian", "file": self.disk}],
        )
        return site

    def share_appliance(self, site):
        """libguestfs's appliance, made once for all tests."""
        if self.shared.exists():
            os.rename(self.shared, site.dir / "lib/libguestfs")

    def keep_appliance(self, site):
        os.rename(site.dir / "lib/libguestfs", self.shared)

    def test_1_scripts_and_lines_are_in_the_guests_disk(self):
        canary = "canary-'$(id)-pa55"
        digest = hashlib.sha256(canary.encode()).hexdigest()
        with self.site(
            [
                'if("@VM@" =~ /^debian/): virt-customize: hostname @USER@-vm'
                "\\nwrite /etc/motd:of @USER@",
                "exec: echo script @USER@ $(printf %s '@PW@' | sha256sum)",
            ],
            script_password="yes",
        ) as site:
            with Watch(canary) as watch:
                session = site.create(password=canary)
                session = site.wait_state(session["name"], "running", 600)
                said = firstboot_output(site, session["name"])
            self.assertEqual(
                said.strip().split("\n"), ["ann-vm", "of ann", f"script ann {digest} -"]
            )
            self.assertEqual(watch.found, [])
            # The overlay is the guest's own disk, and holds it.
            overlays = {str(p) for p in site.overlays(session["name"])}
            self.assertEqual(set(files_with(canary, site.dir)) - overlays, set())
            self.assertEqual(steps(site, session["name"])["script"]["status"], "done")
            site.end(session["name"])
            self.keep_appliance(site)

    def test_2_a_file_that_a_line_names_can_be_read(self):
        """P34: by the administrator's lines, in a sandbox that holds no other
        (unit test virt_customize_sees_nothing_of_the_host_but_usr)."""
        with self.site([]) as site:
            self.share_appliance(site)
            key = site.dir / "key"
            key.write_text("named by a line\n")
            key.chmod(0o644)
            site.scripts = [f"virt-customize: upload {key}:/etc/motd"]
            site.configure()
            name = site.wait_state(site.create()["name"], "running", 600)["name"]
            self.assertIn("named by a line", firstboot_output(site, name))
            site.end(name)
            self.keep_appliance(site)

    def test_3_a_failure_is_a_warning_on_a_disk_made_anew(self):
        with self.site(
            ["virt-customize: write /etc/motd:half\\nrun-command exit 7"],
            config_script_required="no",
        ) as site:
            self.share_appliance(site)
            session = site.wait_state(site.create()["name"], "running", 600)
            self.assertIn("could not be put into the machine's disk", session["notice"])
            self.assertEqual(firstboot_output(site, session["name"]).strip(), "old")
            site.end(session["name"])
            self.keep_appliance(site)

    def test_4_a_failure_tells_no_password(self):
        """SR15, SR28: virt-customize quotes the line that has failed, and the
        password is quoted in it."""
        with self.site(
            ["virt-customize: run-command test @PW@ = x"],
            config_script_required="no", script_password="yes",
        ) as site:
            self.share_appliance(site)
            session = site.create(password="it's-the-canary")
            session = site.wait_state(session["name"], "running", 600)
            self.assertIn("could not be put into the machine's disk", session["notice"])
            self.assertNotIn("the-canary", session["notice"])
            self.assertEqual(files_with("the-canary", site.dir), [])
            site.end(session["name"])
            self.keep_appliance(site)


if __name__ == "__main__":
    unittest.main(verbosity=2)
