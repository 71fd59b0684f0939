"""How browsers get to the displays, and who does not: the web server's path,
ports of their own, TLS, passwords, and that no log has a token.

Names of rows (P5, RR2, SR16, ...) are those of the list of what must hold.
"""
# lane: guests

import concurrent.futures
import contextlib
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import unittest
import urllib.parse

from harness import (
    CGI,
    DISPLAY,
    HOME,
    SERVICE_USER,
    Browser,
    Site,
    Vnc,
    WebSocket,
    WebSocketRefused,
    eventually,
    is_socket,
    listening_sockets,
)

DIRECT = {"service_reverse_proxy": ""}
MANY = {
    "service_max_session_nb_per_user": 8,
    "service_max_mem_fraction_nb_per_user": 1,
    "service_max_cpu_fraction_nb_per_user": 8,
}


def fragment(session):
    """What stands behind the # of a display's URL."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(session["url"]).fragment))


def port_of(session):
    return urllib.parse.urlsplit(session["url"]).port


def direct(site, session, origin=None, port=None, token=None):
    """The display's websocket, at its own port."""
    port = port or port_of(session)
    return WebSocket(
        port,
        f"/websockify?token={token or site.token(session)}",
        origin=origin or f"http://localhost:{port}",
    )


def kinds_of_security(stream):
    """The RFB security types that the server offers (RFC 6143, 7.1.2)."""
    got = b""
    while len(got) < 12:
        got += stream.recv(12 - len(got))
    stream.sendall(b"RFB 003.008\n")
    return list(stream.recv(stream.recv(1)[0]))


def offered(site, session, **more):
    """The same, by a connection of its own at the display's port."""
    with direct(site, session, **more) as stream:
        return kinds_of_security(stream)


def closed(stream):
    """Has the other side closed it?"""
    try:
        return stream.recv(65536) == b""
    except (EOFError, ConnectionError):
        return True


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
        return True
    return False


