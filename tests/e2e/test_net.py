"""qwd-net against real LDAP, IMAP and SMTP servers (src/net/net.h).

The matrix: each way to log in x (right, wrong, empty, unknown, server down,
silent, closing, bad certificates, another's name, no TLS, old TLS), each with
the exact result and reason; where TLS fails, not a byte of the password may
have left.
"""

import base64
import email
import email.policy
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

import net_servers as net

TREE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("QWD_NET", str(TREE / "bin/qwd-net"))
MEMBERS = {"result", "reason", "message", "user", "mail", "groups"}
STATUS = {"accepted": 0, "refused": 0, "error": 1}
CHECKS = [(verb, tls) for verb in ("ldap-check", "imap-check", "smtp-check")
          for tls in ("tls", "starttls")]
SERVICE = {"bind_dn": net.SERVICE_DN, "bind_password": net.SERVICE_PASSWORD}
LDAP = dict(SERVICE, base=net.SUFFIX)
GROUP_BASE = "ou=groups," + net.SUFFIX
MAIL = {"from": "desktop@lab.example", "to": "ann+x@lab.example", "subject": "Hello",
        "text": "plain\n", "html": "<p>rich</p>"}


def setUpModule():
    global authority, slapd, dovecot, exim, directory
    directory = tempfile.mkdtemp(prefix="qwd-net-")
    unittest.addModuleCleanup(shutil.rmtree, directory)
    os.chmod(directory, 0o755)
    authority = net.Authority(place("ca"))
    slapd = {name: net.Slapd(place("slapd-" + name), authority, name,
                             "" if name == net.EXPIRED else "security simple_bind=128")
             for name in net.CERTIFICATES}
    dovecot = net.Dovecot(place("dovecot"), authority)
    exim = net.Exim(place("exim"), authority)
    for server in (*slapd.values(), dovecot, exim):
        unittest.addModuleCleanup(server.stop)
    for server in (*slapd.values(), dovecot, exim):
        server.ready(*server.endpoints)


def place(name):
    path = os.path.join(directory, name)
    os.mkdir(path)
    os.chmod(path, 0o755)
    return path


def endpoint(verb, tls, certificate=net.GOOD):
    """Where the real server of a verb listens."""
    server = {"ldap-check": slapd[certificate], "imap-check": dovecot,
              "smtp-check": exim, "mail-send": exim}[verb]
    return net.ADDRESS[certificate], server.tls_port if tls == "tls" else server.port


def secrets_in(data):
    """What of the password can be read in what was sent."""
    found = []
    for secret in (net.PASSWORD.encode(), net.SERVICE_PASSWORD.encode()):
        forms = [secret] + [base64.b64encode(b"x" * n + secret)[4:-4] for n in range(3)]
        found += [form for form in forms if form in data]
    return found


class Answer:
    """One run of the program."""

    def __init__(self, verb, text, *arguments):
        start = time.monotonic()
        process = subprocess.Popen((PROGRAM, verb) + arguments, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={"PATH": "/usr/bin:/bin"})
        with process.stdin, process.stdout, process.stderr:
            try:
                process.stdin.write(text if isinstance(text, bytes) else text.encode())
                process.stdin.close()
            except BrokenPipeError:
                pass
            self.output = process.stdout.read().decode()
            self.errors = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = self.status = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime
        self.seconds = time.monotonic() - start
        self.value = json.loads(self.output) if self.output else {}


