"""What is refused unasked, how guessing ends, and what nobody may read."""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import threading
import unittest
import urllib.parse

import net_case
import net_fakes
from harness import (
    CGI, LONG, SERVICE_USER, TREE, Site, eventually, files_below, processes, read_process)
from login_case import OPEN, PASSWORD, options_of, world
from login_servers import LOCAL_USER, Program


def setUpModule():
    world.set_up()


class BadInput(unittest.TestCase):
    """Refused with the right status, logged, and nobody is asked.  SR3, SR4,
    P1, P3, P4, P12, P15: what is no value of its field never gets any
    further, be it a path, an option, a pattern, code or a second line."""

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

    def check_log(self, status, field):
        """One line about it, with nothing of what was sent."""
        log = self.site.error_log()
        new, self.logged = log[self.logged:], len(log)
        if status == 413:
            return
        lines = [line for line in new.splitlines() if "event=refused" in line]
        self.assertEqual(len(lines), 1, new)
        if field:
            self.assertIn(f"field={field}", lines[0])
        self.assertEqual(new.count("\n"), len(re.findall("^.", new, re.M)))
        self.assertNotIn("\x1b", new)

    def test_nobody_is_asked_about_what_is_wrong(self):
        self.logged = len(self.site.error_log())
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
                self.check_log(status, field)
                # The other buttons of a form are no way around.
                if status != 400 or field not in ("user", "password") or b"user=&" in body:
                    continue
                for button in (b"manage=1&", b"service_purge=1&", b"session_stop=qwd-x&"):
                    answer = self.send(button + body)
                    self.assertEqual((answer.status, answer.json()["error"]["field"]),
                                     (400, field), (button, answer))
                    self.assertEqual(self.program.asked(), [], button)
                    self.check_log(status, field)
        self.assertEqual(self.send(b"session_stop=qwd-x&user=ann&password=x&now=perhaps").status,
                         400)
        self.assertEqual(self.send(b"session_stop=../x&user=ann&password=x").status, 404)
        self.assertEqual(self.program.asked(), [])
        self.assertEqual(self.send(b"manage=1&user=ann&password=x").status, 200)
        self.assertEqual(len(self.program.asked()), 1)


class Guessing(unittest.TestCase):
    """SR12, P15, P18: many guesses at once, of which the limit gets through."""

    @staticmethod
    def guess(site, number, user="ann"):
        return site.visitor().post_form(
            {"manage": "1", "user": user, "password": f"guess-{number}"}, seconds=60)

    def at_once(self, site, users):
        """One guess for each of these users; the statuses."""
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            return list(pool.map(lambda n: self.guess(site, n, users[n]), range(len(users))))

    def test_past_the_limit_no_server_is_asked(self):
        """1,000 parallel guesses at a real server's user."""
        where = world.servers.endpoint("imap-check", "tls")
        with net_fakes.Proxy(*where) as proxy, \
                Site(options=options_of("imap", port=proxy.port)) as site:
            answers = self.at_once(site, ["alice"] * 1000)
            self.assertEqual(sorted(a.status for a in answers), [401] * 5 + [429] * 995)
            self.assertEqual(proxy.count, 5)
            # Not even with the right password.
            answer = site.visitor().post_form(
                {"manage": "1", "user": "alice", "password": PASSWORD})
            self.assertEqual(answer.status, 429)
            answer = site.visitor().post_form(
                {"manage": "1", "user": "bob", "password": PASSWORD})
            self.assertEqual(answer.status, 200)
            self.assertEqual(proxy.count, 6)
            self.assertEqual(net_case.secrets_in(proxy.said), [])

    def test_past_the_limit_nobody_is_asked(self):
        program = Program(world.places, "guessing", "echo FAILED")
        with Site(options={"check_user_custom": program.path}) as site:
            answers = self.at_once(site, ["ann"] * 20)
            self.assertEqual(len(program.asked()), 5)
            late = next(a for a in answers if a.status == 429)
            self.assertIn(int(late.headers["Retry-After"]), range(860, 901))
            self.assertEqual(late.json()["error"]["code"], "too-many-requests")
            page = site.visitor().post_form(
                {"manage": "1", "user": "ANN", "password": "x"}, accept="html")
            self.assertEqual(page.status, 429)
            self.assertIn("Too many attempts", page.text)
            self.assertEqual(site.error_log().count("reason=throttled"), 16)
            # Another user is not concerned, until the address has had its 30.
            answers = self.at_once(site, [f"user{n}" for n in range(60)])
            self.assertEqual(sorted(a.status for a in answers), [401] * 25 + [429] * 35)
            self.assertEqual(len(program.asked()), 25)
            self.fail2ban(site, 5 + 16 + 60)
            (site.dir / "lib/secret").chmod(0o644)
            self.assertEqual(self.guess(site, 0, "zoe").status, 500)
            (site.dir / "lib/secret").unlink()
            self.assertEqual(self.guess(site, 0, "zoe").status, 500)
            (site.dir / "lib/secret").write_bytes(b"x" * 31)
            (site.dir / "lib/secret").chmod(0o600)
            shutil.chown(site.dir / "lib/secret", "www-data")
            self.assertEqual(self.guess(site, 0, "zoe").status, 500)
            self.assertEqual(program.asked(), [])
        # mod_cgi puts a head in front of our lines.
        with Site(mpm="prefork", options={"check_user_custom": program.path}) as site:
            self.assertEqual(self.guess(site, 0).status, 401)
            self.fail2ban(site, 1)

    def fail2ban(self, site, count):
        """The filter finds each failure of the real log, and its address; and
        no line in which the web server repeats what somebody has typed: a
        stranger would ban others by it."""
        self.assertEqual(site.error_log().count("auth failure method="), count)
        forged = "x" * 300 + (" qemu-web-desktop: auth failure method=custom"
                              " rhost=198.51.100.7 reason=refused user=ann")
        answer = site.visitor().get("/" + urllib.parse.quote(forged), accept="html")
        self.assertEqual(answer.status, 403)
        eventually(lambda: forged in site.error_log(), 30, "the web server's complaint")
        done = subprocess.run(
            ("fail2ban-regex", site.dir / "log/error.log",
             TREE / "etc/fail2ban/filter.d/qemu-web-desktop.conf"),
            capture_output=True, text=True, check=True)
        self.assertIn(f"{count} matched", done.stdout)