class HiddenPort(unittest.TestCase):
    """service_reverse_proxy = /path, as the shipped Apache snippet has it."""

    def test_P22_P5_nothing_listens_beyond_loopback_and_no_vnc_by_tcp(self):
        with Site() as site:
            session = site.running()
            found = [s for s in listening_sockets() if s[0] != "unix"]
            self.assertEqual(
                sorted(found), [("127.0.0.1", site.gateway_port), ("127.0.0.1", site.port)]
            )
            # The screen itself is a socket that only the service's user
            # reaches; it has no password, and needs none.
            vnc = site.vnc_socket(session["name"])
            self.assertTrue(is_socket(vnc))
            for place in (vnc.parent, site.store / "run", site.store):
                status = place.stat()
                self.assertEqual(status.st_uid, SERVICE_USER.pw_uid)
                self.assertEqual(status.st_mode & 0o077, 0, place)
            qemu = site.process("qemu", session["name"])
            inodes = {
                line.split()[9]
                for kind in ("tcp", "tcp6", "udp", "udp6")
                for line in pathlib.Path(f"/proc/{qemu.pid}/net/{kind}")
                .read_text()
                .splitlines()[1:]
            }
            held = {t[8:-1] for t in qemu.descriptors().values() if t.startswith("socket:")}
            self.assertEqual(inodes & held, set())

    def test_SR16_P6_no_log_and_no_command_line_has_the_token(self):
        with Site(httpd="LogLevel debug\n") as site:
            session = site.running()
            token = site.token(session)
            wrong = "z" * 32
            Vnc(site.websocket(token)).close()
            for bad in (
                lambda: site.websocket(wrong),
                lambda: site.websocket(token, origin="https://evil.example"),
            ):
                with self.assertRaises(WebSocketRefused):
                    bad()
            with Browser() as browser:
                browser.get(session["url"])
                browser.wait(lambda: browser.all("canvas"), 20, "the screen")
                self.assertEqual(browser.run("return document.referrer"), "")
            self.no_process_tells(token)
            os.kill(site.process("keeper").pid, signal.SIGSTOP)
            os.kill(site.process("websockify").pid, signal.SIGKILL)
            with self.assertRaises((WebSocketRefused, OSError)):
                site.websocket(token)
            os.kill(site.process("keeper").pid, signal.SIGCONT)
            logs = list((site.dir / "log").iterdir()) + [site.store / "log"]
            for log in logs:
                text = log.read_text(errors="replace") if log.exists() else ""
                self.assertNotIn(token, text, log)
                self.assertNotIn(wrong, text, log)
            # They do say who came, if after the answer.
            came = '"GET /qemu-web-desktop/display/websockify HTTP/1.1" 101'
            for name in ("access.log", "combined.log", "other_vhosts_access.log"):
                log = site.dir / "log" / name
                eventually(lambda f=log: came in f.read_text(), 10, f"{came} in {name}")
            # Other requests are logged whole, as ever.
            site.get(f"{CGI}?session={session['name']}")
            whole = f'"GET {CGI}?session={session["name"]} HTTP/1.1" 200'
            log = site.dir / "log/combined.log"
            eventually(lambda: whole in log.read_text(), 10, f"{whole} in the log")

    def no_process_tells(self, token):
        for place in pathlib.Path("/proc").glob("[0-9]*"):
            # A process may end while it is looked at.
            with contextlib.suppress(OSError):
                if "chrom" in (place / "comm").read_text(errors="replace"):
                    continue  # the visitor's browser knows the address
                for file in ("cmdline", "environ"):
                    text = (place / file).read_bytes()
                    self.assertNotIn(token.encode(), text, f"{place} {text[:200]!r}")

    def test_SR17_only_our_own_pages_open_a_display(self):
        with Site() as site:
            token = site.token(site.running())
            for origin in (
                "https://evil.example",
                "null",
                f"http://localhost.evil.example:{site.port}",
                f"https://localhost:{site.port}",
                "http://localhost:1",
                "http://localhost",
            ):
                with self.subTest(origin), self.assertRaises(WebSocketRefused) as caught:
                    site.websocket(token, origin=origin)
                self.assertEqual(caught.exception.status, 403)
            with self.assertRaises(WebSocketRefused):
                WebSocket(site.port, f"{DISPLAY}websockify?token={token}", origin=None)
            Vnc(site.websocket(token)).close()

    def test_SR17_each_host_name_of_the_service_opens_its_displays(self):
        names = ("one.lab.example", "two.lab.example")
        hosts = "".join(
            f"<VirtualHost 127.0.0.1:8080>\nServerName {name}:8080\n</VirtualHost>\n"
            for name in names
        )
        options = {"service_url": None, "allow_anonymous": "yes"} | MANY
        with Site(options=options, httpd=hosts) as site:
            site.configure(service_url="")
            sessions = [self.create_at(site, name) for name in names]
            for name, session in zip(names, sessions):
                self.assertEqual(urllib.parse.urlsplit(session["url"]).hostname, name)
                Vnc(site.websocket(site.token(session), f"http://{name}:8080")).close()
            # The page of an address goes with its last session.
            site.end(sessions[1]["name"])
            with self.assertRaises(WebSocketRefused):
                site.websocket(site.token(sessions[0]), f"http://{names[1]}:8080")
            Vnc(site.websocket(site.token(sessions[0]), f"http://{names[0]}:8080")).close()

    def create_at(self, site, name):
        answer = site.post_form(site.order(), headers={"Host": f"{name}:8080"})
        self.assertEqual(answer.status, 201, answer)
        return site.wait_state(answer.json()["session"]["name"], "running")

    def test_SR17_a_live_connection_ends_with_its_session(self):
        with Site() as site:
            session = site.running()
            vnc = Vnc(site.websocket(site.token(session)))
            vnc.screen()
            site.post_form({"session_stop": session["name"], "now": "1"})
            eventually(lambda: closed(vnc.stream), 5, "the end of the connection")
            vnc.close()
            site.wait_state(session["name"], "ended")
            with self.assertRaises(WebSocketRefused):
                site.websocket(site.token(session))

    def test_the_gateway_comes_back_when_its_keeper_is_killed_under_a_viewer(self):
        with Site() as site:
            session = site.running()
            vnc = Vnc(site.websocket(site.token(session)))
            os.kill(site.process("keeper").pid, signal.SIGKILL)
            eventually(lambda: closed(vnc.stream), 10, "the end of the connection")
            vnc.close()

            def again():
                with contextlib.suppress(OSError, EOFError, WebSocketRefused):
                    Vnc(site.websocket(site.token(session))).close()
                    return True
                return False

            eventually(again, 30, "the display again", pause=0.2)

    def test_the_web_servers_rules_cover_the_display(self):
        rule = '<Location "/qemu-web-desktop/">\nRequire all denied\n</Location>\n'
        with Site() as site:
            token = site.token(site.running())
            with open(site.dir / "etc/httpd.conf", "a", encoding="utf-8") as f:
                f.write(rule)
            site.site("stop")
            site.start()
            for path in (HOME, f"{DISPLAY}vnc.html", "/qemu-web-desktop/assets/style.css"):
                self.assertEqual(site.get(path).status, 403, path)
            with self.assertRaises(WebSocketRefused) as caught:
                site.websocket(token)
            self.assertEqual(caught.exception.status, 403)


