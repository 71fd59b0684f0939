"""Three complete servers: filled one after another, one killed, brought back;
and what can be in their list, or be said in their name, that is not of the
farm (SR29, P11 of the requirements)."""

import re
import socket
import time
import unittest
import urllib.parse

from farm_case import ALIAS, NAMES, OUTSIDE, ROGUE, Farm
from farm_rogue import Assertion, Rogue, controls, gigabyte, other_json, perl_page
from farm_rogue import redirect, rubbish, web_page
from harness import CGI, FINAL, Browser, Vnc, eventually, html_problems
from test_pages import CONTRAST

PASSWORD = "canary-password-7d1f"
FULL = "All 1 places on this server are taken"
FARM = "/qemu-web-desktop/farm"


def create(site, user="ann", accept="html", **more):
    """A new visitor, and the answer to their form."""
    visitor = site.visitor()
    fields = site.order(user=user, password=PASSWORD, **more)
    return visitor, visitor.post_form(fields, accept=accept)


class Filling(unittest.TestCase):
    def enter(self, site, answer):
        """Follow the visitor's redirect; their client on that server, and their
        session."""
        self.assertEqual(answer.status, 303, answer)
        where = urllib.parse.urlsplit(answer.location)
        self.assertEqual(f"{where.scheme}://{where.netloc}", site.url)
        visitor = site.visitor()
        page = visitor.get(answer.location, accept="html")
        self.assertEqual(page.status, 200, page)
        self.assertTrue(visitor.cookies)
        self.assertEqual(html_problems(page.text), [])
        refresh = page.headers["Refresh"].partition("url=")[2]
        session = visitor.get(refresh, accept="html")
        self.assertEqual(session.status, 200, session)
        # It worked once.
        late = site.visitor().get(answer.location, accept="html")
        self.assertEqual(late.status, 404, late)
        return visitor, refresh.partition("session=")[2]

    def end(self, site, name, visitor):
        site.qwdctl("stop", name, "--now", "--yes")
        visitor.wait_state(name, FINAL, 15)

    def test_three_servers_are_filled_one_is_killed_and_comes_back(self):
        with Farm() as farm:
            one, two, three = farm.sites
            _, here = create(one)
            self.assertTrue(here.location.startswith(f"{CGI}?session="), here.location)

            # Full: the next one, and the visitor is logged in there.
            _, answer = create(one)
            visitor, name = self.enter(two, answer)
            session = visitor.wait_state(name, "running")
            self.assertEqual(session["user"], "ann")
            self.assertTrue(session["url"].startswith(two.url), session["url"])
            with Vnc.of(two, name) as vnc:
                self.assertGreater(vnc.width, 0)

            # The second one's web server is gone, and its session is not.
            two.stop_apache()
            _, answer = create(one, "bob")
            self.enter(three, answer)
            down = one.events(result="silent", server=two.url)
            self.assertIn("reason=refused-connection", down[0])
            self.assertEqual(len(down), 1, down)  # not asked again: skipped

            # Nobody has a place.
            _, answer = create(one, "carl")
            self.assertEqual(answer.status, 503, answer)
            self.assertIn(FULL, answer.text)
            self.assertEqual(len(one.events(result="silent")), 1)

            # It is back, and the time to skip it is over.
            two.start()
            self.end(two, name, visitor)
            one.configure(farm_skip=1)
            (one.store / "farm/skip").unlink()
            _, answer = create(one, "dora")
            self.enter(two, answer)

            # The password stayed where it was typed.
            self.assertIn(PASSWORD, one.said.read_text())
            for other in (two, three):
                self.assertEqual(other.said.read_text(), "")
                self.assertNotIn(PASSWORD, other.error_log())

    def test_a_browser_finds_its_desktop_on_the_server_that_took_it(self):
        flags = ("--ignore-certificate-errors",)
        with Farm(count=2) as farm, Browser(flags=flags) as browser:
            one, two = farm.sites
            create(one, "bob")
            browser.get(one.url + "/qemu-web-desktop/")
            browser.fill(user="ann", password=PASSWORD, cpu=1, memory="0.25")
            browser.press("create")
            browser.wait(lambda: browser.url.startswith(f"{two.url}{CGI}?session="), 30,
                         f"the session's page, not {browser.url}")
            self.assertNotIn("ticket", browser.url)
            browser.wait(lambda: browser.all("a[href*='vnc.html']"), 60, "Connect")
            browser.get(browser.one("a[href*='vnc.html']").get_attribute("href"))
            browser.wait(
                lambda: "noVNC_connected" in browser.one("html").get_attribute("class"),
                30, "the display")
            # The first one's list has it, and a button that asks before a stop.
            browser.get(f"{one.url}{CGI}?manage=1")
            button = browser.one("[name=session_stop]").find_element("xpath", "../button")
            self.assertFalse(browser.run("return arguments[0].checkVisibility()", button))
            browser.one("td summary").click()
            self.assertTrue(browser.run("return arguments[0].checkVisibility()", button))
            self.assertEqual(button.text, "Yes, stop it")
            self.assertEqual(browser.run(CONTRAST), [])
            browser.save("farm-manage")
            button.click()

            def has_ended():
                browser.get(f"{one.url}{CGI}?manage=1")
                return "Stopped by its user." in browser.text()

            browser.wait(has_ended, 30, "the stop")


