"""How sessions are stopped, what is told of them then, and the clock."""
# lane: guests

import calendar
import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import unittest

from harness import CGI, LONG, PATIENCE, SERVICE_USER, TREE, Site, Vnc, eventually, html_problems

# A disk without a system: its guest, the firmware, obeys no power button.
DEAF = {"name": "deaf.raw", "description": "Nothing in it", "file": b"\0" * 1048576}


class Stopping(unittest.TestCase):
    """RR16: QMP's system_powerdown, the grace period, quit, SIGKILL."""

    def test_a_guest_that_ignores_the_power_button_is_ended_after_the_grace(self):
        with Site(machines=[DEAF], options={"service_stop_grace": 4}) as site:
            name = site.running()["name"]
            start = time.monotonic()
            self.assertEqual(site.stop(name)["state"], "stopping")
            page = site.get(f"{CGI}?session={name}", accept="html").text
            self.assertIn("Stop it now, without waiting", page)
            self.assertEqual(html_problems(page), [])
            ended = site.wait_state(name, "ended", 20)
            self.assertGreater(time.monotonic() - start, 3.5)
            self.assertEqual(ended["reason"], "Stopped by its user.")
            # QEMU obeyed `quit`.
            self.assertIn(f"event=qemu-ended session={name} status=0",
                          (site.store / "log").read_text())

    def test_stop_now_does_not_wait(self):
        with Site(machines=[DEAF], options={"service_stop_grace": 3600}) as site:
            name = site.running()["name"]
            site.stop(name)
            self.assertEqual(site.stop(name)["state"], "stopping")  # twice is no error
            page = site.get(f"{CGI}?session={name}", accept="html").text
            form = re.search(r'name="session_stop" value="([^"]+)">\s*'
                             r'<input type="hidden" name="now" value="1">', page)
            answer = site.post_form({"session_stop": form[1], "now": "1"}, accept="html")
            self.assertEqual(answer.status, 303)
            site.wait_state(name, "ended", 5)
            # Its reason is kept and shown, on its page and in the list.
            page = site.get(f"{CGI}?session={name}", accept="html").text
            self.assertIn("Stopped by its user.", page)
            manage = site.get(f"{CGI}?manage=1", accept="html").text
            self.assertIn("Stopped by its user.", manage)
            for wrong in ("../x", f"../{name}", "a/b", "..", f"{name}/", "%2e%2e", "x" * 300):
                answer = site.post_form({"session_stop": wrong, "now": "1"})
                self.assertEqual(answer.status, 404, wrong)

    def test_qemu_that_does_not_run_is_killed_before_its_files_go(self):
        """RR16, P24: QEMU stopped by SIGSTOP answers nothing."""
        with Site(options={"service_stop_grace": 1}) as site:
            for now in ("0", "1"):
                name = site.running()["name"]
                qemu = site.process("qemu", name)
                os.kill(qemu.pid, signal.SIGSTOP)
                seen = []
                watch = threading.Thread(target=self.watch, args=(site, name, qemu, seen))
                watch.start()
                site.post_form({"session_stop": name, "now": now})
                ended = site.wait_state(name, "ended", 10)
                watch.join()
                self.assertEqual(ended["reason"], "Stopped by its user.")
                self.assertEqual(seen, ["QEMU, then its disk"])
                eventually(lambda: not site.processes(name), 5, "its owner's end")

    @staticmethod
    def watch(site, name, qemu, seen):
        """Which goes first?"""
        overlay = site.snapshots_dir / f"{name}.qcow2"
        end = time.monotonic() + 20 * PATIENCE
        while time.monotonic() < end:
            gone = not overlay.exists()
            if gone and qemu.alive():
                seen.append("its disk, then QEMU")
                return
            if gone:
                seen.append("QEMU, then its disk")
                return

    def test_an_owner_that_does_not_answer_is_told_of(self):
        with Site() as site:
            name = site.running()["name"]
            owner = site.process("owner", name)
            os.kill(owner.pid, signal.SIGSTOP)
            answer = site.post_form({"session_stop": name})
            os.kill(owner.pid, signal.SIGCONT)
            self.assertEqual(answer.status, 409, answer)
            self.assertIn("stopped as soon as it does", answer.json()["error"]["message"])
            site.wait_state(name, "ended", 20)  # it was only late


