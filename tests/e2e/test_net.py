"""qwd-net's logins against real LDAP, IMAP and SMTP servers (src/net/net.h).

The matrix: each way to log in x (right, wrong, empty, unknown, server down,
silent, hanging up, bad certificates, another's name, no TLS, old TLS), each
with the exact result and reason; where TLS fails, not a byte of the password
may have left.
"""

import json
import os
import subprocess
import unittest

import net_servers as net
from net_case import (CHECKS, GROUP_BASE, LDAP, MAIL, PROGRAM, Case, Servers,
                      secrets_in)
from net_fakes import Closing, Proxy, Scripted, Silent


def setUpModule():
    Case.servers = Servers()


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
                           verb, self.servers.endpoint(verb, tls)[1], tls=tls, user="nobody-here")

    def test_no_server_is_asked_about_what_cannot_be_a_login(self):
        rows = [({"password": ""}, "refused empty-password")]
        rows += [({name: value}, "refused bad-input") for name in ("user", "password")
                 for value in ("a\nb", "a\rb", "\tb", "a\x7f", "\x1b[2J", "a" * 5000)]
        rows += [({"user": ""}, "refused bad-input"), ({"user": "a" * 257}, "refused bad-input")]
        for verb, tls in CHECKS:
            with Proxy(*self.servers.endpoint(verb, tls)) as proxy:
                for members, expected in rows:
                    with self.subTest(verb=verb, **members):
                        self.check(expected, verb, proxy.port, tls=tls, **members)
                self.assertEqual(proxy.count, 0)

    def test_nothing_but_ciphertext_is_on_the_wire(self):
        for verb, tls in CHECKS:
            with (self.subTest(verb=verb, tls=tls),
                  Proxy(*self.servers.endpoint(verb, tls)) as proxy):
                self.check("accepted ok", verb, proxy.port, tls=tls)
                self.assertGreater(len(proxy.said), 300)
                self.assertEqual(secrets_in(proxy.said), [])

    def test_a_users_secrets_are_in_no_place_where_others_look(self):
        with Silent() as silent:
            request = dict(LDAP, host="127.0.0.1", port=silent.port, tls="tls", timeout=10,
                           ca_file=self.servers.authority.ca, user="alice", password=net.PASSWORD)
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
        with Silent() as silent:
            for verb, tls in CHECKS + [("mail-send", "starttls"), ("mail-send", "none")]:
                with self.subTest(verb=verb, tls=tls):
                    answer = self.check("error timeout", verb, silent.port, tls=tls, timeout=1,
                                        **(MAIL if verb == "mail-send" else {}))
                    self.assertGreater(answer.seconds, 0.9)
                    self.assertLess(answer.seconds, 9)  # not the usual ten
                    self.assertLess(answer.cpu, 0.8)

    def test_a_server_that_goes_silent_in_the_middle_costs_its_timeout(self):
        answers = [(r"EHLO", "250-me\n250 AUTH PLAIN"), (r"AUTH", "334 ")]
        with Scripted(self.servers.authority, "220 hello", answers) as server:
            server.answers.append((r"", "250-and\n250-so\n250-on"))
            self.check("error timeout", "smtp-check", server.port, timeout=1)

    def test_a_server_that_hangs_up_is_an_error(self):
        expected = {"ldap-check": ("error tls", "error closed"),
                    "imap-check": ("error tls", "error closed"),
                    "smtp-check": ("error tls", "error closed")}
        with Closing() as closing:
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
    """SR11, P20: each row through a proxy that records what was said."""

    def row(self, expected, verb, tls, server, strip=None, **members):
        with self.subTest(verb=verb, tls=tls), Proxy(*server, strip) as proxy:
            self.check(expected, verb, proxy.port, tls=tls, **members)
            self.assertGreater(len(proxy.said), 0)
            self.assertEqual(secrets_in(proxy.said), [])

    def bad(self, certificate, expected):
        for verb, tls in CHECKS:
            self.row(expected, verb, tls, self.servers.endpoint(verb, tls, certificate))
        self.row(expected, "mail-send", "starttls",
                 self.servers.endpoint("mail-send", "starttls", certificate),
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
            self.row(expected, verb, tls, self.servers.endpoint(verb, tls), ca_file=None)

    def test_a_missing_file_of_authorities_is_named(self):
        self.check_each("error ca-file", ca_file="/nonexistent/ca.pem")

    def test_a_server_without_tls_on_the_port_for_tls_gets_nothing(self):
        for verb in ("ldap-check", "imap-check", "smtp-check"):
            self.row("error tls", verb, "tls", self.servers.endpoint(verb, "starttls"))

    def test_where_starttls_was_stripped_nothing_more_is_said(self):
        for verb in ("ldap-check", "imap-check", "smtp-check", "mail-send"):
            more = dict(MAIL, user="alice", password=net.PASSWORD) if verb == "mail-send" else {}
            self.row("error no-tls", verb, "starttls", self.servers.endpoint(verb, "starttls"),
                     {"ldap-check": "ldap", "imap-check": "imap"}.get(verb, "smtp"), **more)

    def test_tls_before_1_2_is_refused(self):
        for verb in ("ldap-check", "imap-check", "smtp-check"):
            with Scripted(self.servers.authority, "", [(r"", "")], oldest_tls=True) as server:
                self.row("error tls", verb, "tls", ("127.0.0.1", server.port))
                # libldap says good-bye: an UnbindRequest.
                self.assertIn(server.lines, ([], ["0\x05\x02\x01\x01B\x00"]))

    def test_in_the_clear_only_where_the_request_says_so(self):
        server = self.servers.slapd[net.EXPIRED]
        with Proxy(net.ADDRESS[net.EXPIRED], server.port) as proxy:
            self.check("accepted ok", "ldap-check", proxy.port, tls="none")
            self.assertEqual(len(secrets_in(proxy.said)), 2, "the recorder works")
        for verb in ("imap-check", "smtp-check"):
            self.check("error request", verb, 1, tls="none")
        for tls in (None, "", "TLS", "no", False):
            self.check("error request", "ldap-check", 1, tls=tls)

    def test_a_directory_that_asks_for_tls_is_not_talked_into_less(self):
        self.check("error no-tls", "ldap-check", self.servers.endpoint("ldap-check", "starttls")[1],
                   tls="none")


class Directory(Case):
    """What only LDAP has: SR10, P15."""

    def ldap(self, expected, **members):
        port = self.servers.slapd[net.GOOD].tls_port
        return self.check(expected, "ldap-check", port, **members).value

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

    def test_a_name_has_one_spelling(self):
        """SR12: OpenLDAP takes each of these for alice or zo\u00eb, and each
        would be counted by itself."""
        for user in ("\uff41lice", "\U0001d41alice", "\u24d0lice", "al\u2170ce",
                     "AL\u0130CE", "alice\u00a0", "alice\u3000", "zoe\u0308"):
            for password in (net.PASSWORD, "wrong"):
                with self.subTest(ascii(user)):
                    self.ldap("refused unknown-user", user=user, password=password)
                    self.ldap("refused unknown-user", user=user, password=password,
                              filter="(&(objectClass=inetOrgPerson)(uid=%u))")
        self.ldap("accepted ok", user="ZO\u00eb ")

    def test_an_entry_whose_dn_is_full_of_syntax_logs_in(self):
        value = self.ldap("accepted ok", user="carla", groups="search", group_base=GROUP_BASE)
        self.assertEqual(value["groups"], ["desktop"])

    def test_two_entries_of_a_name_are_refused(self):
        self.ldap("refused ambiguous", user="twin")
        self.ldap("accepted ok", user="twin", base="ou=other," + net.SUFFIX)

    def test_an_entry_without_a_password_is_refused(self):
        value = self.ask("ldap-check", self.servers.slapd[net.GOOD].tls_port, user="locked").value
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
            with Proxy(net.ADDRESS[net.EXPIRED], self.servers.slapd[net.EXPIRED].port) as proxy:
                self.ask("ldap-check", proxy.port, tls="none", user=user, password="x" * 32)
            said.append(proxy.said)
            self.assertIs(b"x" * 32 in proxy.said, user == "bob")
        # BindRequests: LDAP version 3 behind an application tag
        self.assertEqual([text.count(b"\x02\x01\x03\x04") for text in said], [2, 2, 2])


if __name__ == "__main__":
    unittest.main(verbosity=2)
