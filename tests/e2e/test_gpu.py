"""Graphics cards on a made-up sysfs: this host has none to give.  What is beyond
/dev/vfio cannot be shown here; up to there everything is real."""

import concurrent.futures
import fcntl
import os
import pathlib
import subprocess
import unittest

from harness import CGI, SERVICE_USER, Browser, Site, eventually, guest, html_problems

CARDS = (
    # address, vendor, device, class, driver, IOMMU group
    ("0000:4c:00.0", "0x10de", "0x1d01", "0x030000", "vfio-pci", "911"),
    ("0000:4c:00.1", "0x10de", "0x0fb8", "0x040300", "vfio-pci", "911"),
    ("0000:05:00.0", "0x1a03", "0x2000", "0x030000", "ast", "3"),
)


def make_tree(site):
    sysfs = site.dir / "sys"
    for address, vendor, device, kind, driver, group in CARDS:
        place = sysfs / "bus/pci/devices" / address
        place.mkdir(parents=True)
        (place / "vendor").write_text(vendor + "\n")
        (place / "device").write_text(device + "\n")
        (place / "class").write_text(kind + "\n")
        (place / "driver").symlink_to(f"../../../bus/pci/drivers/{driver}")
        (place / "iommu_group").symlink_to(f"../../../kernel/iommu_groups/{group}")
    return sysfs


MACHINES = (
    {"name": "tiny.iso", "description": "Plain"},
    {"name": "always.iso", "description": "Always", "gpu": "always"},
    {"name": "never.iso", "description": "Never", "gpu": "no"},
)


def machines():
    return [{"file": guest("tiny.iso")} | machine for machine in MACHINES]


