"""Login by e-mail, with a real mail server: the form, the mail, its link, the
button; and what must not happen on the way (rows SR13, P19)."""

import email
import email.policy
import hashlib
import json
import os
import pathlib
import re
import time
import unittest

import net_servers as net
from harness import CGI, HOME, Browser, Site, eventually, html_problems
from mail_case import mail_server

ANN = "ann+x@lab.example"
SERVERS = {}

# Logs as the shipped Apache snippet advises, and one that has what it should
# not where that is not followed.
LOGS = """
LogFormat "%h %t \\"%r\\" %>s \\"%{{Referer}}i\\"" combined
LogFormat "%h %t \\"%m %U %H\\" %>s" qwd_no_query
CustomLog "{log}" combined env=!qwd_secret
CustomLog "{log}" qwd_no_query env=qwd_secret
"""

# As conf-available/serve-cgi-bin.conf with the program in /usr/lib/cgi-bin.
BELOW = """
ScriptAliasMatch "^/cgi-bin/qemu-web-desktop(/.*)$" "${QWD_CGI}$1"
UseCanonicalName Off
<LocationMatch "^/cgi-bin/">
    Require all granted
    SetEnv QWD_CONFIG "${QWD_CONFIG}"
</LocationMatch>
"""


def setUpModule():
    SERVERS.update(mail_server("mail-login-"))
    SERVERS["log"] = os.path.join(SERVERS["directory"], "combined.log")


def mail_site(**more):
    options = {
        "check_user_with_email": "yes",
        "email_from": "desktop@lab.example",
        "email_user": "alice",
        "email_passwd_file": SERVERS["password"],
        "email_domains": "lab.example, never.example, later.example",
        "email_deny": "mallory@lab.example",
        "smtp_server": "127.0.0.1",
        "smtp_port": SERVERS["exim"].port,
        "login_ca_file": SERVERS["authority"].ca,
    }
    options.update(more)
    return Site(options=options, httpd=LOGS.format(log=SERVERS["log"]))


class Mail:
    """The one mail that has arrived."""

    def __init__(self):
        texts = []
        net.within(10, "a mail", lambda: texts.extend(SERVERS["exim"].mails()) or texts)
        if len(texts) != 1:
            raise AssertionError(f"{len(texts)} mails")
        self.raw = texts[0]
        self.message = email.message_from_bytes(texts[0], policy=email.policy.default)
        plain, rich = (part.get_payload(decode=True).decode().replace("\r\n", "\n")
                       for part in self.message.iter_parts())
        self.plain, self.rich = plain, rich
        self.link = re.search(r"^(\S+\?ticket=\S+)$", plain, re.M).group(1)
        self.token = self.link.partition("ticket=")[2]


class Case(unittest.TestCase):
    def setUp(self):
        SERVERS["exim"].mails()

    def no_mail(self):
        self.assertEqual(SERVERS["exim"].mails(), [])

    def ask(self, site, user=ANN, client=None, **fields):
        """Ask for a mail; it."""
        answer = (client or site.visitor()).post_form(site.order(user=user, **fields))
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(answer.json(), {"mail": {"sent": True}})
        return Mail()

    @staticmethod
    def tickets(site):
        folder = site.store / "tickets"
        return sorted(p.name for p in folder.iterdir() if p.name != "lock") \
            if folder.exists() else []

    @staticmethod
    def state(site):
        """Everything in the store, as one value."""
        found = {}
        for path in sorted(site.store.rglob("*")):
            if path.is_file():
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def refused(self, answer, status, field=None, words=""):
        self.assertEqual(answer.status, status, answer)
        error = answer.json()["error"]
        self.assertEqual(error["field"], field)
        self.assertIn(words, error["message"])