class NobodyReadsThePassword(unittest.TestCase):
    """P7, SR15: the canary is found nowhere, while logins go on and after
    them, and no process that has it would leave a core file."""

    ROUNDS = 40 if LONG else 3

    def sample(self, stop, found, secrets):
        own = {os.getpid(), threading.get_native_id()}
        while not stop.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        data = pathlib.Path("/proc", pid, name).read_bytes()
                        if int(pid) not in own and any(s in data for s in secrets):
                            found.append((pid, name, data[:200]))
            stop.wait(0.005)

    @contextlib.contextmanager
    def sampled(self, secrets):
        found, stop = [], threading.Event()
        thread = threading.Thread(target=self.sample, args=(stop, found, secrets))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        self.assertEqual(found, [])

    def site_of_all(self):
        program = Program(world.places, "nosy", "echo SUCCESS; rm -f %s/nosy/asked-*"
                          % world.places)
        self.addCleanup(shutil.rmtree, program.directory)
        return Site(options=OPEN | options_of("ldap") | options_of("imap") | options_of("smtp") |
                    options_of("local") | {"check_user_custom": program.path})

    def look_everywhere(self, site, secret, allowed=()):
        """In each file that was written since the site began, but those of the
        login servers and of the tests themselves."""
        since = site.dir.stat().st_ctime
        mine = [world.servers.directory, world.places, str(site.dir / "bin")]
        for path in files_below("/tmp", "/var/tmp", "/dev/shm", "/run", "/var/log",
                                "/var/lib/misc"):
            if any(str(path).startswith(place) for place in mine) or path in allowed:
                continue
            with contextlib.suppress(OSError):
                if path.is_file() and path.stat().st_mtime >= since - 60:
                    self.assertNotIn(secret, path.read_bytes(), path)

    def test_it_is_nowhere(self):
        with self.site_of_all() as site, self.sampled([b"canary"]):
            for user, password in ((LOCAL_USER, PASSWORD), ("carla", PASSWORD),
                                   ("alice", PASSWORD), ("nobody", PASSWORD),
                                   ("alice", "wrong-" + PASSWORD)) * self.ROUNDS:
                for accept in ("json", "html"):
                    site.visitor().post_form(
                        {"manage": "1", "user": user, "password": password}, accept=accept)
            answer = site.visitor().post_form(site.order(user="carla", password=PASSWORD, cpu=99),
                                              accept="html")
            self.assertEqual(answer.status, 400)
            self.assertNotIn("canary", answer.text)
            for _ in range(200 if LONG else 1):
                client = site.visitor()
                name = client.post_form(site.order(user="carla", password=PASSWORD)).json()[
                    "session"]["name"]
                client.wait_state(name, "running")
                client.post_form({"session_stop": name, "now": "1"})
                client.wait_state(name, "ended")
            self.look_everywhere(site, b"canary")

    def test_the_displays_secret_is_in_its_record_alone(self):
        """P6, P7, SR15, SR16: 160 bits of their own, in no place but two files
        that nobody else can read."""
        with self.site_of_all() as site:
            client = site.visitor()
            name = client.create(user="carla", password=PASSWORD)["name"]
            session = client.wait_state(name, "running")
            token = site.token(session).encode()
            self.assertRegex(token, rb"^[a-z2-7]{32}$")
            self.assertNotIn(name.rpartition("-")[2].encode(), token)
            with self.sampled([token]):
                with site.websocket(token.decode()):
                    for path in (f"?session={name}", "?manage=1"):
                        self.assertEqual(client.get(CGI + path).status, 200)
                record = site.store / f"{name}.json"
                tokens = site.store / "gateway/tokens"
                for path in (record, tokens):
                    self.assertIn(token, path.read_bytes())
                    self.assertEqual(path.stat().st_mode & 0o077, 0, path)
                self.look_everywhere(site, token, {record, tokens})
            client.post_form({"session_stop": name, "now": "1"})
            client.wait_state(name, "ended")

    def hardened(self, pid):
        """No core file: neither by the limit nor for a program of
        core_pattern; the process's files in /proc are root's then."""
        limits = pathlib.Path("/proc", str(pid), "limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0 ")
        self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0)
        self.assertEqual(read_process(pid).uid, SERVICE_USER.pw_uid)

    def test_what_holds_a_secret_leaves_no_core_file(self):
        """Each process with a password or token, looked at while it has it;
        and the request dies of SIGSEGV at such a moment."""
        before = resource.getrlimit(resource.RLIMIT_CORE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_CORE, before)
        resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))
        crash = Program(world.places, "crash", "echo $PPID >$(dirname $0)/parent; "
                        "while ! [ -e $(dirname $0)/now ]; do sleep 0.02; done; kill -SEGV $PPID")
        with net_fakes.Silent() as silent, \
                Site(options=OPEN | options_of("imap", port=silent.port) |
                     {"login_timeout": 9}) as site, \
                concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(Guessing.guess, site, 1)
            helper = eventually(lambda: silent.count and next(
                (p for p in processes() if p.name == "qwd-net"), None), 10, "qwd-net")
            self.hardened(helper.pid)
            self.hardened(helper.parent)
            os.kill(helper.pid, signal.SIGSEGV)
            self.assertEqual(answer.result(30).status, 503)

            site.configure(check_user_with_imap=None, check_user_custom=crash.path)
            answer = pool.submit(Guessing.guess, site, 2)
            parent = pathlib.Path(crash.directory, "parent")
            eventually(lambda: parent.exists() and parent.read_text(), 10, "the program")
            self.hardened(int(parent.read_text()))
            pathlib.Path(crash.directory, "now").touch()
            self.assertEqual(answer.result(30).status, 500)

            site.configure(check_user_custom=None)
            session = site.running()
            owner = site.process("owner", session["name"])
            self.hardened(owner.pid)
            site.end(session["name"])
            self.assertEqual(self.cores(site.dir.stat().st_ctime), [])

    @staticmethod
    def cores(since):
        """Core files that have been written since then."""
        found = []
        for path in (pathlib.Path("/core"),
                     *files_below("/tmp", "/var/tmp", "/var/lib", "/run")):
            with contextlib.suppress(OSError):
                if path.name.startswith("core") and path.is_file() and \
                        path.stat().st_mtime >= since - 60 and \
                        path.read_bytes()[:4] == b"\x7fELF":
                    found.append(path)
        return found


if __name__ == "__main__":
    unittest.main(verbosity=2)
