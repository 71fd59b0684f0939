"""How sessions live and end: what is left behind, and what survives."""
# lane: guests

import json
import os
import pathlib
import signal
import socket
import subprocess
import unittest

from harness import (
    CGI,
    SERVICE_USER,
    Site,
    Vnc,
    WebSocketRefused,
    eventually,
    tell,
    wait_for_prompt,
)

# Those of a session that stay as long as it does.
LASTING = ("owner", "bwrap", "qemu", "slirp4netns", "keeper", "websockify")


def kill(process, how=signal.SIGKILL):
    os.kill(process.pid, how)


class NothingIsLeft(unittest.TestCase):
    """Of a session that has ended, whoever ended it."""

    def gone(self, site, name, seconds=5):
        site.wait_gone(name, seconds)

    def test_when_its_user_stops_it(self):
        with Site() as site:
            name = site.running()["name"]
            token = site.token(site.session(name))
            self.assertEqual(site.stop(name)["state"], "stopping")
            ended = site.wait_state(name, "ended")
            self.assertEqual(ended["reason"], "Stopped by its user.")
            self.assertIsNone(ended["url"])
            self.gone(site, name)
            with self.assertRaises(WebSocketRefused):
                site.websocket(token)

    def test_when_it_is_stopped_before_it_runs(self):
        with Site() as site:
            name = site.create()["name"]
            site.stop(name)
            site.wait_state(name, "ended")
            self.gone(site, name)

    def test_when_it_is_stopped_twice_and_at_once(self):
        with Site(options={"service_stop_grace": 3600}) as site:
            name = site.running()["name"]
            site.stop(name)
            answer = site.post_form({"session_stop": name, "now": "1"})
            self.assertEqual(answer.status, 200)
            site.wait_state(name, "ended", 5)
            self.assertEqual(site.stop(name)["state"], "ended")
            self.gone(site, name)

    def test_when_the_guest_shuts_down(self):
        with Site() as site:
            name = site.running()["name"]
            with Vnc.of(site, name) as vnc:
                wait_for_prompt(vnc.screen)
                vnc.type("poweroff\n")
                ended = site.wait_state(name, "ended")
            self.assertEqual(ended["reason"], "The machine was shut down from within.")
            self.gone(site, name)

    def test_when_qemu_is_killed(self):
        with Site() as site:
            name = site.running()["name"]
            kill(site.process("qemu", name))
            failed = site.wait_state(name, "failed", 5)
            self.assertEqual(failed["reason"], "The machine ended unexpectedly.")
            self.gone(site, name)

    def test_when_its_owner_is_killed(self):
        with Site() as site:
            name = site.running()["name"]
            kill(site.process("owner", name))
            eventually(lambda: not site.processes(name), 5, "QEMU's end")
            # Shown truly at once, although nobody has written it yet.
            failed = site.session(name)
            self.assertEqual(failed["state"], "failed")
            self.assertIn("has died", failed["reason"])
            site.qwdctl("purge")
            self.gone(site, name)
            self.assertEqual(site.record(name)["state"], "failed")

    def test_when_its_owner_is_killed_and_another_session_comes(self):
        with Site() as site:
            name = site.running()["name"]
            kill(site.process("owner", name))
            site.running(user="bob")
            self.gone(site, name, 5)


