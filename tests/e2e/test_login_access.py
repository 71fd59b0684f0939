"""Who may what, by the page and as JSON; cookies; machines for some."""

import contextlib
import json
import os
import re
import subprocess
import time
import unittest
import urllib.parse

import net_case
from harness import CGI, HOME, TREE, Site
from login_case import OPEN, PASSWORD, off, options_of, world


def setUpModule():
    world.set_up()


def quoted(text):
    return urllib.parse.quote(text, safe="")


class Access(unittest.TestCase):
    """Who may what, by the page and as JSON; cookies; machines for some.
    SR6, SR8, P8, P13, P14."""

    OWNER, OTHER, ADMIN = "ann+x@lab.example", "bob", "carla"
    # Rows of the matrix: a request -> status for anonymous, other, owner,
    # administrator.  %s is the session.  POSTs are dicts.
    JSON = (
        ("?", 200, 200, 200, 200),
        ("?terms=1", 200, 200, 200, 200),
        ("?style=1", 200, 200, 200, 200),
        ("?manage=1", 401, 200, 200, 200),
        ("?host=1", 401, 403, 403, 200),
        ("?health=1", 200, 200, 200, 200),
        ("?metrics=1", 404, 404, 404, 404),
        ("?session=%s", 401, 403, 200, 200),
        ("?session=qemu-web-desktop-unknown", 401, 404, 404, 404),
        ("?session=../../etc/passwd", 401, 404, 404, 404),
        ({"manage": "1"}, 401, 200, 200, 200),
        ({"create": "1", "machine": "tiny.iso", "memory": "0.25"}, 401, 503, 503, 503),
        ({"create": "1", "machine": "ann.iso", "memory": "0.25"}, 401, 403, 503, 503),
        ({"create": "1", "machine": "staff.iso", "memory": "0.25"}, 401, 403, 403, 503),
        ({"create": "1", "machine": "none.iso"}, 401, 400, 400, 400),
        ({"session_stop": "qemu-web-desktop-unknown"}, 401, 404, 404, 404),
        ({"session_stop": "../x"}, 404, 404, 404, 404),
        ({"session_stop": "%s"}, 401, 403, None, None),
        ({"service_purge": "1"}, 401, 403, 403, None),
        ({"service_purge": "1", "create": "1"}, 400, 400, 400, 400),
        ({"machine": "monitor"}, 401, 200, 200, 200),
        ({"nonsense": "1"}, 400, 400, 400, 400),
        ({"user": "bob"}, 400, 400, 400, 400),
        ("?ticket=x", 404, 404, 404, 404),
        ({"ticket": "x", "create": "1"}, 404, 404, 404, 404),
        ("?create=1", 405, 405, 405, 405),
        ("?session_stop=%s", 405, 405, 405, 405),
        ("?service_purge=1", 405, 405, 405, 405),
        ("?logout=1", 200, 200, 200, 200),
    )
    HTML = {("manage", 200): 303}

    @classmethod
    def setUpClass(cls):
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        tiny = TREE / "build/guests/tiny.iso"
        cls.site = stack.enter_context(Site(
            options=OPEN | options_of("ldap") | {
                "ldap_groups": "memberof", "ldap_group_base": net_case.GROUP_BASE,
                "user_admin": "x,@desktop", "service_max_instance_nb": 1},
            machines=[{"name": "tiny.iso"},
                      {"name": "ann.iso", "file": tiny, "users": "zed, ann+x@lab.example"},
                      {"name": "staff.iso", "file": tiny, "groups": "staff"}]))
        cls.visitors = {None: cls.site.visitor()}
        for user in (cls.OTHER, cls.OWNER, cls.ADMIN):
            cls.visitors[user] = cls.logged_in(user)

    @classmethod
    def logged_in(cls, user):
        client = cls.site.visitor()
        answer = client.post_form({"manage": "1", "user": user, "password": PASSWORD})
        if answer.status != 200:
            raise AssertionError(answer)
        return client

    def ask(self, client, what, accept):
        if isinstance(what, str):
            return client.get(CGI + what, accept=accept)
        return client.post_form(what, accept=accept)

    def test_the_matrix_of_visitors_and_actions_holds(self):
        """SR8, P8: each page and action, HTML and JSON; what is refused
        changes nothing."""
        owner = self.visitors[self.OWNER]
        name = owner.create(user=None)["name"]
        rows = 0
        for what, *statuses in self.JSON:
            what = what.replace("%s", name) if isinstance(what, str) else {
                key: value.replace("%s", name) for key, value in what.items()}
            for (user, client), status in zip(self.visitors.items(), statuses):
                for accept in ("json", "html"):
                    if status is None:
                        continue
                    wanted = 303 if accept == "html" and status == 200 and \
                        not isinstance(what, str) else status
                    with self.subTest(what=what, user=user, accept=accept):
                        answer = self.ask(client, what, accept)
                        self.assertEqual(answer.status, wanted, answer)
                        rows += 1
        self.assertGreater(rows, 190)
        self.assertIn(owner.session(name)["state"], ("starting", "preparing", "booting", "running"))
        # What a list shows, and to whom it gives the way to the display.
        self.assertEqual(self.names(self.OTHER), [])
        self.assertEqual(self.names(self.OWNER), [name])
        self.assertEqual(self.names(self.ADMIN), [name])
        self.assertEqual(owner.stop(name)["state"], "stopping")
        answer = self.visitors[self.ADMIN].post_form({"session_stop": name, "now": "1"})
        self.assertEqual(answer.status, 200)
        answer = self.visitors[self.ADMIN].post_form({"service_purge": "1"}, accept="html")
        self.assertEqual(answer.status, 303)

    def names(self, user):
        answer = self.visitors[user].get(CGI + "?manage=1")
        return [session["name"] for session in answer.json()["sessions"]]

    def test_a_form_lists_what_the_visitor_may_use(self):
        for user, machines in ((None, ["tiny.iso", "ann.iso", "staff.iso"]),
                               (self.OTHER, ["tiny.iso"]),
                               (self.OWNER, ["tiny.iso", "ann.iso"]),
                               (self.ADMIN, ["tiny.iso", "ann.iso", "staff.iso"])):
            client = self.visitors[user]
            listed = [m["name"] for m in client.get(HOME).json()["machines"]]
            self.assertEqual(listed, machines)
            page = client.get(HOME, accept="html").text
            self.assertEqual(re.findall(r'<option value="([a-z]+.iso)"', page), machines)
            self.assertEqual('name="password"' in page, user is None)
            self.assertEqual('name="logout"' in page, user is not None)
        answer = self.visitors[self.OTHER].post_form(
            {"create": "1", "machine": "ann.iso", "memory": "0.25"}, accept="html")
        self.assertEqual(answer.status, 403)
        self.assertIn('href="#machine"', answer.text)

    def cookie_is_good(self, value, user=None):
        client = self.site.visitor()
        client.cookies["qwd"] = value
        answer = client.get(CGI + "?manage=1", accept="html")
        self.assertIn(answer.status, (200, 401))
        if user and answer.status == 200:
            self.assertIn(f"<strong>{user}</strong>", answer.text)
        return answer.status == 200

    def login_file(self, user):
        return next(path for path in (self.site.store / "logins").iterdir()
                    if json.loads(path.read_text())["user"] == user)

    def test_only_a_cookie_of_ours_that_is_valid_counts(self):
        """SR6: altered, cut, expired, of another boot, or the stored hash."""
        client = self.logged_in("alice")
        cookie = client.cookies["qwd"]
        self.assertTrue(self.cookie_is_good(cookie))
        other = "a" if cookie[-1] != "a" else "b"
        for wrong in (cookie[:-1] + other, cookie[:-1], cookie + "a", cookie.upper(), "a" * 32,
                      "", "../" + cookie, self.login_file("alice").name):
            self.assertFalse(self.cookie_is_good(wrong), wrong)
        self.assertFalse(self.cookie_is_good(f"{cookie}; qwd={'a' * 32}"))
        self.assertNotIn(cookie, self.login_file("alice").read_text())
        path = self.login_file("alice")
        login = json.loads(path.read_text())
        now = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)
        for change in ({"expires_boot_ms": now}, {"expires_boot_ms": now + 10 ** 9},
                       {"boot_id": "another"}, {"method": ""}, {"user": "*"}, {"version": 2}):
            path.write_text(json.dumps(login | change))
            self.assertFalse(self.cookie_is_good(cookie), change)
        path.write_text(json.dumps(login))
        self.assertTrue(self.cookie_is_good(cookie))
        path.unlink()
        self.assertFalse(self.cookie_is_good(cookie))

    def test_a_login_renews_the_cookie_and_a_logout_ends_it(self):
        """SR6"""
        for accept, status in (("json", 200), ("html", 303)):
            client = self.logged_in("alice")
            first = client.cookies["qwd"]
            client.post_form({"manage": "1", "user": "alice", "password": PASSWORD})
            second = client.cookies["qwd"]
            self.assertNotEqual(first, second)
            self.assertFalse(self.cookie_is_good(first))
            # Without a password the cookie serves; a wrong one changes nothing.
            self.assertEqual(client.post_form({"manage": "1", "user": "alice"}).status, 200)
            self.assertEqual(client.post_form({"manage": "1", "user": "bob"}).status, 401)
            answer = client.post_form({"manage": "1", "user": "alice", "password": "no"})
            self.assertEqual(answer.status, 401)
            self.assertTrue(self.cookie_is_good(second))
            answer = client.post_form({"logout": "1"}, accept=accept)
            self.assertEqual(answer.status, status)
            self.assertRegex(answer.headers["Set-Cookie"], r"^qwd=; .*Max-Age=0$")
            self.assertEqual(client.cookies, {})
            self.assertFalse(self.cookie_is_good(second))

    def test_a_login_that_is_not_used_ends(self):
        """SR6: idle for login_idle seconds; each use renews it, but what a
        page's script asks by itself is none, and few uses write."""
        client = self.logged_in("alice")
        path = self.login_file("alice")

        def age(seconds):
            os.utime(path, (time.clock_gettime(time.CLOCK_BOOTTIME) - seconds,) * 2)
            return path.stat().st_mtime_ns

        def used(**headers):
            self.assertEqual(client.get(CGI + "?manage=1", headers=headers).status, 200)
            return path.stat().st_mtime_ns

        self.assertEqual(used(), path.stat().st_mtime_ns)
        before = age(30)
        self.assertEqual(used(), before)
        before = age(1700)
        self.assertEqual(used(**{"Sec-Fetch-Dest": "empty"}), before)
        self.assertGreater(used(**{"Sec-Fetch-Dest": "document"}), before)
        age(1800)
        self.assertEqual(client.get(CGI + "?manage=1").status, 401)
        self.site.configure(login_idle=7200)
        self.assertEqual(client.get(CGI + "?manage=1").status, 200)
        self.site.configure(login_idle=None)
        self.assertEqual(client.post_form({"logout": "1"}).status, 200)

    def test_a_link_or_another_site_logs_nobody_in_or_out(self):
        """SR7, P17"""
        client = self.logged_in("alice")
        self.assertEqual(client.get(CGI + "?logout=1").status, 200)
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"},
                        {"Origin": "null"}):
            for fields in ({"logout": "1"}, {"manage": "1", "user": "bob", "password": PASSWORD}):
                answer = client.post_form(fields, headers=headers)
                self.assertEqual(answer.status, 403)
                self.assertIsNone(answer.headers["Set-Cookie"])
        self.assertTrue(self.cookie_is_good(client.cookies["qwd"]))

    def test_a_login_made_before_logins_were_checked_is_none(self):
        self.site.configure(**off())
        client = self.site.visitor()
        self.assertEqual(client.post_form({"manage": "1", "user": "root"}).status, 200)
        self.assertEqual(client.get(CGI + "?manage=1").status, 200)
        self.site.configure(check_user_with_ldap="yes")
        self.assertEqual(client.get(CGI + "?manage=1").status, 401)

    def test_the_cookie_over_https_stays_there(self):
        """SR6"""
        done = subprocess.run(
            [self.site.dir / "cgi-bin/qemu-web-desktop"], user="www-data", capture_output=True,
            check=True, input=f"manage=1&user=bob&password={quoted(PASSWORD)}".encode(), env={
                "QWD_CONFIG": str(self.site.dir / "etc/config.conf"), "HTTPS": "on",
                "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST",
                "SERVER_NAME": "localhost", "SERVER_PORT": "443", "REMOTE_ADDR": "192.0.2.1",
                "CONTENT_TYPE": "application/x-www-form-urlencoded",
                "CONTENT_LENGTH": str(len(f"manage=1&user=bob&password={quoted(PASSWORD)}"))})
        self.assertRegex(done.stdout.decode(),
                         r"Set-Cookie: __Host-qwd=[a-z2-7]{32}; Path=/; HttpOnly; "
                         r"SameSite=Strict; Secure\r\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
