"""What the tests of logins share: the real servers, the configuration of each
method, and a visitor who logs in."""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import net_case
import net_servers as net
from harness import CGI, TREE, Site
from login_servers import LOCAL_USER, LocalAccount, Saslauthd

PASSWORD = net.PASSWORD
WRONG = "The user name or the password is wrong."
OUTAGE = "The login server cannot be reached. Try again in a minute."
OPEN = {"login_failures_user": 500, "login_failures_address": 500}
METHODS = ("imap", "smtp", "ldap", "local")
WAYS = [(method, tls) for method in ("imap", "smtp", "ldap") for tls in ("tls", "starttls")] + \
    [("local", "tls")]
USER = {"imap": "alice", "smtp": "alice", "ldap": "alice", "local": LOCAL_USER}


def snippet(after, number=0):
    """A block of lines of the page about single sign-on: the first, or a later
    one, behind a heading."""
    text = (TREE / "src/doc/logins/single-sign-on.md").read_text().split(f"## {after}\n", 1)[1]
    block = re.findall(r"\n((?:    .*\n)+)", text)[number]
    return "".join(line[4:] + "\n" for line in block.splitlines())


class World:
    """All servers, and a directory for the tests' own files: `world`, from
    set_up() to the end of the file's tests."""

    servers = saslauthd = places = None

    def set_up(self):
        self.servers = net_case.Servers()
        self.places = tempfile.mkdtemp(prefix="qwd-login-")
        unittest.addModuleCleanup(shutil.rmtree, self.places)
        os.chmod(self.places, 0o755)
        account = LocalAccount(self.places)
        unittest.addModuleCleanup(account.close)
        self.saslauthd = Saslauthd(self.places)
        unittest.addModuleCleanup(self.saslauthd.stop)


world = World()


def off():
    return {f"check_user_with_{method}": None for method in METHODS} | {
        "check_user_custom": None, "check_user_remote": None}


def bind_file():
    path = pathlib.Path(world.places, "bind-password")
    path.write_text(net.SERVICE_PASSWORD + "\n")
    shutil.chown(path, "www-data", "www-data")
    path.chmod(0o600)
    return path


def options_of(method, tls="tls", certificate=net.GOOD, port=None):
    """The configuration of one method, on its real server."""
    chosen = {f"check_user_with_{method}": "yes", "login_ca_file": world.servers.authority.ca}
    if method == "local":
        return chosen | {"saslauthd_socket": world.saslauthd.socket}
    host, real = world.servers.endpoint(method + "-check", tls, certificate)
    chosen |= {f"{method}_server": host, f"{method}_port": port or real}
    chosen["smtp_use_ssl" if method == "smtp" else f"{method}_tls"] = tls
    if method == "ldap":
        chosen |= {"ldap_domain": "example.org", "ldap_bind_dn": net.SERVICE_DN,
                   "ldap_bind_password_file": bind_file()}
    return chosen


def new_lines(site, before):
    """The auth lines in the log since `before` characters."""
    return re.findall(r"auth (?:failure|error) method=.*$", site.error_log()[before:], re.M)


class LoginCase(unittest.TestCase):
    """Asks for the list of sessions, which wants a login and nothing else."""

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.site = cls.stack.enter_context(Site(options=OPEN | options_of("imap")))

    def log_in(self, user, password, accept="json", client=None):
        client = client or self.site.visitor()
        fields = {"manage": "1", "user": user}
        if password is not None:
            fields["password"] = password
        return client, client.post_form(fields, accept=accept)

    def expect_in(self, user, password=PASSWORD, name=None, accept="json"):
        client, answer = self.log_in(user, password, accept)
        self.assertEqual(answer.status, 200 if accept == "json" else 303, answer)
        cookie = answer.headers["Set-Cookie"]
        self.assertRegex(cookie, r"^qwd=[a-z2-7]{32}; Path=/; HttpOnly; SameSite=Strict$")
        page = client.get(CGI + "?manage=1", accept="html")
        self.assertEqual(page.status, 200)
        self.assertIn(f">{name or user}<" if accept else "", page.text.replace("</span>", ">"))
        return client

    def expect_out(self, status, sentence, reason, user, password, accept="json"):
        before = len(self.site.error_log())
        client, answer = self.log_in(user, password, accept)
        self.assertEqual(answer.status, status, answer)
        if accept == "json":
            error = answer.json()["error"]
            self.assertEqual(error["message"], sentence)
            self.assertEqual(error["code"], {401: "not-logged-in", 503: "busy"}[status])
        else:
            self.assertIn(sentence, answer.text)
        self.assertIsNone(answer.headers["Set-Cookie"])
        self.assertEqual(client.get(CGI + "?manage=1").status, 401)
        lines = new_lines(self.site, before)
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], reason)
        self.assertTrue(lines[0].startswith("auth failure" if status == 401 else "auth error"))

    def refused(self, reason, user, password, accept="json"):
        self.expect_out(401, WRONG, reason, user, password, accept)

    def outage(self, reason, user, accept="json"):
        self.expect_out(503, OUTAGE, reason, user, PASSWORD, accept)
