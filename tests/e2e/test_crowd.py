"""Many at once: exactly as many get in as there are places, whatever comes.

`make check-long` does each of these twenty times.
"""

import concurrent.futures
import http.client
import json
import unittest
import urllib.parse

from harness import CGI, LONG, Site, eventually

ROUNDS = 20 if LONG else 1
CROWD = 200
LIMIT = 10
LATE = "The form did not arrive in time. Send it again."


def ask(site, user):
    """One Create on a connection of its own: status, Retry-After, answer."""
    fields = site.order(user=user, memory="0.1", snapshot_lifetime=None)
    link = http.client.HTTPConnection("127.0.0.1", site.port, timeout=600)
    link.request(
        "POST",
        CGI,
        urllib.parse.urlencode(fields),
        {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "Host": f"localhost:{site.port}",
        },
    )
    answer = link.getresponse()
    body = json.loads(answer.read())
    link.close()
    return answer.status, answer.headers["Retry-After"], body


def ask_until_heard(site, user):
    """Past some hundred at once, or on a slow host, the web server may be too
    late with a form."""
    while True:
        told = ask(site, user)
        if told[2].get("error", {}).get("message") != LATE:
            return told


def all_at_once(site, users):
    with concurrent.futures.ThreadPoolExecutor(len(users)) as pool:
        return list(pool.map(lambda user: ask_until_heard(site, user), users))


def options(**more):
    return {
        "service_max_load": 1000,
        "service_max_instance_nb": LIMIT,
        "service_max_session_nb_per_user": CROWD,
        "service_max_cpu_fraction_nb_per_user": 100,
        "service_max_mem_fraction_nb_per_user": 1,
    } | more


class TheLimit(unittest.TestCase):
    """RR1, RR2, P18: decided and reserved in one step."""

    def end_all(self, site):
        site.qwdctl("stop", "--all", "--now", "--yes")
        eventually(lambda: not list((site.store / "run").iterdir()), 30, "the end of all")
        for record in site.store.glob("*.json"):
            (site.store / "locks" / record.stem).unlink()
        site.qwdctl("purge")

    def test_exactly_the_limit_is_admitted(self):
        with Site(options=options()) as site:
            for number in range(ROUNDS):
                with self.subTest(round=number):
                    self.one_round(site)

    def one_round(self, site):
        answers = all_at_once(site, [f"user{i}" for i in range(CROWD)])
        admitted = [body["session"]["name"] for status, _, body in answers if status == 201]
        self.assertEqual(len(admitted), LIMIT)
        for status, retry, body in answers:
            if status == 201:
                continue
            self.assertEqual((status, body["error"]["code"]), (503, "busy"), body)
            self.assertIn(f"All {LIMIT} places", body["error"]["message"])
            self.assertGreaterEqual(int(retry), 60)
        self.assertEqual({p.stem for p in site.store.glob("*.json")}, set(admitted))
        for name in admitted:  # as its own user, who alone may see it
            eventually(
                lambda n=name: site.record(n)["state"] == "running", 120, f"{name} runs"
            )
        sockets = {site.vnc_socket(name).stat().st_ino for name in admitted}
        tokens = {site.record(name)["token"] for name in admitted}
        self.assertEqual((len(sockets), len(tokens)), (LIMIT, LIMIT))
        self.end_all(site)

    @unittest.skipUnless(LONG, "starts sixty machines")
    def test_of_five_hundred_exactly_the_limit_is_admitted(self):
        """RR1 at a larger scale; whether so many machines come up on this host
        does not matter here."""
        for limit in (10, 50):
            with (
                self.subTest(limit=limit),
                Site(options=options(service_max_instance_nb=limit,
                                     snapshot_reserve_disk=0)) as site,
            ):
                users = [f"user{i}" for i in range(500)]
                answers = all_at_once(site, users)
                admitted = [b["session"]["name"] for status, _, b in answers if status == 201]
                self.assertEqual(len(admitted), limit)
                self.assertEqual(len(set(admitted)), limit)
                for status, _, body in answers:
                    if status != 201:
                        self.assertEqual((status, body["error"]["code"]), (503, "busy"), body)
                        self.assertIn(f"All {limit} places", body["error"]["message"])
                self.assertEqual({p.stem for p in site.store.glob("*.json")}, set(admitted))
                self.end_all(site)

    def test_exactly_each_users_own_limit_is_admitted(self):
        with Site(options=options(service_max_session_nb_per_user=2,
                                  service_max_instance_nb=100)) as site:  # fmt: skip
            for number in range(ROUNDS):
                with self.subTest(round=number):
                    users = [f"user{i % 5}" for i in range(60)]
                    answers = all_at_once(site, users)
                    got = [u for u, (status, _, _) in zip(users, answers) if status == 201]
                    self.assertEqual(sorted(got), sorted(2 * [f"user{i}" for i in range(5)]))
                    refused = [body for status, _, body in answers if status != 201]
                    for body in refused:
                        self.assertIn("You have 2 of at most 2", body["error"]["message"])
                    self.end_all(site)


if __name__ == "__main__":
    unittest.main(verbosity=2)