class Overview(unittest.TestCase):
    def test_sessions_on_all_servers_are_listed_reached_and_stopped(self):
        with Farm({"service_max_instance_nb": 4, "user_admin": "carl"}) as farm:
            one, two, three = farm.sites
            for site, user in ((two, "ann"), (three, "bob"), (one, "ann")):
                visitor, answer = create(site, user, accept="json")
                self.assertEqual(answer.status, 201, answer)
                visitor.wait_state(answer.json()["session"]["name"], "running")

            # One sees one's own, an administrator all, both in both faces.
            told = visitor.get(f"{CGI}?manage=1").json()
            self.assertEqual([s["user"] for s in told["sessions"]], ["ann"])
            self.assertEqual([(s["server"], s["answers"], [x["user"] for x in s["sessions"]])
                              for s in told["servers"]],
                             [(two.url, True, ["ann"]), (three.url, True, [])])
            there = told["servers"][0]["sessions"][0]
            self.assertNotIn("url", there)
            page = visitor.get(f"{CGI}?manage=1", accept="html")
            self.assertEqual(html_problems(page.text), [])
            self.assertIn(there["name"], page.text)
            self.assertIn("There is no session on this server.", page.text)
            carl = one.visitor()
            carl.post_form({"manage": 1, "user": "carl", "password": "x"})
            told = carl.get(f"{CGI}?manage=1").json()
            theirs = [x for s in told["servers"] for x in s["sessions"]]
            self.assertEqual([x["user"] for x in theirs], ["ann", "bob"])

            # Connect: to the session's page there, logged in.
            connect = {"session_connect": there["name"], "server": two.url}
            answer = visitor.post_form(connect, accept="html")
            self.assertEqual(answer.status, 303, answer)
            ann = two.visitor()
            self.assertEqual(ann.get(answer.location).json()["session"]["name"], there["name"])

            # The other server's rule is the same: not for somebody else's.
            theirs = {"session_stop": theirs[1]["name"], "server": three.url}
            answer = visitor.post_form(theirs)
            self.assertEqual(answer.status, 403, answer)
            answer = visitor.post_form({"session_stop": there["name"], "server": three.url})
            self.assertEqual(answer.status, 404, answer)
            answer = visitor.post_form(theirs | {"server": f"https://{ROGUE}"})
            self.assertEqual((answer.status, answer.json()["error"]["field"]), (400, "server"))
            answer = one.visitor().post_form(connect)
            self.assertEqual(answer.status, 401, answer)

            # Stop, also by an administrator; and a server that is down.
            answer = visitor.post_form({"session_stop": there["name"], "server": two.url,
                                        "now": "1"})
            self.assertEqual(answer.status, 200, answer)
            self.assertIn(ann.wait_state(there["name"], FINAL, 15)["state"], FINAL)
            three.stop_apache()
            page = visitor.get(f"{CGI}?manage=1", accept="html")
            self.assertIn("This server does not answer now", page.text)
            answer = carl.post_form(theirs)
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("desk-three.example does not answer", answer.json()["error"]["message"])
            three.start()
            (one.store / "farm/skip").unlink()
            answer = carl.post_form(theirs | {"now": "1"})
            self.assertEqual(answer.status, 200, answer)


