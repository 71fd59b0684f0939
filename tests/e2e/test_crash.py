"""The crash of anything, and what is in the way of its repair: afterwards one
pass of `qwdctl purge` leaves nothing that no living session owns.

Kills and errors at each system call are tests/faults' affair.
"""

import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import unittest
import urllib.parse

from harness import (
    CGI,
    LONG,
    SERVICE_USER,
    TREE,
    Response,
    Site,
    Vnc,
    eventually,
    html_problems,
    processes,
    raw_request,
    tell,
)

# So that one user can have many small sessions.
MANY = {
    "service_max_load": 1000,
    "service_max_instance_nb": 100,
    "service_max_session_nb_per_user": 100,
    "service_max_cpu_fraction_nb_per_user": 100,
}
DEAD = "qemu-web-desktop-aaaaaaaaaaaaaaaaaaaa"


def own(path):
    os.chown(path, SERVICE_USER.pw_uid, SERVICE_USER.pw_gid, follow_symlinks=False)


def plant(path, text=""):
    path.write_text(text)
    path.chmod(0o600)
    own(path)


def tree_hash(*roots):
    """Of names, kinds, owners, sizes and times below these directories."""
    told = hashlib.sha256()
    for root in roots:
        for path in sorted(root.rglob("*")):
            s = path.lstat()
            told.update(f"{path} {s.st_mode} {s.st_uid} {s.st_size} {s.st_mtime_ns}\n".encode())
    return told.hexdigest()


def settle(site, requests=0):
    """Until the web server has answered so many POSTs, no request is at work
    any more, and each session is somewhere."""

    def settled():
        if site.access_log().count(f'"POST {CGI} ') < requests:
            return False
        found = processes()
        busy = [p for p in found if p.name == "qemu-web-desktop"
                and p.role not in ("owner", "keeper")]  # fmt: skip
        # And what is about to become one: neither the first Apache nor its child.
        web = [p for p in found if p.role == "apache"]
        first = [p.pid for p in web if p.parent not in {q.pid for q in web}][:1]
        busy += [p for p in web if p.pid not in first and p.parent not in first]
        states = [json.loads(p.read_text())["state"] for p in site.store.glob("*.json")]
        owners = {p.argv[2] for p in found if p.role == "owner" and len(p.argv) > 2}
        return not busy and states.count("running") == len(owners)

    eventually(settled, 60, "all requests are through")


def check_order(case, site):
    """Invariant I (RR4): processes, overlays, tokens and sockets are those of
    the living sessions, no more and no fewer."""
    site.qwdctl("purge")
    living = set()
    for path in site.store.glob("*.json"):
        record = json.loads(path.read_text())
        if record["state"] not in ("ended", "failed"):
            living.add(record["name"])
    case.assertEqual({p.name for p in (site.store / "run").iterdir()}, living)
    case.assertEqual({p.stem for p in site.snapshots_dir.iterdir()}, living)
    tokens = (site.store / "gateway/tokens").read_text()
    case.assertEqual(
        {line.partition("unix_socket:")[2].split("/")[0] for line in tokens.splitlines()}, living
    )

    def owned():
        owners = [p for p in site.processes() if p.role == "owner"]
        qemus = [p for p in site.processes() if p.role == "qemu"]
        return {p.argv[2] for p in owners} == living and len(qemus) == len(living)

    eventually(owned, 10, f"the processes of {living}: {[str(p) for p in site.processes()]}")
    # A record that is just being written is one for a moment.
    eventually(lambda: not list(site.store.rglob("*.tmp")), 10, "no half-written file")
    return living


