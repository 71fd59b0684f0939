"""Single sign-on by OpenID Connect: mod_auth_openidc as the documentation
configures it, and a provider."""

import http.client
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import unittest
import urllib.parse

import net_servers as net
from harness import CGI, HOME, Site, html_problems
from login_case import snippet
from login_provider import CLIENT, SECRET, Key, Provider

MODULES = """
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule auth_openidc_module /usr/lib/apache2/modules/mod_auth_openidc.so
"""


class OpenIdConnect(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="sso-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        os.chmod(cls.dir, 0o755)
        cls.authority = net.Authority(cls.dir)
        cls.provider = Provider(cls.dir, cls.authority)
        cls.addClassCleanup(cls.provider.close)
        path = pathlib.Path(cls.dir, "oidc-secrets.conf")
        path.write_text(snippet("OpenID Connect", 1).replace("what the provider gave you", SECRET))
        path.chmod(0o600)
        cls.site = cls.enterClassContext(Site(
            options={"check_user_remote": "yes", "user_admin": "root"},
            httpd=MODULES + cls.documented() + f"OIDCCABundlePath {cls.authority.ca}\n"))

    @classmethod
    def documented(cls):
        """The documented lines, with this site's names in place of theirs."""
        lines = snippet("OpenID Connect")
        for old, new in (("https://login.lab.example", cls.provider.url),
                         ("https://desktop.lab.example", "http://localhost:8080"),
                         ("/etc/apache2/", cls.dir + "/")):
            if old not in lines:
                raise AssertionError(f"{old} is not in the documented lines")
            lines = lines.replace(old, new)
        return lines

    def setUp(self):
        self.provider.user = {"sub": "4711", "preferred_username": "ann"}
        self.provider.signer = self.provider.key
        self.provider.audience = CLIENT

    def visit_provider(self, url):
        """What the browser does there; where it leads."""
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPSConnection(
            parts.netloc, context=ssl.create_default_context(cafile=self.authority.ca))
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        self.assertEqual(answer.status, 302)
        return answer.headers["Location"]

    def log_in(self, client, path=HOME):
        """Ask for a page and go where one is sent; the last answer."""
        answer = client.get(path, accept="html")
        self.assertEqual(answer.status, 302, answer)
        self.assertTrue(answer.location.startswith(self.provider.url + "/authorize?"))
        back = self.visit_provider(answer.location)
        self.assertTrue(back.startswith(f"{self.site.url}{HOME}oidc?"), back)
        answer = client.get(back, accept="html")
        if answer.status == 302:
            self.assertEqual(answer.location, self.site.url + path)
            answer = client.get(path, accept="html")
        return answer

    def test_the_documented_lines_are_good(self):
        done = subprocess.run(
            ("apache2", "-f", str(self.site.dir / "etc/httpd.conf"), "-t"),
            capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, "Syntax OK\n"))

    def test_whom_the_provider_knows_gets_in_by_that_name(self):
        ann = self.site.visitor()
        page = self.log_in(ann)
        self.assertEqual((page.status, html_problems(page.text)), (200, []), page.text)
        self.assertIn("logged in as <strong>ann</strong>", page.text)
        self.assertNotIn('name="password"', page.text)
        name = ann.create(user=None)["name"]
        self.assertEqual(ann.wait_state(name, "running")["user"], "ann")
        self.assertEqual(ann.post_form({"service_purge": "1"}).status, 403)
        # Another visitor is another user, on each page and under each name.
        self.provider.user = {"sub": "1", "preferred_username": "root"}
        root = self.site.visitor()
        page = self.log_in(root, CGI + "?manage=1")
        self.assertIn(name, page.text)
        self.assertEqual(root.post_form({"service_purge": "1"}).status, 200)
        self.assertIn(ann.session(name)["state"], ("stopping", "ended"))
        # The claim is the name, not what the visitor writes beside it.
        answer = ann.post_form({"manage": "1", "user": "root"})
        self.assertEqual((answer.status, answer.json()["error"]["field"]), (400, "user"))

    def test_nothing_but_the_displays_own_files_is_shown_unasked(self):
        for path in (HOME, CGI, CGI + ".pl", CGI + "?manage=1", CGI + "?session=x"):
            client = self.site.visitor()
            answer = client.get(path, accept="html")
            self.assertEqual(answer.status, 302, path)
            self.assertTrue(answer.location.startswith(self.provider.url), path)
            forged = client.get(path, headers={"OIDC_CLAIM_sub": "ann", "Remote-User": "ann",
                                               "X-Remote-User": "root"}, accept="html")
            self.assertEqual(forged.status, 302, path)
        self.assertEqual(client.get(HOME + "assets/style.css").status, 200)
        self.assertEqual(client.get(HOME + "display/vnc.html").status, 200)
        self.assertIn(client.post_form(self.site.order(user="ann")).status, (302, 401))
        self.assertEqual(self.site.processes(), [])

    def test_a_token_that_is_forged_or_for_another_site_is_none(self):
        other = Key(self.dir, "other")
        for change in ({"signer": other}, {"audience": "another-client"}):
            with self.subTest(change):
                self.setUp()
                vars(self.provider).update(change)
                client = self.site.visitor()
                # The module's own page; its status is 200.
                self.assertIn("Error in handling response type", self.log_in(client).text)
                self.assertEqual(client.get(CGI + "?manage=1", accept="html").status, 302)

    def test_a_name_that_cannot_be_a_users_is_refused(self):
        self.provider.user = {"sub": "1", "preferred_username": "cn=ann,dc=x"}
        client = self.site.visitor()
        page = self.log_in(client)
        self.assertEqual(page.status, 403)
        self.assertIn("a name that this service does not take", page.text)
        self.assertIn("auth failure method=remote rhost=127.0.0.1 reason=bad-user "
                      "user=cn%3Dann%2Cdc%3Dx", self.site.error_log())

    def test_logging_out_is_the_modules_affair(self):
        client = self.site.visitor()
        self.assertEqual(self.log_in(client).status, 200)
        back = urllib.parse.quote(self.site.url + HOME, safe="")
        answer = client.get(f"{HOME}oidc?logout={back}", accept="html")
        self.assertEqual(answer.status, 302)
        client.cookies = {k: v for k, v in client.cookies.items() if v}
        self.assertEqual(client.get(HOME, accept="html").status, 302)


if __name__ == "__main__":
    unittest.main(verbosity=2)
