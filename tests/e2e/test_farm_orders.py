"""An order that was passed on and whose answer does not come: what became of it
is asked before another server gets it, so that nobody has two desktops."""

import contextlib
import fcntl
import json
import os
import signal
import threading
import unittest

from farm_case import Farm
from harness import CGI, FINAL, eventually


class Orders(unittest.TestCase):
    """The first server is full, and the second takes its time."""

    @classmethod
    def setUpClass(cls):
        cls.farm = Farm({"farm_wait": 10, "farm_timeout": 30, "farm_skip": 1})
        cls.farm.__enter__()
        cls.addClassCleanup(cls.farm.__exit__, None, None, None)
        cls.one, cls.two, cls.three = cls.farm.sites
        for other in (cls.two, cls.three):
            other.configure(fallback_servers=None)
        for site in (cls.two, cls.three):  # it has had sessions before
            site.visitor().create(user="bob", password="x")
        cls.one.visitor().create(user="ann", password="x")

    def setUp(self):
        (self.one.store / "farm/skip").unlink(missing_ok=True)
        self.answer = None
        self.visitor = self.one.visitor()
        self.asker = threading.Thread(target=self.order)
        for site in (self.two, self.three):
            self.empty(site)
            self.addCleanup(self.empty, site)

    def order(self):
        fields = self.one.order(user="bob", password="x")
        self.answer = self.visitor.post_form(fields, seconds=90)

    def names(self, site):
        told = json.loads(site.qwdctl("status", "--json").stdout)["sessions"]
        return [s["name"] for s in told if s["user"] == "bob" and s["state"] not in FINAL]

    def empty(self, site):
        for name in self.names(site):
            site.qwdctl("stop", name, "--now", "--yes")
        eventually(lambda: not self.names(site), 30, "the end of all sessions")

    def notes(self):
        return set((self.two.store / "farm").glob("nonces/*/*"))

    @contextlib.contextmanager
    def busy(self):
        """The second server has the order, and cannot go on with it.  Yields the
        file in which it notes what becomes of it."""
        with open(self.two.store / "lock", "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self.notes()
            self.asker.start()
            eventually(lambda: self.notes() - before, 30, "the order")
            yield (self.notes() - before).pop()

    def kill(self, agent):
        os.kill(agent.pid, signal.SIGKILL)
        eventually(lambda: not agent.alive(), 20, f"the end of {agent}")

    def taken_by(self, site):
        self.asker.join(90)
        self.assertEqual((self.answer.status, self.answer.json().get("server")),
                         (201, site.url), self.answer)
        return self.answer.json()["session"]["name"]

    def wait_event(self, site, **wanted):
        return eventually(lambda: site.events(**wanted), 20, f"a line of the log {wanted}")[-1]

    def test_an_order_in_work_whose_answer_is_lost_starts_nothing_any_more(self):
        with self.busy() as note:
            self.kill(self.one.agent)
            name = self.taken_by(self.three)
            self.assertEqual(note.read_text(), "-")
        # Only now can the second one go on.
        line = self.wait_event(self.two, result="withdrawn", user="bob")
        self.assertIn(f"server={self.one.url}", line)
        self.assertEqual((self.names(self.two), self.names(self.three)), ([], [name]))
        self.assertIn(f"server={self.two.url}", self.wait_event(self.one, result="given-up"))
        withdrawn = line.partition(" session=")[2].split()[0]
        self.assertFalse((self.two.store / f"{withdrawn}.json").exists())
        self.assertFalse((self.two.store / "locks" / withdrawn).exists())

    def test_a_session_whose_answer_is_lost_is_the_one_that_the_visitor_gets(self):
        with self.busy() as note:
            agent = self.one.agent
            os.kill(agent.pid, signal.SIGSTOP)  # it has asked, and will not tell
        try:
            eventually(note.read_text, 30, "the session of the order")
            there = eventually(lambda: self.names(self.two), 30, "the session")
        finally:
            self.kill(agent)
        self.assertEqual([self.taken_by(self.two)], there)
        self.assertEqual(note.read_text(), there[0])
        self.assertEqual(self.names(self.three), [])
        self.assertIn(f"server={self.two.url}", self.wait_event(self.one, result="found"))
        session = self.two.visitor().get(self.answer.json()["enter"]).json()["session"]
        self.assertEqual((session["name"], session["user"]), (there[0], "bob"))
        # It is as good as one that was answered.
        visitor = self.two.visitor()
        visitor.post_form({"manage": "1", "user": "bob", "password": "x"})
        visitor.wait_state(there[0], "running")

    def test_a_server_that_cannot_be_asked_either_keeps_nobody_waiting(self):
        """Then there may be two; both are in the list, and nothing is stopped
        that somebody may have seen."""
        self.one.configure(farm_wait=2, farm_timeout=5)
        self.addCleanup(self.one.configure, farm_wait=10, farm_timeout=30)
        with self.busy():
            self.two.place.cut()
            self.addCleanup(self.two.place.cut, False)
            here = self.taken_by(self.three)
        self.wait_event(self.one, result="unsettled", server=self.two.url)
        there = eventually(lambda: self.names(self.two), 30, "the session")
        self.two.place.cut(False)
        self.one.configure(farm_wait=10)
        (self.one.store / "farm/skip").unlink(missing_ok=True)
        servers = self.visitor.get(f"{CGI}?manage=1").json()["servers"]
        listed = {s["server"]: [x["name"] for x in s["sessions"] if x["state"] not in FINAL]
                  for s in servers}
        self.assertEqual(listed, {self.two.url: there, self.three.url: [here]})
        stop = {"session_stop": there[0], "server": self.two.url, "now": "1"}
        self.assertEqual(self.visitor.post_form(stop).status, 200)
        eventually(lambda: not self.names(self.two), 30, "its end")

    def test_a_server_that_was_not_reached_is_not_asked_what_became_of_it(self):
        """Nothing was said to it, so what is down costs no more time."""
        self.two.stop_apache()
        self.addCleanup(self.two.start)
        before = len(self.one.events())
        self.asker.start()
        self.taken_by(self.three)
        lines = self.one.events()[before:]
        self.assertEqual([line.partition(" result=")[2].split()[0] for line in lines],
                         ["silent", "forwarded"], lines)
        self.assertIn("reason=refused-connection", lines[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
