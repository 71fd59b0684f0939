"""What is refused unasked, how guessing ends, and what nobody may read."""

import concurrent.futures
import contextlib
import os
import pathlib
import subprocess
import threading
import unittest

from harness import CGI, TREE, Site
from login_case import OPEN, PASSWORD, options_of, world
from login_servers import LOCAL_USER, Program


def setUpModule():
    world.set_up()


class BadInput(unittest.TestCase):
    """Refused with the right status, and nobody is asked."""

    @classmethod
    def setUpClass(cls):
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.program = Program(world.places, "bad-input", "echo SUCCESS")
        cls.site = stack.enter_context(Site(options=OPEN | {
            "check_user_custom": cls.program.path}))

    def send(self, body, accept="json"):
        client = self.site.visitor()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return client.request("POST", CGI, body=body, headers=kind, accept=accept)

    def test_nobody_is_asked_about_what_is_wrong(self):
        mega = b"x" * (1 << 20)
        for body, status, field in (
                (b"user=&password=x", 400, "user"),
                (b"user=.&password=x", 400, "user"),
                (b"user=admin.*&password=x", 400, "user"),
                (b"user=-x&password=x", 400, "user"),
                (b"user=*&password=x", 400, "user"),
                (b"user=)(&password=x", 400, "user"),
                (b"user=a%0Ab&password=x", 400, "user"),
                (b"user=ann%0A&password=x", 400, "user"),
                (b"user=ann%0D%0A&password=x", 400, "user"),
                (b"user=a%09b&password=x", 400, "user"),
                (b"user=a%1Bb&password=x", 400, "user"),
                (b"user=a%00b&password=x", 400, "user"),
                (b"user=%FF&password=x", 400, "user"),
                (b"user=%C0%AE&password=x", 400, "user"),
                (b"user=../ann&password=x", 400, "user"),
                (b"user=" + b"a" * 129 + b"&password=x", 400, "user"),
                (b"user=" + mega + b"&password=x", 413, None),
                (b"user=ann&password=a%0Ab", 400, "password"),
                (b"user=ann&password=a%00b", 400, "password"),
                (b"user=ann&password=a%7Fb", 400, "password"),
                (b"user=ann&password=%FE", 400, "password"),
                (b"user=ann&password=" + b"x" * 1025, 400, "password"),
                (b"user=ann&password=" + mega, 413, None),
                (b"user=ann&password=", 401, None),
                (b"user=ann", 401, None),
                (b"password=x", 401, None),
                (b"user=ann&password=x&user=bob", 400, "user"),
                (b"user=ann&password=x&password=y", 400, "password"),
                (b"user=ann&password=x&authenticated=1", 400, "authenticated"),
                (b"user=ann&password=x&cpu=0", 400, "cpu"),
                (b"user=ann&password=x&cpu=1;id", 400, "cpu"),
                (b"user=ann&password=x&memory=-1", 400, "memory"),
                (b"user=ann&password=x&machine=../x", 400, "machine"),
                (b"user=ann&password=x&snapshot_lifetime=1e9", 400, "snapshot_lifetime"),
                (b"user=ann&password=x&gpu=1", 400, "gpu"),
                (b"user=ann&password=x&config_script=id", 400, "config_script"),
                (b"user=ann&password=x&oneshot=perhaps", 400, "oneshot"),
        ):
            if b"machine=" not in body:
                body = b"machine=tiny.iso&" + body
            with self.subTest(body=body[:60]):
                answer = self.send(b"create=1&memory=0.25&" + body
                                   if b"memory" not in body else b"create=1&" + body)
                self.assertEqual(answer.status, status, answer)
                if status != 413:  # the web server's own answer
                    self.assertEqual(answer.json()["error"]["field"], field)
                self.assertIsNone(answer.headers["Set-Cookie"])
                self.assertEqual(self.program.asked(), [])
        self.assertEqual(self.send(b"session_stop=qwd-x&user=ann&password=x&now=perhaps").status,
                         400)
        self.assertEqual(self.send(b"session_stop=../x&user=ann&password=x").status, 404)
        self.assertEqual(self.program.asked(), [])
        self.assertEqual(self.send(b"manage=1&user=ann&password=x").status, 200)
        self.assertEqual(len(self.program.asked()), 1)


