"""Ends that come by themselves, after the time that was promised, by the real
clock: these tests wait."""

import time
import unittest

from harness import Site, Vnc, eventually


class EndsByItself(unittest.TestCase):
    def test_a_session_when_its_lifetime_is_over(self):
        with Site() as site:
            name = site.running(snapshot_lifetime=60)["name"]
            record = site.record(name)
            self.assertEqual(record["ends"] - record["started"], 60)
            ended = site.wait_state(name, "ended", 120)
            self.assertEqual(ended["reason"], "Its lifetime was over.")
            self.assertGreaterEqual(site.record(name)["ended"], record["ends"] - 1)
            self.assertLessEqual(site.record(name)["ended"], record["ends"] + 30)
            site.wait_gone(name)

    def test_a_one_shot_session_when_its_viewer_leaves(self):
        with Site() as site:
            session = site.running(oneshot=1)
            self.assertTrue(session["oneshot"])
            Vnc(site.websocket(site.token(session))).close()
            # Some thirty seconds of grace for a reload.
            time.sleep(5)
            self.assertEqual(site.session(session["name"])["state"], "running")
            ended = site.wait_state(session["name"], "ended", 60)
            self.assertEqual(ended["reason"], "Its viewer has left.")
            site.wait_gone(session["name"])

    def test_the_gateway_a_minute_after_the_last_session(self):
        with Site() as site:
            name = site.running()["name"]
            end = time.monotonic()
            site.post_form({"session_stop": name, "now": "1"})
            site.wait_state(name, "ended")
            self.assertIsNotNone(site.process("websockify"))
            eventually(
                lambda: not site.process("keeper") and not site.process("websockify"),
                90,
                "the gateway's end",
            )
            self.assertGreater(time.monotonic() - end, 50)
            # And a new session starts it again.
            site.running()


if __name__ == "__main__":
    unittest.main(verbosity=2)