class WhatSurvives(unittest.TestCase):
    def test_a_session_survives_the_web_servers_restart(self):
        for mpm in ("event", "prefork"):
            with self.subTest(mpm), Site(mpm=mpm) as site:
                session = site.running()
                pid = int((site.dir / "run/apache/httpd.pid").read_text())
                os.kill(pid, signal.SIGTERM)
                eventually(lambda p=pid: not pathlib.Path(f"/proc/{p}").exists(), 15, "its end")
                site.start()
                self.assertEqual(site.session(session["name"])["state"], "running")
                Vnc(site.websocket(site.token(session))).close()

    def test_the_gateway_comes_back_when_websockify_is_killed(self):
        with Site() as site:
            session = site.running()
            kill(site.process("websockify"))
            self.reached_again(site, session)

    def test_the_gateway_comes_back_when_its_keeper_is_killed(self):
        with Site() as site:
            session = site.running()
            kill(site.process("keeper"))
            self.reached_again(site, session)

    def reached_again(self, site, session):
        def reached():
            try:
                Vnc(site.websocket(site.token(session))).close()
            except (OSError, EOFError, WebSocketRefused):
                return False
            return True

        eventually(reached, 30, "the display again", pause=0.2)
        self.assertEqual(site.session(session["name"])["state"], "running")

    def test_a_damaged_record_is_set_aside_and_breaks_nothing_else(self):
        with Site() as site:
            name = site.running()["name"]
            for text in (b"", b"{", b'{"version": 9}', b"\0" * 70000, b"[" * 9000):
                bad = site.store / "qemu-web-desktop-aaaaaaaaaaaaaaaaaaaa.json"
                bad.write_bytes(text)
                os.chown(bad, SERVICE_USER.pw_uid, SERVICE_USER.pw_gid)
                answer = site.get(f"{CGI}?manage=1")
                self.assertEqual(answer.status, 200)
                self.assertEqual([s["name"] for s in answer.json()["sessions"]], [name])
                self.assertFalse(bad.exists())
                self.assertIn("event=record-damaged", site.error_log())

    def test_purge_touches_nothing_that_lives(self):
        with Site() as site:
            session = site.running()
            before = {role: site.process(role) for role in LASTING}
            self.assertNotIn(None, before.values())
            stranger = site.snapshots_dir / "notes.qcow2"
            stranger.write_text("mine")
            site.qwdctl("purge")
            for role, process in before.items():
                self.assertTrue(process.alive(), role)
            self.assertTrue(site.overlays(session["name"]))
            self.assertEqual(stranger.read_text(), "mine")
            stranger.unlink()
            Vnc(site.websocket(site.token(session))).close()


class TheGateway(unittest.TestCase):
    def test_a_display_opens_only_from_the_services_own_pages(self):
        with Site() as site:
            token = site.token(site.running())
            for origin in ("https://evil.example", "null", "http://localhost:9999"):
                with self.subTest(origin), self.assertRaises(WebSocketRefused) as refusal:
                    site.websocket(token, origin=origin)
                self.assertEqual(refusal.exception.status, 403)
            for origin in ("http://localhost:8080", "http://127.0.0.1:8080"):
                site.websocket(token, origin=origin).close()

    def test_a_token_is_in_no_log(self):
        with Site() as site:
            session = site.running()
            token = site.token(session)
            self.assertGreaterEqual(len(token) * 5, 128)
            Vnc(site.websocket(token)).close()
            site.stop(session["name"])
            site.wait_state(session["name"], "ended")
            logs = site.error_log() + site.access_log()
            logs += (site.store / "log").read_text()
            self.assertNotIn(token, logs)
            for process in site.processes():
                self.assertNotIn(token, " ".join(process.argv))


class WhatFailsToStart(unittest.TestCase):
    """A clear failure, with the cause in the log, and nothing left behind."""

    def fails(self, site, **fields):
        name = site.create(**fields)["name"]
        failed = site.wait_state(name, "failed", 40)
        self.assertIsNone(failed["url"])
        self.assertTrue(failed["reason"])
        self.assertEqual(site.overlays(name), [])
        self.assertFalse(site.session_dir(name).exists())
        page = site.get(f"{CGI}?session={name}", accept="html").text
        self.assertIn("What to do", page)
        return failed

    def log(self, site):
        return (site.store / "log").read_text()

    def test_qemu_that_refuses_its_options(self):
        with Site(options={"qemu_exec_options": "-machine nonsense"}) as site:
            failed = self.fails(site)
            self.assertEqual(
                failed["reason"], "QEMU ended before the machine had started."
            )
            self.assertIn("unsupported machine type", self.log(site))

    def test_qemu_that_is_not_installed(self):
        with Site(options={"qemu_exec": "/nonexistent/qemu"}) as site:
            self.assertIn("not installed", self.fails(site)["reason"])

    def test_websockify_that_does_not_start(self):
        with Site(options={"dir_websockify": "/bin/false"}) as site:
            failed = self.fails(site)
            self.assertEqual(
                failed["reason"], "The display gateway could not be started."
            )
            self.assertIn("websockify ended with status 1", self.log(site))

    def test_a_port_that_is_taken(self):
        with Site() as site, socket.create_server(("127.0.0.1", 6080)):
            self.assertIn("gateway", self.fails(site)["reason"])
            self.assertIn("port 6080 is taken by another program", self.log(site))

    def test_an_image_that_is_gone_or_unreadable_is_a_bad_field(self):
        with Site() as site:
            image = site.machines_dir / "tiny.iso"
            image.chmod(0)
            answer = site.post_form(site.order())
            self.assertEqual((answer.status, answer.json()["error"]["field"]), (400, "machine"))
            image.unlink()
            answer = site.post_form(site.order())
            self.assertEqual((answer.status, answer.json()["error"]["field"]), (400, "machine"))
            self.assertEqual(site.get(f"{CGI}?manage=1").status, 401)
            self.assertFalse([p for p in site.processes() if p.role == "owner"])

    def test_a_full_disk(self):
        # That admission has looked at the disk does not keep it from filling.
        with Site(options={"snapshot_reserve_disk": 0}) as site:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size=8k,mode=700,uid={SERVICE_USER.pw_uid}",
                 "full", site.snapshots_dir],
                check=True,
            )  # fmt: skip
            try:
                failed = self.fails(site)
                self.assertEqual(failed["reason"], "The machine's disk could not be made.")
                self.assertIn("No space left", self.log(site))
            finally:
                subprocess.run(["umount", site.snapshots_dir], check=True)