class TheHost(unittest.TestCase):
    def test_after_a_reboot_all_is_reaped_and_nobody_is_killed(self):
        """RR12: records of another boot, and overlays that outlived it."""
        with Site(options=MANY) as site:
            names = [site.running()["name"] for _ in range(2)]
            # What lives ends as it does when the power fails.
            for process in site.processes():
                if process.role in ("owner", "keeper"):
                    tell(process, signal.SIGKILL)
            eventually(lambda: not site.processes(), 10, "the end of all")
            self.assertEqual(len(list(site.snapshots_dir.iterdir())), 2)
            for name in names:
                record = site.record(name) | {"boot_id": "0" * 36, "ends_boot_ms": 1}
                plant(site.store / f"{name}.json", json.dumps(record))
            # Somebody has the number that a stale record might have meant.
            with subprocess.Popen(["sleep", "600"]) as stranger:
                told = site.dir / "trace"
                done = subprocess.run(
                    ["strace", "-f", "-qq", "-o", told,
                     "-e", "trace=kill,tkill,tgkill,pidfd_send_signal",
                     "tests/site/site", "qwdctl", site.dir, "purge"],
                    cwd=TREE, capture_output=True, text=True, timeout=60, check=True,
                )  # fmt: skip
                self.assertIn("2 sessions without an owner", done.stdout)
                self.assertNotIn("kill", told.read_text())
                self.assertNotIn("signal(", told.read_text())
                self.assertIsNone(stranger.poll())
                stranger.kill()
            told.unlink()
            self.assertEqual(check_order(self, site), set())
            for name in names:
                self.assertEqual(site.session(name)["reason"], "The server was restarted.")

    def check_refusals(self, site):
        """Whoever comes when there is no room for a login or a record."""
        bob = site.visitor()
        for client, user in ((bob, "bob"), (site.client, "ann")):
            answer = client.post_form(site.order(user=user))
            self.assertEqual(answer.status, 503, answer)
            self.assertEqual(answer.headers["Retry-After"], "120")
            error = answer.json()["error"]
            self.assertEqual(error["code"], "busy")
            self.assertIn("The server has no room left on its disk", error["message"])
        answer = bob.post_form(site.order(user="bob"), accept="html")
        self.assertEqual(answer.status, 503)
        self.assertEqual(html_problems(answer.text), [])
        self.assertIn("no room left on its disk", answer.text)
        self.assertIn("Nothing was started.", answer.text)
        self.assertNotIn(str(site.dir), answer.text)
        self.assertEqual(bob.cookies, {})
        # The administrator reads what it was.
        self.assertRegex(site.error_log(),
                         "event=error .*user=ann error=internal .*No space left on device")
        self.assertEqual(len(list(site.store.glob("*.json"))), 1)
        self.assertEqual(len(list((site.store / "locks").iterdir())), 1)

    def test_with_no_room_for_records_those_that_exist_survive(self):
        """RR7: nothing is half written, and what should end ends."""
        with Site(options=MANY) as site:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size=256k,mode=700,uid={SERVICE_USER.pw_uid}",
                 "full", site.store], check=True)  # fmt: skip
            try:
                first = site.running()
                before = site.record(first["name"])
                filler = site.store / "filler"
                with contextlib.suppress(OSError), filler.open("wb", buffering=0) as f:
                    while True:
                        f.write(b"x" * 4096)
                self.check_refusals(site)
                self.assertEqual(site.record(first["name"]), before)
                Vnc.of(site, first["name"]).close()
                # It cannot be written that it ends; it ends all the same.
                self.assertEqual(
                    site.post_form({"session_stop": first["name"], "now": "1"}).status, 200
                )
                eventually(lambda: not site.overlays(first["name"]), 10, "its overlay's end")
                eventually(
                    lambda: not site.processes(first["name"]), 10, "its processes' end"
                )
                json.loads((site.store / f"{first['name']}.json").read_text())
                filler.unlink()
                self.assertEqual(check_order(self, site), set())
                self.assertIn(site.record(first["name"])["state"], ("ended", "failed"))
            finally:
                # What lies below the mount is not the store that is in use.
                (site.store / "filler").unlink(missing_ok=True)
                site.stop_all()
                subprocess.run(["umount", "-l", site.store], check=True)


