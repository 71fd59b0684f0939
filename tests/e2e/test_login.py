"""Only the right people get in: every method against its real server, through
the page and as JSON."""

import base64
import contextlib
import json
import math
import pathlib
import re
import shutil
import statistics
import subprocess
import time
import unittest
from concurrent import futures

import net_case
import net_fakes
import net_servers as net
from harness import CGI, HOME, LONG, TREE, Site, eventually
from login_case import (
    METHODS, OPEN, OUTAGE, PASSWORD, USER, WAYS, WRONG, LoginCase, off, options_of, snippet, world)
from login_servers import LOCAL_USER, Program, apache_passwords
from test_gpu import make_tree


def setUpModule():
    world.set_up()


class EachMethod(LoginCase):
    """The matrix of methods and of what can happen: SR10, SR11, P15, P20."""

    @contextlib.contextmanager
    def only(self, method, tls):
        with self.subTest(method=method, tls=tls):
            self.site.configure(**(off() | options_of(method, tls)))
            yield

    def test_right_wrong_unknown_and_empty(self):
        for method, tls in WAYS:
            with self.only(method, tls):
                user = USER[method]
                for accept in ("json", "html") if tls == "tls" else ("json",):
                    self.expect_in(user, accept=accept)
                    self.refused(rf"method={method} rhost=127.0.0.1 reason=bad-password user={user}$",
                                 user, "wrong", accept)
                    self.refused(rf"method={method} rhost=127.0.0.1 reason=\S+ user=nobody-here$",
                                 "nobody-here", PASSWORD, accept)
                    self.refused(rf"method=none rhost=127.0.0.1 reason=empty-password user={user}$",
                                 user, "", accept)

    def test_names_that_real_logins_hold(self):
        for method, tls in WAYS:
            with self.only(method, tls):
                if tls == "tls" and method != "local":
                    self.expect_in("ann+x@lab.example")
                    self.refused(r"reason=bad-password user=ann%2Bx%40lab.example$",
                                 "ann+x@lab.example", "wrong")

    def test_a_server_that_is_down(self):
        for method, tls in WAYS:
            with self.only(method, tls):
                self.site.configure(saslauthd_socket=f"{world.places}/nothing") if method == "local" else \
                    self.site.configure(**{f"{method}_port": net.free_port()})
                self.outage(rf"method={method} rhost=127.0.0.1 reason=refused-connection user=",
                            USER[method], "html" if tls == "tls" else "json")

    def test_a_server_that_is_silent_costs_its_deadline_only(self):
        """It accepts and says nothing; meanwhile another visitor is served."""
        with net_fakes.Silent() as silent, net_fakes.SilentSocket(world.places) as mux:
            for method, tls in WAYS:
                with self.only(method, tls):
                    self.site.configure(login_timeout=1, **(
                        {"saslauthd_socket": mux.path} if method == "local" else
                        {f"{method}_port": silent.port}))
                    seen = silent.count + mux.count
                    self.outage(rf"method={method} .* reason=(timeout|deadline) ", USER[method])
                    self.assertGreater(silent.count + mux.count, seen)
            with self.only("imap", "tls"), futures.ThreadPoolExecutor(1) as pool:
                self.site.configure(login_timeout=9, imap_port=silent.port)
                seen = silent.count
                asked = pool.submit(
                    self.outage, "method=imap .* reason=(timeout|deadline) ", USER["imap"])
                net.within(5, "a connection", lambda: silent.count > seen)
                self.assertEqual(self.site.visitor().get(HOME).status, 200)
                self.assertFalse(asked.done())
                asked.result(60)
        self.site.configure(login_timeout=None)

    def test_a_server_without_tls_gets_no_password(self):
        for method in ("imap", "smtp", "ldap"):
            where = world.servers.endpoint(method + "-check", "starttls")
            with self.subTest(method=method), net_fakes.Proxy(*where) as proxy:
                self.site.configure(**(off() | options_of(method, "tls", port=proxy.port)))
                self.outage(rf"method={method} .* reason=tls ", USER[method])
                self.assertGreater(len(proxy.said), 0)
                self.assertEqual(net_case.secrets_in(proxy.said), [])

    def test_a_certificate_that_is_no_good(self):
        for method, tls in WAYS:
            with self.only(method, tls):
                if method == "local":
                    continue
                for certificate in net.CERTIFICATES[1:]:
                    if tls == "starttls" and certificate != net.OTHER_NAME:
                        continue
                    self.site.configure(**options_of(method, tls, certificate))
                    # The others are of another address, too: LDAP says so first.
                    expected = "host-name" if certificate == net.OTHER_NAME else \
                        "(certificate|host-name)"
                    self.outage(rf"method={method} .* reason={expected} ", USER[method])

    def test_a_server_that_drops_the_offer_of_tls_gets_no_password(self):
        for method in ("imap", "smtp", "ldap"):
            with self.subTest(method=method), net_fakes.Proxy(
                    *world.servers.endpoint(method + "-check", "starttls"), strip=method) as proxy:
                self.site.configure(**(off() | options_of(method, "starttls", port=proxy.port)))
                self.outage(rf"method={method} .* reason=no-tls ", USER[method])
                self.assertEqual(net_case.secrets_in(proxy.said), [])

    def test_a_helper_that_is_missing_is_an_outage(self):
        self.site.configure(**(off() | options_of("imap") | {"dir_libexec": world.places}))
        self.outage("method=imap .* reason=helper ", "alice")
        self.site.configure(dir_libexec=self.site.dir / "libexec")

    def test_one_after_the_other_until_one_accepts(self):
        every = off() | options_of("imap") | options_of("smtp") | options_of("ldap") | \
            options_of("local")
        self.site.configure(**every)
        self.expect_in("alice")
        self.expect_in(LOCAL_USER)
        self.expect_in("carla")  # LDAP only
        self.refused("method=local .* reason=bad-password user=alice$", "alice", "wrong")
        self.site.configure(imap_port=net.free_port())
        self.expect_in("carla")
        # It may be the server that is down which knows the user.
        self.outage("method=imap .* reason=refused-connection user=nobody", "nobody")