class Balance(unittest.TestCase):
    def test_the_least_loaded_server_of_the_farm_takes_it(self):
        """Each young session is load: they go round."""
        more = {"service_max_instance_nb": 5, "service_max_load": 1000,
                "farm_policy": "balance"}
        with Farm(more) as farm:
            one, two, three = farm.sites
            servers = []
            for user in ("ann", "bob", "carl"):
                visitor, answer = create(one, user, accept="json")
                self.assertEqual(answer.status, 201, answer)
                servers.append(answer.json().get("server", one.url))
            self.assertEqual(sorted(servers), sorted(s.url for s in farm.sites))
            one.configure(farm_policy="spill")
            visitor, answer = create(one, "dora", accept="json")
            self.assertNotIn("server", answer.json())


class Strangers(unittest.TestCase):
    """Each server has its one session, so that each looks for another one."""

    @classmethod
    def setUpClass(cls):
        cls.farm = cls.enterClassContext(Farm()) if hasattr(cls, "enterClassContext") else \
            Farm().__enter__()
        if not hasattr(cls, "enterClassContext"):
            cls.addClassCleanup(cls.farm.__exit__, None, None, None)
        cls.one, cls.two, cls.three = cls.farm.sites
        for site in cls.farm.sites:
            site.configure(fallback_servers=None)
            _, answer = create(site, accept="json")
            assert answer.status == 201, answer

    def setUp(self):
        for site in self.farm.sites:
            (site.store / "farm/skip").unlink(missing_ok=True)
            site.configure(fallback_servers=None)

    def refused(self, **fields):
        started = time.monotonic()
        _, answer = create(self.one, **fields)
        self.assertEqual(answer.status, 503, answer)
        self.assertIn(FULL, answer.text)
        return time.monotonic() - started

    def served(self, site):
        """How often others have asked it; the web server writes that down after
        its answer."""
        return site.access_log().count(f"POST {FARM}")

    def wait_served(self, site, count):
        eventually(lambda: self.served(site) >= count, 10, "a line of the access log")
        self.assertEqual(self.served(site), count)

    def test_a_ring_of_three_servers_ends_at_the_second(self):
        """SR29"""
        for site, following in ((self.one, 1), (self.two, 2), (self.three, 0)):
            site.configure(fallback_servers=NAMES[following])
        before = [self.served(site) for site in self.farm.sites]
        self.refused()
        self.wait_served(self.two, before[1] + 1)
        # What was asked before this has been written down by now.
        self.assertEqual(self.say(self.assertion(f"https://{NAMES[2]}").text,
                                  self.three).status, 200)
        self.wait_served(self.three, before[2] + 1)
        self.assertEqual(self.served(self.one), before[0])

    def test_servers_that_the_visitor_names_are_not_asked(self):
        """SR29, P11"""
        rogue = Rogue(OUTSIDE, self.farm.authority.path(ROGUE), rubbish)
        self.addCleanup(rogue.close)
        self.refused(fallback_servers=f"https://{ROGUE}/")
        self.refused(fallback_servers=ROGUE, gpu="no")
        self.assertEqual(rogue.connections, 0)

    def test_what_is_no_server_of_ours_is_passed_by(self):
        """SR29: rubbish, redirects for ever, a gigabyte, another web server."""
        for answer, reason in ((rubbish, "not-text"), (other_json, "damaged"),
                               (redirect, "no-farm"), (gigabyte, "too-large"),
                               (web_page, "no-farm"), (controls, "no-farm")):
            with self.subTest(answer.__name__):
                self.setUp()
                self.one.configure(fallback_servers=ROGUE)
                rogue = Rogue(OUTSIDE, self.farm.authority.path(ROGUE), answer)
                try:
                    before = len(self.one.events(result="silent"))
                    self.refused()
                    self.refused()
                finally:
                    rogue.close()
                self.assertLess(rogue.sent, 8 * 1024 * 1024)
                self.assertNotIn(PASSWORD.encode(), rogue.heard)
                # What cannot be read may come of an order that was carried out.
                self.assertEqual(rogue.verbs(), ["create"] if answer is other_json
                                 else ["create", "settle"])
                told = self.one.events(result="silent")[before:]
                self.assertEqual([f"reason={reason}" in line for line in told], [True], told)

    def test_a_server_with_a_wrong_certificate_hears_nothing(self):
        """SR29, P11"""
        rogue = Rogue(OUTSIDE, self.farm.authority.path("impostor"), other_json)
        self.addCleanup(rogue.close)
        self.one.configure(fallback_servers=ROGUE)
        self.refused()
        eventually(lambda: rogue.connections, 10, "a connection")
        self.assertEqual(rogue.heard, b"")
        self.assertIn("reason=certificate",
                      self.one.events(result="silent", server=f"https://{ROGUE}")[-1])

    def test_a_server_in_clear_is_none_unless_the_configuration_says_so(self):
        self.one.configure(fallback_servers=f"http://{ROGUE}")
        answer = self.one.visitor().get("/qemu-web-desktop/")
        self.assertEqual(answer.status, 500, answer)
        self.assertIn("write https, or set farm_http", self.one.error_log())

    def test_a_server_that_is_ourselves_is_left_out(self):
        """By the own name it is not asked, and by another name once."""
        self.one.configure(fallback_servers=f"{NAMES[0]}, {ALIAS}")
        before = self.served(self.one)
        self.refused()
        self.wait_served(self.one, before + 1)
        self.assertEqual(len(self.one.events(result="self", server=f"https://{ALIAS}")), 1)
        self.refused()
        self.assertEqual(self.served(self.one), before + 1)

    def test_a_server_that_says_nothing_costs_its_time_once(self):
        """Down behind its cable, and up but silent."""
        self.three.place.cut()
        self.addCleanup(self.three.place.cut, False)
        silent = socket.create_server((OUTSIDE, 443))  # never says a word of TLS
        self.addCleanup(silent.close)
        self.one.configure(fallback_servers=f"{NAMES[2]}, {ROGUE}", farm_wait="0.3",
                           farm_timeout=1)
        self.addCleanup(self.one.configure, farm_wait=5, farm_timeout=None)
        before = len(self.one.events(result="silent"))
        first = self.refused()
        second = self.refused()
        told = self.one.events(result="silent")[before:]
        self.assertEqual([line.count("reason=timeout") for line in told], [1, 1], told)
        # The deadlines were waited for, and not twice.
        self.assertGreater(first, 0.6)
        silent.settimeout(1)
        silent.accept()[0].close()
        with self.assertRaises(TimeoutError):
            silent.accept()
        self.assertIsNotNone(second)

    def test_what_a_user_has_on_other_servers_counts(self):
        self.one.configure(fallback_servers=NAMES[1], service_max_instance_nb=5,
                           service_max_session_nb_per_user=2)
        self.addCleanup(self.one.configure, service_max_instance_nb=1,
                        service_max_session_nb_per_user=10)
        _, answer = create(self.one)
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("You have 2 of at most 2 sessions", answer.text)

    def test_a_program_is_told_which_server_took_it(self):
        """And a browser, which comes by the same ticket, may not."""
        self.two.configure(service_max_instance_nb=2)
        self.addCleanup(self.two.configure, service_max_instance_nb=1)
        self.one.configure(fallback_servers=NAMES[1])
        _, answer = create(self.one, "bob", accept="json")
        self.assertEqual(answer.status, 201, answer)
        told = answer.json()
        self.assertEqual((told["server"], told["session"]["user"]), (self.two.url, "bob"))
        self.assertEqual(answer.location, told["enter"])
        visitor = self.two.visitor()
        session = visitor.get(told["enter"]).json()["session"]
        self.assertEqual(session["name"], told["session"]["name"])
        self.two.qwdctl("stop", session["name"], "--now", "--yes")
        visitor.wait_state(session["name"], FINAL, 15)

    def test_qwdctl_check_asks_the_servers(self):
        def told():
            done = self.one.qwdctl("check", check=False)
            return [line for line in done.stdout.splitlines() if "farm: " in line]

        rogue = Rogue(OUTSIDE, self.farm.authority.path("impostor"), rubbish)
        self.addCleanup(rogue.close)
        self.one.configure(
            fallback_servers=f"{NAMES[0]}, {NAMES[1]}, {NAMES[2]}, {ALIAS}, {ROGUE}")
        secret = self.three.dir / "lib/farm-secret"
        secret.write_bytes(b"another secret, of forty bytes and more.")
        self.addCleanup(secret.write_bytes, self.farm.secret)
        lines = told()
        self.assertEqual(len(lines), 4, lines)
        self.assertIn(f"ok: farm: {self.two.url} answers, with 0 places free", lines)
        self.assertIn(f"note: farm: https://{ALIAS} is this server, and not asked", lines)
        self.assertRegex("\n".join(lines),
                         f"error: farm: {self.three.url} gives no answer .not-believed: .*"
                         "same farm_secret")
        self.assertRegex("\n".join(lines),
                         f"error: farm: https://{ROGUE} gives no answer .certificate: .*"
                         "farm_ca_file")
        own = self.one.dir / "lib/farm-secret"
        own.chmod(0o644)
        self.addCleanup(own.chmod, 0o600)
        done = self.one.qwdctl("check", check=False)
        self.assertIn("error: farm_secret: others may read", done.stdout)

    # -- servers of the Perl program

    def test_a_perl_server_gets_the_form_and_its_page_is_not_shown(self):
        """SR29, P11: password by verified https, where farm_perl says so; of the
        answer the display's address is taken and nothing else."""
        where = f"https://{ROGUE}/cgi-bin/qemu-web-desktop.pl"
        self.one.configure(fallback_servers=where, farm_perl="yes")
        self.addCleanup(self.one.configure, farm_perl=None)
        rogue = Rogue(OUTSIDE, self.farm.authority.path(ROGUE), perl_page)
        self.addCleanup(rogue.close)
        visitor, answer = create(self.one)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(html_problems(answer.text), [])
        self.assertIn(f"https://{ROGUE}:6080/vnc.html?host={ROGUE}&amp;port=6080", answer.text)
        self.assertNotIn("evil", answer.text)
        self.assertNotIn("alert", answer.text)
        form = dict(urllib.parse.parse_qsl(rogue.heard.partition(b"\r\n\r\n")[2].decode()))
        self.assertIn(b"POST /cgi-bin/qemu-web-desktop.pl ", rogue.heard)
        self.assertEqual((form["user"], form["password"], form["machine"], form["create"]),
                         ("ann", PASSWORD, "tiny.iso", "1"))
        self.assertNotIn("fallback_servers", form)
        self.assertNotIn("farm", form)
        # Who is known by a cookie has no password to forward.
        heard = len(rogue.heard)
        answer = visitor.post_form(self.one.order(user="ann"))
        self.assertEqual(answer.status, 503, answer)
        self.assertEqual(len(rogue.heard), heard)
        rogue.answer = other_json
        self.refused()

    def test_a_perl_server_with_a_wrong_certificate_gets_no_password(self):
        """SR29, P11"""
        self.one.configure(fallback_servers=f"https://{ROGUE}/x.pl", farm_perl="yes")
        self.addCleanup(self.one.configure, farm_perl=None)
        rogue = Rogue(OUTSIDE, self.farm.authority.path("impostor"), perl_page)
        self.addCleanup(rogue.close)
        self.refused()
        self.assertEqual(rogue.heard, b"")
        self.assertIn("reason=certificate", self.one.events(result="silent")[-1])

    def test_a_form_that_a_perl_server_forwards_is_served(self):
        """As it sends it, and with an answer that its visitor can use there."""
        self.two.configure(service_max_instance_nb=2)
        self.addCleanup(self.two.configure, service_max_instance_nb=1)
        fields = self.two.order(user="bob", password=PASSWORD, oneshot="0", gpu="",
                                config_script="", fallback_servers=f"https://{ROGUE}")
        relay = self.two.visitor()
        answer = relay.post_form(fields, path="/cgi-bin/qemu-web-desktop.pl", accept=None)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(html_problems(answer.text), [])
        links = re.findall(r'href="([^"]*)"', answer.text)
        self.assertTrue(all(link.startswith(self.two.url) for link in links), links)
        visitor = self.two.visitor()
        session = visitor.get(links[0].replace("&amp;", "&")).json()["session"]
        self.assertTrue(links[1].endswith(session["name"]))
        self.two.qwdctl("stop", session["name"], "--now", "--yes")
        visitor.wait_state(session["name"], FINAL, 15)

    # -- what is said in the name of another server

    def say(self, text, site=None, **fields):
        return (site or self.two).visitor().post_form({"farm": text} | fields, path=FARM)

    def assertion(self, to=f"https://{NAMES[1]}", secret=None, **members):
        return Assertion(secret or self.farm.secret, to, **members)

    def not_believed(self, why, text, **fields):
        answer = self.say(text, **fields)
        self.assertEqual(answer.status, 401, answer)
        self.assertIn(why, self.two.events(result="not-believed")[-1])

    def test_only_what_is_signed_now_for_this_server_is_believed_once(self):
        """SR29"""
        good = self.assertion().text
        answer = self.say(good)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json()["server"]["user"]["sessions"], 1)
        self.not_believed("used before", good)
        self.not_believed("not signed", self.assertion(secret=b"another" * 9).text)
        self.not_believed("not signed", "e30" + good[3:])
        self.not_believed("malformed", "rubbish")
        self.not_believed("it is for https://desk-three.example",
                          self.assertion(f"https://{NAMES[2]}").text)
        now = int(time.time())
        self.not_believed("expired", self.assertion(expires=now - 120).text)
        self.not_believed("from the future", self.assertion(expires=now + 3600).text)
        self.not_believed("another request", self.assertion().text, machine="tiny.iso")
        self.not_believed("another request",
                          self.assertion(verb="stop").about(session_stop="a").text,
                          session_stop="b")
        for wrong in ({"v": 2}, {"verb": "own"}, {"user": "../ann"}, {"user": ""},
                      {"path": []}, {"path": ["a" * 32, "b" * 32]}, {"groups": "staff"},
                      {"nonce": "../../x"}, {"expires": "soon"}, {"session": "../x"},
                      {"method": "x" * 99}):
            members = {"verb": "list"} | wrong
            self.not_believed("assertion", self.assertion(**members).text)
        self.not_believed("has not checked the user", self.assertion(method="").text)

    def test_a_browser_is_not_logged_in_unawares(self):
        """A ticket that was made for another address asks first."""
        text = self.assertion(verb="enter", remote="192.0.2.1").text
        visitor = self.two.visitor()
        page = visitor.get(f"/qemu-web-desktop/?ticket={text}", accept="html")
        self.assertEqual(page.status, 200, page)
        self.assertEqual(visitor.cookies, {})
        self.assertEqual(html_problems(page.text), [])
        self.assertIn("You are about to log in here as <strong>ann</strong>", page.text)
        answer = visitor.post_form({"ticket": text, "manage": "1"}, accept="html")
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(visitor.cookies)
        self.assertNotIn(text[:60], self.two.access_log() + self.two.error_log())
        self.assertNotIn(text[:60], (self.two.dir / "log/combined.log").read_text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
