#!/usr/bin/python3
"""What a farm of three servers costs, each in a network namespace, with TLS:
a Create that is forwarded against the same at that server itself, and the list
of sessions on all against that of one.

usage: farm.py      in tests/sandbox, with PYTHONPATH=tests/e2e
"""

import os
import signal
import statistics
import time
import urllib.parse

from farm_case import Farm
from harness import CGI, FINAL, eventually

ROUNDS = int(os.environ.get("ROUNDS", "25"))
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


def at_once(sites, cookies):
    """Each server's own page, asked for at the same moment: the milliseconds
    until all have answered.  This machine's processors then make as many pages
    as they do for one list of all."""
    links = [site.connect(30) for site in sites]
    for link in links:
        link.connect()
    begin = time.perf_counter()
    for site, link in zip(sites, links):
        link.request("GET", f"{CGI}?manage=1", headers=cookies[site.name])
    for link in links:
        link.getresponse().read()
    elapsed = (time.perf_counter() - begin) * 1000
    for link in links:
        link.close()
    return elapsed


def timed(site, method, path, fields=None, headers=None):
    """The answer, and the milliseconds to it on a connection that stands."""
    link = site.connect(30)
    link.connect()
    body = urllib.parse.urlencode(fields) if fields else None
    begin = time.perf_counter()
    link.request(method, path, body, (headers or {}) | (FORM if body else {}))
    answer = link.getresponse()
    answer.text = answer.read().decode()
    elapsed = (time.perf_counter() - begin) * 1000
    link.close()
    return answer, elapsed


def create(site, where, user):
    """Create at `site`; the session's end at `where`."""
    answer, elapsed = timed(site, "POST", CGI, site.order(user=user, password="x"))
    if answer.status != 201:
        raise SystemExit(f"create: {answer.status} {answer.text}")
    where.qwdctl("stop", "--all", "--now", "--yes")
    return elapsed


def forwarding(one, two):
    direct, forwarded = [], []
    for i in range(ROUNDS):
        direct.append(create(two, two, f"direct{i}"))
        forwarded.append(create(one, two, f"forwarded{i}"))
    own, through = statistics.median(direct), statistics.median(forwarded)
    print(f"{'Create, forwarded to the next server':44s} {through:9.2f} ms {own:9.2f} ms "
          f"adds {through - own:6.2f} ms (goal: at most 20)", flush=True)


def name_others(site, names):
    """Set its list alone: whoever lays the site out anew also installs its
    programs anew, and the agent would take that for an upgrade."""
    path = site.dir / "etc/config.conf"
    lines = [line for line in path.read_text().splitlines()
             if not line.startswith("fallback_servers ")]
    if names:
        lines.append(f"fallback_servers = {names}")
    path.write_text("\n".join(lines) + "\n")


def cookie_of(site):
    visitor = site.visitor()
    visitor.post_form({"manage": "1", "user": "ann", "password": "x"})
    return {"Cookie": "; ".join(f"{k}={v}" for k, v in visitor.cookies.items())}


def everywhere(site, cookie, servers):
    answer, elapsed = timed(site, "GET", f"{CGI}?manage=1", headers=cookie)
    if answer.text.count("There is no session on this server") != servers:
        raise SystemExit("the page does not show all servers")
    return elapsed


def lists(sites):
    """Each server's own page, and the first one's of all: the first view, which
    starts the agent, and those that follow it."""
    own = {site.name: [] for site in sites}
    first, later, together = [], [], []
    cookies = {site.name: cookie_of(site) for site in sites}
    one = sites[0]
    names = one.options["fallback_servers"]
    for _ in range(ROUNDS):
        name_others(one, None)
        for site in sites:
            own[site.name].append(
                timed(site, "GET", f"{CGI}?manage=1", headers=cookies[site.name])[1])
        together.append(at_once(sites, cookies))
        name_others(one, names)
        if one.agent and len(first) < ROUNDS // 3:
            os.kill(one.agent.pid, signal.SIGKILL)
            eventually(lambda: not one.agent, 10, "the agent's end")
        view = everywhere(one, cookies[one.name], len(sites))
        (first if len(first) < ROUNDS // 3 else later).append(view)
    slowest = max(statistics.median(times) for times in own.values())
    ours = statistics.median(later)
    print(f"{'The list of sessions on three servers':44s} {ours:9.2f} ms {slowest:9.2f} ms "
          f"ratio {ours / slowest:6.2f}  (goal: at most 2)", flush=True)
    beside = statistics.median(together)
    print(f"{'... against their own pages, asked at once':44s} {ours:9.2f} ms {beside:9.2f} ms "
          f"ratio {ours / beside:6.2f}", flush=True)
    print(f"{'The list, when nobody has asked for a while':44s} "
          f"{statistics.median(first):9.2f} ms", flush=True)


def main():
    # A place is free again only when its session has been cleaned up.
    alone = {"fallback_servers": None, "service_max_instance_nb": 100}
    with Farm({"service_max_load": 1000}, each={1: alone, 2: alone}) as farm:
        one, two, _ = farm.sites
        lists(farm.sites)
        visitor = one.visitor()
        name = visitor.create(user="bob", password="x")["name"]
        visitor.wait_state(name, "running")
        forwarding(one, two)
        one.qwdctl("stop", name, "--now", "--yes")
        visitor.wait_state(name, FINAL, 15)


main()
