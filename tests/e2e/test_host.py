"""What the service tells of itself: the host's page for an administrator, the
answer to a monitor, Prometheus' figures."""

import os
import re
import signal
import subprocess
import unittest

from harness import CGI, Site, html_problems

LOGIN = "#!/bin/sh\ncat >/dev/null\necho SUCCESS\n"
MANY = {"service_max_session_nb_per_user": 8, "service_max_cpu_fraction_nb_per_user": 8}


class HostPage(unittest.TestCase):
    def open_login(self, site):
        """Everybody is who they say, and carla is an administrator."""
        program = site.dir / "etc/login"
        program.write_text(LOGIN)
        program.chmod(0o755)
        site.configure(check_user_custom=program, user_admin="carla")

    def log_in(self, site, user):
        client = site.visitor()
        answer = client.post_form({"user": user, "password": "x", "manage": "1"})
        self.assertEqual(answer.status, 200, answer)
        return client

    def test_an_administrator_sees_load_disk_machines_sessions_and_failures(self):
        with Site(options=MANY) as site:
            self.open_login(site)
            ann = self.log_in(site, "ann")
            carla = self.log_in(site, "carla")
            names = [ann.create(user=None)["name"] for _ in range(2)]
            for name in names:
                ann.wait_state(name, "running")
            os.kill(site.process("qemu", names[0]).pid, signal.SIGKILL)
            ann.wait_state(names[0], "failed")
            state = carla.get(f"{CGI}?host=1").json()
            self.assertEqual(
                set(state), {"host", "disks", "machines", "states", "failures", "promised"}
            )
            self.assertEqual(state["host"]["sessions"], 1)
            self.assertGreaterEqual(state["host"]["cpus"], 1)
            self.assertEqual(
                [d["option"] for d in state["disks"]], ["dir_snapshots", "dir_machines"]
            )
            disk = os.statvfs(site.snapshots_dir)
            self.assertEqual(
                state["disks"][0]["total_mb"], disk.f_blocks * disk.f_frsize // 2**20
            )
            self.assertEqual(state["states"]["running"], 1)
            self.assertEqual(state["states"]["failed"], 1)
            self.assertEqual(state["promised"], {"users": 1, "cpus": 1, "memory_mb": 256})
            (machine,) = state["machines"]
            self.assertEqual((machine["name"], machine["sessions"]), ("tiny.iso", 1))
            self.assertTrue(machine["usable"])
            (failure,) = state["failures"]
            self.assertEqual(failure["session"], names[0])
            self.assertEqual(failure["user"], "ann")
            self.assertEqual(failure["reason"], "The machine ended unexpectedly.")
            page = carla.get(f"{CGI}?host=1", accept="html")
            self.assertEqual(page.status, 200)
            self.assertEqual(html_problems(page.text), [])
            self.assertIn("The machine ended unexpectedly.", page.text)
            self.assertIn("Tiny Linux", page.text)
            self.assertIn('href="/cgi-bin/qemu-web-desktop?host=1"',
                          carla.get(f"{CGI}?manage=1", accept="html").text)
            # Nobody else does.
            refused = ann.get(f"{CGI}?host=1")
            self.assertEqual(refused.status, 403)
            self.assertEqual(refused.json()["error"]["message"],
                             "Only an administrator may see this page.")
            self.assertEqual(site.visitor().get(f"{CGI}?host=1").status, 401)
            self.assertNotIn("?host=1", ann.get(f"{CGI}?manage=1", accept="html").text)