class SharedPort(unittest.TestCase):
    def test_without_the_web_server_the_gateway_shows_novnc_itself(self):
        with Site(options=DIRECT) as site:
            session = site.running()
            self.assertEqual(port_of(session), site.gateway_port)
            self.assertNotIn("password", fragment(session))
            Vnc(direct(site, session)).close()
            with self.assertRaises(WebSocketRefused):
                direct(site, session, origin="http://evil.example:6080")
            with Browser() as browser:
                browser.get(session["url"])
                browser.wait(lambda: browser.all("canvas"), 20, "the screen")

    def test_service_port_0_takes_any_free_port(self):
        with Site(options=DIRECT | {"service_port": 0}) as site:
            session = site.running()
            self.assertGreater(port_of(session), 1023)
            Vnc(direct(site, session)).close()

    def test_P22_with_a_certificate_the_display_is_encrypted_and_nothing_else(self):
        with Site(options=DIRECT) as site:
            key, crt = site.dir / "etc/site.key", site.dir / "etc/site.crt"
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-nodes"]
                + ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
                + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
                + ["-keyout", key, "-out", crt],
                check=True,
                capture_output=True,
                timeout=30,
            )
            os.chown(key, SERVICE_USER.pw_uid, 0)
            key.chmod(0o600)
            site.configure(certificate_crt=crt, certificate_key=key)
            session = site.running()
            self.assertTrue(session["url"].startswith("https://localhost:6080/vnc.html#"))
            trust = ssl.create_default_context(cafile=crt)
            with (
                socket.create_connection(("127.0.0.1", 6080), 10) as plain,
                trust.wrap_socket(plain, server_hostname="localhost") as s,
            ):
                self.assertIn(s.version(), ("TLSv1.2", "TLSv1.3"))
                s.sendall(b"GET /vnc.html HTTP/1.0\r\n\r\n")
                self.assertRegex(s.recv(12), rb"^HTTP/1\.[01] 200")
            with self.assertRaises((WebSocketRefused, OSError)):
                direct(site, session, origin="https://localhost:6080")  # in the clear
            self.check_wss(site, session, trust)

    def check_wss(self, site, session, trust):
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        with (
            socket.create_connection(("127.0.0.1", 6080), 10) as plain,
            trust.wrap_socket(plain, server_hostname="localhost") as s,
        ):
            s.sendall(
                f"GET /websockify?token={site.token(session)} HTTP/1.1\r\n"
                "Host: localhost:6080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: binary\r\n"
                "Origin: https://localhost:6080\r\n\r\n".encode()
            )
            self.assertTrue(s.recv(12).startswith(b"HTTP/1.1 101"))


