"""The edge of the program, where requests come in and pages go out: what a
visitor's or a foreign page's request can change, and what each answer tells
the browser.  Rows SRn and Pn are those of src/doc/security-tests.md."""

import contextlib
import hashlib
import html.parser
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse

import net_fakes
from harness import CGI, HOME, SERVICE_USER, Site, eventually, files_below, processes
from login_servers import Program

HEADERS = {
    "Content-Security-Policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FOREIGN = ({"Origin": "https://evil.example"}, {"Origin": "null"},
           {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
           {"Origin": "http://localhost:9"})


class Case(unittest.TestCase):
    options = {}
    machines = None

    @classmethod
    def setUpClass(cls):
        cls.places = tempfile.mkdtemp(prefix="qwd-edge-")
        cls.addClassCleanup(shutil.rmtree, cls.places)
        os.chmod(cls.places, 0o755)
        cls.program = Program(cls.places, "login", 'grep -q \'"password":"right"\' '
                              '$(dirname $0)/asked-$$ && echo SUCCESS || echo FAILED')
        cls.site = cls.enterClassContext(Site(machines=cls.machines, options={
            "check_user_custom": cls.program.path, "user_admin": "root",
            "login_failures_user": 500, "login_failures_address": 500} | cls.options))

    def running(self):
        """Whatever runs for the site.  (The gateway of an earlier test stays a
        minute.)"""
        return {process.pid for process in self.site.processes()}

    def logged_in(self, user="ann"):
        client = self.site.visitor()
        answer = client.post_form({"manage": "1", "user": user, "password": "right"})
        self.assertEqual(answer.status, 200, answer)
        self.program.asked()
        return client

    def state(self):
        """Everything that the service has stored, but the times of use, its log,
        and the port of a gateway, which may end meanwhile."""
        digest = hashlib.sha256()
        for top in (self.site.store, self.site.dir / "lib"):
            for path in sorted(files_below(top)):
                if path.is_file() and path.name not in ("log", "port"):
                    digest.update(str(path).encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def direct(self, arguments=(), body=b"", **environment):
        """The program as a web server runs it, with what no web server gives:
        (headers and body, what it wrote to standard error)."""
        env = {"QWD_CONFIG": str(self.site.dir / "etc/config.conf"),
               "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET",
               "SERVER_NAME": "localhost", "SERVER_PORT": "8080", "REMOTE_ADDR": "127.0.0.1",
               "HTTP_HOST": "localhost:8080", "UNIQUE_ID": "same"} | environment
        if body:
            env |= {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)),
                    "CONTENT_TYPE": "application/x-www-form-urlencoded"}
        done = subprocess.run(
            [self.site.dir / "cgi-bin/qemu-web-desktop", *arguments], input=body, env={
                k: v for k, v in env.items() if v is not None}, user=SERVICE_USER.pw_uid,
            group=SERVICE_USER.pw_gid, extra_groups=[], capture_output=True, check=True)
        return done.stdout.decode(), done.stderr.decode()