class TheWay(Case):
    def test_form_mail_link_button_session(self):
        """SR13, P19: a link that is followed uses nothing up, the button works
        once; and this method alone is enough to get in."""
        with mail_site() as site:
            ann = site.visitor()
            form = ann.get(HOME, accept="html")
            self.assertEqual(html_problems(form.text), [])
            self.assertNotIn('name="password"', form.text)
            self.assertIn("You get a link by mail.", form.text)

            page = ann.post_form(site.order(user=ANN), accept="html")
            self.assertEqual(page.status, 202)
            self.assertEqual(html_problems(page.text), [])
            self.assertIn(ANN, page.text)
            self.assertEqual(ann.cookies, {})
            mail = Mail()
            self.check_mail(site, mail)

            # Scanners follow links.
            before = self.state(site)
            for method in ("GET", "HEAD") * 5:
                look = site.visitor().request(method, mail.link, accept="html")
                self.assertEqual(look.status, 200)
                self.assertEqual(look.headers["Referrer-Policy"], "strict-origin")
                self.assertEqual(look.headers["Cache-Control"], "no-store")
                if method == "GET":
                    self.assertEqual(html_problems(look.text), [])
                    self.assertIn("Tiny Linux", look.text)
                    self.assertIn(ANN, look.text)
            self.assertEqual(self.state(site), before)

            # On another device than the one that asked.
            phone = site.visitor()
            answer = phone.post_form({"ticket": mail.token, "create": "1"}, accept="html")
            self.assertEqual(answer.status, 303)
            name = re.fullmatch(rf"{CGI}\?session=(.+)", answer.location).group(1)
            self.assertEqual(phone.session(name)["user"], ANN)
            phone.wait_state(name, "running")
            self.assertEqual(ann.session(name).status, 401)

            for again in (site.visitor(), phone):
                used = again.post_form({"ticket": mail.token, "create": "1"})
                self.refused(used, 404, words="used already")
                self.refused(again.get(mail.link), 404, words="used already")
            self.assertEqual(html_problems(again.get(mail.link, accept="html").text), [])
            self.assertEqual(len(phone.get(f"{CGI}?manage=1").json()["sessions"]), 1)
            self.nothing_is_told(site, mail)

    def check_mail(self, site, mail):
        message = mail.message
        self.assertEqual((message["From"], message["To"]), ("desktop@lab.example", ANN))
        self.assertEqual(message["Envelope-to"], ANN)
        self.assertIn("your link", message["Subject"])
        self.assertTrue(mail.link.startswith(f"{site.url}{CGI}?ticket="))
        self.assertIn(f'<a href="{mail.link}">', mail.rich)
        self.assertEqual(html_problems(mail.rich), [])
        for part in (mail.plain, mail.rich):
            self.assertIn("15 minutes", part)
            self.assertIn("Tiny Linux", part)
            self.assertIn("127.0.0.1", part)
        self.assertNotIn("http", mail.rich.replace(mail.link, ""))

    def nothing_is_told(self, site, mail):
        """The token is in no log and in no file."""
        combined = pathlib.Path(SERVERS["log"]).read_text()
        self.assertIn("GET /cgi-bin/qemu-web-desktop HTTP", combined)
        for text in (combined, site.error_log(), site.access_log(), str(self.state(site)),
                     (site.store / "log").read_text()):
            self.assertNotIn(mail.token, text)
            self.assertNotIn(net.PASSWORD, text)
        for path in site.store.rglob("*"):
            if path.is_file():
                self.assertNotIn(mail.token.encode(), path.read_bytes())

    def test_a_browser_does_it_and_tells_nobody_where_it_was(self):
        """SR13, SR16: no referrer holds the ticket."""
        with mail_site() as site, Browser() as browser:
            browser.get(site.url + HOME)
            browser.fill(user=ANN, cpu="1")
            browser.press("create")
            browser.wait(lambda: "Look into your mail" in browser.text())
            mail = Mail()
            browser.get(mail.link)
            browser.save("ticket")
            browser.press("create")
            browser.wait(lambda: "?session=" in browser.url)
            self.assertIn(ANN, browser.text())
            # Of Chromium's own first page it says other things.
            self.assertEqual([line for line in browser.console()
                              if not line.startswith("chrome:")], [])
            self.assertNotIn(mail.token, pathlib.Path(SERVERS["log"]).read_text())
            name = browser.url.partition("session=")[2]
            eventually(lambda: site.record(name)["state"] == "running", 60)

    def test_what_the_mail_confirms_cannot_be_changed(self):
        with mail_site() as site:
            mail = self.ask(site, cpu="1", snapshot_lifetime="600")
            look = site.get(mail.link).json()["ticket"]
            self.assertEqual((look["user"], look["purpose"]), (ANN, "create"))
            self.assertEqual(look["order"], {"machine": "tiny.iso", "cpu": 1, "memory_mb": 256,
                                             "snapshot_lifetime": 600})
            for more in ({"machine": "other.iso"}, {"user": "bob@lab.example"}, {"cpu": "9"}):
                answer = site.post_form({"ticket": mail.token, "create": "1", **more})
                self.refused(answer, 400, field=next(iter(more)))
            client = site.visitor()
            answer = client.post_form({"ticket": mail.token, "create": "1"})
            self.assertEqual(answer.status, 201)
            session = answer.json()["session"]
            self.assertEqual((session["user"], session["cpu"]), (ANN, 1))
            client.wait_state(session["name"], "running")

    def test_the_page_behind_the_link_shows_the_script_that_will_run(self):
        """SR28: whoever presses the button sees what runs as root."""
        script = "exec: echo '<b>' & echo @USER@"
        with mail_site(form_config_script="yes") as site:
            mail = self.ask(site, config_script=script)
            page = site.visitor().get(f"{CGI}?ticket={mail.token}", accept="html")
            self.assertEqual(html_problems(page.text), [])
            self.assertIn("exec: echo &#39;&lt;b&gt;&#39; &amp; echo @USER@", page.text)
            self.assertIn("If it is not yours, do not press Create.", page.text)
            answer = site.visitor().get(f"{CGI}?ticket={mail.token}").json()
            self.assertEqual(answer["ticket"]["order"]["config_script"], script)
            # The configuration may have changed since.
            site.configure(form_config_script="no")
            self.refused(site.visitor().get(f"{CGI}?ticket={mail.token}"), 400,
                         "config_script", "not accepted here")
            mail = self.ask(site)
            page = site.visitor().get(f"{CGI}?ticket={mail.token}", accept="html")
            self.assertNotIn("Boot script", page.text)

    def test_the_list_of_sessions_by_mail(self):
        with mail_site() as site:
            client = site.visitor()
            page = client.get(f"{CGI}?manage=1", accept="html")
            self.assertEqual((page.status, html_problems(page.text)), (401, []))
            answer = client.post_form({"user": "Ann@Lab.Example", "manage": "1"}, accept="html")
            self.assertEqual(answer.status, 202)
            mail = Mail()
            self.assertEqual(mail.message["To"], "ann@lab.example")
            page = client.get(mail.link, accept="html")
            self.assertEqual(html_problems(page.text), [])
            self.assertNotIn("Create your desktop", page.text)
            answer = client.post_form({"ticket": mail.token, "manage": "1"}, accept="html")
            self.assertEqual((answer.status, answer.location), (303, f"{CGI}?manage=1"))
            page = client.get(f"{CGI}?manage=1", accept="html")
            self.assertEqual(page.status, 200)
            self.assertIn("ann@lab.example", page.text)
            # Known now: a desktop needs no other mail.
            answer = client.post_form(site.order(user="ann@lab.example"))
            self.assertEqual(answer.status, 201)
            client.wait_state(answer.json()["session"]["name"], "running")
            self.no_mail()

    def test_the_login_holds_where_there_is_no_place(self):
        with mail_site(service_max_load="0") as site:
            mail = self.ask(site)
            client = site.visitor()
            answer = client.post_form({"ticket": mail.token, "create": "1"}, accept="html")
            self.assertEqual(answer.status, 503)
            self.assertEqual(client.get(f"{CGI}?manage=1").status, 200)

    def test_beside_passwords_an_address_without_one_gets_a_mail(self):
        with mail_site(check_user_with_smtp="yes") as site:
            form = site.get(HOME, accept="html")
            self.assertEqual(html_problems(form.text), [])
            field = re.search(r'<input id="password"[^>]*>', form.text).group(0)
            self.assertNotIn("required", field)
            self.assertIn("get a link by mail", form.text)
            answer = site.visitor().post_form(site.order(user=ANN, password="wrong"))
            self.refused(answer, 401)
            self.no_mail()
            self.ask(site, password="")
            answer = site.visitor().post_form(
                {"user": ANN, "password": net.PASSWORD, "manage": "1"})
            self.assertEqual(answer.status, 200)
            answer = site.visitor().post_form({"user": "alice", "password": "", "manage": "1"})
            self.refused(answer, 401)
            self.no_mail()

    def test_who_is_known_can_have_the_way_mailed(self):
        with mail_site(check_user_with_smtp="yes") as site:
            client = site.visitor()
            form = client.get(HOME, accept="html")
            self.assertIn('name="mail_me"', form.text)
            mail = self.ask(site, client=client, mail_me="1")
            answer = client.post_form({"ticket": mail.token, "create": "1"})
            self.assertEqual(answer.status, 201)
            name = answer.json()["session"]["name"]
            mail = email.message_from_bytes(self.arrived(), policy=email.policy.default)
            self.assertEqual((mail["To"], mail["Envelope-to"]), (ANN, ANN))
            self.assertIn("your desktop", mail["Subject"])
            client.wait_state(name, "running")
            token = site.record(name)["token"]
            for part in mail.iter_parts():
                text = part.get_payload(decode=True).decode()
                self.assertIn(f"{site.url}{CGI}?session={name}", text)
                self.assertNotIn(token, text)
                if part.get_content_type() == "text/html":
                    self.assertEqual(html_problems(text), [])
            eventually(lambda: '"result":"accepted"' in (site.store / "log").read_text())
            self.assertIn('name="mail_me"', client.get(HOME, accept="html").text)

            # alice is known without an address.
            alice = site.visitor()
            answer = alice.post_form(site.order(user="alice", password=net.PASSWORD,
                                                mail_me="1"))
            self.assertEqual(answer.status, 201)
            self.assertIn("result=no-address", site.error_log())
            self.assertNotIn('name="mail_me"', alice.get(HOME, accept="html").text)
            answer = alice.post_form(site.order(user="alice", mail_me="maybe"))
            self.refused(answer, 400, "mail_me")
            self.no_mail()

    @staticmethod
    def arrived():
        texts = []
        net.within(10, "a mail", lambda: texts.extend(SERVERS["exim"].mails()) or texts)
        return texts[0]

    def test_the_sites_own_program_has_the_last_word(self):
        program = os.path.join(SERVERS["directory"], "policy")
        heard = os.path.join(SERVERS["directory"], "heard")
        os.mkdir(heard)
        os.chmod(heard, 0o777)
        for answer, status in (("FAILED: not today", 401), ("SUCCESS", 201)):
            with open(program, "w", encoding="utf-8") as f:
                f.write(f"#!/bin/sh\ncat >{heard}/input\necho '{answer}'\n")
            os.chmod(program, 0o755)
            with mail_site(check_user_custom=program) as site:
                mail = self.ask(site)
                client = site.visitor()
                done = client.post_form({"ticket": mail.token, "create": "1"})
                self.assertEqual(done.status, status, done)
                with open(f"{heard}/input", encoding="utf-8") as f:
                    said = json.load(f)
                self.assertEqual((said["user"], said["previous"], said["password"]),
                                 (ANN, "SUCCESS email ok", ""))
                self.assertEqual(said["session"]["user_email"], ANN)
                self.assertEqual(bool(client.cookies), status == 201)
                self.refused(client.get(mail.link), 404, words="used already")
                if status == 401:
                    self.assertRegex(site.error_log(), r"auth failure method=email rhost=\S+ "
                                     r"reason=\S+ user=ann%2Bx%40lab.example")

    def test_each_method_of_sending(self):
        exim = SERVERS["exim"]
        for options in (
            {"smtp_use_ssl": "tls", "smtp_port": exim.tls_port},
            {"email_method": "SSL", "smtp_port": exim.tls_port},
            {"email_method": "port"},
            {"email_method": "simple", "smtp_port": exim.simple_port,
             "email_passwd_file": None},
        ):
            with self.subTest(options), mail_site(**options) as site:
                self.ask(site)