class OwnPorts(unittest.TestCase):
    """service_port_multiple = yes: a port and a password for each session."""

    OPTIONS = DIRECT | MANY | {"service_port_multiple": "yes"}

    def test_P18_RR2_sessions_that_come_at_once_have_ports_of_their_own(self):
        with Site(options=self.OPTIONS) as site:
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                made = list(pool.map(lambda _: site.visitor().post_form(site.order()), range(4)))
            self.assertEqual([a.status for a in made], [201] * 4)
            site.post_form({"user": "ann", "manage": "1"})
            names = [a.json()["session"]["name"] for a in made]
            sessions = [site.wait_state(name, "running") for name in names]
            ports = [port_of(s) for s in sessions]
            self.assertEqual(sorted(ports), [6080, 6081, 6082, 6083])
            self.assertEqual(len({fragment(s)["password"] for s in sessions}), 4)
            self.assertIsNone(site.process("keeper"))
            for session in sessions:
                # By password only: P5.
                self.assertEqual(offered(site, session), [2])
            with self.assertRaises(WebSocketRefused):
                direct(site, sessions[0], token=site.token(sessions[1]))
            site.end(names[0])
            eventually(lambda: not answers(ports[0]), 5, "the port's end")
            self.assertEqual(port_of(site.running()), ports[0])

    def test_P5_the_right_password_only_opens_the_screen(self):
        with Site(options=self.OPTIONS) as site:
            session = site.running()
            stream = direct(site, session)
            self.assertEqual(kinds_of_security(stream), [2])
            stream.sendall(b"\x02")
            challenge = b""
            while len(challenge) < 16:
                challenge += stream.recv(16 - len(challenge))
            stream.sendall(b"\0" * 16)
            self.assertEqual(struct.unpack(">I", stream.recv(4))[0], 1)  # refused
            stream.close()
            with Browser() as browser:
                browser.get(session["url"])
                browser.wait(lambda: browser.all("canvas"), 20, "the screen")
                browser.wait(
                    lambda: "noVNC_connected" in browser.one("html").get_attribute("class"),
                    20,
                    "the connection",
                )
            # The secret is nowhere that others look.
            password = fragment(session)["password"]
            for process in site.processes():
                self.assertNotIn(password, " ".join(process.argv))
            self.assertNotIn(password, site.error_log() + (site.store / "log").read_text())

    def test_its_websockify_comes_back_and_a_killed_owner_leaves_no_port(self):
        with Site(options=self.OPTIONS) as site:
            session = site.running()
            vnc = direct(site, session)
            owner = site.process("owner", session["name"])
            os.kill(self.child(site, "websockify", owner).pid, signal.SIGKILL)
            eventually(lambda: closed(vnc), 10, "the end of the connection")
            vnc.close()
            # Nobody is refused meanwhile: who comes waits.
            self.assertEqual(offered(site, session), [2])
            os.kill(owner.pid, signal.SIGKILL)
            eventually(lambda: not answers(port_of(session)), 5, "the port's end")
            eventually(lambda: not site.processes(), 5, "the end of its processes")
            site.qwdctl("purge")

    def child(self, site, role, parent):
        return next(p for p in site.processes() if p.role == role and p.parent == parent.pid)

    def test_a_port_that_another_program_has_is_passed_over(self):
        with Site(options=self.OPTIONS) as site:
            with socket.create_server(("127.0.0.1", 6080)):
                self.assertEqual(port_of(site.running()), 6081)


class OneShot(unittest.TestCase):
    def test_it_has_a_port_of_its_own_that_closes_with_its_viewer(self):
        with Site(options=DIRECT | MANY | {"form_oneshot": "yes"}) as site:
            self.assertIn('name="oneshot"', site.get(HOME, accept="html").text)
            shared = site.running()
            session = site.running(oneshot=1)
            self.assertEqual(port_of(shared), 6080)
            self.assertEqual(port_of(session), 6081)
            self.assertTrue(answers(6081))
            with Browser() as browser:
                browser.get(session["url"])
                browser.wait(
                    lambda: "noVNC_connected" in browser.one("html").get_attribute("class"),
                    20,
                    "the connection",
                )
            ended = site.wait_state(session["name"], "ended", 60)
            self.assertEqual(ended["reason"], "Its viewer has left.")
            self.assertFalse(answers(6081))
            self.assertEqual(site.session(shared["name"])["state"], "running")

    def test_without_the_option_neither_box_nor_port(self):
        with Site(options=DIRECT) as site:
            self.assertNotIn('name="oneshot"', site.get(HOME, accept="html").text)
            session = site.running(oneshot=1)
            self.assertTrue(session["oneshot"])
            self.assertEqual(port_of(session), 6080)


class ManyViewers(unittest.TestCase):
    """SR26's part of the gateway, which is one for all sessions: what a visitor
    can use up of it."""

    @classmethod
    def setUpClass(cls):
        cls.site = cls.enterClassContext(Site(options=MANY))
        cls.session = cls.site.running()
        cls.other = cls.site.running(memory="0.125")

    def viewer(self, session):
        stream = self.site.websocket(self.site.token(session))
        self.addCleanup(stream.close)
        return stream

    def test_a_display_has_so_many_viewers_and_no_more(self):
        viewers = [self.viewer(self.session) for _ in range(32)]
        with self.assertRaises(WebSocketRefused) as refused:
            self.viewer(self.session)
        self.assertEqual(refused.exception.status, 503)
        Vnc(viewers[-1]).screen()
        Vnc(self.viewer(self.other)).screen()
        viewers[0].close()

        def opens():
            try:
                return self.viewer(self.session)
            except WebSocketRefused:
                return None

        Vnc(eventually(opens, 30, "the place of who has left")).screen()


if __name__ == "__main__":
    unittest.main(verbosity=2)
