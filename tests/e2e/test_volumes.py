"""Directories of the host in guests: what they see, and what they never reach."""
# lane: guests

import os
import pathlib
import unittest

from guests import probe, serial
from harness import CGI, SERVICE_USER, Site

MOUNT = """
    mount_tag() {
        mkdir -p /mnt/$1 && mount -t 9p -o trans=virtio,version=9p2000.L host_$1 /mnt/$1
    }
"""

SECRET = "the-hosts-own-secret"

# What a guest that is root tries from a volume; nothing of it may say SECRET.
ESCAPES = """
    cd /mnt/rw
    cat link 2>&1 | sed 's/^/link: /'
    cat up/secret 2>&1 | sed 's/^/up: /'
    cat dir/../../secret 2>&1 | sed 's/^/dots: /'
    ls -a .. | sed 's/^/beside: /'
    ln -s ../secret mine && cat mine 2>&1 | sed 's/^/mine: /'
    ln -s /proc/1/root/etc/shadow own 2>&1
    mknod sda b 8 0 2>&1 | sed 's/^/mknod: /'
    mknod mem c 1 1 2>&1 | sed 's/^/mknod: /'
    ln link hard 2>&1 | sed 's/^/hard: /'
    chmod 4755 suid 2>&1; chown 0:0 suid 2>&1
    mkfifo pipe
    echo "after=$(ls | tr '\\n' ' ')"
"""


def tree(site):
    """A site's volumes: data (read-only), rw, homes/ann and homes/bob."""
    top = site.dir / "volumes"
    for name in ("data", "rw/dir", "homes/ann", "homes/bob"):
        (top / name).mkdir(parents=True)
    (top / "secret").write_text(SECRET)
    (top / "data/file").write_text("shared words\n")
    (top / "rw/suid").write_text("#!/bin/sh\n")
    (top / "homes/ann/note").write_text("anns note\n")
    (top / "homes/bob/note").write_text("bobs note\n")
    (top / "rw/link").symlink_to("../secret")
    (top / "rw/up").symlink_to("..")
    for path in [top, *top.rglob("*")]:
        if not path.is_symlink() and path.name != "secret":
            os.chown(path, SERVICE_USER.pw_uid, SERVICE_USER.pw_gid)
    return top


class Volumes(unittest.TestCase):
    def test_nothing_is_exported_by_default(self):
        """P21, SR27"""
        with Site() as site:
            self.assertIn("\ndir_mounts =\n", site.qwdctl("config").stdout)
            name = site.running()["name"]
            argv = site.process("qemu", name).argv
            self.assertFalse([a for a in argv if "9p" in a or "fsdev" in a])
            site.end(name)

    def test_a_guest_mounts_them_and_cannot_leave_them(self):
        """P21, SR27: symbolic links, devices and .. inside a volume."""
        script = (
            MOUNT
            + """
            mount_tag data; mount_tag rw; mount_tag homes
            cat /mnt/data/file
            echo x >/mnt/data/new 2>&1 | sed 's/^/ro: /'
            { echo x >/mnt/data/new; } 2>&1 | sed 's/^/ro: /'
            cat /mnt/homes/note
            echo "written by the guest" >/mnt/rw/new
            ls /mnt/homes
            """
            + ESCAPES
        )
        machine = probe("probe.iso", script)
        with Site(machines=[machine]) as site:
            top = tree(site)
            # It acts at once; a machine's own list would come before it.
            site.configure(dir_mounts=f"{top}/data,{top}/rw:rw, {top}/homes/@USER@:rw")
            name = site.running(user="ann")["name"]
            said = serial(site, name)
            self.assertIn("shared words\n", said)
            self.assertIn("ro: ", said)
            self.assertIn("Read-only file system", said)
            self.assertFalse((top / "data/new").exists())
            self.assertIn("anns note\n", said)
            self.assertNotIn("bobs note", said)
            self.assertEqual((top / "rw/new").read_text(), "written by the guest\n")

            self.assertNotIn(SECRET, said)
            self.assertNotIn("beside: secret", said)
            self.assertIn("after=", said)
            # What the guest made is ordinary files of the service's user.
            for made in ("mine", "own", "sda", "mem", "pipe", "suid", "new"):
                status = (top / "rw" / made).lstat()
                self.assertEqual(status.st_mode & 0o170000, 0o100000, made)
                self.assertEqual(status.st_mode & 0o6000, 0, made)
                self.assertEqual(status.st_uid, SERVICE_USER.pw_uid, made)

            # QEMU itself sees the volumes, and nothing of this host beside.
            pid = site.process("qemu", name).pid
            seen = set(os.listdir(f"/proc/{pid}/root"))
            self.assertLessEqual({"mount0", "mount1", "mount2"}, seen)
            self.assertFalse({"home", "root", "tmp", "srv", "var", "mnt"} & seen, seen)
            # Nor by a descriptor that bubblewrap has had.
            held = [os.readlink(f) for f in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
            self.assertFalse([f for f in held if f.startswith(str(top))], held)
            site.end(name)

    def test_a_machines_own_list_comes_first(self):
        with Site(machines=[{"name": "tiny.iso", "mounts": "none"}]) as site:
            top = tree(site)
            site.configure(dir_mounts=f"{top}/data")
            name = site.running()["name"]
            self.assertFalse([a for a in site.process("qemu", name).argv if "fsdev" in a])
            site.end(name)

    def test_a_volume_that_is_gone_is_said(self):
        with Site({"dir_mounts": "/nonexistent/archive"}) as site:
            name = site.create()["name"]
            failed = site.wait_state(name, "failed")
            self.assertEqual(
                failed["reason"],
                "The volume host_archive of this machine is not there. Tell the administrator.",
            )
            self.assertEqual(site.overlays(name), [])
            done = site.qwdctl("check", check=False)
            self.assertIn(
                "dir_mounts: the volume /nonexistent/archive is no directory", done.stdout
            )

    def test_a_home_that_is_a_link_is_not_followed(self):
        with Site() as site:
            top = tree(site)
            (top / "homes/eve").symlink_to(top / "homes/ann")
            site.configure(dir_mounts=f"{top}/homes/@USER@:rw")
            name = site.create(user="eve")["name"]
            self.assertIn("host_homes", site.wait_state(name, "failed")["reason"])
            # Nor can a name lead anywhere else.
            for user in ("../ann", "ann/../bob", "."):
                answer = site.visitor().post_form(site.order(user=user))
                self.assertEqual(answer.status, 400, user)
                self.assertEqual(answer.json()["error"]["field"], "user")
            self.assertEqual(site.get(CGI).status, 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