class ByHand(unittest.TestCase):
    def test_a_session_starts_prints_its_url_and_stops(self):
        with Site() as site:
            shared = pathlib.Path("/tmp/shared")
            shared.mkdir(mode=0o777)
            shared.chmod(0o1777)
            options = (
                f"--dir_machines={site.machines_dir}",
                f"--dir_snapshots={shared}",
                f"--dir_cfg={shared}",
                "--service_reverse_proxy=",
                "--snapshot_alloc_mem=0.25",
            )
            try:
                done = site.by_hand("--machine=tiny.iso", "--oneshot=1", *options)
                self.assertEqual(done.returncode, 0, done.stderr)
                url = [w for w in done.stdout.split() if w.startswith("http://")][0]
                self.assertIn("/vnc.html#", url)
                private = shared / f"qemu-web-desktop-{SERVICE_USER.pw_uid}"
                self.assertEqual(private.stat().st_mode & 0o777, 0o700)
                record = next(private.glob("*.json"))
                self.assertIs(json.loads(record.read_text())["oneshot"], True)
                done = site.by_hand(f"--session_stop=/elsewhere/{record.name}", *options)
                self.assertEqual(done.returncode, 0, done.stderr)
                eventually(
                    lambda: json.loads(record.read_text())["state"] == "ended", 30, "the end"
                )
                done = site.by_hand("--service_purge=1", *options)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(list(shared.glob("*.qcow2")), [])
            finally:
                for process in site.processes():
                    if process.role in ("keeper", "owner"):
                        tell(process, signal.SIGTERM)
                eventually(lambda: not site.process("websockify"), 10, "the gateway's end")
                subprocess.run(["rm", "-rf", shared], check=True)

    def test_it_is_refused_where_real_and_effective_user_differ(self):
        with Site() as site:
            place = site.dir / "suid"
            place.mkdir()
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "mode=755,suid", "suid", place], check=True
            )
            program = place / "setuid"
            program.write_bytes((site.dir / "cgi-bin/qemu-web-desktop").read_bytes())
            os.chown(program, SERVICE_USER.pw_uid, SERVICE_USER.pw_gid)
            program.chmod(0o4755)
            for arguments in (["--help"], ["--session-owner", "x", "3", "4"]):
                done = subprocess.run(
                    [program, *arguments], capture_output=True, text=True, check=False,
                    env={"PATH": "/usr/bin"}, user=65534, group=65534, extra_groups=[],
                )  # fmt: skip
                self.assertEqual(done.returncode, 2)
                self.assertIn("set-user-id", done.stderr)
            subprocess.run(["umount", place], check=True)


