#!/usr/bin/python3
"""What many cost: Creates at once, records, dead sessions.

usage: many.py SITE PORT

SITE is a private site that runs (tests/bench/run).  Prints one line a figure;
exit status 1 if not exactly as many got in as there are places, or if a cost
grows faster than the number of records.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time
import urllib.parse

SITE, PORT = pathlib.Path(sys.argv[1]), int(sys.argv[2])
STORE = SITE / "run/sessions"
SNAPSHOTS = SITE / "lib/snapshots"
CGI = "/cgi-bin/qemu-web-desktop"
ROUNDS = max(5, int(os.environ.get("ROUNDS", "25")) // 3)
CROWD, LIMIT = 200, 10
# How much faster than the number of records a cost may seem to grow, on a host
# that has other things to do.
SLACK = 1.5

status = 0


def post(fields, headers=None):
    link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    head = {"Accept": "application/json"} | (headers or {})
    begin = time.perf_counter()
    link.request("POST", CGI, urllib.parse.urlencode(fields),
                 head | {"Content-Type": "application/x-www-form-urlencoded"})
    answer = link.getresponse()
    answer.text = answer.read().decode()
    elapsed = time.perf_counter() - begin
    link.close()
    return answer, elapsed


def create(user):
    return post({"user": user, "machine": "tiny.qcow2", "cpu": "1",
                 "memory": "0.1", "create": "1"})


def qwdctl(*arguments):
    begin = time.perf_counter()
    done = subprocess.run(["tests/site/site", "qwdctl", SITE, *arguments],
                          capture_output=True, text=True, check=False)
    return done, time.perf_counter() - begin


def configure(**options):
    """Later lines win; changes act at once."""
    path = SITE / "etc/config.conf"
    lines = [line for line in path.read_text().splitlines()
             if line.partition(" =")[0] not in options]
    path.write_text("\n".join(lines + [f"{k} = {v}" for k, v in options.items()]) + "\n")


def forget_all():
    qwdctl("stop", "--all", "--now", "--yes")
    end = time.monotonic() + 60
    while any((STORE / "run").iterdir()) and time.monotonic() < end:
        time.sleep(0.02)
    for path in [*STORE.glob("*.json"), *(STORE / "locks").iterdir()]:
        path.unlink()


def own(path, mode=0o600):
    owner = STORE.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    os.chmod(path, mode)


def make_records(sample, count, state):
    """Sessions of one user with record and lock; dead ones have all else too."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    for i in range(count):
        name = f"qemu-web-desktop-{i:020d}"
        record = sample | {"name": name, "state": state, "user": "bench"}
        if state == "ended":
            record |= {"ended": int(time.time()), "ended_boot_ms": int(now * 1000)}
        else:
            record |= {"ended": 0, "ended_boot_ms": 0}
            (STORE / "run" / name).mkdir()
            own(STORE / "run" / name, 0o700)
            (SNAPSHOTS / f"{name}.qcow2").write_bytes(b"QFI\xfb" * 1000)
            own(SNAPSHOTS / f"{name}.qcow2")
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        (STORE / f"{name}.json").write_text(text)
        own(STORE / f"{name}.json")
        (STORE / "locks" / name).touch()
        own(STORE / "locks" / name)


def sample_record():
    answer, _ = create("bench")
    if answer.status != 201:
        sys.exit(f"create: {answer.status} {answer.text}")
    name = json.loads(answer.text)["session"]["name"]
    end = time.monotonic() + 60
    while time.monotonic() < end:
        record = json.loads((STORE / f"{name}.json").read_text())
        if record["state"] == "running":
            return name, record
        time.sleep(0.02)
    sys.exit("the sample does not run")


def crowd():
    """200 Creates at once against a limit of 10."""
    global status
    configure(service_max_instance_nb=LIMIT)
    elapsed = []
    for _ in range(3):
        with concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
            begin = time.perf_counter()
            answers = list(pool.map(create, [f"u{i}" for i in range(CROWD)]))
            elapsed.append(time.perf_counter() - begin)
        admitted = sum(answer.status == 201 for answer, _ in answers)
        if admitted != LIMIT or any(a.status not in (201, 503) for a, _ in answers):
            print(f"{admitted} were admitted, not {LIMIT}: {answers[0][0].text}")
            status = 1
        forget_all()
    print(f"{f'{CROWD} Creates at once, {LIMIT} places: all are answered':52s} "
          f"{statistics.median(elapsed) * 1000:7.0f} ms  "
          f"({CROWD / statistics.median(elapsed):.0f} a second; {LIMIT} admitted)", flush=True)


def growth(what, costs):
    """costs: records -> seconds."""
    global status
    counts = sorted(costs)
    told = "  ".join(f"{n}: {costs[n] * 1000:.1f}" for n in counts)
    small, large = counts[1], counts[-1]
    base = costs[counts[0]]
    each = (costs[large] - base) / (large - counts[0])
    print(f"{what:34s} ms by records  {told}  = {each * 1e6:.1f} us a record", flush=True)
    if costs[large] > SLACK * costs[small] * large / small:
        print(f"{what}: grows faster than the number of records")
        status = 1


def records():
    """The manage page and admission while records grow."""
    name, sample = sample_record()
    configure(service_max_instance_nb=1)
    answer, _ = post({"user": "bench", "manage": "1"})
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    page, admission = {}, {}
    for count in (10, 100, 1000, 10000):
        make_records(sample, count, "ended")
        seen, refused = [], []
        for _ in range(ROUNDS):
            link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
            begin = time.perf_counter()
            link.request("GET", CGI + "?manage=1", headers={"Cookie": cookie})
            answer = link.getresponse()
            answer.read()
            seen.append(time.perf_counter() - begin)
            link.close()
            if answer.status != 200:
                sys.exit(f"manage: {answer.status}")
            answer, elapsed = create("other")
            refused.append(elapsed)
            if answer.status != 503:
                sys.exit(f"create: {answer.status} {answer.text}")
        page[count] = statistics.median(seen)
        admission[count] = statistics.median(refused)
    growth("The manage page", page)
    growth("Admission (a Create that is refused)", admission)
    _, idle = qwdctl("purge")
    print(f"{'A purge pass, 10000 ended sessions, nothing to do':52s} {idle * 1000:7.0f} ms",
          flush=True)
    configure(service_max_instance_nb=100)
    qwdctl("stop", name, "--now", "--yes")
    forget_all()
    return sample


def purge(sample):
    global status
    make_records(sample, 1000, "running")
    done, elapsed = qwdctl("purge")
    match = re.search(r"(\d+) sessions without an owner, \d+ records, (\d+) overlays",
                      done.stdout)
    if not match or match.groups() != ("1000", "1000"):
        print(f"purge: {done.stdout}{done.stderr}")
        status = 1
    print(f"{'A purge pass over 1000 dead sessions':52s} {elapsed * 1000:7.0f} ms", flush=True)
    forget_all()


print("\nMany:\n")
crowd()
purge(records())
sys.exit(status)