class Case(unittest.TestCase):
    def ask(self, verb, port, **members):
        request = {"host": "127.0.0.1", "port": port, "tls": "tls", "timeout": 10,
                   "ca_file": authority.ca}
        if verb != "mail-send":
            request.update(user="alice", password=net.PASSWORD)
        if verb == "ldap-check":
            request.update(LDAP)
        request.update(members)
        answer = Answer(verb, json.dumps(request))
        self.assertEqual(answer.errors, "")
        self.assertEqual(set(answer.value), MEMBERS, answer.output)
        self.assertEqual(answer.output.count("\n"), 1)
        self.assertEqual(secrets_in(answer.output.encode()), [])
        return answer

    def check(self, expected, verb, port, **members):
        """The result and the reason, as one word each; the answer."""
        answer = self.ask(verb, port, **members)
        value = answer.value
        got = "%s %s" % (value["result"], value["reason"])
        self.assertEqual(got, expected, value["message"])
        self.assertEqual(answer.status, 2 if value["reason"] == "request"
                         else STATUS[value["result"]])
        if value["result"] != "accepted":
            self.assertEqual((value["user"], value["mail"], value["groups"]), (None, None, []))
        return answer

    def check_each(self, expected, checks=CHECKS, **members):
        for verb, tls in checks:
            with self.subTest(verb=verb, tls=tls):
                self.check(expected, verb, endpoint(verb, tls)[1], tls=tls, **members)


class LoggingIn(Case):
    def test_the_right_password_is_accepted(self):
        self.check_each("accepted ok")
        self.check_each("accepted ok", user="ann+x@lab.example")

    def test_a_wrong_password_is_refused(self):
        for password in ("wrong", net.PASSWORD + " ", net.PASSWORD.upper(), "*", "\u00f6"):
            self.check_each("refused bad-password", password=password)

    def test_an_unknown_user_is_refused(self):
        for verb, tls in CHECKS:
            with self.subTest(verb=verb, tls=tls):
                self.check("refused " + ("unknown-user" if verb == "ldap-check"
                                         else "bad-password"),
                           verb, endpoint(verb, tls)[1], tls=tls, user="nobody-here")

    def test_no_server_is_asked_about_what_cannot_be_a_login(self):
        rows = [({"password": ""}, "refused empty-password")]
        rows += [({name: value}, "refused bad-input") for name in ("user", "password")
                 for value in ("a\nb", "a\rb", "\tb", "a\x7f", "\x1b[2J", "a" * 5000)]
        rows += [({"user": ""}, "refused bad-input"), ({"user": "a" * 257}, "refused bad-input")]
        for verb, tls in CHECKS:
            with net.Proxy(*endpoint(verb, tls)) as proxy:
                for members, expected in rows:
                    with self.subTest(verb=verb, **members):
                        self.check(expected, verb, proxy.port, tls=tls, **members)
                self.assertEqual(proxy.count, 0)

    def test_nothing_but_ciphertext_is_on_the_wire(self):
        for verb, tls in CHECKS:
            with self.subTest(verb=verb, tls=tls), net.Proxy(*endpoint(verb, tls)) as proxy:
                self.check("accepted ok", verb, proxy.port, tls=tls)
                self.assertGreater(len(proxy.said), 300)
                self.assertEqual(secrets_in(proxy.said), [])

    def test_a_users_secrets_are_in_no_place_where_others_look(self):
        with net.Silent() as silent:
            request = dict(LDAP, host="127.0.0.1", port=silent.port, tls="tls", timeout=10,
                           ca_file=authority.ca, user="alice", password=net.PASSWORD)
            with subprocess.Popen((PROGRAM, "ldap-check"), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE) as process:
                process.stdin.write(json.dumps(request).encode())
                process.stdin.close()
                net.within(5, "a connection", lambda: silent.count)
                for name in ("cmdline", "environ"):
                    with open("/proc/%d/%s" % (process.pid, name), "rb") as f:
                        self.assertEqual(secrets_in(f.read()), [])
                with open("/proc/%d/limits" % process.pid) as f:
                    limits = f.read()
                process.kill()
        self.assertRegex(limits, r"Max core file size +0 +0")


