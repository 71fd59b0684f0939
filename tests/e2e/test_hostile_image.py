"""Images that their publisher, or somebody on their way, has made to read this
host's files or to break QEMU: refused by `qwdctl refresh` with the reason, and
nothing that they name is opened (rows SR22, P12; unit tests: test_image*.c).
"""

import os
import pathlib
import re
import struct
import subprocess
import tempfile
import unittest

from harness import GUESTS, SERVICE_USER, Site

BAIT = "/tmp/bait"
MEGABYTE = 1 << 20


def qemu_img(*arguments):
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def patch(path, offset, data):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(data)


def patched(kind, offset, data):
    """An empty image of that kind with some bytes of its own."""

    def make(path):
        qemu_img("create", "-f", kind, path, "4M")
        patch(path, offset, data)

    return make


def content(data):
    return lambda path: path.write_bytes(data.ljust(MEGABYTE, b"\0"))


def created(*options, kind="qcow2", size=("4M",)):
    return lambda path: qemu_img("create", "-f", kind, *options, path, *size)


def raw_that_is_qcow2(path):
    """A raw disk in which a guest has written a header that names a file."""
    qemu_img("create", "-f", "qcow2", "-u", "-b", BAIT, "-F", "raw", path, "4M")


def cut(path):
    qemu_img("create", "-f", "qcow2", "-o", "preallocation=full", path, "4M")
    os.truncate(path, 2 * MEGABYTE)


def vhd_child(path):
    qemu_img("create", "-f", "vpc", path, "4M")
    size = path.stat().st_size
    footer = bytearray(path.read_bytes()[size - 512 :])
    footer[63] = 4
    footer[64:68] = bytes(4)
    footer[64:68] = struct.pack(">I", ~sum(footer) & 0xFFFFFFFF)
    patch(path, size - 512, footer)
    patch(path, 0, footer)


def flat_vmdk(kind="monolithicFlat"):
    return (
        f'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="{kind}"\n'
        f'RW 8192 FLAT "{BAIT}" 0\nddb.adapterType = "ide"\n'
    ).encode()


JSON = 'json:{"driver":"raw","file":{"driver":"file","filename":"/tmp/bait"}}'
BACKING = "names a backing file"

# Name: how it is made, and why it is refused.
HOSTILE = {
    "backing.qcow2": (created("-b", BAIT, "-F", "raw"), BACKING),
    "backing-json.qcow2": (created("-u", "-b", JSON, "-F", "raw"), BACKING),
    "backing-nbd.qcow2": (created("-u", "-b", "nbd://127.0.0.1:1/x", "-F", "raw"), BACKING),
    "backing-old.qcow2": (created("-o", "compat=0.10", "-b", BAIT, "-F", "raw"), BACKING),
    "backing.qed": (created("-b", BAIT, "-F", "raw", kind="qed"), BACKING),
    "data-file.qcow2": (
        created("-o", f"data_file={BAIT}-data,data_file_raw=on"),
        "names an external data file",
    ),
    "flat.vmdk": (content(flat_vmdk()), "is a VMDK descriptor that names other files"),
    "flat.raw": (content(flat_vmdk()), "is a VMDK descriptor that names other files"),
    "parts.vmdk": (
        content(flat_vmdk("twoGbMaxExtentFlat")),
        "is a VMDK descriptor that names other files",
    ),
    "flat-inside.vmdk": (patched("vmdk", 512, flat_vmdk()), "is of the VMDK type"),
    "child.vmdk": (
        patched("vmdk", 8192, f'\nparentFileNameHint="{BAIT}"\n'.encode()),
        "names a parent image",
    ),
    "extent.vmdk": (
        patched("vmdk", 8192, f'\nRW 8 FLAT "{BAIT}" 0\n'.encode()),
        "names further files",
    ),
    "child.vdi": (patched("vdi", 76, b"\4"), "is a differencing disk"),
    "child.vhd": (vhd_child, "is a differencing disk"),
    "header.raw": (raw_that_is_qcow2, "is named .raw but holds a qcow2 header"),
    "header.img": (raw_that_is_qcow2, BACKING),
    "header.iso": (raw_that_is_qcow2, "is named .iso but holds a qcow2 header"),
    "encrypted.qcow2": (patched("qcow2", 35, b"\2"), "is encrypted"),
    "unknown.qcow2": (patched("qcow2", 72, b"\x80"), "needs unknown qcow2 features"),
    "corrupt.qcow2": (patched("qcow2", 79, b"\2"), "is marked as corrupt"),
    "huge.qcow2": (patched("qcow2", 24, b"\x7f"), "more than 64 TiB"),
    "tables.qcow2": (patched("qcow2", 36, b"\xff\xff\xff\xff"), "L1 table is too large"),
    "cut.qcow2": (cut, "is truncated"),
    "empty.qcow2": (lambda path: path.touch(), "is an empty file"),
    "pipe.raw": (os.mkfifo, "is no regular file"),
    "zero.raw": (lambda path: path.symlink_to("/dev/zero"), "is no regular file"),
}


