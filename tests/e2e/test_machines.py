"""What machines.conf says of a machine, seen from within it; image formats and
firmware, with real guests."""
# lane: guests

import fcntl
import os
import subprocess
import tempfile
import unittest

from guests import SERIAL, made, probe, serial
from harness import (
    CGI,
    GUESTS,
    LONG,
    SERVICE_USER,
    TINY,
    Browser,
    Site,
    Vnc,
    eventually,
    guest,
    html_problems,
)

# A user may have all of this small host.
WHOLE_HOST = {"service_max_cpu_fraction_nb_per_user": 1}


class Settings(unittest.TestCase):
    def test_the_guest_has_what_machines_conf_says(self):
        script = """
            echo "cores=$(nproc)"
            echo "memory=$(awk '/MemTotal/ { print $2 }' /proc/meminfo)"
            echo "disk=$(cat /sys/block/vda/size)"
            ls /sys/class/net | sed 's/^/net=/'
        """
        machine = probe(
            "probe.iso", script, cpu="2 1-2", memory="0.375 0.25-0.5",
            disk="0.5 0.25-2", network="none",
        )  # fmt: skip
        plain = {"name": "tiny.iso", "description": "Plain"}
        with Site(WHOLE_HOST, machines=[machine, plain]) as site:
            # Nothing is said in the form: the machine's own.
            name = site.running(cpu=None, memory=None)["name"]
            session = site.session(name)
            self.assertEqual((session["cpu"], session["memory_mb"]), (2, 384))
            said = serial(site, name)
            self.assertIn("cores=2\n", said)
            self.assertIn(f"disk={512 * 2048}\n", said)
            self.assertIn("net=lo\n", said)
            self.assertNotIn("net=eth0", said)
            kb = int(said.partition("memory=")[2].split()[0])
            self.assertTrue(300 * 1024 < kb < 384 * 1024, kb)
            site.end(name)

            # Beyond its limits nothing starts; each answer says them.
            for field, value, words in (
                ("cpu", "3", "whole number from 1 to 2."),
                ("memory", "0.6", "number of GB, from 0.25 to 0.5."),
                ("memory", "0.2", "number of GB, from 0.25 to 0.5."),
                ("disk", "3", "number of GB, from 0.25 to 2."),
            ):
                answer = site.post_form(site.order(**{field: value}))
                self.assertEqual(answer.status, 400, (field, value))
                error = answer.json()["error"]
                self.assertEqual(error["field"], field)
                self.assertIn(words, error["message"])
            answer = site.post_form(site.order(machine="tiny.iso", disk="1"))
            self.assertIn("from 10 to 10.", answer.json()["error"]["message"])

            # An empty field is the machine's own, too; the disk is chosen.
            name = site.running(cpu="", memory="", disk="1.5")["name"]
            record = site.record(name)
            self.assertEqual((record["cpu"], record["disk_mb"]), (2, 1536))
            argv = site.process("qemu", name).argv
            self.assertNotIn("-netdev", argv)
            site.end(name)

    def test_a_disk_may_be_larger_than_its_image(self):
        machine = {
            "name": "tiny.raw", "disk": "0.5 0.25-1",
            "qemu_options": SERIAL,
        }  # fmt: skip
        with Site(machines=[machine]) as site:
            name = site.running()["name"]
            with subprocess.Popen(
                ["qemu-img", "info", "-U", "--output=json", str(site.overlays(name)[0])],
                stdout=subprocess.PIPE,
            ) as info:
                self.assertIn(b'"virtual-size": 536870912', info.communicate()[0])
            serial(site, name, "TINY-READY")
            site.end(name)

    def test_a_machine_that_needs_more_than_there_is_says_so(self):
        cores = (os.cpu_count() or 1) + 1
        machine = {"name": "tiny.iso", "cpu": f"{cores}-{cores}"}
        with Site(machines=[machine]) as site:
            answer = site.post_form(site.order(cpu=None))
            self.assertEqual(answer.status, 503)
            self.assertIn(f"needs {cores} processors", answer.json()["error"]["message"])