class TheWayThere(Case):
    def test_a_server_that_is_down_refuses_the_connection(self):
        port = net.free_port()
        for verb, tls in CHECKS + [("mail-send", "tls")]:
            with self.subTest(verb=verb, tls=tls):
                self.check("error refused-connection", verb, port, tls=tls,
                           **(MAIL if verb == "mail-send" else {}))

    def test_a_silent_server_costs_its_timeout_and_no_work(self):
        with net.Silent() as silent:
            for verb, tls in CHECKS + [("mail-send", "starttls"), ("mail-send", "none")]:
                with self.subTest(verb=verb, tls=tls):
                    answer = self.check("error timeout", verb, silent.port, tls=tls, timeout=1,
                                        **(MAIL if verb == "mail-send" else {}))
                    self.assertGreater(answer.seconds, 0.9)
                    self.assertLess(answer.seconds, 3)
                    self.assertLess(answer.cpu, 0.8)

    def test_a_server_that_goes_silent_in_the_middle_costs_its_timeout(self):
        answers = [(r"EHLO", "250-me\n250 AUTH PLAIN"), (r"AUTH", "334 ")]
        with net.Scripted(authority, "220 hello", answers) as server:
            server.answers.append((r"", "250-and\n250-so\n250-on"))
            self.check("error timeout", "smtp-check", server.port, timeout=1)

    def test_a_server_that_hangs_up_is_an_error(self):
        expected = {"ldap-check": ("error tls", "error closed"),
                    "imap-check": ("error tls", "error closed"),
                    "smtp-check": ("error tls", "error closed")}
        with net.Closing() as closing:
            for verb, tls in CHECKS:
                with self.subTest(verb=verb, tls=tls):
                    answer = self.ask(verb, closing.port, tls=tls)
                    got = "%s %s" % (answer.value["result"], answer.value["reason"])
                    self.assertIn(got, expected[verb], answer.output)

    def test_a_host_that_does_not_exist_is_unknown(self):
        for verb, tls in CHECKS:
            with self.subTest(verb=verb, tls=tls):
                self.check("error unknown-host", verb, 1, tls=tls, host="nowhere.invalid")

    def test_an_address_without_a_way_to_it_is_unreachable(self):
        for verb, tls in CHECKS:
            with self.subTest(verb=verb, tls=tls):
                self.check("error unreachable", verb, 1, tls=tls, host="255.255.255.255")


class Tls(Case):
    """Each row through a proxy that records what was said."""

    def row(self, expected, verb, tls, server, strip=None, **members):
        with self.subTest(verb=verb, tls=tls), net.Proxy(*server, strip) as proxy:
            self.check(expected, verb, proxy.port, tls=tls, **members)
            self.assertGreater(len(proxy.said), 0)
            self.assertEqual(secrets_in(proxy.said), [])

    def bad(self, certificate, expected):
        for verb, tls in CHECKS:
            self.row(expected, verb, tls, endpoint(verb, tls, certificate))
        self.row(expected, "mail-send", "starttls", endpoint("mail-send", "starttls", certificate),
                 user="alice", password=net.PASSWORD, **MAIL)

    def test_a_certificate_signed_by_itself_is_refused(self):
        self.bad(net.SELF_SIGNED, "error certificate")

    def test_a_certificate_of_another_authority_is_refused(self):
        self.bad(net.OTHER_CA, "error certificate")

    def test_an_expired_certificate_is_refused(self):
        self.bad(net.EXPIRED, "error certificate")

    def test_the_certificate_of_another_host_is_refused(self):
        self.bad(net.OTHER_NAME, "error host-name")

    def test_without_the_private_authority_the_system_does_not_trust_it(self):
        system = "/etc/ssl/certs/ca-certificates.crt"
        expected = "error certificate" if os.path.exists(system) else "error ca-file"
        for verb, tls in CHECKS:
            self.row(expected, verb, tls, endpoint(verb, tls), ca_file=None)

    def test_a_missing_file_of_authorities_is_named(self):
        self.check_each("error ca-file", ca_file="/nonexistent/ca.pem")

    def test_a_server_without_tls_on_the_port_for_tls_gets_nothing(self):
        for verb in ("ldap-check", "imap-check", "smtp-check"):
            self.row("error tls", verb, "tls", endpoint(verb, "starttls"))

    def test_where_starttls_was_stripped_nothing_more_is_said(self):
        for verb in ("ldap-check", "imap-check", "smtp-check", "mail-send"):
            more = dict(MAIL, user="alice", password=net.PASSWORD) if verb == "mail-send" else {}
            self.row("error no-tls", verb, "starttls", endpoint(verb, "starttls"),
                     {"ldap-check": "ldap", "imap-check": "imap"}.get(verb, "smtp"), **more)

    def test_tls_before_1_2_is_refused(self):
        for verb in ("ldap-check", "imap-check", "smtp-check"):
            with net.Scripted(authority, "", [(r"", "")], oldest_tls=True) as server:
                self.row("error tls", verb, "tls", ("127.0.0.1", server.port))
                # libldap says good-bye: an UnbindRequest.
                self.assertIn(server.lines, ([], ["0\x05\x02\x01\x01B\x00"]))

    def test_in_the_clear_only_where_the_request_says_so(self):
        server = slapd[net.EXPIRED]
        with net.Proxy(net.ADDRESS[net.EXPIRED], server.port) as proxy:
            self.check("accepted ok", "ldap-check", proxy.port, tls="none")
            self.assertEqual(len(secrets_in(proxy.said)), 2, "the recorder works")
        for verb in ("imap-check", "smtp-check"):
            self.check("error request", verb, 1, tls="none")
        for tls in (None, "", "TLS", "no", False):
            self.check("error request", "ldap-check", 1, tls=tls)

    def test_a_directory_that_asks_for_tls_is_not_talked_into_less(self):
        self.check("error no-tls", "ldap-check", endpoint("ldap-check", "starttls")[1],
                   tls="none")


