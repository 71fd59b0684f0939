"""The agent by which a server asks the others of its farm (src/net/agent.h):
what it keeps, what ends it, and what its end costs."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from farm_case import NAMES, OUTSIDE, ROGUE, Farm
from farm_rogue import Rogue
from harness import CGI, FINAL, eventually

MANAGE = f"{CGI}?manage=1"


class Agent(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The agent takes what limits the web server has for its programs.
        cls.farm = Farm({"farm_skip": 1, "farm_wait": 10}, count=2, httpd="RLimitCPU 250 250\n")
        cls.farm.__enter__()
        cls.addClassCleanup(cls.farm.__exit__, None, None, None)
        cls.one, cls.two = cls.farm.sites
        cls.two.configure(fallback_servers=None)
        cls.visitor = cls.one.visitor()
        cls.visitor.post_form({"manage": "1", "user": "ann", "password": "x"})

    def setUp(self):
        (self.one.store / "farm/skip").unlink(missing_ok=True)

    def view(self):
        """What the list says of the other server."""
        answer = self.visitor.get(MANAGE)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["servers"][0]

    def view_well(self):
        """The agent that has asked for it."""
        server = self.view()
        self.assertTrue(server["answers"], server)
        self.assertIsNotNone(self.one.agent)
        return self.one.agent

    @staticmethod
    def go_on(agent):
        with contextlib.suppress(ProcessLookupError):
            os.kill(agent.pid, signal.SIGCONT)

    def end(self, name):
        """The place is free again: the next test may want it."""
        self.one.qwdctl("stop", name, "--now", "--yes")
        self.visitor.wait_state(name, FINAL, 30)

    def wait_gone(self, agent, seconds=20):
        eventually(lambda: not agent.alive(), seconds, f"the end of {agent}")

    def wait_asked(self, count):
        """The web server writes that down after its answer."""
        eventually(lambda: len(self.two.connections()) >= count, 10, "a line of the log")
        return self.two.connections()

    def test_one_connection_serves_several_views_and_tls_goes_on_after_it(self):
        agent = self.view_well()

        def again():
            before = self.wait_asked(len(self.two.connections()))
            self.assertEqual(self.view_well().pid, agent.pid)
            return self.wait_asked(len(before) + 1)[-2:]

        def by_one_connection():
            first, second = again()
            return first[0] == second[0]

        self.wait_asked(1)
        eventually(by_one_connection, 30, "two views by one connection")

        # It does not stay for ever; what it was about does for a while.
        def is_connected():
            return subprocess.run(
                [*self.two.enter(), "ss", "-Htn", "state", "established", "sport", "=", ":443"],
                check=True, capture_output=True, timeout=10).stdout

        eventually(lambda: not is_connected(), 30, "the end of the connection")
        first, second = again()
        self.assertNotEqual(first[0], second[0])
        self.assertEqual(second[1], "Resumed")

    def test_what_changes_something_has_a_connection_of_its_own(self):
        """libcurl says again what it has said over a connection that turns out
        to be closed; nothing is to be started twice."""
        self.view_well()
        fields = {"session_stop": "none", "server": self.two.url}
        before = len(self.wait_asked(1))
        self.assertEqual(self.visitor.post_form(fields).status, 404)
        ports = [port for port, _ in self.wait_asked(before + 1)]
        self.assertNotIn(ports[-1], ports[:-1])

    def test_a_crowd_is_served_by_one_agent(self):
        """Also the first of them, who find none, and those for whom it has no
        place, who ask alone."""
        if self.one.agent:
            agent = self.one.agent
            os.kill(agent.pid, signal.SIGKILL)
            self.wait_gone(agent)
        answers = []

        def look():
            visitor = self.one.visitor()
            visitor.cookies = dict(self.visitor.cookies)
            answers.append(visitor.get(MANAGE, seconds=60))

        crowd = [threading.Thread(target=look) for _ in range(24)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
        self.assertEqual([a.status for a in answers], [200] * len(crowd))
        self.assertEqual([a.json()["servers"][0]["answers"] for a in answers],
                         [True] * len(crowd), [a.json()["servers"] for a in answers])
        self.assertIsNotNone(self.one.agent)  # which says so if there are several

    def test_it_stays_within_the_web_servers_limits_and_its_own(self):
        limits = pathlib.Path(f"/proc/{self.view_well().pid}/limits").read_text()
        for name, most in ("cpu time", 250), ("file size", 0), ("core file size", 0):
            self.assertRegex(limits, rf"(?m)^Max {name} +{most} +{most} ")

    def test_a_killed_agent_is_followed_by_another(self):
        agent = self.view_well()
        os.kill(agent.pid, signal.SIGKILL)
        self.wait_gone(agent)
        self.assertNotEqual(self.view_well().pid, agent.pid)

    def test_a_hanging_agent_costs_its_time_once(self):
        agent = self.view_well()
        self.one.configure(farm_wait="0.3")
        self.addCleanup(self.one.configure, farm_wait=10)
        os.kill(agent.pid, signal.SIGSTOP)
        self.addCleanup(self.go_on, agent)
        self.visitor.get(MANAGE)
        self.assertIn("event=farm", self.one.error_log())
        said = self.one.error_log().count("agent hangs")
        self.assertEqual(said, 1, self.one.error_log())
        # It has lost its name, and nobody waits for it any more.
        self.assertFalse((self.one.store / "farm/agent").exists())
        self.one.configure(farm_wait=10)
        (self.one.store / "farm/skip").unlink(missing_ok=True)
        self.assertTrue(self.view()["answers"])
        self.assertEqual(self.one.error_log().count("agent hangs"), said)
        # And when it goes on, it ends, and there is place for the next one.
        self.go_on(agent)
        self.wait_gone(agent)
        self.view_well()

    def list_servers(self, *servers):
        """With `farm_wait` that ends before the agent looks by itself."""
        self.one.configure(fallback_servers=", ".join(servers), farm_wait=2)
        self.addCleanup(self.one.configure, fallback_servers=", ".join(NAMES[:2]), farm_wait=10)

    def test_a_refusal_that_comes_at_once_is_told_at_once(self):
        """Not when the agent looks by itself, for which nobody waits."""
        self.view_well()
        self.list_servers("https://localhost:9")
        servers = self.visitor.get(MANAGE).json()["servers"]
        self.assertEqual([s["reason"] for s in servers], ["refused-connection"])

    def test_a_name_server_that_says_nothing_costs_no_other_its_answer(self):
        """Who looks a name up cannot be interrupted, but need not be waited for."""
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(silent.close)
        silent.bind((OUTSIDE, 53))
        conf = self.one.dir / "etc/resolv.conf"
        conf.write_text(f"nameserver {OUTSIDE}\n")
        where = os.path.realpath("/etc/resolv.conf")
        subprocess.run(["mount", "--bind", conf, where], check=True)
        self.addCleanup(subprocess.run, ["umount", where], check=True)
        self.list_servers(NAMES[1], "nowhere.example")
        for _ in range(2):  # also where it was not known to be silent before
            (self.one.store / "farm/skip").unlink(missing_ok=True)
            servers = self.visitor.get(MANAGE).json()["servers"]
            self.assertEqual([s["reason"] for s in servers], [None, "timeout"])

    def test_nothing_is_said_twice_where_the_agent_dies_in_the_middle(self):
        """The order may have been heard: it is not sent again, and the visitor
        gets an answer all the same."""
        heard = threading.Event()
        gone = threading.Event()

        def killing():
            heard.set()
            gone.wait(30)
            yield b""

        rogue = Rogue(OUTSIDE, self.farm.authority.path(ROGUE), killing)
        self.addCleanup(rogue.close)
        self.addCleanup(gone.set)
        name = self.visitor.create(user="ann", password="x")["name"]
        self.addCleanup(self.end, name)
        self.one.configure(fallback_servers=ROGUE, farm_timeout=30)
        self.addCleanup(self.one.configure, fallback_servers=", ".join(NAMES[:2]),
                        farm_timeout=None)
        answers = []

        def create():
            order = self.one.order(user="bob", password="x")
            answers.append(self.one.visitor().post_form(order))

        asker = threading.Thread(target=create)
        asker.start()
        self.assertTrue(heard.wait(30))
        agent = self.one.agent
        os.kill(agent.pid, signal.SIGKILL)
        gone.set()
        asker.join(60)
        self.assertEqual(answers[0].status, 503, answers[0])
        self.assertIn("places on this server are taken", answers[0].text)
        # It is asked what became of it (tests/e2e/test_farm_orders.py).
        self.assertEqual(rogue.verbs(), ["create", "settle"])
        self.assertIn("qwd-net farm: no answer", self.one.error_log())

    def test_a_yes_counts_though_it_cannot_be_noted_that_the_server_is_back(self):
        """It has started the machine: nobody else is to start one, too."""
        name = self.visitor.create(user="ann", password="x")["name"]
        self.addCleanup(self.end, name)
        folder = self.one.store / "farm"
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        entry = {"until_ms": 1, "reason": "timeout"}
        (folder / "skip").write_text(json.dumps(
            {"boot_id": boot, "servers": {self.two.url: entry}}))
        shutil.chown(folder / "skip", "www-data")
        (folder / "skip.tmp").mkdir()  # where the new one would be written
        self.addCleanup((folder / "skip.tmp").rmdir)
        answer = self.one.visitor().post_form(self.one.order(user="bob", password="x"))
        told = json.loads(self.two.qwdctl("status", "--json").stdout)["sessions"]
        there = [s["name"] for s in told if s["user"] == "bob"]
        self.addCleanup(self.two.qwdctl, "stop", "--all", "--now", "--yes", check=False)
        self.assertEqual((answer.status, answer.json().get("server")), (201, self.two.url),
                         (answer, there))
        self.assertEqual(there, [answer.json()["session"]["name"]])
        self.assertIn("skip.tmp", self.one.error_log())

    def test_an_upgraded_program_takes_over(self):
        agent = self.view_well()
        program = self.one.dir / "libexec/qwd-net"
        shutil.copy2(program, f"{program}.new")
        os.rename(f"{program}.new", program)
        self.assertNotEqual(self.view_well().pid, agent.pid)
        self.wait_gone(agent)

    def test_certificates_that_changed_count_at_once(self):
        """SR29: a connection stands, and nobody would ask over it any more."""
        agent = self.view_well()
        authorities = self.one.dir / "etc/ca.pem"
        shutil.copy(self.farm.authority.ca, authorities)
        self.one.configure(farm_ca_file=authorities)
        self.addCleanup(self.one.configure, farm_ca_file=self.farm.authority.ca)
        self.view()  # of another file: the last that this agent does
        self.wait_gone(agent)
        self.view_well()
        shutil.copy(self.farm.authority.path("other-authority.pem"), authorities)
        self.assertEqual(self.view()["reason"], "certificate")

    def test_a_server_whose_certificate_went_wrong_is_not_asked(self):
        """SR29: it comes back with another, while the agent knows it well."""
        agent = self.view_well()
        good = self.farm.authority.path(NAMES[1])
        for end in (".pem", ".key"):
            shutil.copy(good + end, good + end + ".good")
            self.addCleanup(os.replace, good + end + ".good", good + end)
        self.farm.authority.sign(NAMES[1], f"DNS:{NAMES[1]}", by="other-authority")
        self.two.stop_apache()
        asked = len(self.two.connections())  # all of them are written down now
        self.two.start()
        self.assertEqual(self.view()["reason"], "certificate")
        self.assertEqual(self.one.agent.pid, agent.pid)
        self.assertEqual(len(self.two.connections()), asked)
        self.two.stop_apache()
        self.doCleanups()
        self.two.start()

    def test_other_users_do_not_get_to_it(self):
        """Not the folder's mode alone keeps them away."""
        self.view_well()
        path = str(self.one.store / "farm/agent")
        with socket.socket(socket.AF_UNIX) as root:
            root.settimeout(30)
            root.connect(path)
            self.assertEqual(root.recv(100), b"")
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3",
             "-c",
             "import socket, sys\n"
             "try: socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n"
             "except PermissionError: sys.exit(13)", path],
            check=False, timeout=30)
        self.assertEqual(done.returncode, 13)

    def test_who_asks_nobody_has_none(self):
        visitor = self.two.visitor()
        visitor.post_form({"manage": "1", "user": "ann", "password": "x"})
        self.assertEqual(visitor.get(MANAGE).status, 200)
        self.assertIsNone(self.two.agent)
        # By hand nobody comes after.
        if self.one.agent:
            os.kill(self.one.agent.pid, signal.SIGKILL)
            eventually(lambda: not self.one.agent, 10, "the agent's end")
        self.one.qwdctl("check", check=False)
        self.assertIsNone(self.one.agent)

    @unittest.skipUnless(os.environ.get("LONG"), "a minute: LONG=1")
    def test_it_ends_a_minute_after_the_last_who_asks(self):
        agent = self.view_well()
        begun = time.monotonic()
        self.wait_gone(agent, 90)
        self.assertGreater(time.monotonic() - begun, 55)
        self.assertFalse((self.one.store / "farm/agent").exists())
        self.view_well()


if __name__ == "__main__":
    unittest.main(verbosity=2)
