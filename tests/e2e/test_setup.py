"""The first page after an installation: what is missing, to whoever may know."""

import unittest

from harness import HOME, Browser, Site, html_problems

LOGIN = "#!/bin/sh\ncat >/dev/null\necho SUCCESS\n"
MACHINES = "No machine is installed."
NO_LOGIN = "Logins:"
CLEAR = "Nothing is encrypted: passwords and screens cross the network in the clear."
ELSEWHERE = {"X-Forwarded-For": "192.0.2.7"}


class Setup(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(machines=[])
        cls.site.__enter__()
        cls.addClassCleanup(lambda: cls.site.__exit__(None, None, None))
        program = cls.site.dir / "etc/login"
        program.write_text(LOGIN)
        program.chmod(0o755)

    def setUp(self):
        self.site.configure(
            allow_anonymous=None, check_user_custom=None, user_admin=None, accel=None,
            service_url=f"http://localhost:{self.site.port}",
        )  # fmt: skip

    def shown(self, client=None, **more):
        client = client or self.site.visitor()
        value = client.get(HOME, **more).json()["setup"]
        page = client.get(HOME, accept="html", **more).text
        self.assertEqual('id="setup"' in page, bool(value))
        self.assertEqual(html_problems(page), [])
        return {step["what"]: step["commands"] for step in value}

    def test_it_says_what_is_missing_as_the_check_does(self):
        shown = self.shown()
        self.assertEqual(list(shown)[:2], [MACHINES, NO_LOGIN])
        self.assertEqual(
            shown[MACHINES], ["qwdctl edit machines", "qwdctl download", "qwdctl add FILE"]
        )
        self.assertEqual(shown[NO_LOGIN], ["qwdctl edit config"])
        self.assertIn("certbot --apache", shown[CLEAR])
        checked = self.site.qwdctl("check", check=False).stdout
        self.assertIn("error: no machine can be started", checked)
        self.assertIn("warning: no login is configured", checked)
        kvm = [commands for what, commands in shown.items() if what.startswith("KVM ")]
        self.assertEqual(bool(kvm), "warning: KVM: " in checked, shown)
        self.assertTrue(all(kvm))
        # Where that is wanted, it is not missing; nor is it with a certificate.
        self.site.configure(accel="tcg", service_url="https://localhost")
        self.assertEqual(list(self.shown()), [MACHINES, NO_LOGIN])

    def test_each_thing_that_is_done_leaves_the_list(self):
        self.site.configure(allow_anonymous="yes")
        self.assertIn(MACHINES, self.shown())
        self.assertNotIn(NO_LOGIN, self.shown())
        self.addCleanup(self.offer, "")
        self.offer("[disk.raw]\n")
        self.assertEqual(self.shown(), {})
        # With machines and without a login it is not the page's first matter.
        self.site.configure(allow_anonymous=None)
        self.assertIn(NO_LOGIN, self.shown())
        page = self.site.visitor().get(HOME, accept="html").text
        self.assertIn('id="setup">', page)
        self.assertEqual(page.count("No login is configured"), 1)
        self.assertIn('name="create"', page)

    def offer(self, text):
        image = self.site.machines_dir / "disk.raw"
        image.write_bytes(bytes(1 << 16))
        image.chmod(0o644)
        (self.site.dir / "etc/machines.conf").write_text(text)
        self.site.qwdctl("refresh")

    def test_visitors_from_elsewhere_are_told_nothing_of_the_inside(self):
        self.site.configure(allow_anonymous="yes")
        for headers in ELSEWHERE, {"Host": "desktop.lab.example"}:
            self.assertEqual(self.shown(headers=headers), {}, headers)
        page = self.site.visitor().get(HOME, accept="html", headers=ELSEWHERE).text
        self.assertIn("No machine is installed yet", page)
        self.assertNotIn("KVM", page)
        self.site.configure(allow_anonymous=None)
        self.assertEqual(self.site.visitor().get(HOME, headers=ELSEWHERE).status, 403)

    def test_where_a_login_is_configured_administrators_are_told(self):
        self.site.configure(check_user_custom=self.site.dir / "etc/login", user_admin="carla")
        for user, wanted in (("carla", [MACHINES]), ("ann", [])):
            client = self.site.visitor()
            client.post_form({"user": user, "password": "x", "manage": "1"}, headers=ELSEWHERE)
            got = [w for w in self.shown(client, headers=ELSEWHERE) if w == MACHINES]
            self.assertEqual(got, wanted, user)

    def test_it_is_read_without_scripts_on_a_telephone_and_opened_by_keyboard(self):
        with Browser(javascript=False, phone=True) as browser:
            browser.get(self.site.url + HOME)
            browser.save("setup-telephone")
            self.assertIn("qwdctl edit machines", browser.text())
            self.assertIn("certbot --apache", browser.text())
        self.addCleanup(self.offer, "")
        self.offer("[disk.raw]\n")
        with Browser() as browser:
            browser.get(self.site.url + HOME)
            self.assertNotIn("certbot --apache", browser.text())
            browser.run("document.querySelector('#setup summary').focus()")
            browser.type("\ue007")  # Enter
            browser.wait(lambda: "certbot --apache" in browser.text(), 10, "the list")
            browser.save("setup-desktop")


if __name__ == "__main__":
    unittest.main(verbosity=2)