class Cards(unittest.TestCase):
    def test_they_are_listed_with_what_keeps_them_from_guests(self):
        with Site() as site:
            site.configure(dir_sysfs=make_tree(site))
            said = site.qwdctl("gpu").stdout
            self.assertRegex(said, r"0000:4c:00.0 +10de:1d01 +vfio-pci +911 +free +NVIDIA")
            self.assertRegex(said, r"0000:05:00.0 +1a03:2000 +ast +3 +not for guests")
            self.assertIn("is used by ast, not bound to vfio-pci; run qwdctl gpu 1a03:2000", said)
            site.configure(gpu_blacklist="4c:00")
            self.assertRegex(site.qwdctl("gpu").stdout, "4c:00.0 .* blacklisted")

    def test_the_host_is_prepared_on_a_copy(self):
        with Site() as site:
            site.configure(dir_sysfs=make_tree(site))
            root = site.dir / "host"
            root.mkdir()
            root.chmod(0o777)
            option = f"--root={root}"
            dry = site.qwdctl("gpu", "10de:1d01", "--dry-run", option)
            self.assertIn("vfio-pci.ids=10de:1d01,10de:0fb8", dry.stdout)
            self.assertEqual(list(root.iterdir()), [])
            site.qwdctl("gpu", "10de:1d01", option)
            made = (root / "etc/modprobe.d/qemu-web-desktop.conf").read_text()
            self.assertIn("options vfio-pci ids=10de:1d01,10de:0fb8", made)
            site.qwdctl("gpu_unlock", option)
            self.assertFalse((root / "etc/modprobe.d/qemu-web-desktop.conf").exists())
            self.assertEqual(site.qwdctl("gpu", "x;y", option, check=False).returncode, 2)

    def test_the_visitor_says_yes_or_no_and_nothing_else(self):
        with Site() as site:
            self.assertNotIn('name="gpu"', site.get(CGI, accept="html").text)
            answer = site.post_form(site.order(gpu="yes"))
            self.assertEqual(answer.status, 400)
            self.assertIn("no graphics cards", answer.json()["error"]["message"])
            site.configure(dir_sysfs=make_tree(site))
            for value in ("0000:4c:00.0", "4c:00.0", "0000:4c:00.0,rombar=1", "any", "-device"):
                answer = site.post_form(site.order(gpu=value))
                self.assertEqual(answer.json()["error"]["field"], "gpu", value)
            with Browser() as browser:
                browser.get(site.url + CGI)
                self.assertEqual(browser.one("#gpu").get_attribute("type"), "checkbox")

    def test_with_scripts_the_box_follows_the_machine(self):
        with Site(machines=machines()) as site, Browser() as browser:
            site.configure(dir_sysfs=make_tree(site))
            told = {m["name"]: m["gpu"] for m in site.get(CGI).json()["machines"]}
            self.assertEqual(told, {"tiny.iso": "yes", "always.iso": "always", "never.iso": "no"})
            browser.get(site.url + CGI)
            box = browser.one("#gpu")

            def after(machine):
                browser.fill(machine=machine)
                return box.is_enabled(), box.is_selected()

            self.assertEqual((box.is_enabled(), box.is_selected()), (True, False))
            self.assertEqual(after("always.iso"), (False, True))
            self.assertIn("a graphics card", browser.one("#machine-limits").text)
            self.assertEqual(after("never.iso"), (False, False))
            self.assertEqual(after("tiny.iso"), (True, False))
            # What the visitor wants is not forgotten on the way.
            box.click()
            self.assertEqual(after("never.iso"), (False, False))
            self.assertEqual(after("tiny.iso"), (True, True))
            self.assertEqual([m for m in browser.console() if "SEVERE" in m], [])

    def test_without_scripts_the_form_says_which_machine_has_no_card(self):
        with Site(machines=machines()) as site, Browser(javascript=False) as browser:
            site.configure(dir_sysfs=make_tree(site))
            browser.get(site.url + CGI)
            browser.fill(user="ann", machine="never.iso")
            browser.one("#gpu").click()
            browser.press("create")
            self.assertEqual(
                browser.one("#gpu-error").text,
                "This machine is used without a graphics card: ask for none, or choose another "
                "machine.",
            )
            box = browser.one("#gpu")
            self.assertTrue(box.is_selected())
            self.assertEqual(box.get_attribute("aria-describedby"), "gpu-error")
            self.assertEqual(list(site.store.glob("*.json")), [])
            fields = site.order(machine="never.iso", gpu="yes")
            page = site.post_form(fields, accept="html").text
            self.assertEqual(html_problems(page), [])

    def test_two_that_want_the_last_card_at_once_do_not_both_get_it(self):
        """RR2: it is part of the reservation.  Its session does not get beyond
        its disk here, so that it keeps the card while the others ask."""
        options = {"service_max_instance_nb": 100, "service_max_session_nb_per_user": 100,
                   "service_max_cpu_fraction_nb_per_user": 100}
        with Site(options=options) as site:
            site.configure(dir_sysfs=make_tree(site))
            go = pathlib.Path("/tmp/go")
            os.mkfifo(go)
            go.chmod(0o666)
            self.addCleanup(go.unlink)
            fake = site.dir / "qemu-img"
            fake.write_text(f"#!/bin/sh\nread x <{go}\nexit 1\n")
            fake.chmod(0o755)
            subprocess.run(["mount", "--bind", fake, "/usr/bin/qemu-img"], check=True)
            self.addCleanup(subprocess.run, ["umount", "/usr/bin/qemu-img"], check=True)
            for crowd in (2, 2, 12):
                orders = [site.order(user=f"user{i}", gpu="yes", memory="0.1") for i in range(crowd)]
                with concurrent.futures.ThreadPoolExecutor(crowd) as pool:
                    answers = list(pool.map(lambda o: site.visitor().post_form(o), orders))
                self.assertEqual(sorted(a.status for a in answers), [201] + (crowd - 1) * [503])
                for answer in answers:
                    if answer.status == 503:
                        self.assertIn("All graphics cards (1) are taken.",
                                      answer.json()["error"]["message"])
                name = next(a for a in answers if a.status == 201).json()["session"]["name"]
                self.assertEqual(site.record(name)["gpu"], "0000:4c:00.0")
                with go.open("w", encoding="utf-8") as f:
                    f.write("\n")
                eventually(lambda n=name: site.record(n)["state"] == "failed", 30, "its end")
                eventually(lambda n=name: not site.processes(n), 30, "its owner's end")

    def test_a_card_that_the_kernel_does_not_give_ends_the_session_with_the_reason(self):
        with Site(machines=machines()) as site:
            site.configure(dir_sysfs=make_tree(site))
            for order in ({"gpu": "yes"}, {"machine": "always.iso"}):
                name = site.create(**order)["name"]
                failed = site.wait_state(name, "failed")
                self.assertIn("The graphics card of this machine cannot be used.", failed["reason"])
                self.assertEqual(failed["gpu"], "0000:4c:00.0")
                self.assertIn("/dev/vfio/911", site.words())
                self.assertEqual(site.overlays(name), [])
            answer = site.post_form(site.order(machine="never.iso", gpu="yes"))
            self.assertIn("without a graphics card", answer.json()["error"]["message"])
            # Not asked for, not given.
            name = site.running()["name"]
            self.assertIsNone(site.session(name)["gpu"])
            site.end(name)
            site.configure(gpu_blacklist="0000:4c:00.0")
            answer = site.post_form(site.order(machine="always.iso"))
            self.assertEqual(answer.status, 503)
            self.assertIn("needs a graphics card", answer.json()["error"]["message"])

    def test_a_card_that_is_taken_is_not_given_twice(self):
        with Site(machines=machines()) as site:
            site.configure(dir_sysfs=make_tree(site))
            leases = site.store / "gpus"
            leases.mkdir(mode=0o700)
            os.chown(leases, SERVICE_USER.pw_uid, SERVICE_USER.pw_gid)
            with open(leases / "0000:4c:00.0", "w") as lease:
                os.fchown(lease.fileno(), SERVICE_USER.pw_uid, SERVICE_USER.pw_gid)
                fcntl.flock(lease, fcntl.LOCK_EX)
                for order in ({"gpu": "yes"}, {"machine": "always.iso"}):
                    answer = site.post_form(site.order(**order))
                    self.assertEqual(answer.status, 503)
                    self.assertIn("All graphics cards (1) are taken. Try again later",
                                  answer.json()["error"]["message"])
                page = site.post_form(site.order(gpu="yes"), accept="html")
                self.assertEqual(page.status, 503)
                self.assertIn("All graphics cards (1) are taken.", page.text)
                self.assertEqual(html_problems(page.text), [])
                self.assertRegex(site.qwdctl("gpu").stdout, "0000:4c:00.0 .* taken")
            self.assertEqual(list(site.store.glob("*.json")), [])
            self.assertEqual(site.processes(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
