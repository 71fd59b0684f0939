"""Guests that say what they see: the tiny guest with a script of one's own.

A guest runs /firstboot.sh of its medium, and what that says comes out of its
serial port, which machines.conf's qemu_options lead into the session's own
directory:

    machine = probe(site_dir, "probe.iso", "cat /proc/cpuinfo", cpu="2")
    with Site(machines=[machine]) as site:
        said = serial(site, site.running()["name"], "TINY-FIRSTBOOT-END")
"""

import pathlib
import subprocess
import tempfile

from harness import GUESTS, eventually, guest

SERIAL = "-serial file:/vm/serial"
DONE = "TINY-FIRSTBOOT-END"


def made(name):
    """A guest that `make guests` makes, or None."""
    path = GUESTS / name
    return path if path.exists() else None


def probe(name, script, source=None, **keys):
    """A machine of Site(machines=...) that runs the script: the tiny guest as
    a CD (NAME.iso), or the disk `source` with a FAT file system."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        text = pathlib.Path(place) / "firstboot.sh"
        image = pathlib.Path(place) / "image"
        text.write_text(script + "\n")
        if source:
            image.write_bytes(source.read_bytes())
            command = ["mcopy", "-o", "-i", image, text, "::/firstboot.sh"]
        else:
            command = [
                "xorriso", "-indev", guest("tiny.iso"), "-outdev", image,
                "-boot_image", "any", "replay", "-map", text, "/firstboot.sh",
            ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        content = image.read_bytes()
    options = " ".join(filter(None, [SERIAL, keys.pop("qemu_options", "")]))
    return {"name": name, "file": content, "qemu_options": options} | keys


def serial(site, name, until=DONE, seconds=120):
    """What the guest has said, as soon as it has said `until`."""
    path = site.session_dir(name) / "vm/serial"

    def look():
        state = site.session(name)["state"]
        text = path.read_text(errors="replace") if path.exists() else ""
        if until in text:
            return text.replace("\r", "")
        if "Kernel panic" in text:
            raise AssertionError(f"{name} has panicked\n{text}")
        if state in ("ended", "failed"):
            raise AssertionError(f"{name} is {state}: {site.session(name)['reason']}\n{text}")
        return None

    try:
        return eventually(look, seconds, f"{until} of {name}", pause=0.1)
    except AssertionError as e:
        text = path.read_text(errors="replace") if path.exists() else ""
        raise AssertionError(f"{e}\n--- serial\n{text[-3000:]}") from None