class Refusals(Case):
    def test_what_cannot_be_written_to(self):
        """SR13: no second line of a header, no second recipient."""
        with mail_site() as site:
            for user, words in (
                ("ann@other.example", "cannot be used here"),
                ("ann@sub.lab.example", "cannot be used here"),
                ("ann", "Enter your mail address"),
                ("a@b\r\nBcc: eve@lab.example", ""),
                ("ann@lab.example\r\nBcc: eve@lab.example", ""),
                ("ann@lab.example,eve@lab.example", ""),
                ("ann%eve.example@lab.example", ""),
                ("Ann <ann@lab.example>", ""),
                ("ann@lab.example ", ""),
                ("-ann@lab.example", ""),
                ("a" * 65 + "@lab.example", "Enter your mail address"),
                ("ann@[127.0.0.1]", ""),
            ):
                for button in ("create", "manage"):
                    with self.subTest(user=user, button=button):
                        fields = site.order(user=user, create=None) | {button: "1"}
                        self.refused(site.visitor().post_form(fields), 400, "user", words)
            answer = site.visitor().post_form(site.order(user="ann@other.example"),
                                              accept="html")
            self.assertEqual((answer.status, html_problems(answer.text)), (400, []))
            self.assertEqual(self.tickets(site), [])
            self.no_mail()

    def test_all_else_is_validated_first(self):
        with mail_site() as site:
            for field, value in (("machine", "none.iso"), ("cpu", "9999"), ("memory", "x"),
                                 ("snapshot_lifetime", "1"), ("gpu", "1")):
                answer = site.visitor().post_form(site.order(user=ANN, **{field: value}))
                self.refused(answer, 400, field)
            self.refused(site.visitor().post_form(site.order(user=ANN, bcc="x@lab.example")),
                         400, "bcc")
            answer = site.visitor().post_form(site.order(user=ANN),
                                              headers={"Origin": "https://evil.example"})
            self.assertEqual(answer.status, 403)
            answer = site.visitor().get(f"{CGI}?create=1&user={ANN}&machine=tiny.iso")
            self.assertEqual(answer.status, 405)
            self.assertEqual(self.tickets(site), [])
            self.no_mail()

    def test_the_host_header_is_nowhere(self):
        """SR5"""
        for url in ("http://desktop.lab.example:8080", None):
            with mail_site(service_url=url or "") as site:
                answer = site.visitor().post_form(site.order(user=ANN),
                                                  headers={"Host": "evil.example"},
                                                  accept="html")
                self.assertEqual(answer.status, 202)
                mail = Mail()
                self.assertNotIn("evil", answer.text)
                self.assertNotIn(b"evil", mail.raw)
                self.assertNotIn("evil", mail.plain + mail.rich)
                self.assertTrue(mail.link.startswith((url or site.url) + CGI), mail.link)
                self.assertNotIn("evil", site.error_log())

    def test_no_link_is_built_on_the_host_header_of_another_url(self):
        """SR5: Debian's Apache maps all of /cgi-bin/, and below the program's
        name the snippet's UseCanonicalName does not hold."""
        site = mail_site(service_url="")
        site.httpd += BELOW
        with site:
            for path in (CGI + "/", CGI + "/x"):
                answer = site.visitor().post_form(
                    site.order(user=ANN), headers={"Host": "evil.example"},
                    accept="html", path=path)
                self.assertEqual(answer.status, 404, path)
                self.assertNotIn("evil", answer.text)
            answer = site.visitor().post_form(site.order(user=ANN), accept="html")
            self.assertEqual(answer.status, 202)
            self.assertTrue(Mail().link.startswith(site.url + CGI))

    def test_nobody_learns_who_exists(self):
        """SR12, for addresses."""
        with mail_site() as site:
            pages = set()
            for user, mails in (("ann@lab.example", 1), ("mallory@lab.example", 0),
                                ("nobody@never.example", 0), ("nobody@later.example", 0)):
                start = time.monotonic()
                answer = site.visitor().post_form(site.order(user=user), accept="html")
                self.assertGreaterEqual(time.monotonic() - start, 0.5)
                self.assertEqual(answer.status, 202)
                pages.add(answer.text.replace(user, "USER"))
                if mails:
                    Mail()
                else:
                    self.no_mail()
            self.assertEqual(len(pages), 1)
            log = site.error_log()
            for words in ("result=sent", "result=denied", "reason=rejected", "reason=later"):
                self.assertIn(words, log)

    def test_one_address_gets_three_mails(self):
        with mail_site() as site:
            for _ in range(3):
                mail = self.ask(site)
            answer = site.visitor().post_form(site.order(user=ANN.upper()))
            self.refused(answer, 429)
            self.assertGreater(int(answer.headers["Retry-After"]), 0)
            self.no_mail()
            answer = site.visitor().post_form({"ticket": mail.token, "create": "1"})
            self.assertEqual(answer.status, 201)

    def test_a_ticket_is_nobodys_guess(self):
        with mail_site() as site:
            for token in ("", "x", "abcdefghijklmnopqrstuvwxyz234567", "../../logins/x",
                          "a" * 5000):
                self.refused(site.get(f"{CGI}?ticket={token}"), 404, words="does not work")
                self.refused(site.post_form({"ticket": token, "create": "1"}), 404,
                             words="does not work")
            self.assertEqual(site.client.cookies, {})
            self.ask(site)
            (site.store / "tickets/damaged").write_text("{")
            site.qwdctl("purge")
            self.assertEqual(len(self.tickets(site)), 1)

    def test_a_ticket_lives_as_long_as_the_configuration_says(self):
        with mail_site(email_link_lifetime=3600) as site:
            mail = self.ask(site)
            self.assertIn("1 hour", mail.plain)
            (name,) = self.tickets(site)
            ticket = json.loads((site.store / "tickets" / name).read_text())
            self.assertAlmostEqual(ticket["expires"], time.time() + 3600, delta=60)

    def test_a_ticket_ends_where_the_configuration_says_no(self):
        for change in ({"email_deny": "ann+x@lab.example"}, {"email_domains": "other.example"},
                       {"check_user_with_email": "no", "check_user_with_smtp": "yes"}):
            with mail_site() as site:
                mail = self.ask(site)
                site.configure(**change)
                client = site.visitor()
                answer = client.post_form({"ticket": mail.token, "create": "1"})
                self.refused(answer, 403)
                self.assertEqual(client.cookies, {})