class NobodyLearnsWhoExists(LoginCase):
    """SR12: an unknown user and a wrong password look the same, cost the same
    conversation, and are padded to the same step.  What is left of a
    difference in time is measured and told, not judged."""

    PAIRS = 100 if LONG else 2

    def guess(self, user, accept="json"):
        """Status, headers and text without what names this request or user;
        milliseconds."""
        start = time.monotonic()
        _, answer = self.log_in(user, "wrong-" + PASSWORD, accept)
        took = (time.monotonic() - start) * 1000
        # How Apache marks the end depends on how soon a program has ended, and
        # whether it keeps the connection on how much it has to do.
        headers = {k: v for k, v in answer.headers.items()
                   if k not in ("Date", "Content-Length", "Transfer-Encoding", "Connection",
                                "Keep-Alive")}
        return (answer.status, headers, answer.text.replace(user, "USER")), took

    def test_one_answer_one_conversation_one_time(self):
        report = []
        for method in METHODS:
            known = USER[method]
            unknown = known[:-1] + "x"
            with self.subTest(method=method):
                # So many failures would be too many in a quarter of an hour.
                self.site.configure(**(off() | options_of(method)), login_failures_window=10)
                for accept in ("json", "html"):
                    missing, there = self.guess(unknown, accept), self.guess(known, accept)
                    self.assertEqual(there[0], missing[0])
                    self.assertEqual(there[0][0], 401)
                    self.assertIn(WRONG, there[0][2])
                    self.assertGreaterEqual(min(there[1], missing[1]), 500)
                report.append(self.measure(method, known, unknown))
        place = TREE / "build/check/e2e"
        place.mkdir(parents=True, exist_ok=True)
        (place / "login-timing.txt").write_text("\n".join(report) + "\n")
        print("\n" + "\n".join(report))

    def measure(self, method, known, unknown):
        times = {known: [], unknown: []}
        for number in range(self.PAIRS):
            for user in (known, unknown) if number % 2 else (unknown, known):
                times[user].append(self.guess(user)[1])
        a, b = times[known], times[unknown]
        # Mann and Whitney's U, and how likely it is by chance (normal).
        u = sum((x > y) + 0.5 * (x == y) for x in a for y in b)
        n = len(a)
        z = (u - n * n / 2) / math.sqrt(n * n * (2 * n + 1) / 12)
        return (f"{method}: {n} pairs, wrong password {statistics.median(a):.1f} ms, unknown user "
                f"{statistics.median(b):.1f} ms, p = {math.erfc(abs(z) / math.sqrt(2)):.3f}")

    def conversation(self, method, user):
        """How many TLS records there are of one."""
        where = world.servers.endpoint(method + "-check", "tls")
        with net_fakes.Proxy(*where) as proxy:
            self.site.configure(**(off() | options_of(method, port=proxy.port)),
                                login_failures_window=10)
            self.assertEqual(self.guess(user)[0][0], 401)
            self.assertEqual(proxy.count, 1)
        return tls_records(proxy.said)

    def test_the_conversation_with_a_server_has_the_same_length(self):
        for method in ("imap", "smtp", "ldap"):
            users = USER[method], USER[method][:-1] + "x"
            said = dict.fromkeys(users, 0)
            # A connection's last record may come too late to be counted: a
            # difference is one that stays.
            for user in users * 4:
                said[user] = max(said[user], self.conversation(method, user))
                if user == users[1] and len(set(said.values())) == 1:
                    break
            with self.subTest(method=method):
                one, other = said.values()
                self.assertEqual(one, other)
                self.assertGreater(one, 3)