class Directory(Case):
    """What only LDAP has."""

    def ldap(self, expected, **members):
        return self.check(expected, "ldap-check", slapd[net.GOOD].tls_port, **members).value

    def test_the_entrys_own_name_and_first_good_address_come_back(self):
        for user in ("alice", "ALICE", " alice", "alice  "):
            value = self.ldap("accepted ok", user=user)
            self.assertEqual((value["user"], value["mail"]), ("alice", "alice@lab.example"))
        self.assertIsNone(self.ldap("accepted ok", user="bob")["mail"])

    def test_names_full_of_syntax_are_only_names(self):
        for user, expected in (
                ("*", "refused unknown-user"), ("a*", "refused unknown-user"),
                ("al*e", "refused unknown-user"), ("alice)(mail=a*", "refused unknown-user"),
                ("x)(|(uid=*", "refused unknown-user"), ("\\2a", "refused unknown-user"),
                (")(", "refused unknown-user"), ("alice\\00", "refused unknown-user"),
                ("uid=alice,ou=people,dc=example,dc=org", "refused unknown-user"),
                ("%u", "refused unknown-user"), ("al*", "accepted ok"),
                ("x)(uid=*", "accepted ok"), ("zo\u00eb", "accepted ok"),
                ("ann+x@lab.example", "accepted ok")):
            with self.subTest(user):
                value = self.ldap(expected, user=user)
                if expected == "accepted ok":
                    self.assertEqual(value["user"], user)
                self.ldap("refused unknown-user" if expected[0] == "r"
                          else "refused bad-password", user=user, password="wrong")

    def test_an_entry_whose_dn_is_full_of_syntax_logs_in(self):
        value = self.ldap("accepted ok", user="carla", groups="search", group_base=GROUP_BASE)
        self.assertEqual(value["groups"], ["desktop"])

    def test_two_entries_of_a_name_are_refused(self):
        self.ldap("refused ambiguous", user="twin")
        self.ldap("accepted ok", user="twin", base="ou=other," + net.SUFFIX)

    def test_an_entry_without_a_password_is_refused(self):
        value = self.ask("ldap-check", slapd[net.GOOD].tls_port, user="locked").value
        self.assertEqual(value["result"], "refused")
        self.assertIn(value["reason"], ("not-allowed", "bad-password"))

    def test_a_search_may_be_anonymous(self):
        nobody = {"bind_dn": None, "bind_password": None}
        self.ldap("accepted ok", user="open", base="ou=open," + net.SUFFIX, **nobody)
        self.ldap("refused bad-password", user="open", base="ou=open," + net.SUFFIX,
                  password="wrong", **nobody)
        value = self.ldap("accepted ok", user="open", base="ou=open," + net.SUFFIX,
                          groups="search", group_base="ou=open," + net.SUFFIX, **nobody)
        self.assertEqual(value["groups"], ["staff"])

    def test_filters_and_attributes_find_users_by_other_things(self):
        for members in ({"user": "alice@lab.example", "filter": "(mail=%u)"},
                        {"user": "alice@lab.example", "attribute": "mail"},
                        {"filter": "(&(objectClass=inetOrgPerson)(uid=%u)(!(uid=%u%%)))"}):
            self.ldap("accepted ok", **members)
        self.ldap("refused unknown-user", filter="(&(objectClass=person)(cn=%u))")
        self.ldap("error request", filter="(&(uid=%u)(cn=x)")

    def test_groups_are_those_below_their_base(self):
        for groups in ("search", "memberof"):
            value = self.ldap("accepted ok", groups=groups, group_base=GROUP_BASE.upper())
            self.assertEqual(sorted(value["groups"]), ["admin, real", "desktop"])
            value = self.ldap("accepted ok", user="bob", groups=groups, group_base=GROUP_BASE)
            self.assertEqual(value["groups"], [])
            self.ldap("refused bad-password", groups=groups, group_base=GROUP_BASE, password="x")
        self.assertEqual(self.ldap("accepted ok")["groups"], [])
        value = self.ldap("accepted ok", groups="search", group_base=GROUP_BASE,
                          group_filter="(&(cn=desk*)(member=%d))")
        self.assertEqual(value["groups"], ["desktop"])
        self.ldap("error base", groups="search", group_base="ou=none," + net.SUFFIX)

    def test_mistakes_of_the_configuration_are_told_apart(self):
        self.ldap("error own-login", bind_password="wrong")
        self.ldap("error own-login", bind_dn="cn=none," + net.SUFFIX)
        self.ldap("error own-login", bind_dn="no dn")
        self.ldap("error base", base="ou=none," + net.SUFFIX)
        self.ldap("error base", base="no dn")

    def test_an_unknown_user_costs_the_same_exchanges(self):
        said = []
        for user in ("bob", "nobody-here", "twin"):
            with net.Proxy(net.ADDRESS[net.EXPIRED], slapd[net.EXPIRED].port) as proxy:
                self.ask("ldap-check", proxy.port, tls="none", user=user, password="x" * 32)
            said.append(proxy.said)
            self.assertIs(b"x" * 32 in proxy.said, user == "bob")
        # BindRequests: LDAP version 3 behind an application tag
        self.assertEqual([text.count(b"\x02\x01\x03\x04") for text in said], [2, 2, 2])


