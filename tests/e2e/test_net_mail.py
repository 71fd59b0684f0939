"""qwd-net: mail servers that say odd things, sending mail, requests."""

import email
import email.policy
import json
import time
import unittest

import net_servers as net
from net_case import MAIL, Answer, Case, Servers, secrets_in
from net_fakes import Proxy, Scripted


def setUpModule():
    Case.servers = Servers()


class MailServers(Case):
    """What real servers seldom say."""

    def scripted(self, expected, verb, greeting, answers):
        with Scripted(self.servers.authority, greeting, answers) as server:
            self.check(expected, verb, server.port, password="canary-1")
            return server.lines

    def test_an_smtp_server_without_logins_accepts_nobody(self):
        lines = self.scripted("error no-mechanism", "smtp-check", "220 hello",
                              [("EHLO", "250 me"), ("", "250 fine")])
        self.assertEqual([line.split(" ")[0] for line in lines], ["EHLO", "NOOP", "QUIT"])

    def test_an_smtp_server_with_other_logins_accepts_nobody(self):
        self.scripted("error no-mechanism", "smtp-check", "220 hello",
                      [("EHLO", "250-me\n250 AUTH CRAM-MD5 NTLM GSSAPI"), ("", "250 fine")])

    def test_only_the_yes_to_a_login_counts(self):
        for reply, expected in (("235 yes", "accepted ok"), ("535 no", "refused bad-password"),
                                ("534 weak", "refused bad-password"),
                                ("454 not now", "error later"), ("421 bye", "error later"),
                                ("501 what", "error protocol")):
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
        self.scripted("error protocol", "imap-check", "* PREAUTH hello",
                      [("CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\n{tag} OK"),
                       ("LOGIN", "{tag} BAD you are"), ("", "{tag} OK")])

    def test_imap_replies_are_told_apart(self):
        for reply, expected in (
                ("OK yes", "accepted ok"), ("NO no", "refused bad-password"),
                ("NO [AUTHENTICATIONFAILED] no", "refused bad-password"),
                ("NO [UNAVAILABLE] not now", "error later"), ("BAD what", "error protocol")):
            for offer, command in ((" AUTH=PLAIN SASL-IR", "AUTHENTICATE PLAIN"),
                                   (" AUTH=GSSAPI AUTH=CRAM-MD5", "LOGIN")):
                with self.subTest(reply=reply, command=command):
                    self.scripted(expected, "imap-check", "* OK hello",
                                  [("CAPABILITY", "* CAPABILITY IMAP4rev1%s\n{tag} OK" % offer),
                                   (command, "{tag} " + reply), ("", "{tag} OK")])

    def test_the_login_command_has_its_strings_quoted(self):
        answers = [("CAPABILITY", "* CAPABILITY IMAP4rev1\n{tag} OK"), ("", "{tag} OK")]
        with Scripted(self.servers.authority, "* OK hello", answers) as server:
            self.check("accepted ok", "imap-check", server.port, user='a"b%41',
                       password="\\ {5} c%0d%0aX LOGOUT")
            self.assertIn('LOGIN "a\\"b%41" "\\\\ {5} c%0d%0aX LOGOUT"',
                          [line.partition(" ")[2] for line in server.lines])
            self.check("error no-mechanism", "imap-check", server.port, user="zo\u00eb")

    def test_an_answer_that_quotes_the_password_is_withheld(self):
        with Scripted(self.servers.authority, "* OK hello",
                          [("CAPABILITY", "* CAPABILITY IMAP4rev1\n{tag} OK"),
                           ("LOGIN", "{tag} NO not hunter-22"), ("", "{tag} OK")]) as server:
            answer = self.check("refused bad-password", "imap-check", server.port,
                                password="hunter-22")
        self.assertNotIn("hunter", answer.output)


class Sending(Case):
    def send(self, expected, port=None, **members):
        members = {**MAIL, "user": "alice", "password": net.PASSWORD, **members}
        return self.check(expected, "mail-send", port or self.servers.exim.tls_port, **members)

    def arrived(self):
        mails = []
        net.within(10, "a mail", lambda: mails.extend(self.servers.exim.mails()) or mails)
        self.assertEqual(len(mails), 1)
        return email.message_from_bytes(mails[0], policy=email.policy.default)

    def test_a_mail_arrives_with_both_parts(self):
        subject = "Your \u201cdesktop\u201d \U0001f5a5 is ready: " + "\u00e9" * 70
        text = "See\nhttps://host.example/x#token=1\n.\n..dots\r\n\u00e9nd \n" + "long " * 300
        html = "<p class=\"x\">\u00e9</p>\n.\n" + "x" * 3000
        exim = self.servers.exim
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
        self.check("accepted ok", "mail-send", self.servers.exim.simple_port, tls="none", **MAIL)
        self.arrived()
        self.check("error request", "mail-send", self.servers.exim.simple_port, tls="none",
                   user="alice", password=net.PASSWORD, **MAIL)

    def test_what_is_no_address_is_not_sent_to(self):
        with Proxy("127.0.0.1", self.servers.exim.tls_port) as proxy:
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
        self.assertEqual(self.servers.exim.mails(), [])

    def test_refusals_of_the_mail_server_are_told_apart(self):
        self.send("refused rejected", to="a@never.example")
        self.send("error later", to="a@later.example")
        self.send("error own-login", password="wrong")
        self.check("refused rejected", "mail-send", self.servers.exim.tls_port, **MAIL)  # no login
        self.assertEqual(self.servers.exim.mails(), [])


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