def tls_records(data):
    """How many TLS records these bytes are (RFC 8446, 5.1)."""
    count = 0
    while data:
        data = data[5 + int.from_bytes(data[3:5], "big"):]
        count += 1
    return count


class Ldap(LoginCase):
    """What only a directory tells: name, mail, groups.  SR10."""

    def setUp(self):
        self.program = Program(world.places, self._testMethodName, 'echo "SUCCESS"')
        self.site.configure(**(off() | options_of("ldap") | {
            "check_user_custom": self.program.path, "ldap_groups": "memberof",
            "ldap_group_base": net_case.GROUP_BASE, "user_admin": None}))

    def test_the_directory_says_who_it_is(self):
        self.expect_in("ALICE", name="alice")
        asked = self.program.asked()[0]
        self.assertEqual(asked["session"]["user_email"], "alice@lab.example")
        self.assertEqual(asked["previous"], "SUCCESS ldap ok")
        login = self.newest_login()
        self.assertEqual(login["user"], "alice")
        self.assertEqual(login["mail"], "alice@lab.example")
        self.assertEqual(set(login["groups"].split("\n")), {"desktop", ""})

    def test_groups_that_a_search_finds_are_those_of_memberof(self):
        """ldap_groups = search: as the service, and with a filter of the
        site's; and what the groups are good for."""
        for options, groups in (
                ({}, {"desktop", ""}),
                ({"ldap_group_filter": "(&(objectClass=groupOfNames)(member=%d))"},
                 {"desktop", ""}),
                ({"ldap_group_filter": "(&(cn=other)(member=%d))"}, {""}),
                ({"ldap_group_base": "ou=people,dc=example,dc=org"}, {"admins", ""})):
            with self.subTest(options):
                self.site.configure(**({
                    "ldap_groups": "search", "ldap_group_base": net_case.GROUP_BASE,
                    "ldap_group_filter": None, "user_admin": "@desktop"} | options))
                client = self.expect_in("alice")
                login = self.newest_login()
                self.assertEqual((login["user"], set(login["groups"].split("\n"))),
                                 ("alice", groups))
                answer = client.post_form({"service_purge": "1"})
                self.assertEqual(answer.status, 200 if "desktop" in groups else 403)
        self.site.configure(ldap_group_base="ou=none,dc=example,dc=org")
        self.site.configure(check_user_custom=None)
        self.outage("method=ldap .* reason=base user=alice$", "alice")
        self.site.configure(ldap_group_filter=None)

    def newest_login(self):
        files = (self.site.store / "logins").iterdir()
        return json.loads(max(files, key=lambda path: path.stat().st_mtime_ns).read_text())

    def test_who_logs_in_can_have_the_way_mailed_to_the_directorys_address(self):
        exim = world.servers.exim
        exim.mails()
        self.site.configure(
            email_from="desktop@lab.example", email_method="simple", smtp_server="127.0.0.1",
            smtp_port=exim.simple_port)
        client = self.site.visitor()
        answer = client.post_form(self.site.order(user="carla", password=PASSWORD, mail_me="1"))
        self.assertEqual(answer.status, 201, answer)
        name = answer.json()["session"]["name"]
        mails = []
        net.within(10, "a mail", lambda: mails.extend(exim.mails()) or mails)
        self.assertIn(b"\nTo: <carla@lab.example>", mails[0].replace(b"\r\n", b"\n"))
        client.wait_state(name, "running")
        client.post_form({"session_stop": name, "now": "1"})
        client.wait_state(name, "ended")
        self.site.configure(email_from=None, email_method=None, smtp_server=None, smtp_port=None)

    def test_values_do_not_become_filters(self):
        """SR10, P15: what a filter would understand is refused unasked."""
        for user in ("al*", "x)(uid=*", "alice)(mail=a*"):
            _, answer = self.log_in(user, PASSWORD)
            self.assertEqual(answer.status, 400, user)
            self.assertEqual(answer.json()["error"]["field"], "user")
        self.assertEqual(self.program.asked(), [])
        self.site.configure(check_user_custom=None)
        self.refused("reason=ambiguous user=twin$", "twin", PASSWORD)
        self.refused("reason=(not-allowed|bad-password) user=locked$", "locked", PASSWORD)

    def test_how_the_site_says_whom_to_look_for(self):
        self.site.configure(check_user_custom=None, ldap_attribute="mail")
        self.expect_in("carla@lab.example")
        self.refused("method=ldap .* user=carla$", "carla", PASSWORD)
        self.site.configure(ldap_attribute=None, ldap_filter="(&(uid=%u)(mail=*))")
        self.expect_in("carla")
        self.refused("method=ldap .* user=bob$", "bob", PASSWORD)
        # Only ou=open may be read by anybody.
        self.site.configure(ldap_filter=None, ldap_bind_dn=None, ldap_bind_password_file=None,
                            ldap_base="ou=open,dc=example,dc=org")
        self.expect_in("open")
        self.site.configure(ldap_base="ou=people,dc=example,dc=org")
        self.outage("method=ldap .* reason=own-login user=carla$", "carla")
        self.site.configure(ldap_base=None)

    def test_a_group_makes_an_administrator(self):
        for admins, user, admin in (("@desktop", "carla", True), ("@desktop", "bob", False),
                                    ("desktop", "carla", False), ("@admins", "alice", False),
                                    ("carl,@desk", "carla", False), ("x,carla", "carla", True)):
            with self.subTest(admins=admins, user=user):
                self.site.configure(user_admin=admins)
                client = self.expect_in(user)
                answer = client.post_form({"service_purge": "1"})
                self.assertEqual(answer.status, 200 if admin else 403)