class MailServers(Case):
    """What real servers seldom say."""

    def scripted(self, expected, verb, greeting, answers):
        with net.Scripted(authority, greeting, answers) as server:
            self.check(expected, verb, server.port)
            return server.lines

    def test_an_smtp_server_without_logins_accepts_nobody(self):
        lines = self.scripted("error no-mechanism", "smtp-check", "220 hello",
                              [("EHLO", "250 me"), ("", "250 fine")])
        self.assertEqual(secrets_in("\n".join(lines).encode()), [])

    def test_an_smtp_server_with_other_logins_accepts_nobody(self):
        self.scripted("error no-mechanism", "smtp-check", "220 hello",
                      [("EHLO", "250-me\n250 AUTH CRAM-MD5 NTLM GSSAPI"), ("", "250 fine")])

    def test_only_the_yes_to_a_login_counts(self):
        for reply, expected in (("235 yes", "accepted ok"), ("535 no", "refused bad-password"),
                                ("534 weak", "refused bad-password"),
                                ("454 not now", "error later"), ("421 bye", "error later")):
            self.scripted(expected, "smtp-check", "220 hello",
                          [("^EHLO", "250-me\n250 AUTH PLAIN"), ("^AUTH", "334 "),
                           ("^(NOOP|QUIT)", "250 fine"), ("", reply)])
        self.scripted("error protocol", "smtp-check", "220 hello",
                      [("^EHLO", "250-me\n250 AUTH PLAIN"), ("^AUTH", "334 "),
                       ("^(NOOP|QUIT)", "250 fine"), ("", "250 fine")])

    def test_the_login_mechanism_will_do(self):
        self.scripted("accepted ok", "smtp-check", "220 hello",
                      [("^EHLO", "250-me\n250 AUTH LOGIN"), ("^AUTH LOGIN", "334 VXNlcg"),
                       ("^YWxpY2U=$", "334 UGFzcw"), ("^Y2FuYXJ5", "235 yes"), ("", "250 fine")])

    def test_an_imap_server_that_greets_with_preauth_accepts_nobody(self):
        self.scripted("error no-mechanism", "imap-check", "* PREAUTH hello",
                      [("CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\n{tag} OK"),
                       ("", "{tag} OK")])

    def test_imap_replies_are_told_apart(self):
        for reply, expected in (
                ("OK yes", "accepted ok"), ("NO no", "refused bad-password"),
                ("NO [AUTHENTICATIONFAILED] no", "refused bad-password"),
                ("NO [UNAVAILABLE] not now", "error later"),
                ("BAD what", "refused bad-password")):
            with self.subTest(reply):
                self.scripted(expected, "imap-check", "* OK hello",
                              [("CAPABILITY", "* CAPABILITY IMAP4rev1\n{tag} OK"),
                               ("LOGIN", "{tag} " + reply), ("", "{tag} OK")])

    def test_an_answer_that_quotes_the_password_is_withheld(self):
        with net.Scripted(authority, "* OK hello",
                          [("CAPABILITY", "* CAPABILITY IMAP4rev1\n{tag} OK"),
                           ("LOGIN", "{tag} NO not hunter-22"), ("", "{tag} OK")]) as server:
            answer = self.check("refused bad-password", "imap-check", server.port,
                                password="hunter-22")
        self.assertNotIn("hunter", answer.output)