class Health(unittest.TestCase):
    PARTS = ("store", "machines", "disk", "programs")

    def ask(self, site, failing=(), accepting=True):
        answer = site.visitor().get(f"{CGI}?health=1")
        value = answer.json()
        self.assertEqual(answer.status, 503 if failing else 200, value)
        self.assertEqual(
            value,
            {
                "status": "failing" if failing else "ok",
                "accepting": accepting and not failing,
                "parts": {part: part not in failing for part in self.PARTS},
            },
        )
        text = site.visitor().get(f"{CGI}?health=1", accept=None)
        self.assertEqual(text.status, answer.status)
        self.assertEqual(text.text, f"failing: {' '.join(failing)}\n" if failing else "ok\n")
        self.assertEqual(text.headers["Cache-Control"], "no-store")
        for part in failing:
            self.assertIn("event=health", site.error_log())

    def test_a_monitor_is_told_what_works_and_what_does_not(self):
        with Site(options=MANY) as site:
            self.ask(site)
            site.configure(dir_websockify="/nonexistent/websockify")
            self.ask(site, ["programs"])
            site.configure(dir_websockify=None)
            catalogue = site.dir / "lib/catalogue.json"
            kept = catalogue.read_bytes()
            catalogue.write_bytes(b"{}")
            self.ask(site, ["machines"])
            catalogue.write_bytes(kept)
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=400m", "none", site.snapshots_dir],
                check=True,
            )
            try:
                self.ask(site, ["disk"])
            finally:
                subprocess.run(["umount", site.snapshots_dir], check=True)
            site.configure(dir_cfg=site.dir / "etc/config.conf")
            shown = site.visitor().get(f"{CGI}?health=1")
            self.assertEqual(shown.status, 503)
            self.assertFalse(shown.json()["parts"]["store"])
            site.configure(dir_cfg=None)
            site.configure(service_max_instance_nb=1)
            site.running()
            self.ask(site, accepting=False)


class Metrics(unittest.TestCase):
    LINE = re.compile(r'^(qwd_[a-z0-9_]+)(?:\{([a-z]+)="([a-zA-Z0-9._]+)"\})? (-?[0-9.]+)$')

    def read(self, text):
        """(name, label) -> value, of the text format 0.0.4 and no other."""
        values, kinds, told = {}, {}, None
        for line in text.splitlines():
            if line.startswith("# HELP "):
                told = line.split(" ", 3)[2]
                self.assertNotIn(told, kinds)
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.assertEqual((name, kind), (told, "gauge"))
                kinds[name] = kind
            else:
                match = self.LINE.match(line)
                self.assertIsNotNone(match, line)
                self.assertEqual(match[1], told)  # samples follow their TYPE
                values[match[1], match[3]] = float(match[4])
        self.assertTrue(text.endswith("\n"))
        return values

    def test_they_are_off_unless_the_configuration_offers_them(self):
        with Site(options=MANY) as site:
            self.assertEqual(site.get(f"{CGI}?metrics=1").status, 404)
            site.configure(service_metrics="local")
            session = site.running()
            answer = site.visitor().get(f"{CGI}?metrics=1", accept=None)
            self.assertEqual(answer.status, 200)
            self.assertEqual(
                answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8"
            )
            values = self.read(answer.text)
            self.assertEqual(values["qwd_sessions", "running"], 1)
            self.assertEqual(values["qwd_sessions", "failed"], 0)
            self.assertEqual(values["qwd_sessions_max", None], 10)
            self.assertEqual(values["qwd_users", None], 1)
            self.assertEqual(values["qwd_promised_memory_bytes", None], 256 * 2**20)
            self.assertEqual(values["qwd_machines_usable", None], 1)
            self.assertEqual(values["qwd_cpus", None], os.cpu_count())
            self.assertEqual(values["qwd_gateway_up", None], 1)
            self.assertGreater(values["qwd_disk_free_bytes", "dir_snapshots"], 0)
            for secret in ("ann", session["name"], "tiny"):
                self.assertNotIn(secret, answer.text)
            # Through a proxy it may be anybody.
            site.configure(allow_anonymous="yes")
            far = {"X-Forwarded-For": "192.0.2.1"}
            self.assertEqual(site.get(f"{CGI}?metrics=1", headers=far).status, 403)
            site.configure(service_metrics="yes")
            self.assertEqual(site.get(f"{CGI}?metrics=1", headers=far).status, 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