class Isolation(unittest.TestCase):
    def test_qemu_has_namespaces_seccomp_and_no_privilege(self):
        with Site() as site:
            name = site.running()["name"]
            qemu = site.process("qemu", name)
            for kind in ("user", "net", "pid", "ipc", "mnt", "uts"):
                ours = os.readlink(f"/proc/self/ns/{kind}")
                self.assertNotEqual(os.readlink(f"/proc/{qemu.pid}/ns/{kind}"), ours, kind)
            status = pathlib.Path(f"/proc/{qemu.pid}/status").read_text()
            self.assertIn("Seccomp:\t2", status)
            self.assertIn("NoNewPrivs:\t1", status)
            self.assertIn("CapEff:\t0000000000000000", status)
            self.assertEqual(qemu.uid, SERVICE_USER.pw_uid)
            inside = sorted(os.listdir(f"/proc/{qemu.pid}/root"))
            self.assertEqual(
                inside,
                ["bin", "dev", "etc", "image", "lib", "lib64", "overlay", "proc", "usr", "vm"],
            )

    def test_a_guest_that_has_taken_qemu_over_cannot_redirect_the_display(self):
        with Site() as site, socket.socket(socket.AF_UNIX) as lure:
            session = site.running()
            lure.bind("/tmp/lure")
            self.addCleanup(pathlib.Path("/tmp/lure").unlink, missing_ok=True)
            pathlib.Path("/tmp/lure").chmod(0o777)
            lure.listen()
            lure.settimeout(1)
            # What QEMU could do in the one directory that it may write to.
            shared = site.session_dir(session["name"]) / "vm"
            (shared / "vnc").unlink()
            (shared / "vnc").symlink_to("/tmp/lure")
            Vnc(site.websocket(site.token(session))).close()
            with self.assertRaises(TimeoutError):
                lure.accept()
            pathlib.Path("/tmp/lure").unlink()

    def with_bwrap_that_says(self, site, words):
        """bubblewrap fails like that, for this test's namespaces alone."""
        fake = site.dir / "bwrap"
        fake.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
        fake.chmod(0o755)
        subprocess.run(["mount", "--bind", fake, "/usr/bin/bwrap"], check=True)
        self.addCleanup(subprocess.run, ["umount", "/usr/bin/bwrap"], check=True)

    def test_without_namespaces_a_guest_runs_without_network(self):
        with Site() as site:
            self.with_bwrap_that_says(
                site, "bwrap: No permissions to create new namespace, likely because ..."
            )
            name = site.running()["name"]
            self.assertEqual(site.record(name)["network"], "failed")
            self.assertIsNone(site.process("slirp4netns"))
            qemu = site.process("qemu", name)
            self.assertFalse([arg for arg in qemu.argv if "netdev" in arg])
            status = pathlib.Path(f"/proc/{qemu.pid}/status").read_text()
            self.assertIn("Seccomp:\t2", status)
            log = (site.store / "log").read_text()
            self.assertIn("No permissions to create new namespace", log)
            self.assertIn("event=sandbox result=failed", log)

    def test_any_other_failure_of_the_sandbox_ends_the_session(self):
        with Site() as site:
            self.with_bwrap_that_says(site, "bwrap: execvp qemu: No such file")
            name = site.create()["name"]
            failed = site.wait_state(name, "failed", 20)
            self.assertEqual(
                failed["reason"], "QEMU ended before the machine had started."
            )
            self.assertIn("execvp qemu", (site.store / "log").read_text())

    def test_a_limit_of_namespaces_that_is_reached_is_no_reason_to_go_without(self):
        """SR25: or who starts enough machines would get one without sandbox."""
        with Site() as site:
            self.with_bwrap_that_says(
                site,
                "bwrap: Creating new namespace failed: nesting depth or "
                "/proc/sys/user/max_*_namespaces exceeded (ENOSPC)",
            )
            name = site.create()["name"]
            site.wait_state(name, "failed", 20)
            self.assertIsNone(site.process("qemu", name))

    def test_no_tcp_port_but_the_web_servers_and_the_gateways(self):
        from harness import listening_sockets

        with Site() as site:
            site.running()
            self.assertEqual(
                sorted(listening_sockets()), [("127.0.0.1", 6080), ("127.0.0.1", 8080)]
            )

    def test_children_hold_no_descriptor_of_the_web_server(self):
        with Site() as site:
            name = site.running()["name"]
            for process in site.processes():
                for number, target in process.descriptors().items():
                    self.assertNotIn("/log/error.log", target, (process, number))
                    self.assertNotIn("/log/access.log", target, (process, number))
            lock = str(site.store / "locks" / name)

            def holders():
                return [p.role for p in site.processes() if lock in p.descriptors().values()]

            # A child that has not yet run its own program has it, too.
            eventually(lambda: holders() == ["owner"], 10, "one that holds the lock")


if __name__ == "__main__":
    unittest.main(verbosity=2)