class Sending(Case):
    def send(self, expected, port=None, **members):
        members = {**MAIL, "user": "alice", "password": net.PASSWORD, **members}
        return self.check(expected, "mail-send", port or exim.tls_port, **members)

    def arrived(self):
        mails = []
        net.within(10, "a mail", lambda: mails.extend(exim.mails()) or mails)
        self.assertEqual(len(mails), 1)
        return email.message_from_bytes(mails[0], policy=email.policy.default)

    def test_a_mail_arrives_with_both_parts(self):
        subject = "Your \u201cdesktop\u201d \U0001f5a5 is ready: " + "\u00e9" * 70
        text = "See\nhttps://host.example/x#token=1\n.\n..dots\r\n\u00e9nd \n" + "long " * 300
        html = "<p class=\"x\">\u00e9</p>\n.\n" + "x" * 3000
        for tls, port in (("tls", exim.tls_port), ("starttls", exim.port)):
            self.send("accepted ok", port, tls=tls, subject=subject, text=text, html=html)
            mail = self.arrived()
            self.assertEqual(mail["Subject"], subject)
            self.assertEqual((mail["From"], mail["To"]),
                             (MAIL["from"], MAIL["to"]))
            self.assertEqual((mail["Return-path"], mail["Envelope-to"]),
                             ("<%s>" % MAIL["from"], MAIL["to"]))
            self.assertRegex(mail["Message-ID"], r"^<[a-z2-7]{32}@lab\.example>$")
            self.assertLess(abs(mail["Date"].datetime.timestamp() - time.time()), 60)
            self.assertEqual(mail["Auto-Submitted"], "auto-generated")
            self.assertEqual(mail.get_content_type(), "multipart/alternative")
            plain, rich = mail.iter_parts()
            self.assertEqual((plain.get_content_type(), rich.get_content_type()),
                             ("text/plain", "text/html"))
            self.assertEqual(self.lines(plain), text.replace("\r\n", "\n").rstrip("\n"))
            self.assertEqual(self.lines(rich), html)
            for name in set(mail.keys()):
                self.assertEqual(len(mail.get_all(name)), 1, name)

    @staticmethod
    def lines(part):
        return part.get_payload(decode=True).decode().replace("\r\n", "\n").rstrip("\n")

    def test_the_plain_part_may_be_alone(self):
        self.send("accepted ok", html=None)
        parts = list(self.arrived().iter_parts())
        self.assertEqual([part.get_content_type() for part in parts], ["text/plain"])

    def test_a_mail_server_of_the_site_may_need_no_login_and_no_tls(self):
        self.check("accepted ok", "mail-send", exim.simple_port, tls="none", **MAIL)
        self.arrived()
        self.check("error request", "mail-send", exim.simple_port, tls="none", user="alice",
                   password=net.PASSWORD, **MAIL)

    def test_what_is_no_address_is_not_sent_to(self):
        with net.Proxy("127.0.0.1", exim.tls_port) as proxy:
            for to in ("a@b\r\nBcc: c@d", "a@b\nBcc: c@d", "a@b>\r\nRCPT TO:<c@d", "a@b, c@d",
                       "A <a@b>", "<a@b>", "a@b;c@d", "a b@c", '"a b"@c', "a@[127.0.0.1]", "a",
                       "@b", "a@", "a@@b", "a@b@c", "a..b@c", ".a@c", "a.@c", "-f@c", "a@-b",
                       "a@b.", "a@.b", "\u00e9@b", "a@\u00e9", "a%b@c", "a!b@c", "|x@c", "",
                       "a@b ", "a" * 65 + "@b", "a@127.0.0.1"):
                with self.subTest(to):
                    self.send("refused bad-address", proxy.port, to=to)
            for subject in ("a\r\nBcc: c@d", "a\nb", "a\rb", "a\x00b", "\x7f", "", "a" * 257):
                with self.subTest(subject):
                    answer = self.ask("mail-send", proxy.port, **dict(MAIL, subject=subject))
                    self.assertIn(answer.value["reason"], ("bad-input", "request"))
            for body in ("a\rb", "\x1b", "\x00"):
                answer = self.ask("mail-send", proxy.port, **dict(MAIL, text=body))
                self.assertIn(answer.value["reason"], ("bad-input", "request"))
            self.check("error request", "mail-send", proxy.port,
                       **dict(MAIL, **{"from": "a@b\r\nBcc: c@d"}))
            self.assertEqual(proxy.count, 0)
        self.assertEqual(exim.mails(), [])

    def test_refusals_of_the_mail_server_are_told_apart(self):
        self.send("refused rejected", to="a@never.example")
        self.send("error later", to="a@later.example")
        self.send("error own-login", password="wrong")
        self.check("refused rejected", "mail-send", exim.tls_port, **MAIL)  # no login
        self.assertEqual(exim.mails(), [])


