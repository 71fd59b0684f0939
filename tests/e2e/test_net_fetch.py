"""qwd-net fetch: what it gets, and what it does not ask for at all.
(SR28: the list of server-side request forgeries)"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import net_servers as net
from script_servers import WebServer

TREE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("QWD_NET", str(TREE / "bin/qwd-net"))
IT = {}


def setUpModule():
    directory = tempfile.mkdtemp(prefix="fetch-")
    unittest.addModuleCleanup(shutil.rmtree, directory)
    authority = net.Authority(directory)
    IT.update(authority=authority, https=WebServer(authority), http=WebServer(),
              other=WebServer(authority, address="127.0.0.2"))
    IT["https"].scripts["x"] = "echo é\n".encode()
    IT["http"].scripts["x"] = b"echo plain\n"


class Fetch(unittest.TestCase):
    def setUp(self):
        for name in "https", "http", "other":
            IT[name].asked.clear()

    def fetch(self, url, **members):
        request = {"url": url, "max": 1000, "timeout": 5, "ca_file": IT["authority"].ca,
                   "hosts": ["127.0.0.1"]} | members
        done = subprocess.run([PROGRAM, "fetch"], input=json.dumps(request), text=True,
                              capture_output=True, timeout=60, check=False,
                              env={"PATH": "/usr/bin:/bin", "https_proxy": "http://127.0.0.1:1",
                                   "http_proxy": "http://127.0.0.1:1"})
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.count("\n"), 1)
        answer = json.loads(done.stdout)
        self.assertEqual(set(answer), {"result", "reason", "message", "body"})
        self.assertEqual(answer["body"] is not None, answer["result"] == "accepted")
        status = {"accepted": 0, "refused": 0, "error": 1}[answer["result"]]
        self.assertEqual(done.returncode, 2 if answer["reason"] == "request" else status)
        return answer

    def refused(self, reason, url, **members):
        answer = self.fetch(url, **members)
        self.assertEqual(answer["reason"], reason, (url, answer))
        return answer

    def test_a_script_comes_by_https(self):
        answer = self.fetch(IT["https"].url + "/script/x?a=b")
        self.assertEqual((answer["reason"], answer["body"]), ("ok", "echo é\n"), answer)
        self.assertEqual(IT["https"].asked, ["/script/x?a=b"])

    def test_http_is_for_those_who_want_it(self):
        url = IT["http"].url + "/script/x"
        self.refused("bad-url", url)
        self.assertEqual(IT["http"].asked, [])
        self.assertEqual(self.fetch(url, http=True)["body"], "echo plain\n")

    def test_nothing_private_is_asked(self):
        """SR28: each form of an address of this host or its networks, and
        names that lead there (so also after DNS rebinding), is refused before
        anything is sent."""
        port = IT["https"].port
        hosts = tempfile.NamedTemporaryFile("w", suffix="hosts")
        with hosts:
            hosts.write("127.0.0.1 rebound.example\n::1 rebound6.example\n"
                        "10.1.2.3 inside.example\n")
            hosts.flush()
            os.chmod(hosts.name, 0o644)
            subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
            try:
                for host in ("127.0.0.1", "127.1", "2130706433", "0x7f000001",
                             "017700000001", "0", "0.0.0.0", "localhost", "LOCALHOST.",
                             "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]",
                             "169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1",
                             "100.64.0.1", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]",
                             "[2002:7f00:1::1]", "rebound.example", "rebound6.example",
                             "inside.example"):
                    with self.subTest(host=host):
                        self.refused("private-address", f"https://{host}:{port}/script/x",
                                     hosts=["other.example", "127.0.0.9"])
            finally:
                subprocess.run(["umount", "/etc/hosts"], check=True)
        self.assertEqual(IT["https"].asked, [])

    def test_what_is_no_web_address_is_not_fetched(self):
        for url in ("file:///etc/passwd", "FILE:///etc/passwd", "ftp://127.0.0.1/x",
                    "gopher://127.0.0.1/x", "dict://127.0.0.1:11211/x", "/etc/passwd",
                    "https://user:pw@127.0.0.1/x", "https://a@b@127.0.0.1/x", "https:///x",
                    "https://127.0.0.1:99999/x", "https://127.0.0.1/a b",
                    "https://127.0.0.1/\r\nX: y", "https://127.0.0.1\\@evil.example/"):
            with self.subTest(url=url):
                self.refused("bad-url", url)

    def test_redirects_stay_on_the_server(self):
        base = IT["https"].url
        self.assertEqual(self.fetch(base + "/twice/5")["body"], "echo there\n")
        self.refused("redirect", base + "/twice/6")
        self.refused("redirect", base + "/loop/")
        for target in ("https://example.org/x", IT["other"].url + "/script/x",
                       IT["http"].url + "/script/x", "file:///etc/passwd",
                       f"http://127.0.0.1:{IT['https'].port}/script/x",
                       "https://127.0.0.1/script/x", "//169.254.169.254/latest"):
            with self.subTest(target=target):
                self.refused("redirect", f"{base}/to/?{target}", http=True,
                             hosts=["127.0.0.1", "127.0.0.2"])
        self.assertEqual(IT["other"].asked + IT["http"].asked, [])

    def test_what_is_too_long_is_not_read_to_its_end(self):
        base = IT["https"].url
        self.assertEqual(len(self.fetch(base + "/big/1000")["body"]), 1000)
        self.refused("too-large", base + "/big/1001")
        self.refused("too-large", base + "/big/10000000")
        self.refused("too-large", base + "/endless/")

    def test_a_server_that_hangs_has_its_time(self):
        self.refused("timeout", IT["https"].url + "/hang/", timeout=1)

    def test_other_answers_are_none(self):
        self.refused("status", IT["https"].url + "/nothing")
        IT["https"].scripts["latin1"] = b"echo \xe9\n"
        IT["https"].scripts["nul"] = b"echo \0\n"
        self.refused("not-text", IT["https"].url + "/script/latin1")
        self.refused("not-text", IT["https"].url + "/script/nul")
        self.refused("refused-connection", f"https://127.0.0.1:{net.free_port()}/x")

    def test_a_certificate_that_is_not_good_is_not_believed(self):
        for certificate in (net.SELF_SIGNED, net.OTHER_CA, net.OTHER_NAME, net.EXPIRED):
            with self.subTest(certificate=certificate):
                server = WebServer(IT["authority"], certificate)
                self.refused("certificate", server.url + "/script/x")
                self.assertEqual(server.asked, [])

    def test_a_proxy_is_asked_in_place_of_the_server(self):
        proxy = IT["http"]
        answer = self.refused("status", "http://scripts.example/script/y", http=True,
                              proxy=proxy.url)
        self.assertIn("404", answer["message"])
        self.assertEqual(proxy.asked, ["http://scripts.example/script/y"])
        self.refused("private-address", "http://10.0.0.1/x", http=True, proxy=proxy.url)

    def test_a_request_that_is_wrong_is_told(self):
        self.refused("request", "https://127.0.0.1/", max=0)
        self.refused("request", "https://127.0.0.1/", verb="x")


if __name__ == "__main__":
    unittest.main(verbosity=2)
