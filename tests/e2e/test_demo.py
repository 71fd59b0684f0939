"""`make demo`, from a place that is as awkward as can be: a long path with
blanks that the web server's user may not enter, under umask 077."""
# lane: guests

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
import urllib.parse

from harness import (
    CGI, DISPLAY, HOME, PATIENCE, TREE, Vnc, WebSocket, eventually, processes)

PORT = 8080


class Demo:
    """A running `make demo`."""

    def __init__(self, tree, *arguments):
        self.tree = tree
        self.output = tempfile.NamedTemporaryFile(dir="/tmp", suffix=".demo")
        self.make = subprocess.Popen(
            ["make", "demo", "DEMO=nodesktop", *arguments],
            cwd=tree,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.make.poll() is None:
            self.signal(signal.SIGTERM)
            self.wait()
        self.output.close()

    def said(self):
        return pathlib.Path(self.output.name).read_text()

    def ready(self, seconds=300):
        line = f"Ready: http://localhost:{PORT}{HOME}"

        def look():
            if self.make.poll() is not None:
                raise AssertionError(f"make demo has ended:\n{self.said()}")
            return line in self.said().splitlines()

        eventually(look, seconds, line)

    def signal(self, number):
        """To all of them, as the terminal does."""
        os.killpg(self.make.pid, number)

    def wait(self, seconds=30 * PATIENCE):
        return self.make.wait(seconds)


def request(method, path, fields=None, cookie=None):
    headers = {"Accept": "application/json"}
    if fields:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if cookie:
        headers["Cookie"] = cookie
    link = http.client.HTTPConnection("localhost", PORT, timeout=60)
    with contextlib.closing(link):
        link.request(method, path, urllib.parse.urlencode(fields or {}), headers)
        answer = link.getresponse()
        return answer, json.loads(answer.read())


def running_session():
    """Create a session as a visitor does; its JSON when it runs."""
    fields = {"user": "ann", "machine": "tiny.iso", "memory": "0.25", "create": "1"}
    answer, body = request("POST", CGI, fields)
    if answer.status != 201:
        raise AssertionError(body)
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    name = body["session"]["name"]

    def look():
        session = request("GET", f"{CGI}?session={name}", cookie=cookie)[1]["session"]
        if session["state"] in ("ended", "failed"):
            raise AssertionError(session)
        return session["state"] == "running" and session

    return eventually(look, 60, "a running session")


def log_in(password):
    """The status of the answer."""
    return request("POST", CGI, {"user": "ann", "password": password, "manage": "1"})[0].status


class TheDemo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A copy of the tree with what is built, and the tiny guest."""
        private = pathlib.Path(tempfile.mkdtemp(prefix="private", dir="/tmp"))
        cls.addClassCleanup(shutil.rmtree, private)
        cls.tree = private / "a long way" / ("x" * 100) / ("y" * 100) / "tree"
        cls.tree.mkdir(parents=True)
        kept = ("build/obj", "build/flags", "build/guests/tiny.iso")
        parts = [p.name for p in TREE.iterdir() if p.name not in ("build", ".git")]
        parts += [p for p in kept if (TREE / p).exists()]
        parts += [f"build/{p.name}" for p in TREE.glob("build/*.a")]
        for part in parts:
            target = cls.tree / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if (TREE / part).is_dir():
                shutil.copytree(TREE / part, target, symlinks=True)
            else:
                shutil.copy2(TREE / part, target)
        for path in (cls.tree, *cls.tree.rglob("*")):
            path.chmod(path.stat().st_mode & 0o700)

    def nothing_left(self, before):
        def left():
            return [str(p) for p in processes() if p.pid not in before]

        with contextlib.suppress(AssertionError):
            eventually(lambda: not left(), 5)
        self.assertEqual(left(), [])
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", PORT), timeout=5)
        self.assertEqual(
            sorted(p.name for p in (self.tree / "build/demo").iterdir()), ["lock", "log"]
        )
        self.assertEqual(
            [p.name for p in (self.tree / "build/guests").iterdir()], ["tiny.iso"]
        )

    def test_a_desktop_and_then_ctrl_c_which_leaves_nothing(self):
        before = {p.pid for p in processes()}
        with Demo(self.tree) as demo:
            demo.ready()
            session = running_session()
            fragment = urllib.parse.urlsplit(session["url"]).fragment
            path = urllib.parse.parse_qs(fragment)["path"][0]
            self.assertTrue(f"/{path}".startswith(f"{DISPLAY}websockify?token="), path)
            with Vnc(WebSocket(PORT, f"/{path}", f"http://localhost:{PORT}")) as vnc:
                self.assertEqual(vnc.greeting, b"RFB 003.008\n")
            told = subprocess.run(
                ["build/demo/qwdctl", "status", "--json"],
                cwd=self.tree,
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            names = [s["name"] for s in json.loads(told.stdout)["sessions"]]
            self.assertEqual(names, [session["name"]])
            self.stranger_is_not_entered()
            demo.signal(signal.SIGINT)
            self.assertIn(demo.wait(), (0, -signal.SIGINT, 130))
            after = demo.said().partition("Ready: ")[2]
            self.assertIn("Stopped.", after)
            for word in ("Error", "error", "***", "line "):
                self.assertNotIn(word, after)
        self.nothing_left(before)

    def stranger_is_not_entered(self):
        """A demo that was killed leaves its wrapper behind, and another process,
        of whom it may be and in a world of its own making, gets the number."""
        wrapper = self.tree / "build/demo/qwdctl"
        number = re.search(r"/proc/([0-9]+)/ns/mnt", wrapper.read_text())[1]
        stranger = subprocess.Popen(["unshare", "--mount", "--fork", "--kill-child",
                                     "sleep", "1000"])
        try:
            kept = self.tree / "kept"
            kept.write_text(wrapper.read_text().replace(f"/proc/{number}/",
                                                        f"/proc/{stranger.pid}/"))
            told = subprocess.run(["sh", kept, "status"], capture_output=True, text=True,
                                  check=False, timeout=60)
            self.assertEqual((told.returncode, told.stderr), (1, "make demo is not running\n"))
        finally:
            stranger.kill()
            stranger.wait()

    def test_a_login_of_ones_own_can_be_tried_in_it(self):
        """As src/doc/logins/custom.md tells."""
        page = (TREE / "src/doc/logins/custom.md").read_text()
        program = re.search(r"\n((?:    .*\n)+)", page.partition("## Try it\n")[2])[1]
        with Demo(self.tree) as demo:
            demo.ready()
            login = self.tree / "build/demo/etc/mylogin"
            login.write_text("".join(line[4:] for line in program.splitlines(True)))
            login.chmod(0o755)
            editor = self.tree / "build/demo/editor"
            editor.write_text("#!/bin/sh\n"
                              "echo check_user_custom = /mnt/site/etc/mylogin >>$1\n")
            editor.chmod(0o755)
            done = subprocess.run(
                ["build/demo/qwdctl", "edit", "config"],
                cwd=self.tree, env=os.environ | {"EDITOR": "/mnt/site/editor"},
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                timeout=20,
            )  # fmt: skip
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual([log_in(word) for word in ("beamtime", "guess")], [200, 401])

    def test_a_second_one_makes_nothing_anew(self):
        def made():
            names = ("cgi-bin/qemu-web-desktop", "bin/qwdctl", "build/guests/tiny.iso")
            return [(self.tree / name).stat().st_mtime_ns for name in names]

        with Demo(self.tree) as demo:
            demo.ready()
        before = made()
        with Demo(self.tree) as demo:
            demo.ready()
        self.assertEqual(made(), before)

    def test_it_ends_with_its_terminal_and_when_make_is_told_or_killed(self):
        before = {p.pid for p in processes()}
        for name, everybody in (("SIGHUP", True), ("SIGTERM", False), ("SIGKILL", False)):
            with self.subTest(name), Demo(self.tree) as demo:
                demo.ready()
                send = demo.signal if everybody else demo.make.send_signal
                send(getattr(signal, name))
                demo.wait()
                self.nothing_left(before)

    def test_nothing_survives_the_sudden_death_of_its_own_processes(self):
        before = {p.pid for p in processes()}
        with Demo(self.tree) as demo:
            demo.ready()
            running_session()
            holder = [p for p in processes() if p.name == "unshare" and p.pid not in before]
            self.assertEqual(len(holder), 1)
            os.kill(holder[0].pid, signal.SIGKILL)
            self.assertNotEqual(demo.wait(), 0)
        self.nothing_left(before)

    def test_a_port_that_is_taken_is_named(self):
        with socket.create_server(("127.0.0.1", PORT)), Demo(self.tree) as demo:
            self.assertNotEqual(demo.wait(), 0)
            self.assertIn(f"port {PORT} of 127.0.0.1 is taken", demo.said())

    def test_a_port_that_is_none_is_refused(self):
        for port in ("0", "65536", "http", "80 80", "-1"):
            with self.subTest(port), Demo(self.tree, f"PORT={port}") as demo:
                self.assertNotEqual(demo.wait(), 0)
                self.assertIn("a number up to 65535", demo.said())

    def test_there_is_one_at_a_time_in_a_tree(self):
        with Demo(self.tree) as first:
            first.ready()
            with Demo(self.tree, "PORT=8081") as second:
                self.assertNotEqual(second.wait(), 0)
                self.assertIn("another make demo is running", second.said())
            running_session()


if __name__ == "__main__":
    unittest.main(verbosity=2)