class TheRequest(Case):
    def test_the_query_is_no_command_line(self):
        """SR1, P1: mod_cgid makes arguments of a query without "="."""
        before = self.running()
        plain = self.site.get(CGI, accept="html").text
        for query in ("--help", "-h+--version", "--layout_title%3dEVIL", "--config%3d/evil/x+-h",
                      "--session-owner+x", "--gateway-keeper", "--machine%3dtiny.iso",
                      "--service_purge%3d1", "--dir_cfg%3d/evil"):
            with self.subTest(query):
                self.assertEqual(self.site.get(f"{CGI}?{query}", accept="html").text, plain)
        plain = self.direct()
        for arguments in (["--layout_title=EVIL"], ["--help"], ["--session-owner", "x"],
                          ["--gateway-keeper"], ["--machine=tiny.iso"], ["--service_purge=1"],
                          ["--session_stop=x"]):
            with self.subTest(arguments):
                self.assertEqual(self.direct(arguments), plain)
                self.assertEqual(self.direct(arguments, GATEWAY_INTERFACE=None), plain)
        self.assertEqual(self.running() - before, set())

    def test_a_hostile_environment_chooses_nothing(self):
        """SR2: neither programs nor files, and none of it reaches QEMU."""
        evil = pathlib.Path(self.places, "evil")
        evil.mkdir()
        for name in ("qemu-img", "qemu-system-x86_64", "bwrap", "websockify", "slirp4netns",
                     "sh", "ip", "env"):
            (evil / name).write_text(f"#!/bin/sh\ntouch {self.places}/evil/ran\n")
            (evil / name).chmod(0o755)
        evil.chmod(0o777)
        order = urllib.parse.urlencode(self.site.order(user="ann", password="right")).encode()
        hostile = {"PATH": str(evil), "IFS": "/", "LANG": "xx_XX", "ENV": str(evil / "sh"),
                   "BASH_ENV": str(evil / "sh"), "HOME": str(evil), "TMPDIR": str(evil),
                   "PYTHONPATH": str(evil), "QEMU_MODULE_DIR": str(evil), "CANARY": "canary",
                   "HTTP_PROXY": "http://127.0.0.1:9", "HTTP_X_EVIL": "canary"}
        said, _ = self.direct((), order, HTTP_ACCEPT="application/json", **hostile)
        self.assertIn("Status: 201", said)
        name = re.search(r'"name": ?"([^"]+)"', said).group(1)
        client = self.logged_in()
        client.wait_state(name, "running")
        self.assertFalse((evil / "ran").exists())
        ours = [p for p in processes() if p.uid == SERVICE_USER.pw_uid and p.role != "apache" and
                p.name != "qemu-web-deskto" or p.role in ("owner", "qemu", "bwrap", "keeper")]
        self.assertIn("qemu", [p.role for p in ours])
        for process in ours:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                names = process.environment()
                set_by_us = {"PWD", "SHLVL", "_", "QWD_CONFIG", "LC_CTYPE"}
                if any(word.endswith("/websockify") for word in process.argv):
                    # Where its plugin of ours is.
                    set_by_us |= {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
                    self.assertNotIn(str(evil), names.get("PYTHONPATH", ""))
                self.assertLessEqual(set(names) - set_by_us,
                                     {"PATH", "LANG", "HOME"}, process)
                self.assertNotIn("evil", names.get("PATH", ""), process)
        client.post_form({"session_stop": name, "now": "1"})
        client.wait_state(name, "ended")
        for change, status in (({"REQUEST_METHOD": None}, "405"), ({"REQUEST_METHOD": ""}, "405"),
                               ({"QUERY_STRING": "a" * 120000}, "200"),
                               ({"REMOTE_ADDR": None}, "200"), ({"HTTP_HOST": None}, "200"),
                               ({"HTTP_COOKIE": "qwd=" * 3000}, "413"),
                               ({"QWD_CONFIG": "etc/relative"}, "500")):
            with self.subTest(change):
                said, _ = self.direct(**change)
                self.assertTrue(said.startswith(f"Status: {status} "), said[:100])
                self.assertIn("Content-Security-Policy", said)

    def test_no_method_but_post_changes_anything(self):
        """SR3, P8, P17: each method, for each action, by its owner's cookie."""
        client = self.logged_in("root")
        before, running = self.state(), self.running()
        actions = ("create=1&machine=tiny.iso&cpu=1&memory=0.25", "session_stop=x",
                   "service_purge=1", "logout=1", "manage=1&user=bob&password=right")
        for action in actions:
            for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND",
                           "CONNECT", "get", "POSTS"):
                if method == "CONNECT":
                    continue  # the web server's own affair
                with self.subTest(method=method, action=action):
                    answer = client.request(
                        method, f"{CGI}?{action}", body=action.encode(), accept="html",
                        headers={"Content-Type": "application/x-www-form-urlencoded"})
                    reads = method in ("GET", "HEAD") and action.startswith(("logout", "manage"))
                    self.assertIn(answer.status, (200,) if reads else (400, 405, 501), answer)
                    if answer.status == 405 and method != "TRACE":
                        self.assertTrue(answer.headers["Allow"])
                    self.assertIsNone(answer.headers["Set-Cookie"])
        self.assertEqual(self.state(), before)
        self.assertEqual(self.program.asked(), [])
        self.assertEqual(self.running() - running, set())
        self.assertEqual(client.get(CGI + "?manage=1").status, 200)

    def test_a_form_has_limits_and_nobody_is_asked_past_them(self):
        """SR3: bytes, fields, names, one value each, encodings."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        login = b"manage=1&user=ann&password=right"
        for body, headers, status in (
                (login + b"&x" * 64, kind, 400), (login + b"&user=bob", kind, 400),
                (login + b"&authenticated=1", kind, 400), (login + b"&user%00=x", kind, 400),
                (login + b"&now=%ff", kind, 400), (login + b"&now=%zz", kind, 400),
                (login + b"&now=a%00b", kind, 400),
                (b"manage=" + b"1" * (128 * 1024), kind, 413),
                (login, {"Content-Type": "text/plain"}, 400),
                (login, {"Content-Type": "application/json"}, 400),
                (login, {}, 400)):
            with self.subTest(body=body[:50], headers=headers):
                answer = self.site.visitor().request("POST", CGI, body=body, headers=headers)
                self.assertEqual(answer.status, status, answer)
                self.assertEqual(self.program.asked(), [])
        self.assertEqual(self.site.visitor().request("POST", CGI, body=login,
                                                     headers=kind).status, 200)
        self.assertEqual(len(self.program.asked()), 1)

    def test_the_host_header_and_the_forms_servers_choose_no_server(self):
        """SR5, P2, P11: nothing is connected to, nothing is echoed."""
        with net_fakes.Silent() as spy:
            where = f"127.0.0.1:{spy.port}"
            for headers, fields in (({"Host": where}, {}), ({"Host": "evil.example"}, {}),
                                    ({"X-Forwarded-Host": where}, {}),
                                    ({}, {"fallback_servers": where}),
                                    ({}, {"fallback_servers": f"http://{where}/"})):
                for accept in ("json", "html"):
                    with self.subTest(headers=headers, fields=fields):
                        answer = self.site.visitor().post_form(
                            {"manage": "1", "user": "ann", "password": "right"} | fields,
                            headers=headers, accept=accept)
                        self.assertIn(answer.status, (200, 303, 400), answer)
                        told = answer.text + str(answer.headers)
                        self.assertNotIn("evil", told)
                        self.assertNotIn(where, told.replace(fields.get("fallback_servers", "-"),
                                                             ""))
            self.assertEqual(spy.count, 0)
        self.program.asked()

    def test_a_page_of_another_site_changes_nothing(self):
        """SR7, P17: its POST is refused for each action, the login form too,
        with the visitor's cookie and without."""
        client = self.logged_in("root")
        before = self.state()
        for visitor in (client, self.site.visitor()):
            for headers in FOREIGN:
                for fields in (self.site.order(user=None), {"session_stop": "x"},
                               {"service_purge": "1"}, {"logout": "1"},
                               {"manage": "1", "user": "bob", "password": "right"},
                               {"ticket": "a" * 32, "create": "1"}):
                    for accept in ("json", "html"):
                        with self.subTest(headers=headers, fields=fields):
                            answer = visitor.post_form(fields, headers=headers, accept=accept)
                            self.assertEqual(answer.status, 403)
                            self.assertIsNone(answer.headers["Set-Cookie"])
        self.assertEqual(self.state(), before)
        self.assertEqual(self.program.asked(), [])
        for headers in ({"Origin": self.site.url}, {"Sec-Fetch-Site": "same-origin"}, {}):
            self.assertEqual(client.post_form({"manage": "1"}, headers=headers).status, 200)

    def test_a_path_or_a_pattern_is_no_name_of_a_session(self):
        """P9, P12, P13: what names no session stops, shows and removes none."""
        client = self.logged_in("root")
        bait = pathlib.Path(self.places, "bait.json")
        bait.write_text('{"version": 1, "user": "root", "pid": 1, "dir": "/"}')
        bait.chmod(0o666)
        before = self.state()
        for name in (str(bait), f"..{bait}", "../logins/x", ".", "..", "*", ".*", "", "x/../y",
                     "%2e%2e", "qemu-web-desktop-*", "qemu-web-desktop-\n", "a\0b"):
            with self.subTest(name):
                answer = client.post_form({"session_stop": name})
                self.assertIn(answer.status, (400, 404))
                quoted = urllib.parse.quote(name)
                answer = client.get(f"{CGI}?session={quoted}")
                self.assertIn(answer.status, (200, 404))
                if answer.status == 200:  # no session is asked for
                    self.assertNotIn("session", answer.json())
        self.assertEqual(self.state(), before)
        self.assertTrue(bait.exists())

    def test_who_is_nobody_is_no_administrator(self):
        """SR9, P14: neither an empty list of administrators nor an empty user
        makes one; without a login the service is for this machine alone."""
        for admins in ("", "root", "@root"):
            for checked in (self.program.path, None):
                self.site.configure(user_admin=admins or None, check_user_custom=checked)
                for fields in ({}, {"user": "root"}):
                    with self.subTest(admins=admins, checked=checked, fields=fields):
                        answer = self.site.visitor().post_form({"service_purge": "1"} | fields)
                        self.assertIn(answer.status, (400, 401, 403))
                # Whoever only says to be root, and has a cookie for that.
                client = self.site.visitor()
                answer = client.post_form({"manage": "1", "user": "root"})
                self.assertEqual(answer.status, 401 if checked else 200)
                answer = client.post_form({"service_purge": "1"})
                self.assertEqual(answer.status, 401 if checked else 403)
        for address, more, status in (
                ("127.0.0.1", {}, "200"), ("::1", {}, "200"), ("192.0.2.7", {}, "403"),
                ("10.0.2.15", {}, "403"), ("::ffff:10.0.2.2", {}, "403"), ("", {}, "403"),
                ("127.0.0.1", {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}, "403"),
                ("127.0.0.1", {"HTTP_HOST": "rebound.example"}, "403")):
            with self.subTest(address=address, more=more):
                said, _ = self.direct(REMOTE_ADDR=address, **more)
                self.assertTrue(said.startswith(f"Status: {status} "), said[:100])
        self.site.configure(allow_anonymous="yes")
        said, _ = self.direct(REMOTE_ADDR="192.0.2.7")
        self.assertTrue(said.startswith("Status: 200 "), said[:100])
        self.site.configure(allow_anonymous=None, user_admin="root",
                            check_user_custom=self.program.path)
        self.program.asked()