class Outages(Case):
    def check_unsent(self, **options):
        with mail_site(**options) as site:
            for accept in ("json", "html"):
                answer = site.visitor().post_form(site.order(user=ANN), accept=accept)
                self.assertEqual(answer.status, 503, answer)
                self.assertGreater(int(answer.headers["Retry-After"]), 0)
                self.assertIn("could not be sent", answer.text)
            self.assertEqual(html_problems(answer.text), [])
            self.assertEqual(self.tickets(site), [])
            self.assertNotIn(net.PASSWORD, site.error_log())
            self.assertIn("event=mail error=", site.error_log())
            return site.error_log()

    def test_a_server_that_is_down(self):
        self.assertIn("refused-connection", self.check_unsent(smtp_port=net.free_port()))

    def test_a_server_that_is_another(self):
        self.assertIn("host-name",
                      self.check_unsent(smtp_server=net.ADDRESS[net.OTHER_NAME]))
        self.assertIn("certificate",
                      self.check_unsent(smtp_server=net.ADDRESS[net.SELF_SIGNED]))

    def test_a_login_that_the_server_does_not_know(self):
        self.assertIn("own-login", self.check_unsent(email_user="nobody"))

    def test_a_password_file_that_everybody_may_read(self):
        os.chmod(SERVERS["password"], 0o644)
        try:
            self.assertIn("email_passwd_file", self.check_unsent())
        finally:
            os.chmod(SERVERS["password"], 0o640)

    def test_a_server_that_speaks_no_tls(self):
        self.assertIn("sent: tls:", self.check_unsent(smtp_use_ssl="tls"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