class OneShot(unittest.TestCase):
    @unittest.skipUnless(LONG, "takes half a minute and more")
    def test_a_viewer_that_comes_back_in_time_keeps_it(self):
        with Site() as site:
            session = site.running(oneshot=1)
            name = session["name"]
            token = site.token(session)
            first = Vnc(site.websocket(token))
            second = Vnc(site.websocket(token))
            first.close()
            eventually(lambda: len(self.viewers(site, name)) == 1, 10, "one viewer")
            second.close()
            eventually(lambda: not self.viewers(site, name), 10, "no viewer")
            left = time.monotonic()
            time.sleep(10)
            with Vnc(site.websocket(token)):
                # Well past the half minute.
                time.sleep(25)
                self.assertEqual(site.session(name)["state"], "running")
            self.assertGreater(time.monotonic() - left, 34)
            site.end(name)

    @staticmethod
    def viewers(site, name):
        """Connections to the session's VNC socket."""
        text = subprocess.run(["ss", "-xHn", "state", "connected"], capture_output=True,
                              text=True, check=True).stdout
        return [line for line in text.splitlines() if f"{name}/vm/vnc" in line or
                " /vm/vnc " in line]


class Told(unittest.TestCase):
    def test_the_history_the_report_and_the_log(self):
        with Site(options={"user_admin": "ann"}) as site:
            name = site.running()["name"]
            self.assertEqual(site.qwdctl("report", check=False).returncode, 3)
            site.post_form({"session_stop": name, "now": "1"})
            site.wait_state(name, "ended", 10)
            lost = site.running(user="bob", memory="0.125")["name"]
            os.kill(site.process("owner", lost).pid, signal.SIGKILL)
            eventually(lambda: not site.processes(lost), 5, "QEMU's end")
            site.qwdctl("purge")
            site.qwdctl("purge")
            history = site.dir / "lib/history"
            self.assertEqual(history.stat().st_mode & 0o777, 0o700)
            self.assertEqual((history / "history").stat().st_mode & 0o777, 0o600)
            lines = [json.loads(line) for line in (history / "history").read_text().splitlines()]
            self.assertEqual([line["session"] for line in lines], [name, lost])
            self.assertEqual(
                {k: lines[0][k] for k in ("user", "machine", "cpu", "memory_mb", "state", "reason")},
                {"user": "ann", "machine": "tiny.iso", "cpu": 1, "memory_mb": 256,
                 "state": "ended", "reason": "Stopped by its user."})
            self.assertEqual(lines[1]["state"], "failed")
            self.assertIn("has died", lines[1]["reason"])
            self.check_report(site, name, lost, lines)
            self.check_log(site, name, lost)

    def check_report(self, site, name, lost, lines):
        value = json.loads(site.qwdctl("report", "--json").stdout)
        self.assertEqual(value["sessions"], lines)
        self.assertEqual(value["damaged"], 0)
        self.assertEqual(set(value["users"]), {"ann", "bob"})
        self.assertEqual(value["users"]["bob"]["sessions"], 1)
        text = site.qwdctl("report").stdout
        self.assertRegex(text, r"ann +tiny\.iso +\d+ s +1 +256 MB +ended +Stopped by its user\.")
        only = json.loads(site.qwdctl("report", "--json", "--user", "bob").stdout)
        self.assertEqual([line["session"] for line in only["sessions"]], [lost])
        today = lines[0]["ended"][:10]
        for arguments, count in (([f"--since={today}"], 2), ([f"--until={lines[1]['ended'][:10]}"], 2),
                                 (["--since", "2099-01-01"], 0), (["--until=2020-02-29"], 0),
                                 (["--since=" + lines[0]["ended"], "--user=ann"], 1)):
            value = json.loads(site.qwdctl("report", "--json", *arguments).stdout)
            self.assertEqual(len(value["sessions"]), count, arguments)
        for wrong in (["--since=2021-02-29"], ["--since=yesterday"], ["--until"], ["--user=a/b"],
                      ["x"], ["--since= 2026-01-01"]):
            self.assertEqual(site.qwdctl("report", *wrong, check=False).returncode, 2, wrong)
        # Damage is told of, and hides nothing else.
        with open(site.dir / "lib/history/history", "a", encoding="utf-8") as f:
            f.write("{half a li")
        done = site.qwdctl("report")
        self.assertIn("1 lines of the history cannot be read", done.stderr)
        self.assertIn("Stopped by its user.", done.stdout)

    def check_log(self, site, name, lost):
        text = site.qwdctl("log", name).stdout
        self.assertIn(f"event=running session={name}", text)
        self.assertIn("event=ended", text)
        self.assertNotIn(lost, text)
        self.assertEqual({line for line in text.splitlines() if f"session={name}" not in line},
                         set())
        for arguments, status in ((["qemu-web-desktop-none"], 3), ([], 2), (["../x"], 2),
                                  ([name, lost], 2)):
            self.assertEqual(site.qwdctl("log", *arguments, check=False).returncode, status)

    def test_a_history_that_cannot_be_written_keeps_nothing_alive(self):
        with Site() as site:
            history = site.dir / "lib/history"
            history.write_text("no directory")
            name = site.running()["name"]
            site.end(name)
            self.assertIn("event=history error=damaged", (site.store / "log").read_text())
            # Nor does what would wait for a reader for ever.
            history.unlink()
            history.mkdir(mode=0o700)
            os.mkfifo(history / "history", 0o600)
            for path in (history, history / "history"):
                os.chown(path, SERVICE_USER.pw_uid, SERVICE_USER.pw_gid)
            name = site.running()["name"]
            site.end(name)
            self.assertIn("dir_history: history is no regular file",
                          (site.store / "log").read_text())
            done = site.qwdctl("report", check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("history is no regular file", done.stderr)
            # Nor does another process that keeps its lock.
            (history / "history").unlink()
            name = site.running()["name"]
            with open(history / "lock", "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                site.stop(name)
                site.wait_state(name, "ended")
            self.assertIn("event=history error=timeout", (site.store / "log").read_text())
            self.assertFalse((history / "history").exists())

    def test_nothing_that_a_terminal_would_obey_is_printed(self):
        with Site() as site:
            name = site.running()["name"]
            site.end(name)
            path = site.dir / "lib/history/history"
            line = json.loads(path.read_text())
            line["reason"] = "\x1b]0;owned\x07 \x9b31m"
            path.write_text(json.dumps(line) + "\n")
            with (site.store / "log").open("ab") as log:
                log.write(f"qemu: \x1b[2J\x9b1m session={name} ".encode() + b"\x9b\xff\r\n")
            for arguments, words in ((("report",), "?]0;owned? ??31m\n"),
                                     (("report", "--json"), '"reason": "\\u001B]0;owned'),
                                     (("log", name), f"qemu: ?[2J??1m session={name} ???\n")):
                told = site.qwdctl(*arguments).stdout
                self.assertIn(words, told)
                self.assertEqual([c for c in told if c != "\n" and not c.isprintable()], [])
            # As long as a history of history_size may be: not each line times
            # all lines, which would take longer than qwdctl() waits.
            with path.open("w", encoding="utf-8") as history:
                for number in range(40000):
                    history.write(json.dumps(line | {"session": f"s-{number}"}) + "\n")
            self.assertEqual(site.qwdctl("report").stdout.count("owned"), 40000)


class Clock(unittest.TestCase):
    """RR8, P25: a step of the wall clock neither ends nor prolongs a session,
    nor a login.

    The programs are the real ones, linked with a clock whose wall time is
    `/tmp/wall-offset` seconds off; nobody may set the host's clock for a test.
    """

    OFFSET = pathlib.Path("/tmp/wall-offset")

    @classmethod
    def setUpClass(cls):
        subprocess.run(["make", "-s", "clock-programs"], cwd=TREE, check=True,
                       stdin=subprocess.DEVNULL)
        programs = {"QWD_CGI": TREE / "build/clock/qemu-web-desktop",
                    "QWD_CTL": TREE / "build/clock/qwdctl"}
        os.environ.update({k: str(v) for k, v in programs.items()})
        cls.addClassCleanup(lambda: [os.environ.pop(k) for k in programs])
        cls.addClassCleanup(cls.OFFSET.unlink, missing_ok=True)

    def step(self, seconds):
        new = self.OFFSET.with_suffix(".new")
        new.write_text(str(seconds))
        new.chmod(0o644)
        new.rename(self.OFFSET)

    def test_a_step_neither_ends_nor_prolongs_a_session(self):
        day = 86400
        self.step(0)
        with Site() as site:
            name = site.running(snapshot_lifetime=60)["name"]
            record = site.record(name)
            for step in (400 * day, -400 * day, 3600, -day):
                self.step(step)
                site.qwdctl("purge")
                # By the login of before the step, too: none ends by it.
                session = site.session(name)
                self.assertEqual(session["state"], "running", step)
                new = site.visitor()
                new.post_form({"manage": "1", "user": "ann"})
                self.assertEqual(new.get(f"{CGI}?session={name}").status, 200, step)
                # People see its end where it lies on the new clock.
                ends = calendar.timegm(time.strptime(session["ends"], "%Y-%m-%dT%H:%M:%SZ"))
                self.assertAlmostEqual(ends, record["ends"] + step, delta=5)
            # A day in the past its end comes all the same, and not a day late.
            eventually(lambda: site.record(name)["state"] == "ended", 70, "its end")
            ended = site.record(name)
            self.assertEqual(ended["reason"], "Its lifetime was over.")
            self.assertGreaterEqual(ended["ended_boot_ms"], record["ends_boot_ms"])
            self.assertLess(ended["ended_boot_ms"], record["ends_boot_ms"] + 60000)
            # It is shown for its ten minutes, whatever is done to the clock.
            self.step(400 * day)
            site.qwdctl("purge")
            self.assertEqual(site.record(name)["state"], "ended")
            line = json.loads((site.dir / "lib/history/history").read_text())
            self.assertIn(line["seconds"], range(60, 121))


class Running(unittest.TestCase):
    """RR3: running is said only when the screen has greeted."""

    FAKE = '''#!/usr/bin/python3
import json, os, socket, sys
argv = sys.argv
info = int(argv[argv.index("--info-fd") + 1])
os.write(info, json.dumps({"child-pid": os.getpid()}).encode() + b"\\n")
os.close(info)
place = next(argv[i + 1] for i, a in enumerate(argv) if a == "--bind" and argv[i + 2] == "/vm")
qmp = socket.socket(fileno=int(next(a for a in argv if a.startswith("socket,id=qmp0")).rpartition("=")[2]))
vnc = socket.socket(socket.AF_UNIX)
vnc.bind(place + "/vnc")
vnc.listen()
lines = qmp.makefile("rw")
print(json.dumps({"QMP": {}}), file=lines, flush=True)
asked = 0
for line in lines:
    asked += 1
    print(json.dumps({"return": {}, "id": json.loads(line).get("id")}), file=lines, flush=True)
    if asked == 2:
        viewer = vnc.accept()[0]
        while not os.path.exists("/tmp/greet"):
            os.sched_yield()
        viewer.sendall(b"RFB 003.008\\n")
'''

    def test_a_screen_that_does_not_greet_is_not_running(self):
        greet = pathlib.Path("/tmp/greet")
        self.addCleanup(greet.unlink, missing_ok=True)
        with Site(options={"guest_network": "none"}) as site:
            fake = site.dir / "bwrap"
            fake.write_text(self.FAKE)
            fake.chmod(0o755)
            subprocess.run(["mount", "--bind", fake, "/usr/bin/bwrap"], check=True)
            self.addCleanup(subprocess.run, ["umount", "/usr/bin/bwrap"], check=True)
            name = site.create()["name"]
            eventually(lambda: site.record(name)["step"] == 3, 20, "the display's step")
            for _ in range(30):
                self.assertEqual(site.session(name)["state"], "booting")
                time.sleep(0.05)
            greet.touch()
            site.wait_state(name, "running", 10)
            site.post_form({"session_stop": name, "now": "1"})
            site.wait_state(name, "ended", 10)


if __name__ == "__main__":
    unittest.main(verbosity=2)
