"""Farms of another kind: where the web servers log visitors in, and where the
clocks differ."""

import base64
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from farm_case import NAMES, Farm
from harness import CGI, FINAL, HOME, TREE, eventually, html_problems
from login_case import snippet

MODULES = """
LoadModule auth_basic_module /usr/lib/apache2/modules/mod_auth_basic.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authn_file_module /usr/lib/apache2/modules/mod_authn_file.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
"""


def documented():
    """The lines of the page about farms."""
    text = (TREE / "src/doc/farm.md").read_text()
    (block,) = re.findall(r'\n((?:    .*\n)*    <Location "/qemu-web-desktop/farm">\n(?:    .*\n)+)',
                          text)
    return "".join(line[4:] + "\n" for line in block.splitlines())


def as_user(name, password="x"):
    token = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}


class LoggedInByTheWebServer(unittest.TestCase):
    """check_user_remote: each server's Apache asks for a password, by the
    documented lines."""

    def httpd(self, farm_lines):
        directory = tempfile.mkdtemp(prefix="farm-users-")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        users = pathlib.Path(directory, "desktop-users")
        digest = base64.b64encode(hashlib.sha1(b"x").digest()).decode()
        users.write_text("".join(f"{name}:{{SHA}}{digest}\n" for name in ("ann", "bob")))
        users.chmod(0o644)
        lines = snippet("Passwords of Apache's own, to try it")
        self.assertIn("/etc/apache2/desktop-users", lines)
        return MODULES + lines.replace("/etc/apache2/desktop-users", str(users)) + farm_lines

    def farm(self, farm_lines, **more):
        return Farm({"check_user_remote": "yes", "check_user_custom": None} | more, count=2,
                    httpd=self.httpd(farm_lines))

    def create(self, site, user):
        visitor = site.visitor()
        order = site.order()
        order.pop("user")
        return visitor, visitor.post_form(order, headers=as_user(user), accept="html")

    def test_a_visitor_is_forwarded_and_is_the_same_one_there(self):
        """SR29"""
        with self.farm(documented()) as farm:
            self.check_forwarding(farm)

    def test_a_program_of_the_sites_own_has_its_say_once(self):
        """Where the visitor comes first, and not again."""
        farm = self.farm(documented())
        del farm.options["check_user_custom"]
        with farm:
            self.check_forwarding(farm)
            one, two = farm.sites
            self.assertIn('"user":"ann"', one.said.read_text())
            self.assertEqual(two.said.read_text(), "")

    def check_forwarding(self, farm):
        one, two = farm.sites
        self.assertEqual(one.visitor().get(HOME, accept="html").status, 401)
        _, here = self.create(one, "bob")
        self.assertEqual((here.status, here.location[: len(CGI)]), (303, CGI), here)
        known, answer = self.create(one, "ann")
        self.assertEqual(answer.status, 303, answer)
        self.assertTrue(answer.location.startswith(f"{two.url}{HOME}?ticket="), answer)
        # The ticket opens nothing that the other web server guards.
        self.assertEqual(two.visitor().get(answer.location, accept="html").status, 401)
        # Nor is it for whom the web server knows as somebody else, who does not
        # use it up.
        ticket = answer.location.partition("ticket=")[2]
        for visit in (
            two.visitor().get(answer.location, headers=as_user("bob"), accept="html"),
            two.visitor().post_form({"ticket": ticket, "manage": "1"},
                                    headers=as_user("bob"), accept="html"),
        ):
            self.assertEqual(visit.status, 403, visit)
            self.assertIn("You are logged in as bob, and this link is", visit.text)
        ann = two.visitor()
        page = ann.get(answer.location, headers=as_user("ann"), accept="html")
        self.assertEqual((page.status, html_problems(page.text)), (200, []), page)
        name = page.headers["Refresh"].partition("session=")[2]
        answer = ann.get(f"{CGI}?session={name}", headers=as_user("ann"))
        self.assertEqual(answer.status, 200, (page.headers["Refresh"], answer.body))
        session = answer.json()["session"]
        self.assertEqual(session["user"], "ann")
        # Both are in one list, and each server's other visitors are not.
        told = known.get(f"{CGI}?manage=1", headers=as_user("ann")).json()
        self.assertEqual([s["user"] for s in told["sessions"]], [])
        self.assertEqual(
            [(s["server"], s["answers"], [x["name"] for x in s["sessions"]])
             for s in told["servers"]], [(two.url, True, [name])])
        answer = known.post_form(
            {"session_stop": name, "server": two.url, "now": "1"}, headers=as_user("ann"))
        self.assertEqual(answer.status, 200, answer)
        eventually(lambda: two.record(name)["state"] in FINAL, 15, "its end")
        # What is open to servers is open to nobody else.
        for fields, refusal in (
            ({}, (400, "bad-field")),
            ({"farm": ""}, (401, "not-logged-in")),
            ({"farm": "rubbish"}, (401, "not-logged-in")),
            ({"manage": "1", "user": "ann"}, (401, "not-logged-in")),
            (two.order(user="ann"), (401, "not-logged-in")),
        ):
            answer = two.visitor().post_form(fields, path=HOME + "farm",
                                             headers={"Remote-User": "ann"})
            self.assertEqual((answer.status, answer.json()["error"]["code"]), refusal,
                             (fields, answer.body))

    def test_without_the_documented_lines_the_check_says_what_is_wrong(self):
        with self.farm("") as farm:
            one, two = farm.sites
            told = one.qwdctl("check", check=False).stdout
            self.assertIn(
                f"error: farm: {two.url} gives no answer (no-farm: no answer of a server of "
                "ours); is the service there, and the path /qemu-web-desktop/farm open?", told)
            # Who is here is served here.
            self.create(one, "bob")
            _, answer = self.create(one, "ann")
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("All 1 places on this server are taken", answer.text)