class Formats(unittest.TestCase):
    # Ending, QEMU's driver, options of qemu-img.
    ALL = (
        ("vmdk", "vmdk", "subformat=monolithicSparse"),
        ("vhdx", "vhdx", "subformat=dynamic"),
        ("qcow2", "qcow2", "compat=1.1"),
        ("raw", "raw", ""),
        ("vdi", "vdi", ""),
        ("vhd", "vpc", "subformat=dynamic,force_size"),
        ("vpc", "vpc", "subformat=fixed,force_size"),
        ("qed", "qed", ""),
        ("img", "qcow2", "compat=0.10"),
        ("iso", "raw", ""),
    )

    def test_every_format_starts(self):
        """Two of them, and all with LONG; the catalogue knows what each is."""
        formats = self.ALL if LONG else self.ALL[:2]
        with tempfile.TemporaryDirectory(dir="/tmp") as place:
            machines = []
            for ending, driver, options in formats:
                image = f"{place}/guest.{ending}"
                command = ["qemu-img", "convert", "-f", "raw", "-O", driver]
                command += ["-o", options] if options else []
                subprocess.run([*command, guest("tiny.iso"), image], check=True)
                with open(image, "rb") as f:
                    machines.append(
                        {"name": f"guest.{ending}", "file": f.read(), "qemu_options": SERIAL}
                    )
            with Site(machines=machines) as site:
                self.assertNotIn("refused", site.qwdctl("refresh").stdout)
                for ending, driver, _ in formats:
                    with self.subTest(ending):
                        name = site.running(machine=f"guest.{ending}")["name"]
                        record = site.record(name)
                        self.assertEqual(record["format"], driver)
                        self.assertEqual(record["iso"], ending == "iso")
                        try:
                            serial(site, name, "TINY-READY", 240)
                        finally:
                            site.end(name)


class Master(unittest.TestCase):
    """snapshot_use_master"""

    BUSY = "This machine is in use"

    def site(self, **options):
        script = "printf kept | dd of=/dev/vda bs=512 seek=4096 conv=notrunc; sync"
        machines = [probe("tiny.raw", script), TINY]
        return Site({"snapshot_use_master": "yes"} | options, machines=machines)

    def own(self, site):
        """The service's user may write to the image."""
        image = site.machines_dir / "tiny.raw"
        os.chown(image, SERVICE_USER.pw_uid, SERVICE_USER.pw_gid)
        return image

    def test_a_session_writes_to_the_image_and_has_it_alone(self):
        with self.site() as site:
            image = self.own(site)

            def kept():
                with open(image, "rb") as f:
                    f.seek(4096 * 512)
                    return f.read(4) == b"kept"

            self.assertFalse(kept())
            name = site.running()["name"]
            self.assertEqual(site.overlays(name), [])
            serial(site, name)
            self.assertTrue(kept())

            # No second session, neither alone nor with an overlay.
            bob = site.visitor()
            answer = bob.post_form(site.order(user="bob"))
            self.assertEqual(answer.status, 503)
            self.assertIn(self.BUSY, answer.json()["error"]["message"])
            site.configure(snapshot_use_master="no")
            answer = bob.post_form(site.order(user="bob"))
            self.assertEqual(answer.status, 503)
            self.assertIn(self.BUSY, answer.json()["error"]["message"])
            # Another machine is another matter.
            other = bob.create(user="bob", machine="tiny.iso")["name"]
            bob.post_form({"session_stop": other, "now": "1"})
            bob.wait_state(other, "ended")
            site.end(name)
            self.assertTrue(kept())

            # Now with an overlay; then nobody gets the image alone.
            name = site.running()["name"]
            self.assertEqual(len(site.overlays(name)), 1)
            site.configure(snapshot_use_master="yes")
            answer = bob.post_form(site.order(user="bob"))
            self.assertIn(self.BUSY, answer.json()["error"]["message"])
            site.end(name)

    def test_an_image_that_another_service_uses_is_not_written_to(self):
        with self.site() as site:
            image = self.own(site)
            with open(image, "rb") as other:
                fcntl.flock(other, fcntl.LOCK_SH)
                failed = site.wait_state(site.create()["name"], "failed")
                self.assertEqual(
                    failed["reason"],
                    "This machine is in use, and can be used by one session at a time only.",
                )
            site.end(site.running()["name"])

    def test_an_image_that_may_not_be_written_to_is_refused(self):
        with self.site() as site:
            answer = site.post_form(site.order())
            self.assertEqual(answer.status, 400)
            self.assertIn("may not write to this one", answer.json()["error"]["message"])