class Custom(LoginCase):
    """The site's own program has the last word.  SR14, P19."""

    number = 0

    def program(self, body, **options):
        Custom.number += 1
        program = Program(world.places, f"custom-{Custom.number}", body)
        self.site.configure(**(off() | {"check_user_custom": program.path} | options))
        return program

    def test_it_is_told_everything_once_and_may_accept_alone(self):
        program = self.program("echo working; echo SUCCESS: welcome")
        self.expect_in("ann", PASSWORD)
        asked = program.asked()
        self.assertEqual(asked, [{
            "user": "ann", "password": PASSWORD, "previous": "FAILED none no-method",
            "session": {"user": "ann", "user_email": "", "remote_host": "127.0.0.1"}}])

    def test_it_sees_the_order(self):
        script = "exec: " + "x" * 60000
        plain = {
            "user": "ann", "user_email": "", "remote_host": "127.0.0.1", "machine": "tiny.iso",
            "cpu": 1, "memory": 256, "disk": 10240, "snapshot_lifetime": 900, "gpu": False,
            "oneshot": False, "config_script": "", "cluster": None}
        program = self.program("echo FAILED", form_config_script="yes",
                               dir_sysfs=make_tree(self.site))
        for more, told in (
                ({}, {}),
                ({"gpu": "yes", "oneshot": "1", "config_script": script},
                 {"gpu": True, "oneshot": True, "config_script": script})):
            answer = self.site.visitor().post_form(
                self.site.order(user="ann", password="x", **more))
            self.assertEqual(answer.status, 401)
            self.assertEqual(program.asked()[0]["session"], plain | told)
        self.site.configure(form_config_script=None, dir_sysfs=None)

    def test_it_may_refuse_whom_others_accept_and_accept_whom_others_refuse(self):
        program = self.program("echo FAILED policy", **options_of("imap"))
        self.refused("method=custom .* reason=refused user=alice$", "alice", PASSWORD)
        self.assertEqual(program.asked()[0]["previous"], "SUCCESS imap ok")
        program = self.program("echo SUCCESS", **options_of("imap"))
        self.expect_in("alice", "wrong")
        self.assertEqual(program.asked()[0]["previous"], "FAILED imap bad-password")

    def test_only_a_clear_yes_is_one(self):
        """SR14, P19: SUCCESS somewhere, or with a failure, is none."""
        # Which of the two it is depends on who is first at the deadline.
        floods = [("trap '' TERM; yes SUCCESS", "error .* reason=(deadline|too-much-output)"),
                  ("cat /dev/zero", "error .* reason=(deadline|too-much-output)")] if LONG else []
        for body, reason in (*floods,
                ("echo SUCCESS; exit 1", "failure .* reason=exit-status"),
                ("echo SUCCESS; echo FAILED", "failure .* reason=refused"),
                ("echo FAILED SUCCESS", "failure .* reason=refused"),
                ("echo no SUCCESS", "error .* reason=no-answer"),
                ("echo SUCCESSFUL", "error .* reason=no-answer"),
                ("echo success", "error .* reason=no-answer"),
                ("true", "error .* reason=no-answer"),
                ("echo SUCCESS >&2", "error .* reason=no-answer"),
                ("echo SUCCESS; kill -SEGV $$", "error .* reason=crash"),
                ("yes SUCCESS | head -c 5000", "error .* reason=too-much-output"),
        ):
            with self.subTest(body=body):
                self.program(body)
                status = 401 if reason.startswith("failure") else 503
                self.expect_out(status, WRONG if status == 401 else OUTAGE, reason, "ann", "x")

    def test_one_that_hangs_is_killed_with_all_that_it_started(self):
        # Nothing of it is left when the site ends: the harness looks.
        self.program("sleep 3600 & sleep 3600 & wait")
        self.outage("method=custom .* reason=deadline user=ann$", "ann")

        def left():
            return subprocess.run(("pgrep", "-f", "^sleep 3600$"), capture_output=True,
                                  check=False).stdout

        eventually(lambda: not left(), 5, "the end of what it has started")

    def test_it_gets_a_clean_environment_and_no_descriptors(self):
        self.program("env >$(dirname $0)/env; ls /proc/self/fd >$(dirname $0)/fds; echo SUCCESS")
        self.expect_in("ann", "x")
        place = pathlib.Path(world.places, f"custom-{Custom.number}")
        names = {line.partition("=")[0] for line in (place / "env").read_text().splitlines()}
        self.assertLessEqual(names, {"PATH", "LANG", "HOME", "PWD", "_", "SHLVL", "OLDPWD"})
        self.assertLessEqual(len((place / "fds").read_text().split()), 4)

    def test_the_examples_that_are_shipped_work(self):
        examples = TREE / "etc/examples"
        policy = pathlib.Path(world.places, "policy")
        shutil.copy(examples / "login-policy", policy)
        policy.chmod(0o755)
        self.site.configure(**(off() | options_of("ldap") | {"check_user_custom": policy}))
        self.expect_in("carla")
        self.refused("method=custom .* reason=refused user=bob$", "bob", PASSWORD)  # no mail
        self.refused("method=custom .* reason=refused user=carla$", "carla", "wrong")
        users = pathlib.Path(world.places, "htpasswd")
        apache_passwords(users, ["ann"])
        htpasswd = pathlib.Path(world.places, "login-htpasswd")
        text = (examples / "login-htpasswd").read_text()
        htpasswd.write_text(re.sub(r'^FILE = .*$', f'FILE = "{users}"', text, flags=re.M))
        htpasswd.chmod(0o755)
        self.site.configure(**(off() | {"check_user_custom": htpasswd}))
        self.expect_in("ann")
        self.refused("method=custom .* reason=refused user=ann$", "ann", "wrong")
        self.refused("method=custom .* reason=refused user=bob$", "bob", PASSWORD)