class Page(html.parser.HTMLParser):
    """The elements of a page with the names of their attributes, and the
    values of those that a browser acts on."""

    def __init__(self, text):
        super().__init__()
        self.shape, self.acts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.shape.append((tag, tuple(name for name, _ in attrs)))
        self.acts += [value for name, value in attrs
                      if name in ("href", "src", "action", "style", "srcdoc", "formaction")]

    def handle_comment(self, data):
        self.shape.append(("comment",))

    def handle_decl(self, decl):
        self.shape.append((decl,))


class ThePage(Case):
    PAYLOADS = ("<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>",
                "' onmouseover='alert(1)", "</select><form action=//evil>", "<!--", "]]>",
                "javascript:alert(1)", "&lt;b&gt;&#x3c;i>", "{{user}}{{{user}}}", "${7*7}",
                "\u202e\u2028<b>")

    def same_shape(self, text, benign):
        page, plain = Page(text), Page(benign)
        self.assertEqual(page.shape, plain.shape)
        for value in page.acts:
            self.assertFalse(value.startswith(("javascript:", "//")), value)

    def test_what_is_typed_stays_text(self):
        """SR19, P16: in each field of the form, and in the query."""
        fields = ("user", "machine", "cpu", "memory", "snapshot_lifetime", "gpu",
                  "config_script", "oneshot", "mail_me")
        for field in fields:
            plain = self.site.visitor().post_form(
                self.site.order(**{field: "no/good"}), accept="html")
            self.assertEqual(plain.status, 400, (field, plain))
            for payload in self.PAYLOADS:
                with self.subTest(field=field, payload=payload):
                    answer = self.site.visitor().post_form(
                        self.site.order(**{field: payload}), accept="html")
                    self.assertEqual(answer.status, 400)
                    self.same_shape(answer.text, plain.text)
        client = self.logged_in()
        for query in ("?session=", "?manage=", "?ticket=", "?create=", "?"):
            plain = client.get(f"{CGI}{query}x", accept="html").text
            for payload in self.PAYLOADS:
                with self.subTest(query=query, payload=payload):
                    answer = client.get(CGI + query + urllib.parse.quote(payload), accept="html")
                    self.same_shape(answer.text, plain)
        for payload in self.PAYLOADS:
            answer = client.post_form({payload: "1"}, accept="html")
            self.assertEqual(answer.status, 400)
            Page(answer.text)
            self.assertNotIn("<script>alert", answer.text)
            self.assertNotIn("<img src=x", answer.text)

    def test_what_is_stored_stays_text(self):
        """SR19, P16: a record's texts, a machine's description, the title."""
        client = self.logged_in("root")
        name = client.create(user=None)["name"]
        client.wait_state(name, "running")
        client.post_form({"session_stop": name, "now": "1"})
        client.wait_state(name, "ended")
        path = self.site.store / f"{name}.json"
        record = path.read_text()
        eventually(lambda: self.site.process("owner", name) is None, 10, "the owner's end")

        def pages():
            return [client.get(place, accept="html").text for place in
                    (f"{CGI}?session={name}", CGI + "?manage=1", HOME, CGI + "?terms=1")]

        def write(text):
            import json
            changed = json.loads(record)
            for key in ("machine_description", "description", "reason"):
                if key in changed:
                    changed[key] = text
            self.assertNotEqual(changed, json.loads(record))
            path.write_text(json.dumps(changed))
            conf = self.site.dir / "etc/machines.conf"
            conf.write_text(f"[tiny.iso]\ndescription = {text}\n")
            self.site.qwdctl("refresh")
            self.site.configure(layout_title=text)

        write("plain")
        plain = pages()
        for payload in self.PAYLOADS[:-1]:
            with self.subTest(payload):
                write(payload)
                for text, benign in zip(pages(), plain):
                    self.same_shape(text, benign)
                answer = client.get(f"{CGI}?session={name}")
                self.assertEqual(answer.json()["session"]["name"], name)
                self.assertNotIn("<", answer.headers["Content-Type"])
        path.write_text(record)
        self.site.configure(layout_title=None)

    def routes(self):
        """A request for each page and each kind of error: (status, answer)."""
        root, anyone = self.logged_in("root"), self.site.visitor()
        for accept in ("html", "json"):
            for client, path, status in (
                    (anyone, HOME, 200), (anyone, CGI, 200), (anyone, CGI + ".pl", 200),
                    (anyone, CGI + "?style=1", 200), (anyone, CGI + "?terms=1", 200),
                    (anyone, CGI + "?manage=1", 401), (anyone, CGI + "?session=x", 401),
                    (root, CGI + "?manage=1", 200), (root, CGI + "?session=x", 404),
                    (root, CGI + "?create=1", 405)):
                yield status, client.get(path, accept=accept)
            for client, fields, status in (
                    (root, {"manage": "1"}, 200 if accept == "json" else 303),
                    (root, {"nonsense": "1"}, 400), (root, {"session_stop": "x"}, 404),
                    (anyone, {"service_purge": "1"}, 401),
                    (anyone, {"manage": "1", "user": "ann", "password": "no"}, 401),
                    (self.logged_in("bob"), {"service_purge": "1"}, 403)):
                yield status, client.post_form(fields, accept=accept)
            yield 403, root.post_form({"logout": "1"}, headers=FOREIGN[0], accept=accept)
            yield 405, root.request("DELETE", CGI, accept=accept)
            yield 200, root.request("HEAD", CGI, accept=accept)
            (self.site.dir / "html/desktop/_head.html").rename(self.site.dir / "head")
            yield (500 if accept == "html" else 200), anyone.get(CGI, accept=accept)
            (self.site.dir / "head").rename(self.site.dir / "html/desktop/_head.html")

    def test_every_answer_binds_the_browser(self):
        """SR18, P33: the exact headers, on each page and error; P23: an error
        of ours tells a number, and its cause is in the log alone."""
        seen = set()
        for status, answer in self.routes():
            with self.subTest(status=status, answer=answer):
                self.assertEqual(answer.status, status)
                for name, value in HEADERS.items():
                    self.assertEqual(answer.headers.get_all(name), [value])
                self.assertIsNone(answer.headers["Strict-Transport-Security"])
                if status == 500:
                    self.assertNotIn("head", answer.text)
                    self.assertNotIn(str(self.site.dir), answer.text)
                    self.assertIn("_head.html", self.site.error_log())
            seen.add(status)
        self.assertLessEqual({200, 303, 400, 401, 403, 404, 405, 500}, seen)
        said, _ = self.direct(HTTPS="on")
        self.assertIn("Strict-Transport-Security: max-age=31536000\r\n", said)
        for name, value in HEADERS.items():
            self.assertIn(f"{name}: {value}\r\n", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
