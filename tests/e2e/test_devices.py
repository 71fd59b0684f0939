"""What QEMU's devices are for, seen from within the guest: a screen that follows
the viewer, a common clipboard, memory that goes back to the host."""
# lane: guests

import struct
import unittest

from guests import probe, serial
from harness import Site, Vnc, eventually

QMP = "-qmp unix:/vm/qmp,server=on,wait=off"


class Screen(unittest.TestCase):
    def test_the_guest_is_told_the_size_that_the_viewer_wants(self):
        script = """
            modprobe virtio_gpu
            modes=$(ls /sys/class/drm/card*-Virtual-1/modes)
            echo "SCREEN-READY"
            for i in $(seq 300); do
                read -r mode <$modes
                [ "$mode" = 1000x700 ] && break
                usleep 200000
            done
            echo "mode=$mode"
        """
        with Site(machines=[probe("probe.iso", script)]) as site:
            name = site.running()["name"]
            serial(site, name, "SCREEN-READY")
            with Vnc.of(site, name) as vnc:
                # SetDesktopSize with one screen (the RFB protocol's extension
                # for it, message 251).
                vnc.stream.sendall(
                    struct.pack(">BxHHBx", 251, 1000, 700, 1)
                    + struct.pack(">IHHHHI", 0, 0, 0, 1000, 700, 0)
                )
                self.assertIn("mode=1000x700\n", serial(site, name))
            site.end(name)


class Clipboard(unittest.TestCase):
    """qemu-vdagent: the guest's half of SPICE's agent protocol, by hand."""

    WORDS = "words from the viewer's clipboard"

    def message(self, kind, data):
        """One message of the agent, as printf's text."""
        raw = struct.pack("<IIQI", 1, kind, 0, len(data)) + data
        raw = struct.pack("<II", 1, len(raw)) + raw
        return "".join(f"\\{byte:03o}" for byte in raw)

    def test_what_the_viewer_copies_reaches_the_guest(self):
        # Capabilities: clipboard by demand, with selections.
        announce = self.message(6, struct.pack("<II", 1, 1 << 5 | 1 << 6))
        ask = self.message(8, struct.pack("<II", 0, 1))
        script = f"""
            modprobe virtio_console
            for i in $(seq 50); do
                port=$(grep -l com.redhat.spice.0 /sys/class/virtio-ports/*/name) && break
                usleep 200000
            done
            port=${{port%/name}}
            exec 3<>/dev/${{port##*/}}
            cat <&3 >/tmp/heard &
            printf '{announce}' >&3
            echo "AGENT-READY"
            for i in $(seq 100); do
                grep -qa "words from" /tmp/heard && break
                printf '{ask}' >&3
                usleep 300000
            done
            echo "heard=$(grep -ao 'words from.*clipboard' /tmp/heard | head -n 1)"
            kill $!
        """
        with Site(machines=[probe("probe.iso", script)]) as site:
            name = site.running()["name"]
            serial(site, name, "AGENT-READY")
            with Vnc.of(site, name) as vnc:
                text = self.WORDS.encode("latin-1")
                vnc.stream.sendall(struct.pack(">BxxxI", 6, len(text)) + text)
                self.assertIn(f"heard={self.WORDS}\n", serial(site, name))
            site.end(name)


class Memory(unittest.TestCase):
    def test_the_balloon_takes_memory_back(self):
        machine = probe("probe.iso", "echo BALLOON-READY; sleep 1000 &", qemu_options=QMP)
        with Site(machines=[machine]) as site:
            name = site.running(memory="0.5")["name"]
            serial(site, name, "BALLOON-READY")
            with site.qmp(name) as qmp:
                wanted = 400 << 20
                qmp.command("balloon", value=wanted)
                eventually(
                    lambda: qmp.command("query-balloon")["actual"] == wanted, 60, "the balloon"
                )
            site.end(name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