class Requests(Case):
    def misuse(self, text):
        answer = Answer("ldap-check", text)
        self.assertEqual(answer.status, 2, answer.output)
        self.assertEqual((answer.value["result"], answer.value["reason"]), ("error", "request"))
        return answer.value["message"]

    def test_what_is_no_request_is_told(self):
        for text in ("", "{", "[]", "null", "{}", "{} {}", '{"a":1,"a":2}', '{"user":"\\u0000"}',
                     b'{"user":"\xff"}', " " * 70000, "[" * 60000):
            with self.subTest(text[:20]):
                self.misuse(text)

    def test_no_value_is_quoted_in_the_message(self):
        request = {"host": "h", "port": net.PASSWORD, "tls": net.PASSWORD, "password": [],
                   net.PASSWORD: 1}
        self.assertEqual(secrets_in(self.misuse(json.dumps(request)).encode()), [])
        self.assertEqual(secrets_in(self.misuse('{"password":"%s' % "canary-Pa55/").encode()), [])

    def test_a_bad_command_line_is_misuse_without_an_answer(self):
        for arguments in (("",), ("--help",), ("ldap",), ("ldap-check", "x"), ("mail-send", "")):
            answer = Answer(arguments[0], "{}", *arguments[1:])
            self.assertEqual((answer.status, answer.output), (2, ""))
            self.assertTrue(answer.errors.startswith("usage: "))


if __name__ == "__main__":
    unittest.main(verbosity=2)