class Clocks(unittest.TestCase):
    """The second server's programs are the real ones, but for a wall clock that
    is `/tmp/wall-offset` seconds off."""

    OFFSET = pathlib.Path("/tmp/wall-offset")

    @classmethod
    def setUpClass(cls):
        subprocess.run(["make", "-s", "clock-programs"], cwd=TREE, check=True,
                       stdin=subprocess.DEVNULL)
        cls.addClassCleanup(cls.OFFSET.unlink, missing_ok=True)

    def step(self, seconds):
        new = self.OFFSET.with_suffix(".new")
        new.write_text(str(seconds))
        new.chmod(0o644)
        new.rename(self.OFFSET)

    def check_of(self, site, other):
        """What `qwdctl check` says of the other server: lines of (kind, words)."""
        lines = site.qwdctl("check", check=False).stdout.splitlines()
        return [tuple(line.split(": farm: ", 1)) for line in lines
                if f"{other.url} " in line and ": farm: " in line]

    def test_the_check_says_how_far_the_clocks_are_apart(self):
        """SR29: beyond that nothing is believed."""
        with Farm(count=2) as farm:
            one, two = farm.sites
            shutil.copy(TREE / "build/clock/qemu-web-desktop",
                        two.dir / "cgi-bin/qemu-web-desktop")
            good = ("ok", f"{two.url} answers, with 1 places free")
            self.step(0)
            self.assertEqual(self.check_of(one, two), [good])
            # An assertion is still believed, if late; and that ends soon.
            for off, kind, words in (
                (15, "warning", "and 30 s are too much; run NTP on both"),
                (-15, "warning", "and 30 s are too much; run NTP on both"),
                (45, "error", "run NTP on both"),
            ):
                self.step(off)
                first, (is_kind, said) = self.check_of(one, two)
                self.assertEqual(first, good)
                found = re.fullmatch(
                    rf"the clock of {re.escape(two.url)} differs by (\d+) s[;,] {words}", said)
                self.assertEqual((is_kind, bool(found)), (kind, True), said)
                self.assertAlmostEqual(int(found[1]), abs(off), delta=9)
            # Then it is not, and that is said as what it is.
            for off, words in (
                (3600, r"expired (\d+) s ago, or the clocks differ"),
                (-3600, r"from the future: the clocks differ by (\d+) s"),
            ):
                self.step(off)
                ((kind, said),) = self.check_of(one, two)
                found = re.fullmatch(
                    rf"{re.escape(two.url)} gives no answer \(clock: not-logged-in: assertion: "
                    rf"{words}\); its clock and this host's must be less than half a minute "
                    "apart; run NTP on both", said)
                self.assertEqual((kind, bool(found)), ("error", True), said)
                self.assertAlmostEqual(int(found[1]), 3600, delta=60)
                self.assertIn("result=not-believed", two.error_log())
            self.step(0)
            self.assertEqual(self.check_of(one, two), [good])

    def test_a_visitor_learns_nothing_of_clocks_and_is_served_elsewhere(self):
        with Farm(count=3) as farm:
            one, two, three = farm.sites
            shutil.copy(TREE / "build/clock/qemu-web-desktop",
                        two.dir / "cgi-bin/qemu-web-desktop")
            self.step(3600)
            one.visitor().post_form(one.order(user="bob", password="x"))
            answer = one.visitor().post_form(one.order(user="ann", password="x"))
            self.assertEqual((answer.status, answer.json()["server"]), (201, three.url))
            (line,) = one.events(result="silent", server=two.url)
            self.assertIn("reason=clock", line)
            # A link that is too old is only too old.
            self.step(-3600)
            answer = two.visitor().get(
                answer.json()["enter"].replace(NAMES[2], NAMES[1]), accept="html")
            self.assertEqual(answer.status, 404, answer)
            self.assertIn("This link works once, and for a minute only", answer.text)
            self.assertNotIn("clock", answer.text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