class Form(unittest.TestCase):
    MACHINES = [
        {"name": "tiny.iso", "description": "Plain"},
        {
            "name": "big.iso", "description": "Big", "cpu": "2 2-2", "memory": "0.5 0.5-0.75",
            "disk": "5 5-20", "icon": "/qemu-web-desktop/desktop/assets/logo.svg",
            "file": guest("tiny.iso") if (GUESTS / "tiny.iso").exists() else None,
        },
    ]  # fmt: skip

    def test_without_scripts_the_limits_are_listed_and_standard_suits_each(self):
        with Site(WHOLE_HOST, machines=self.MACHINES) as site, Browser(javascript=False) as browser:
            browser.get(site.url + "/qemu-web-desktop/")
            browser.get(site.url + CGI)
            browser.one(".limits summary").click()
            text = browser.one(".limits").text
            self.assertIn("Big\n2 processors, 0.5 to 0.75 GB of memory, 5 to 20 GB of disk", text)
            page = site.get(CGI, accept="html").text
            self.assertEqual(html_problems(page), [])
            browser.fill(user="ann", machine="big.iso", snapshot_lifetime="3600")
            browser.press("create")
            name = browser.one("[data-state]") and browser.url.rpartition("=")[2]
            record = site.record(name)
            self.assertEqual(
                (record["cpu"], record["memory_mb"], record["disk_mb"]), (2, 512, 5120)
            )

    def test_with_scripts_the_lists_follow_the_machine(self):
        with Site(WHOLE_HOST, machines=self.MACHINES) as site, Browser() as browser:
            browser.get(site.url + CGI)
            browser.fill(machine="big.iso")
            enabled = browser.run(
                "return ['cpu', 'memory', 'disk'].map((id) => [...document.getElementById(id)"
                ".options].filter((o) => !o.disabled).map((o) => o.textContent))"
            )
            self.assertEqual(enabled[0], ["Standard (2)", "2"])
            self.assertEqual(enabled[1], ["Standard (512 MB)", "512 MB"])
            self.assertEqual(enabled[2], ["Standard (5 GB)", "5 GB", "10 GB", "20 GB"])
            hint = browser.one("#machine-limits")
            self.assertIn("2 processors, 0.5 to 0.75 GB of memory", hint.text)
            picture = hint.find_element("css selector", "img")
            self.assertTrue(browser.run("return arguments[0].src", picture).endswith("logo.svg"))
            browser.fill(machine="tiny.iso")
            self.assertIn("1 to", browser.one("#machine-limits").text)
            self.assertEqual([m for m in browser.console() if "SEVERE" in m], [])

    def test_programs_get_each_machines_limits(self):
        with Site(WHOLE_HOST, machines=self.MACHINES) as site:
            machines = site.get(CGI).json()["machines"]
            self.assertEqual([m["name"] for m in machines], ["tiny.iso", "big.iso"])
            big = machines[1]
            self.assertEqual(big["cpu"], {"default": 2, "min": 2, "max": 2})
            self.assertEqual(big["memory"], {"default": 0.5, "min": 0.5, "max": 0.75})
            self.assertEqual(big["disk"], {"default": 5, "min": 5, "max": 20})