class Guessing(unittest.TestCase):
    def test_past_the_limit_nobody_is_asked(self):
        program = Program(world.places, "guessing", "echo FAILED")
        with Site(options={"check_user_custom": program.path}) as site:
            def guess(number):
                return site.visitor().post_form(
                    {"manage": "1", "user": "ann", "password": f"guess-{number}"})
            with concurrent.futures.ThreadPoolExecutor(20) as pool:
                answers = list(pool.map(guess, range(100)))
            self.assertEqual(len(program.asked()), 5)
            self.assertEqual(sorted(a.status for a in answers), [401] * 5 + [429] * 95)
            late = next(a for a in answers if a.status == 429)
            self.assertIn(int(late.headers["Retry-After"]), range(880, 901))
            self.assertEqual(late.json()["error"]["code"], "too-many-requests")
            page = site.visitor().post_form(
                {"manage": "1", "user": "ANN", "password": "x"}, accept="html")
            self.assertEqual(page.status, 429)
            self.assertIn("Too many attempts", page.text)
            self.assertEqual(site.error_log().count("reason=throttled"), 96)
            # Another user is not concerned, until the address has had its 30.
            for number in range(25):
                answer = site.visitor().post_form(
                    {"manage": "1", "user": f"user{number}", "password": "x"})
                self.assertEqual(answer.status, 401)
            answer = site.visitor().post_form({"manage": "1", "user": "zoe", "password": "x"})
            self.assertEqual(answer.status, 429)
            self.assertEqual(len(program.asked()), 25)
            self.fail2ban(site)
            (site.dir / "lib/secret").chmod(0o644)
            answer = site.visitor().post_form({"manage": "1", "user": "zoe", "password": "x"})
            self.assertEqual(answer.status, 500)
            self.assertEqual(program.asked(), [])
            (site.dir / "lib/secret").chmod(0o600)

    def fail2ban(self, site):
        """The filter finds each failure of the real log, and its address."""
        count = site.error_log().count("auth failure method=")
        self.assertEqual(count, 5 + 96 + 25 + 1)
        done = subprocess.run(
            ("fail2ban-regex", site.dir / "log/error.log",
             TREE / "etc/fail2ban/filter.d/qemu-web-desktop.conf"),
            capture_output=True, text=True, check=True)
        self.assertIn(f"{count} matched", done.stdout)


class NobodyReadsThePassword(unittest.TestCase):
    """The canary is found nowhere, while logins go on and after them."""

    def sample(self, stop, found):
        own = {os.getpid(), threading.get_native_id()}
        while not stop.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        data = pathlib.Path("/proc", pid, name).read_bytes()
                        if int(pid) not in own and b"canary" in data:
                            found.append((pid, name, data[:200]))
            stop.wait(0.005)

    def test_it_is_nowhere(self):
        found = []
        stop = threading.Event()
        program = Program(world.places, "nosy", "echo SUCCESS; rm -f %s/nosy/asked-*"
                          % world.places)
        with Site(options=OPEN | options_of("ldap") | options_of("imap") | options_of("smtp") |
                  options_of("local") | {"check_user_custom": program.path}) as site:
            thread = threading.Thread(target=self.sample, args=(stop, found))
            thread.start()
            for user, password in ((LOCAL_USER, PASSWORD), ("carla", PASSWORD),
                                   ("alice", PASSWORD), ("nobody", PASSWORD),
                                   ("alice", "wrong-" + PASSWORD)) * 3:
                for accept in ("json", "html"):
                    site.visitor().post_form(
                        {"manage": "1", "user": user, "password": password}, accept=accept)
            answer = site.visitor().post_form(site.order(user="carla", password=PASSWORD, cpu=99),
                                              accept="html")
            self.assertEqual(answer.status, 400)
            self.assertNotIn("canary", answer.text)
            client = site.visitor()
            name = client.post_form(site.order(user="carla", password=PASSWORD)).json()[
                "session"]["name"]
            client.wait_state(name, "running")
            client.stop(name)
            stop.set()
            thread.join()
            self.assertEqual(found, [])
            for path in site.dir.rglob("*"):
                if path.is_file() and "bin" not in path.parts:
                    data = path.read_bytes()
                    self.assertNotIn(b"canary", data, path)
            cores = [p for p in pathlib.Path("/tmp").rglob("core*") if p.is_file()]
            self.assertEqual(cores, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