class TheWebServer(unittest.TestCase):
    """RR10: graceful, restart, stop, and visitors who go away."""

    def signal(self, site, how):
        pid = int((site.dir / "run/apache/httpd.pid").read_text())
        os.kill(pid, {"graceful": signal.SIGUSR1, "restart": signal.SIGHUP,
                      "stop": signal.SIGTERM}[how])  # fmt: skip
        return pid

    def ask_on(self, site, number):
        """Creates one after the other, whatever becomes of them."""
        for i in range(4):
            with contextlib.suppress(OSError, http.client.HTTPException):
                site.visitor().post_form(site.order(user=f"user{number}x{i}", memory="0.1"))

    def test_sessions_live_and_requests_finish_or_roll_back(self):
        for mpm in ("event", "prefork") if LONG else ("event",):
            for how in ("graceful", "restart", "stop"):
                with self.subTest(mpm=mpm, how=how):
                    self.one(mpm, how)

    def one(self, mpm, how):
        with Site(mpm=mpm, options=MANY) as site:
            before = site.running()
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                jobs = [pool.submit(self.ask_on, site, n) for n in range(4)]
                # In the middle of it: some are in, more are coming.
                eventually(lambda: len(list(site.store.glob("*.json"))) > 2, 30, "the first")
                pid = self.signal(site, how)
                for job in jobs:
                    job.result()
            if how == "stop":
                eventually(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 20, "its end")
                site.start()
            settle(site)
            living = check_order(self, site)
            self.assertIn(before["name"], living)
            for name in living:
                Vnc.of(site, name).close()
            self.assertEqual(site.session(before["name"])["state"], "running")

    def test_a_visitor_who_goes_away_leaves_nothing_half_done(self):
        with Site(options=MANY) as site:
            first = site.running()["name"]
            for i in range(12):
                body = urllib.parse.urlencode(site.order(user=f"user{i}", memory="0.1"))
                with socket.create_connection(("127.0.0.1", site.port)) as s:
                    s.sendall(
                        f"POST {CGI} HTTP/1.1\r\nHost: localhost:{site.port}\r\n"
                        "Content-Type: application/x-www-form-urlencoded\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
                    )
                    time.sleep(i * 0.002)  # it is somewhere else each time
            settle(site, 1 + 12)
            living = check_order(self, site)
            self.assertIn(first, living)
            for name in living:
                Vnc.of(site, name).close()

    def test_qemu_holds_only_descriptors_of_its_own(self):
        """RR11: of the web server and of the owner nothing."""
        with Site() as site:
            name = site.running()["name"]
            qemu = site.process("qemu", name) or next(
                p for p in site.processes() if p.role == "qemu"
            )
            kinds = ("anon_inode:", "pipe:", "socket:", "/dev/null", "/dev/kvm", "/memfd:")
            for number, target in qemu.descriptors().items():
                if target.startswith(kinds) or name in target or target.endswith("tiny.iso"):
                    continue
                # Inside its namespaces, the image and the overlay.
                self.assertRegex(target, r"^/(image|overlay|vm/)", (number, target))
            apache = {p.pid for p in processes() if p.role == "apache"}
            theirs = set()
            for process in processes():
                if process.pid in apache:
                    theirs |= {t for t in process.descriptors().values()
                               if t.startswith(("socket:", "pipe:"))}  # fmt: skip
            for process in site.processes():
                shared = theirs & set(process.descriptors().values())
                self.assertFalse(shared, process)


