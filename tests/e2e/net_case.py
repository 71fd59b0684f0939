"""One run of qwd-net, and the servers that it talks to (src/net/net.h)."""

import base64
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


class Servers:
    """All of them, for the tests of one file: Case.servers, set by its
    setUpModule().  They end with the file's tests."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="qwd-net-")
        unittest.addModuleCleanup(shutil.rmtree, self.directory)
        os.chmod(self.directory, 0o755)
        self.authority = net.Authority(self._place("ca"))
        self.slapd = {name: self._own(net.Slapd, "slapd-" + name, name,
                                      "" if name == net.EXPIRED else "security simple_bind=128")
                      for name in net.CERTIFICATES}
        self.dovecot = self._own(net.Dovecot, "dovecot")
        self.exim = self._own(net.Exim, "exim")
        for server in (*self.slapd.values(), self.dovecot, self.exim):
            server.ready(*server.endpoints)

    def _place(self, name):
        path = os.path.join(self.directory, name)
        os.mkdir(path)
        os.chmod(path, 0o755)
        return path

    def _own(self, kind, name, *arguments):
        server = kind(self._place(name), self.authority, *arguments)
        unittest.addModuleCleanup(server.stop)
        return server

    def endpoint(self, verb, tls, certificate=net.GOOD):
        """Where the real server of a verb listens."""
        server = {"ldap-check": self.slapd[certificate], "imap-check": self.dovecot,
                  "smtp-check": self.exim, "mail-send": self.exim}[verb]
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
    servers = None

    def ask(self, verb, port, **members):
        request = {"host": "127.0.0.1", "port": port, "tls": "tls", "timeout": 10,
                   "ca_file": self.servers.authority.ca}
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
                self.check(expected, verb, self.servers.endpoint(verb, tls)[1], tls=tls, **members)