class Firmware(unittest.TestCase):
    def uefi(self, **keys):
        source = made("uefi.raw")
        if not source:
            self.fail("build/guests/uefi.raw is missing: make guest-uefi")
        return {
            "name": "uefi.raw", "file": source, "qemu_options": SERIAL, "memory": "0.375",
        } | keys  # fmt: skip

    def test_secure_boot_and_a_tpm_start(self):
        """As Windows 11 wants them: the firmware starts what is signed."""
        machine = self.uefi(firmware="uefi-secure", tpm="yes")
        with Site(machines=[machine]) as site:
            name = site.running(memory=None)["name"]
            serial(site, name, "BdsDxe: starting Boot", 90)
            self.assertTrue((site.session_dir(name) / "tpm/tpm2-00.permall").exists())
            site.end(name)

    @unittest.skipUnless(LONG, "LONG")
    def test_a_guest_starts_by_uefi_with_secure_boot_and_a_tpm(self):
        """Each session's variables and TPM are its own, and go with it."""
        machine = self.uefi(firmware="uefi-secure", tpm="yes")
        with Site(machines=[machine]) as site:
            name = site.running(memory=None)["name"]
            said = serial(site, name, "TINY-UEFI", 240)
            line = next(one for one in said.splitlines() if "TINY-UEFI" in one)
            self.assertEqual(line, "TINY-UEFI secure=1 setup=0 tpm=2")
            # QEMU and swtpm are in sandboxes of their own.
            tpm = [p for p in site.processes() if p.name == "swtpm"]
            self.assertEqual(len(tpm), 1, tpm)
            for kind in ("user", "pid", "mnt", "net"):
                self.assertNotEqual(
                    os.readlink(f"/proc/{tpm[0].pid}/ns/{kind}"),
                    os.readlink(f"/proc/self/ns/{kind}"),
                )
            self.assertTrue((site.session_dir(name) / "vm/vars").exists())
            site.end(name)
            eventually(lambda: not tpm[0].alive(), 5, "swtpm's end")
            self.assertFalse(site.session_dir(name).exists())

    @unittest.skipUnless(LONG, "LONG")
    def test_a_guest_starts_by_uefi_without_secure_boot(self):
        with Site(machines=[self.uefi(firmware="uefi")]) as site:
            name = site.running(memory=None)["name"]
            said = serial(site, name, "TINY-UEFI", 240)
            self.assertIn("TINY-UEFI secure=0 setup=1 tpm=\n", said)
            site.end(name)

    @unittest.skipUnless(LONG, "LONG")
    def test_secure_boot_starts_nothing_that_is_not_signed(self):
        with tempfile.TemporaryDirectory(dir="/tmp") as place:
            image = f"{place}/bad.raw"
            with open(made("uefi.raw"), "rb") as good, open(image, "wb") as bad:
                bad.write(good.read())
            loader = f"{place}/loader"
            copy = ["mcopy", "-o", "-i", image]
            subprocess.run([*copy, "::/EFI/BOOT/grubx64.efi", loader], check=True)
            with open(loader, "r+b") as f:
                f.seek(0x2000)
                f.write(b"\xcc" * 16)
            subprocess.run([*copy, loader, "::/EFI/BOOT/grubx64.efi"], check=True)
            with open(image, "rb") as f:
                machine = self.uefi(firmware="uefi-secure", file=f.read())
        with Site(machines=[machine]) as site:
            name = site.running(memory=None)["name"]
            path = site.session_dir(name) / "vm/serial"
            # The shim says so on the console, which OVMF has on ttyS0 too.
            eventually(
                lambda: path.exists() and b"Security Violation" in path.read_bytes(),
                120, "shim's refusal",
            )  # fmt: skip
            self.assertNotIn(b"TINY-READY", path.read_bytes())
            site.end(name)

    @unittest.skipUnless(LONG, "LONG")
    def test_an_aarch64_machine_shows_its_firmware(self):
        machine = {
            "name": "arm.iso", "file": guest("tiny.iso"), "arch": "aarch64", "tpm": "yes",
            "qemu_options": "-serial file:/vm/serial",
        }  # fmt: skip
        with Site(machines=[machine]) as site:
            name = site.running(memory="0.5")["name"]
            said = serial(site, name, "UEFI Interactive Shell", 240)
            self.assertIn("UEFI", said)
            with Vnc.of(site, name) as vnc:
                def lit():
                    return sum(1 for p in vnc.screen().getdata() if max(p) > 128) > 500

                eventually(lit, 60, "letters on the screen")
            site.end(name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