class SlowClients(unittest.TestCase):
    """RR17: who sends slowly, too little or too much keeps nobody else out."""

    def test_many_that_say_nothing_keep_nobody_out(self):
        with Site() as site, contextlib.ExitStack() as stack:
            for i in range(1000 if LONG else 100):
                s = stack.enter_context(socket.create_connection(("127.0.0.1", site.port)))
                s.sendall(b"POST " + CGI.encode() + b" HTTP/1.1\r\nX: " + b"a" * (i % 50))
            session = site.running()
            self.assertEqual(site.session(session["name"])["state"], "running")

    def cgi(self, site, length, data, close):
        """The program itself, without a web server that protects it."""
        env = {
            "QWD_CONFIG": str(site.dir / "etc/config.conf"),
            "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST",
            "SERVER_NAME": "localhost", "SERVER_PORT": "8080", "HTTP_HOST": "localhost:8080",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_ACCEPT": "application/json", "CONTENT_LENGTH": str(length),
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
        }  # fmt: skip
        with subprocess.Popen(
            [str(site.dir / "cgi-bin/qemu-web-desktop")], env=env, cwd="/",
            user=SERVICE_USER.pw_uid, group=SERVICE_USER.pw_gid, extra_groups=[],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as program:  # fmt: skip
            program.stdin.write(data)
            program.stdin.flush()
            if close:
                program.stdin.close()
            try:
                out = program.stdout.read()
                program.wait(60)
            finally:
                program.kill()
        return out

    def test_a_body_that_does_not_come_has_a_deadline(self):
        with Site() as site:
            before = tree_hash(site.snapshots_dir)
            out = self.cgi(site, 100, b"user=ann&create=1", False)
            self.assertTrue(out.startswith(b"Status: 400"), out[:100])
            self.assertIn(b"did not arrive in time", out)
            self.assertFalse(list(site.store.glob("*.json")))
            self.assertEqual(tree_hash(site.snapshots_dir), before)

    def test_a_body_of_another_length_than_it_says(self):
        with Site() as site:
            form = urllib.parse.urlencode(site.order()).encode()
            out = self.cgi(site, len(form) + 1, form, True)
            self.assertTrue(out.startswith(b"Status: 400"), out[:100])
            self.assertIn(b"shorter than it says", out)
            self.assertFalse(list(site.store.glob("*.json")))
            # What is behind the form is not part of it.
            out = self.cgi(site, len(form), form + b"&oneshot=1", True)
            self.assertTrue(out.startswith(b"Status: 201"), out[:100])
            name = json.loads(out.partition(b"\r\n\r\n")[2])["session"]["name"]
            self.assertFalse(site.record(name)["oneshot"])
            site.qwdctl("stop", name, "--now", "--yes")

    def test_the_shipped_snippet_ends_slow_requests(self):
        snippet = (TREE / "etc/apache.conf").read_text()
        self.assertRegex(snippet, r"(?s)<IfModule reqtimeout_module>.*RequestReadTimeout")
        if not LONG:
            return
        with Site() as site:
            got = raw_request(site.port, (
                f"POST {CGI} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nuser=").encode(), 60)
            self.assertRegex(got, rb"^(HTTP/1\.1 408|$)")

    def test_a_login_that_hangs_keeps_nobody_else_waiting(self):
        """RR18: a login server that is a black hole is one visitor's trouble."""
        with Site() as site:
            program = site.dir / "bin/slow"
            go = site.dir / "go"
            program.write_text(
                "#!/bin/sh\nread -r input\ncase $input in *slow*)\n"
                f"while ! [ -e {go} ]; do sleep 0.1; done;; esac\necho SUCCESS\n"
            )
            program.chmod(0o755)
            site.configure(check_user_custom=program, login_timeout=9)
            with concurrent.futures.ThreadPoolExecutor(5) as pool:
                slow = [pool.submit(
                    site.visitor().post_form,
                    site.order(user=f"slow{i}", password="x")) for i in range(5)]  # fmt: skip
                eventually(
                    lambda: len([p for p in processes() if str(program) in p.argv]) == 5, 10,
                    "all of them ask",
                )  # fmt: skip
                answer = site.visitor().post_form(site.order(user="ann", password="x"))
                waiting = [job for job in slow if not job.done()]
                go.touch()
                self.assertEqual(answer.status, 201, answer)
                self.assertEqual(len(waiting), 5)
                for job in slow:
                    self.assertIsInstance(job.result(), Response)


class TheStore(unittest.TestCase):
    def test_whatever_lies_in_a_records_place_breaks_nothing(self):
        """SR20, P10, RR13: moved out of the way, logged, the others served."""
        with Site() as site:
            name = site.running()["name"]
            path = site.store / f"{DEAD}.json"
            good = site.record(name)

            def link():
                path.symlink_to("/etc/passwd")

            def directory():
                path.mkdir()
                own(path)

            def huge():
                plant(path)
                os.truncate(path, 1 << 30)

            def of_root():
                path.write_text(json.dumps(good | {"name": DEAD}))
                path.chmod(0o600)

            ways = {
                "link": link,
                "fifo": lambda: (os.mkfifo(path), own(path)),
                "directory": directory,
                "1 GiB": huge,
                "another's": of_root,
                "text": lambda: plant(path, "not a record"),
                "version": lambda: plant(path, json.dumps(good | {"name": DEAD, "version": 2})),
                "types": lambda: plant(path, json.dumps(good | {"name": DEAD, "cpu": "1"})),
                "nested": lambda: plant(path, "[" * 60000),
                "twice": lambda: plant(path, json.dumps(good | {"name": DEAD})[:-1] + ',"cpu":2}'),
            }
            for what, make in ways.items():
                with self.subTest(what):
                    lines = site.error_log().count("event=record-damaged")
                    make()
                    answer = site.get(f"{CGI}?manage=1")
                    self.assertEqual(answer.status, 200)
                    self.assertEqual([s["name"] for s in answer.json()["sessions"]], [name])
                    self.assertFalse(os.path.lexists(path))
                    self.assertGreater(site.error_log().count("event=record-damaged"), lines)
                    self.assertEqual(site.session(name)["state"], "running")
            self.assertEqual(pathlib.Path("/etc/passwd").lstat().st_uid, 0)

    def test_a_record_is_data_and_no_authority(self):
        """SR21, P9: it names a directory to remove and a process to kill."""
        with Site() as site:
            name = site.running()["name"]
            victim = site.dir / "victim"
            (victim / "vm").mkdir(parents=True)
            plant(victim / "vm/file", "precious")
            own(victim)
            own(victim / "vm")
            with subprocess.Popen(["sleep", "600"], user=SERVICE_USER.pw_uid) as process:
                record = site.record(name) | {
                    "name": DEAD, "state": "running", "boot_id": site.record(name)["boot_id"],
                    "machine": "tiny.iso", "dir": str(victim), "snapshot": str(victim),
                    "pid": process.pid, "pids": [process.pid], "files": [str(victim / "vm/file")],
                }  # fmt: skip
                before = tree_hash(victim, site.machines_dir)
                plant(site.store / f"{DEAD}.json", json.dumps(record))
                plant(site.store / "locks" / DEAD)
                site.qwdctl("purge")
                plant(site.store / f"{DEAD}.json",
                      json.dumps(record | {"machine": "../../victim/vm/file"}))  # fmt: skip
                site.qwdctl("purge")
                self.assertIsNone(process.poll())
                process.kill()
            self.assertEqual(tree_hash(victim, site.machines_dir), before)
            self.assertEqual(site.session(name)["state"], "running")

    def test_a_session_to_stop_is_a_name_and_no_path(self):
        """P9: nothing outside is looked for, and nothing changes."""
        with Site() as site:
            name = site.running()["name"]
            plant(site.dir / "evil.json", json.dumps(site.record(name)))
            before = tree_hash(site.store / "run", site.snapshots_dir, site.dir / "lib")
            for path in ("../../evil", f"../sessions/{name}", f"{site.dir}/evil.json",
                         f"{name}/../{name}", f"{name}.json", "", ".", "..", f"{name}\n"):  # fmt: skip
                with self.subTest(path):
                    answer = site.post_form({"session_stop": path, "now": "1"})
                    self.assertIn(answer.status, (400, 404), answer)
            self.assertEqual(
                tree_hash(site.store / "run", site.snapshots_dir, site.dir / "lib"), before
            )
            self.assertEqual(site.session(name)["state"], "running")

    def test_what_is_refused_makes_nothing(self):
        """P26: no directory, no record, no overlay before all is decided."""
        with Site(options={"service_max_instance_nb": 1}) as site:
            mine = site.running()["name"]

            def there():
                # Its owner may write its record anew at any time.
                return tree_hash(site.snapshots_dir), {
                    p.name for p in site.store.rglob("*")
                    if "logins" not in str(p) and not p.name.startswith(f"{mine}.json")
                }  # fmt: skip

            before = there()
            for fields, status in (
                ({"user": "bob"}, 503),
                ({"machine": "none.iso"}, 400),
                ({"machine": "../tiny.iso"}, 400),
                ({"cpu": "0"}, 400),
                ({"memory": "1e9"}, 400),
                ({"user": "../x"}, 400),
            ):
                with self.subTest(fields):
                    answer = site.visitor().post_form(site.order(**fields))
                    self.assertEqual(answer.status, status, answer)
            self.assertEqual(there(), before)

    def test_a_qemu_that_dies_at_once_is_no_running_session(self):
        """P28: sixteen records and four processes must not come to pass."""
        with Site(options={"qemu_exec_options": "-machine nonsense"}) as site:
            names = [site.create(user=f"user{i}")["name"] for i in range(4)]
            for name in names:
                eventually(lambda n=name: site.record(n)["state"] == "failed", 40, name)
                self.assertTrue(site.record(name)["ended"])
            self.assertEqual(check_order(self, site), set())


class ThePurge(unittest.TestCase):
    def dead_session(self, site, like):
        """One whose owner has died, with a large overlay."""
        record = site.record(like) | {"name": DEAD}
        plant(site.store / f"{DEAD}.json", json.dumps(record))
        plant(site.store / "locks" / DEAD)
        plant(site.snapshots_dir / f"{DEAD}.qcow2", "QFI")
        (site.store / "run" / DEAD).mkdir(mode=0o700)
        own(site.store / "run" / DEAD)

    def test_a_big_overlay_that_goes_away_keeps_nobody_waiting(self):
        with Site() as site:
            like = site.running()["name"]
            self.dead_session(site, like)
            # As if the file system took its time with it: longer than the rest of
            # this test may take, which ends it.
            purge = subprocess.Popen(
                ["strace", "-qq", "-o", "/dev/null", "-u", SERVICE_USER.pw_name,
                 "-P", site.snapshots_dir / f"{DEAD}.qcow2",
                 "-e", "trace=unlinkat", "-e", "inject=unlinkat:delay_enter=600s",
                 site.dir / "bin/qwdctl", f"--config={site.dir}/etc/config.conf", "purge"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                eventually(lambda: site.record(DEAD)["state"] == "failed", 10, "it is at work")
                self.assertTrue(site.overlays(DEAD))
                self.assertEqual(site.visitor().post_form(site.order(user="bob")).status, 201)
                self.assertIsNone(purge.poll())
                self.assertTrue(site.overlays(DEAD))
            finally:
                for process in processes():
                    if process.argv[-1:] == ("purge",):
                        tell(process, signal.SIGKILL)
                purge.wait()
            # One that was killed in the middle of it is in nobody's way.
            eventually(
                lambda: not [p for p in processes() if p.argv[-1:] == ("purge",)], 10, "its end"
            )
            site.qwdctl("purge")
            self.assertFalse(site.overlays(DEAD))

    def test_an_owner_that_hangs_past_the_end_is_killed(self):
        """And its session is cleaned up in the same pass."""
        with Site() as site:
            name = site.running()["name"]
            other = site.running(user="bob")["name"]
            owner = site.process("owner", name)
            os.kill(owner.pid, signal.SIGSTOP)
            # Since the host has booted, which is longer ago than it is waited for.
            eventually(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) > 100, 100, "such a host")
            record = site.record(name) | {"ends_boot_ms": 1}
            plant(site.store / f"{name}.json", json.dumps(record))
            site.qwdctl("purge")
            # Its lock goes a moment before it.
            eventually(lambda: not owner.alive(), 10, "its end")
            self.assertEqual(check_order(self, site), {other})
            self.assertEqual(site.record(name)["state"], "failed")
            Vnc.of(site, other).close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