BASIC = """
LoadModule auth_basic_module /usr/lib/apache2/modules/mod_auth_basic.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authn_file_module /usr/lib/apache2/modules/mod_authn_file.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
"""


def basic(user, password=PASSWORD):
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": "Basic " + token}


class SingleSignOn(unittest.TestCase):
    """REMOTE_USER, by mod_auth_basic as documented; a header is no name (P2)."""

    def test_the_web_servers_word_counts_where_it_is_asked_for(self):
        with Site(options=OPEN | {"check_user_remote": "yes", "user_admin": "root"}) as site:
            users = site.dir / "etc/users"
            apache_passwords(users, ["ann", "bob", "root", "in valid*"])
            site.site("stop")
            with open(site.dir / "etc/httpd.conf", "a", encoding="utf-8") as f:
                f.write(BASIC + snippet("Passwords of Apache's own, to try it").replace(
                    "/etc/apache2/desktop-users", str(users)))
            site.site("start")
            self.pages(site)
            self.with_a_program(site)
            site.configure(check_user_remote=None)
            answer = site.visitor().get(CGI + "?manage=1", headers=basic("ann"))
            self.assertEqual(answer.status, 401)

    def pages(self, site):
        visitor = site.visitor()
        self.assertEqual(visitor.get(CGI + "?manage=1").status, 401)  # Apache's own
        page = visitor.get(HOME, headers=basic("ann"), accept="html")
        self.assertEqual(page.status, 200)
        self.assertIn("logged in as <strong>ann</strong>", page.text)
        self.assertNotIn('name="user"', page.text)
        self.assertNotIn('name="password"', page.text)
        self.assertNotIn('name="logout"', page.text)
        answer = visitor.get(CGI + "?manage=1", headers=basic("ann"))
        self.assertEqual(answer.status, 200)
        self.assertEqual(visitor.cookies, {})
        answer = visitor.post_form({"manage": "1", "user": "bob"}, headers=basic("ann"))
        self.assertEqual((answer.status, answer.json()["error"]["field"]), (400, "user"))
        answer = visitor.post_form({"service_purge": "1"}, headers=basic("ann"))
        self.assertEqual(answer.status, 403)
        answer = visitor.post_form({"service_purge": "1"}, headers=basic("root"))
        self.assertEqual(answer.status, 200)
        answer = visitor.get(CGI + "?manage=1", headers=basic("in valid*"))
        self.assertEqual(answer.status, 403)
        # A header of the visitor's is no name.
        for header in ("Remote-User", "REMOTE_USER", "X-Remote-User"):
            answer = visitor.get(CGI + "?manage=1", headers={header: "ann"})
            self.assertEqual(answer.status, 401)

    def with_a_program(self, site):
        program = Program(world.places, "sso", 'grep -q \'"user":"ann"\' $(dirname $0)/asked-$$ && '
                          'echo SUCCESS || echo FAILED')
        site.configure(check_user_custom=program.path)
        ann = site.visitor()
        self.assertEqual(ann.get(CGI + "?manage=1", headers=basic("ann")).status, 401)
        answer = ann.post_form({"manage": "1"}, headers=basic("ann"))
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(program.asked(), [{
            "user": "ann", "password": "", "previous": "SUCCESS remote ok",
            "session": {"user": "ann", "user_email": "", "remote_host": "127.0.0.1"}}])
        self.assertEqual(ann.get(CGI + "?manage=1", headers=basic("ann")).status, 200)
        # Her cookie is no good for whom Apache knows as somebody else.
        self.assertEqual(ann.get(CGI + "?manage=1", headers=basic("bob")).status, 401)
        self.assertEqual(program.asked(), [])
        answer = site.visitor().post_form({"manage": "1"}, headers=basic("bob"))
        self.assertEqual(answer.status, 401)
        self.assertIn("auth failure method=custom rhost=127.0.0.1 reason=refused user=bob",
                      site.error_log())
        site.configure(check_user_custom=None)


if __name__ == "__main__":
    unittest.main(verbosity=2)
