"""Options whose effect no other test shows: on a real site, one after the
other."""

import json
import shutil
import subprocess
import unittest
import urllib.request

from harness import CGI, HOME, PATIENCE, Site


class Effect(unittest.TestCase):
    def test_sizes_names_and_network_of_a_session(self):
        options = {
            "service": "lab",
            "snapshot_alloc_cpu": 2,
            "service_max_cpu_fraction_nb_per_user": 1,
            "snapshot_alloc_mem": 0.5,
            "snapshot_alloc_disk": 0.25,
            "guest_network": "none",
            "service_stop_grace": 0,
        }
        with Site(options=options) as site:
            session = site.running(cpu=None, memory=None)
            self.assertRegex(session["name"], "^lab-[a-z2-7]{20}$")
            self.assertEqual((session["cpu"], session["memory_mb"]), (2, 512))
            (overlay,) = site.overlays(session["name"])
            told = subprocess.run(
                ["qemu-img", "info", "--force-share", "--output=json", overlay],
                capture_output=True,
                check=True,
                timeout=60,
            )
            self.assertEqual(json.loads(told.stdout)["virtual-size"], 256 * 2**20)
            self.assertEqual(site.record(session["name"])["network"], "none")
            self.assertIsNone(site.process("slirp4netns"))
            # The guest ignores the button for some seconds; nobody waits, as by
            # default for ten.
            site.stop(session["name"])
            site.wait_state(session["name"], "ended", 9 / PATIENCE)
            log = (site.store / "log").read_text()
            self.assertIn("event=qemu-ended", log)

    def test_places_of_novnc_pages_and_machines(self):
        with Site(options={"service_reverse_proxy": ""}) as site:
            novnc = site.dir / "www/novnc"
            shutil.copytree("/usr/share/novnc", novnc, symlinks=False)
            (novnc / "mine.txt").write_text("mine\n")
            other = site.dir / "etc/other-machines.conf"
            other.write_text("[tiny.iso]\ndescription = Another list\n")
            pages = site.dir / "pages"
            shutil.copytree(site.dir / "html", pages)
            terms = pages / "desktop/terms.html"
            terms.write_text("{{> _head}}<p>Moved pages</p>{{> _foot}}")
            site.configure(dir_novnc=novnc, machines_conf=other, dir_html=pages)
            site.qwdctl("refresh")
            self.assertIn("Another list", site.get(HOME, accept="html").text)
            self.assertIn("Moved pages", site.get(f"{CGI}?terms=1", accept="html").text)
            site.running()
            with urllib.request.urlopen("http://127.0.0.1:6080/mine.txt", timeout=10) as f:
                self.assertEqual(f.read(), b"mine\n")

    def test_the_form_offers_no_more_than_it_may(self):
        options = {"snapshot_lifetime": 7200, "service_max_mem_fraction_nb_per_user": 0.5}
        with Site(options=options) as site:
            page = site.get(HOME, accept="html").text
            self.assertIn('<option value="7200" selected>2 hours</option>', page)
            self.assertNotIn("4 hours", page)
            self.assertEqual(site.get(HOME).json()["limits"]["snapshot_lifetime"], 7200)
            answer = site.post_form(site.order(snapshot_lifetime=7201))
            self.assertEqual(answer.status, 400)
            self.assertEqual(answer.json()["error"]["field"], "snapshot_lifetime")


if __name__ == "__main__":
    unittest.main(verbosity=2)
