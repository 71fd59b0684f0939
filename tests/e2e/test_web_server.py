"""The snippet for Apache (etc/apache.conf), under both kinds of server."""

import unittest

from harness import (
    CGI,
    DISPLAY,
    HOME,
    Browser,
    Site,
    Vnc,
    WebSocket,
    WebSocketRefused,
    raw_request,
)

HARDENED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Served:
    """What must hold for any server."""

    mpm = "event"
    httpd = ""

    @classmethod
    def setUpClass(cls):
        cls.site = cls.enterClassContext(Site(mpm=cls.mpm, httpd=cls.httpd))

    def test_the_program_answers_under_its_three_names(self):
        for path in (HOME, CGI, CGI + ".pl"):
            with self.subTest(path):
                answer = self.site.get(path, accept="html")
                self.assertEqual(answer.status, 200)
                self.assertIn("<form", answer.text)

    def test_without_its_last_slash_it_leads_to_the_page_on_the_servers_name(self):
        answer = self.site.get(HOME.rstrip("/"), headers={"Host": "evil.example"})
        self.assertEqual(answer.status, 301)
        self.assertEqual(answer.location, self.site.url + HOME)

    def test_no_other_path_reaches_the_program(self):
        for path in (HOME + "x", CGI + "/x", CGI + "x", CGI + ".plx", CGI + ".sh"):
            with self.subTest(path):
                self.assertEqual(self.site.get(path).status, 404)

    def test_no_image_is_served(self):
        """P30, SR30: whoever has no login downloads no master, nor what else
        the service keeps."""
        image = self.site.machines_dir / "tiny.iso"
        self.assertTrue(image.exists())
        begin = image.read_bytes()[32768:34816]  # the first that is not empty
        places = (HOME, CGI + "/", "/", "/machines/", "/qemu-web-desktop/assets/",
                  "/qemu-web-desktop/display/")
        names = ("tiny.iso", "machines/tiny.iso", "../machines/tiny.iso",
                 "%2e%2e/lib/machines/tiny.iso", "machines.conf", "catalogue.json",
                 "snapshots/", "secret")
        for place in places:
            for name in names:
                with self.subTest(place + name):
                    answer = self.site.get(place + name)
                    self.assertIn(answer.status, (400, 403, 404))
                    self.assertNotIn(begin, answer.body)

    def test_there_is_no_listing(self):
        for path in ("assets/", "display/", "display/core/", "display/app"):
            with self.subTest(path):
                answer = self.site.get(HOME + path, accept="html")
                self.assertIn(answer.status, (301, 403, 404))
                self.assertNotIn("Index of", answer.text)

    def test_nothing_outside_can_be_read(self):
        for path in (
            "assets/../index.html",
            "assets/%2e%2e/index.html",
            "assets/..%2findex.html",
            "display/../../etc/config.conf",
            "display/%2e%2e/%2e%2e/etc/passwd",
            "index.html",
        ):
            with self.subTest(path):
                line = f"GET {HOME}{path} HTTP/1.0\r\nHost: localhost\r\n\r\n"
                status = int(self.site.raw(line.encode()).split(b" ")[1])
                self.assertIn(status, (400, 403, 404))

    def test_files_come_with_headers_that_bind_the_browser(self):
        for path in ("assets/style.css", "assets/app.js", "display/vnc.html"):
            with self.subTest(path):
                answer = self.site.get(HOME + path)
                self.assertEqual(answer.status, 200)
                for name, value in HARDENED.items():
                    self.assertEqual(answer.headers[name], value)
                self.assertIn("default-src", answer.headers["Content-Security-Policy"])
        policy = self.site.get(DISPLAY + "vnc.html").headers["Content-Security-Policy"]
        self.assertIn("default-src 'self'", policy)
        self.assertIn("frame-ancestors 'none'", policy)
        self.assertNotIn("script-src", policy)

    def test_types_are_right(self):
        for path, kind in (
            ("assets/style.css", "text/css"),
            ("assets/app.js", "text/javascript"),
            ("assets/favicon.svg", "image/svg+xml"),
            ("display/core/rfb.js", "text/javascript"),
        ):
            with self.subTest(path):
                got = self.site.get(HOME + path).headers["Content-Type"]
                self.assertEqual(got.partition(";")[0], kind)

    def test_a_body_that_is_too_long_is_refused_before_it_is_read(self):
        kind = "Content-Type: application/x-www-form-urlencoded"
        head = f"POST {CGI} HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n"
        for extra, body in (
            ("Content-Length: 1000000000\r\n", b""),
            ("Transfer-Encoding: chunked\r\n", b"20001\r\n" + b"a" * 0x20001 + b"\r\n0\r\n\r\n"),
        ):
            with self.subTest(extra):
                data = (head + extra + "Connection: close\r\n\r\n").encode() + body
                answer = raw_request(self.site.port, data)
                self.assertTrue(answer.startswith(b"HTTP/1.1 413"), answer[:100])

    def test_a_display_without_gateway_or_with_a_wrong_token_is_refused(self):
        with self.assertRaises(WebSocketRefused) as refused:
            self.site.websocket("x" * 32)
        self.assertEqual(refused.exception.status, 503)
        session = self.site.running()
        with self.assertRaises((EOFError, WebSocketRefused)):
            Vnc(self.site.websocket("x" * 32))
        with Vnc(self.site.websocket(self.site.token(session))) as vnc:
            self.assertEqual(vnc.greeting, b"RFB 003.008\n")
        self.site.end(session["name"])

    def test_the_display_is_only_for_pages_of_this_site(self):
        session = self.site.running()
        token = self.site.token(session)
        for origin in ("http://evil.example", "http://localhost:1", "null"):
            with self.subTest(origin):
                with self.assertRaises(WebSocketRefused) as refused:
                    self.site.websocket(token, origin=origin)
                self.assertEqual(refused.exception.status, 403)
        self.site.end(session["name"])

    def test_no_log_holds_the_token(self):
        session = self.site.running()
        token = self.site.token(session)
        with Vnc(self.site.websocket(token)):
            pass
        with self.assertRaises(WebSocketRefused):
            WebSocket(self.site.port, f"{DISPLAY}websockify?token={token}", "http://evil")
        self.site.end(session["name"])
        with self.assertRaises((EOFError, WebSocketRefused)):
            Vnc(self.site.websocket(token))
        logs = [*(self.site.dir / "log").iterdir(), self.site.store / "log"]
        for path in logs:
            self.assertNotIn(token, path.read_text(), path)


class UnderEvent(Served, unittest.TestCase):
    pass


class UnderPrefork(Served, unittest.TestCase):
    mpm = "prefork"


class InAVirtualHost(Served, unittest.TestCase):
    """The snippet stands in the server, as Debian's conf-enabled has it, and
    the request comes to a virtual host."""

    httpd = """
<VirtualHost 127.0.0.1:8080>
    ServerName localhost:8080
    DocumentRoot "${SITE}/www"
</VirtualHost>
"""


class InTheBrowser(unittest.TestCase):
    def test_novnc_runs_under_its_content_security_policy(self):
        with Site() as site, Browser() as browser:
            browser.get(f"{site.url}{DISPLAY}vnc.html")
            browser.wait(
                lambda: browser.one("#noVNC_connect_button").is_displayed(), what="noVNC"
            )
            refused = [m for m in browser.console() if "Content Security Policy" in m]
            self.assertEqual(refused, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