class AHostileImage(unittest.TestCase):
    def setUp(self):
        for name in (BAIT, f"{BAIT}-data"):
            path = pathlib.Path(name)
            path.write_bytes(bytes(4 * MEGABYTE))
            self.addCleanup(path.unlink)

    def site(self):
        machines = [{"name": name, "file": False} for name in HOSTILE]
        machines.append({"name": "good.iso", "file": GUESTS / "tiny.iso"})
        return Site(machines=machines, refresh=False)

    def refresh_under_strace(self, site):
        """What it says, and what it did: lines of strace."""
        with tempfile.NamedTemporaryFile(dir="/tmp") as log:
            done = subprocess.run(
                ["strace", "-f", "-s", "4096", "-o", log.name,
                 "-e", "trace=%file,%network,%process,io_uring_setup,io_uring_enter",
                 "setpriv", f"--reuid={SERVICE_USER.pw_uid}",
                 f"--regid={SERVICE_USER.pw_gid}", "--clear-groups",
                 str(site.dir / "bin/qwdctl"), "refresh"],
                env={"PATH": "/usr/bin", "QWD_CONFIG": str(site.dir / "etc/config.conf")},
                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=120, check=True,
            )  # fmt: skip
            lines = pathlib.Path(log.name).read_text().splitlines()
        begin = next(i for i, line in enumerate(lines) if 'bin/qwdctl", "refresh"], ' in line
                     and "setpriv" not in line)  # fmt: skip
        return done.stdout, lines[begin + 1 :]

    def test_is_refused_with_the_reason_and_nothing_else_is_opened(self):
        """SR22: more than twelve kinds."""
        with self.site() as site:
            for name, (make, _) in HOSTILE.items():
                make(site.machines_dir / name)
            said, traced = self.refresh_under_strace(site)
            for name, (_, reason) in HOSTILE.items():
                with self.subTest(name):
                    self.assertRegex(said, rf"(?m)^{re.escape(name)} +refused +.*{reason}")
            self.assertRegex(said, r"(?m)^good.iso +CD ")
            self.check_trace(site, traced)
            self.check_nobody_gets_it(site)

    def check_trace(self, site, traced):
        words = "\n".join(traced)
        self.assertNotIn("bait", words)
        for call in ("execve(", "connect(", "fork(", "io_uring"):
            self.assertNotIn(call, words)
        names = {
            re.search(r'open(?:at2?)?\((?:\w+, )?"([^"]*)"', line).group(1)
            for line in traced
            if re.search(r"\bopen(at2?)?\(", line) and "ENOENT" not in line
        }
        # Each image was looked at, so the trace does show what it should.
        self.assertLessEqual(set(HOSTILE) | {"good.iso"}, names)
        ours = re.compile(
            rf"{site.dir}/(etc/(config|machines)\.conf|lib|lib/machines)|"
            r"(/usr)?/lib/.*|/etc/ld\.so\.cache|\.|catalogue\.json\.tmp"
        )
        for name in names - set(HOSTILE) - {"good.iso"}:
            self.assertRegex(name, rf"^({ours.pattern})$")

    def check_nobody_gets_it(self, site):
        """P12: neither by its name nor by what QEMU would take for a file."""
        wrong = (*HOSTILE, "../" * 8 + BAIT[1:], BAIT, JSON, f"nbd:{BAIT}", "good.iso\n")
        for name in wrong:
            with self.subTest(name):
                answer = site.post_form(site.order(machine=name))
                self.assertEqual(answer.status, 400)
                self.assertEqual(answer.json()["error"]["field"], "machine")
        self.assertEqual([p.role for p in site.processes()], [])

    def test_that_a_start_by_hand_names_is_refused_too(self):
        with self.site() as site:
            make, _ = HOSTILE["backing.qcow2"]
            make(site.machines_dir / "backing.qcow2")
            site.qwdctl("refresh")
            for name in ("backing.qcow2", f"../../..{BAIT}", JSON):
                done = site.by_hand(f"--machine={name}")
                self.assertNotEqual(done.returncode, 0, name)
                self.assertEqual(site.processes(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
