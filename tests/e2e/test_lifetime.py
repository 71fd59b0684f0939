"""How long sessions live: extending them, the warning before their end, and
what admission says when there is no room."""

import email
import email.policy
import re
import signal
import unittest

import net_servers as net
from harness import CGI, HOME, LONG, Browser, Site, eventually, html_problems
from mail_case import mail_server
from net_fakes import Silent

SERVERS = {}
ANN = "ann+x@lab.example"


def setUpModule():
    SERVERS.update(mail_server("lifetime-"))


def mail_options(**more):
    return {
        "check_user_with_smtp": "yes",
        "email_from": "desktop@lab.example",
        "email_user": "alice",
        "email_passwd_file": SERVERS["password"],
        "smtp_server": "127.0.0.1",
        "smtp_port": SERVERS["exim"].port,
        "login_ca_file": SERVERS["authority"].ca,
    } | more


def left(site, name):
    """Seconds until the end, by the record."""
    record = site.record(name)
    return record["ends"] - record["started"]


class Case(unittest.TestCase):
    def refused(self, answer, status, field=None, words=""):
        self.assertEqual(answer.status, status, answer)
        error = answer.json()["error"]
        self.assertEqual(error["field"], field)
        self.assertIn(words, error["message"])


class Extending(Case):
    def test_its_user_extends_it_as_far_as_may_be(self):
        with Site(options={"snapshot_lifetime": 3600, "snapshot_lifetime_total": 7200}) as site:
            name = site.create(snapshot_lifetime=300)["name"]
            self.assertEqual(left(site, name), 300)
            answer = site.post_form({"session_extend": name, "snapshot_lifetime": "1200"})
            self.assertEqual(answer.status, 200, answer)
            self.assertAlmostEqual(left(site, name), 1200, delta=60)
            self.assertEqual(answer.json()["session"]["name"], name)
            site.wait_state(name, "running")
            # Without a time: as long as may be.
            answer = site.post_form({"session_extend": name})
            self.assertEqual(answer.status, 200, answer)
            self.assertAlmostEqual(left(site, name), 3600, delta=30)
            before = site.record(name)
            self.assertEqual(site.session(name)["ends"], answer.json()["session"]["ends"])
            # Bad input, which changes nothing.
            for wrong in ("-1", "-3600", "59", "3601", "1e3", "99999999999999999999", "1.5",
                          "a week", " 600", "600 "):
                answer = site.post_form({"session_extend": name, "snapshot_lifetime": wrong})
                self.refused(answer, 400, "snapshot_lifetime", "whole number of seconds")
            answer = site.post_form({"session_extend": name, "snapshot_lifetime": "0"})
            self.refused(answer, 400, "snapshot_lifetime", "without an end are not allowed")
            answer = site.post_form({"session_extend": name, "snapshot_lifetime": "60"})
            self.refused(answer, 400, "snapshot_lifetime", "runs longer than that already")
            self.assertEqual(site.record(name)["ends_boot_ms"], before["ends_boot_ms"])
            # What the configuration says now counts.
            site.configure(snapshot_lifetime_total=3700)
            answer = site.post_form({"session_extend": name})
            self.assertEqual(answer.status, 200, answer)
            self.assertLessEqual(left(site, name), 3700)
            site.configure(snapshot_lifetime=7200, snapshot_lifetime_total=86400)
            done = site.qwdctl("extend", name, "7000")
            self.assertIn(f"{name}: ends in 1 h 56 min", done.stdout)
            self.assertAlmostEqual(left(site, name), 7000, delta=30)
            log = (site.store / "log").read_text()
            self.assertRegex(log, f"event=extend session={name} user=ann ends=20")

    def test_only_who_may_extends_it(self):
        """P8: the same rule as for Stop."""
        with Site(options=mail_options(user_admin="alice")) as site:
            bob = site.visitor()
            name = bob.create(user=ANN, password=net.PASSWORD)["name"]
            before = site.record(name)
            fields = {"session_extend": name}
            self.refused(site.visitor().post_form(fields), 401)
            carol = site.visitor()
            carol.post_form({"user": "bob", "password": net.PASSWORD, "manage": "1"})
            self.refused(carol.post_form(fields), 403, None, "belongs to somebody else")
            for wrong in ("../x", "a/b", "..", f"../{name}", f"{name}/", "x" * 300, "", "%00"):
                self.refused(bob.post_form({"session_extend": wrong}), 404)
            answer = bob.get(f"{CGI}?session_extend={name}")
            self.refused(answer, 405)
            answer = bob.post_form(fields, headers={"Origin": "http://evil.example"})
            self.refused(answer, 403)
            self.refused(bob.post_form(fields | {"session_stop": name}), 400, "session_extend")
            self.assertEqual(site.record(name), before | {
                key: site.record(name)[key] for key in site.record(name)
                if key not in ("ends", "ends_boot_ms", "warn_boot_ms")})
            alice = site.visitor()
            alice.post_form({"user": "alice", "password": net.PASSWORD, "manage": "1"})
            self.assertEqual(alice.post_form(fields).status, 200)
            self.assertGreater(site.record(name)["ends_boot_ms"], before["ends_boot_ms"])

    def test_what_has_ended_is_not_extended(self):
        with Site(options={"service_stop_grace": 60}) as site:
            name = site.running()["name"]
            site.stop(name)
            answer = site.post_form({"session_extend": name})
            self.refused(answer, 409, None, "is ending or has ended")
            site.end(name)
            self.refused(site.post_form({"session_extend": name}), 409, None, "has ended")
            done = site.qwdctl("extend", name, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("is ending or has ended", done.stderr)
            for arguments, status in (((), 2), (("../x",), 2), ((name, "soon"), 2),
                                      ((name, "1", "2"), 2), (("qemu-web-desktop-none",), 1)):
                done = site.qwdctl("extend", *arguments, check=False)
                self.assertEqual(done.returncode, status, done.stderr)

    @unittest.skipUnless(LONG, "takes more than a minute")
    def test_it_ends_when_the_new_time_is_over_and_nobody_looks(self):
        """P25, and the extension moves the deadline of the owner, too."""
        with Site() as site:
            name = site.running(snapshot_lifetime=60)["name"]
            started = site.record(name)["started_boot_ms"]
            site.qwdctl("extend", name, "75")
            overlay = site.snapshots_dir / f"{name}.qcow2"
            eventually(lambda: not overlay.exists(), 100, "its end")  # no request meanwhile
            record = site.record(name)
            self.assertEqual(record["reason"], "Its lifetime was over.")
            self.assertGreaterEqual(record["ended_boot_ms"], record["ends_boot_ms"])
            self.assertLess(record["ended_boot_ms"], record["ends_boot_ms"] + 60000)
            self.assertGreater(record["ended_boot_ms"], started + 74000)

    def test_without_an_end_where_that_is_allowed(self):
        with Site(options={"service_max_session_nb_per_user": 9}) as site:
            answer = site.post_form(site.order(snapshot_lifetime=0))
            self.refused(answer, 400, "snapshot_lifetime", "from 60 to 86400.")
            site.configure(snapshot_unlimited="yes", service_max_cpu_fraction_nb_per_user=9)
            self.assertIn('<option value="0">Until I stop it', site.get(HOME, accept="html").text)
            for wrong in ("-1", "1", "59", "86401"):
                answer = site.post_form(site.order(snapshot_lifetime=wrong))
                self.refused(answer, 400, "snapshot_lifetime", "or 0 for no end.")
            endless = site.create(snapshot_lifetime=0)
            self.assertIsNone(endless["ends"])
            page = site.get(f"{CGI}?session={endless['name']}", accept="html").text
            self.assertIn("When you stop it", page)
            self.assertNotIn("session_extend", page)
            self.refused(site.post_form({"session_extend": endless["name"]}), 409, None,
                         "nothing to extend")
            other = site.create(snapshot_lifetime=600)
            page = site.get(f"{CGI}?session={other['name']}", accept="html").text
            self.assertIn("Let it run until I stop it", page)
            answer = site.post_form({"session_extend": other["name"], "snapshot_lifetime": "0"})
            self.assertIsNone(answer.json()["session"]["ends"])
            self.assertEqual(site.record(other["name"])["ends_boot_ms"], 0)


class Warning(Case):
    def test_the_pages_warn_and_have_the_button_also_without_scripts(self):
        with Site(options={"snapshot_lifetime": 600}) as site:
            name = site.running(snapshot_lifetime=70)["name"]
            page = f"{CGI}?session={name}"
            self.assertFalse(site.session(name)["ending"])
            calm = site.get(page, accept="html").text
            self.assertNotIn("This desktop ends soon", calm)
            self.assertRegex(calm, r"Extend to 9 min from now")
            # In the second half of its time.
            eventually(lambda: site.session(name)["ending"], 60, "the warning")
            warned = site.get(page, accept="html").text
            self.assertIn("This desktop ends soon", warned)
            self.assertEqual(html_problems(warned), [])
            manage = site.get(f"{CGI}?manage=1", accept="html").text
            self.assertIn("Ends soon", manage)
            self.assertIn(f'name="session_extend" value="{name}"', manage)
            self.assertEqual(html_problems(manage), [])
            eventually(lambda: f"event=warning session={name} user=ann mail=no"
                       in (site.store / "log").read_text(), 30, "the owner's own warning")
            # The button of the page, as a browser without scripts sends it.
            form = re.search(r'<form[^>]*>\s*<input type="hidden" name="session_extend" '
                             r'value="([^"]*)">', warned)
            answer = site.post_form({"session_extend": form[1]}, accept="html")
            self.assertEqual(answer.status, 303)
            after = site.get(answer.location, accept="html").text
            self.assertNotIn("This desktop ends soon", after)
            self.assertFalse(site.session(name)["ending"])
            self.assertNotIn("Extend to", after)  # there is no more to be had
            manage = site.get(f"{CGI}?manage=1", accept="html").text
            self.assertNotIn("Ends soon", manage)

    def test_the_button_works_in_a_browser(self):
        with Site(options={"snapshot_lifetime": 7200}) as site, Browser() as browser:
            browser.get(site.url + HOME)
            browser.fill(user="ann", snapshot_lifetime=3600)
            browser.press("create")
            browser.one("#connect", 60)
            name = browser.url.rpartition("=")[2]
            self.assertEqual(left(site, name), 3600)
            self.assertRegex(browser.one("#extend").text, "Extend to 1 h 59 min from now")
            browser.one("#extend").click()
            eventually(lambda: left(site, name) > 7100, 10, "the extension")
            browser.wait(lambda: not browser.all("#extend"), 10, "the page without the button")

    def test_a_mail_warns_its_user_and_a_hanging_server_holds_nothing_up(self):
        SERVERS["exim"].mails()
        with Site(options=mail_options()) as site, Silent() as silent:
            ann = site.visitor()
            fields = {"user": ANN, "password": net.PASSWORD, "snapshot_lifetime": 60}
            session = ann.create(**fields)
            name = session["name"]
            self.assertEqual(site.record(name)["email"], ANN)
            self.assertNotIn("email", session)
            site.configure(service_max_cpu_fraction_nb_per_user=9)
            ann.wait_state(name, "running")
            # Its letter is written twenty seconds after the first one's.
            other = ann.create(**fields | {"snapshot_lifetime": 100})["name"]
            mails = []
            net.within(50, "a mail", lambda: mails.extend(SERVERS["exim"].mails()) or mails)
            # The other letter's process reads the configuration of its moment.
            site.configure(smtp_port=silent.port)
            self.check_mail(site, name, mails)
            letter = eventually(lambda: next((p for p in site.processes(other)
                                              if "--session-letter" in p.argv), None), 90)
            self.assertEqual(letter.parent, site.process("owner", other).pid)
            self.assertEqual(set(letter.environment()), {"PATH", "LANG", "HOME"})
            # Meanwhile its owner answers, and ends with all that it has.
            ann.post_form({"session_stop": other, "now": "1"})
            ann.wait_state(other, "ended", 5)
            eventually(lambda: not site.processes(other), 3, "the letter's end")
            ann.post_form({"session_stop": name, "now": "1"})
            # A letter tells of its failure in the log, and never a secret.
            log = (site.store / "log").read_text()
            self.assertIn(f"event=letter session={name} user={ANN} result=ok", log)
            self.assertNotIn(net.PASSWORD, log)

    def check_mail(self, site, name, mails):
        self.assertEqual(len(mails), 1)
        mail = email.message_from_bytes(mails[0], policy=email.policy.default)
        self.assertEqual(mail["To"], ANN)
        self.assertIn("ends soon", mail["Subject"])
        for part in mail.iter_parts():
            text = part.get_payload(decode=True).decode()
            self.assertIn(f"{site.url}{CGI}?session={name}", text)
            self.assertNotIn(site.record(name)["token"], text)
            self.assertIn("can give it more time", text)
            if part.get_content_type() == "text/html":
                self.assertEqual(html_problems(text), [])


class NoRoom(Case):
    def test_a_refusal_says_which_limit_and_when_there_is_room(self):
        with Site(options={"service_max_instance_nb": 1}) as site:
            session = site.create(snapshot_lifetime=1255)
            answer = site.visitor().post_form(site.order(user="bob"))
            self.refused(answer, 503, None, "All 1 places on this server are taken. Try again "
                                            "later. The next session ends in 20 min.")
            self.assertIn(int(answer.headers["Retry-After"]), range(1200, 1256))
            page = site.visitor().post_form(site.order(user="bob"), accept="html")
            self.assertIn("The next session ends in 20 min.", page.text)
            site.configure(service_max_instance_nb=5, service_max_session_nb_per_user=1)
            answer = site.post_form(site.order())
            self.refused(answer, 503, None, "You have 1 of at most 1 sessions. Stop one that you "
                                            "no longer need. Your session ends in 20 min.")
            # Of the empty disk beside an ISO no more than its size counts.
            site.configure(snapshot_reserve_disk=60000, snapshot_alloc_disk="0.1")
            answer = site.visitor().post_form(site.order(user="bob"))
            self.assertEqual(answer.status, 201, answer)
            site.configure(snapshot_alloc_disk=60000)
            answer = site.visitor().post_form(site.order(user="carol"))
            self.refused(answer, 503, None, "MB of disk left for machines, and 61440000 MB")
            site.end(session["name"])

    def test_memory_that_a_machine_uses_is_not_counted_twice(self):
        with Site() as site:
            name = site.running(memory=0.5)["name"]
            touched = eventually(lambda: site.record(name)["touched_mb"], 30, "its memory")
            self.assertGreater(touched, 16)
            self.assertLess(touched, 700)


if __name__ == "__main__":
    unittest.main(verbosity=2)
