#!/usr/bin/python3
"""Kill, or fail, at every system call and every allocation of every program
that makes or ends a session; after each, one purge must find all in order.

usage: faults.py [--seconds N] [--seed N] [--jobs N] [--only WORD]... [--list]

In tests/sandbox, as root.  A point is a (call, occurrence) of a program's run,
as strace counts them.  At each
  kill      SIGKILL as the call begins
  ERRNO     the call returns ENOSPC, EMFILE, ENOMEM, EIO or EACCES instead
  malloc    the n-th allocation returns nothing
Without --seconds all points are tried; with it a sample, in an order that
--seed gives (by default the day's).  Prints TAP, a line for each program and
kind, with the number of points; exit status 1 if a point failed.
"""

import argparse
import collections
import multiprocessing
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import scenarios  # noqa: E402
from place import PROGRAMS, Place, Problem, USERS, install, uninstall  # noqa: E402

ERRNOS = ("ENOSPC", "EMFILE", "ENOMEM", "EIO", "EACCES")
# That cannot fail, by their manual pages (brk's failure is no error number); a
# close() that is not made at all is something that no kernel does.
SOUND = {
    "brk", "close", "exit_group", "rt_sigreturn", "getpid", "getppid", "getuid",
    "geteuid", "getgid", "getegid", "umask", "set_tid_address",
    "set_robust_list", "alarm", "munmap", "kill", "rt_sigprocmask",
}  # fmt: skip

# early: before main(), where there is nobody yet to be careful.
Point = collections.namedtuple("Point", "scenario kind call number early")
SCENARIOS = {s.name: s for s in scenarios.ALL}


def build():
    install()
    library = str(PROGRAMS / "fail-nth-malloc.so")
    source = pathlib.Path(__file__).with_name("fail-nth-malloc.c")
    subprocess.run(
        ["gcc", "-O1", "-fPIC", "-shared", "-fno-builtin", "-o", library, source],
        check=True,
    )
    os.chmod(library, 0o755)
    return library


def strace(place, *arguments):
    return ["strace", "-qq", "-u", place.user.pw_name, *arguments]


def list_points(place, kinds):
    """Trace one run of each program."""
    points = []
    for name, scenario_class in SCENARIOS.items():
        counts = collections.Counter()
        early = {}
        scenario = scenario_class(place)
        with tempfile.NamedTemporaryFile() as trace:
            scenario.prepare()
            scenario.succeeded(*scenario.run(strace(place, "-o", trace.name), {}))
            finish(place, scenario)
            for line in pathlib.Path(trace.name).read_text().splitlines():
                if match := re.match(r"(\w+)\(", line):
                    counts[match[1]] += 1
                    # The loader's last deed: it lets its cache go.
                    if match[1] == "munmap" and not early:
                        early = dict(counts)
        counts["execve"] -= 1  # strace's own
        for call, count in counts.items():
            for number in range(1, count + 1):
                number += call == "execve"
                where = call, number, number <= early.get(call, 0)
                if "kill" in kinds:
                    points.append(Point(name, "kill", *where))
                if call not in SOUND:
                    points += [Point(name, e, *where) for e in ERRNOS if e in kinds]
        if "malloc" in kinds:
            count = count_allocations(place, scenario)
            points += [Point(name, "malloc", "", n, False) for n in range(1, count + 1)]
    return points


def count_allocations(place, scenario):
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        file = pathlib.Path(directory) / "count"
        scenario.prepare()
        env = {"LD_PRELOAD": LIBRARY, "FAIL_AT": "0", "FAIL_COUNT": str(file)}
        scenario.succeeded(*scenario.run([], env, **place.as_user()))
        finish(place, scenario)
        return int(file.read_text())


def finish(place, scenario):
    for name in place.names():
        place.record(name)
    scenario.settle()
    place.clean()
    place.forget_ended()


def try_point(place, scenario, point):
    """True if the fault came to pass; Problem."""
    scenario.prepare()
    if point.kind == "malloc":
        env = {"LD_PRELOAD": LIBRARY, "FAIL_AT": str(point.number)}
        status, out, err = scenario.run([], env, **place.as_user())
    else:
        what = "signal=KILL" if point.kind == "kill" else f"error={point.kind}"
        status, out, err = scenario.run(
            strace(
                place, "-o", "/dev/null", "-e", f"trace={point.call}",
                "-e", f"inject={point.call}:{what}:when={point.number}",
            ),
            {},
        )  # fmt: skip
    killed = point.kind == "kill" and status in (-9, 137)
    if not killed and not point.early:
        scenario.judge(status, out, err)
    finish(place, scenario)
    return killed or point.kind != "kill"


def work(number, points, position, end, results):
    """One worker, which says None when it has come to its end."""
    try:
        take_points(number, points, position, end, results)
    finally:
        results.put(None)


def take_points(number, points, position, end, results):
    """Until there are none left, or the time is over."""
    with Place(number) as place:
        made = {name: kind(place) for name, kind in SCENARIOS.items()}
        while True:
            with position.get_lock():
                i = position.value
                position.value += 1
            if i >= len(points) or (end and time.monotonic() > end):
                break
            point = points[i]
            problem = None
            happened = False
            try:
                happened = try_point(place, made[point.scenario], point)
            except Exception as e:
                problem = f"{type(e).__name__}: {e}"
                if not isinstance(e, Problem):
                    problem += "\n" + traceback.format_exc()
                place.restart()
            results.put((point, happened, problem))


def interleave(points, seed):
    """A sample has something of each program and kind."""
    groups = collections.defaultdict(list)
    for point in points:
        groups[point.scenario, point.kind].append(point)
    dice = random.Random(seed)
    for group in groups.values():
        dice.shuffle(group)
    mixed = []
    while groups:
        for key in list(groups):
            mixed.append(groups[key].pop())
            if not groups[key]:
                del groups[key]
    return mixed


def run_all(points, jobs, seconds):
    results = multiprocessing.Queue()
    position = multiprocessing.Value("L", 0)
    end = time.monotonic() + seconds if seconds else None
    workers = [
        multiprocessing.Process(target=work, args=(n, points, position, end, results))
        for n in range(jobs)
    ]
    for worker in workers:
        worker.start()
    tried, happened = collections.Counter(), collections.Counter()
    problems = collections.defaultdict(list)
    left = jobs
    while left:
        result = results.get()
        if result is None:
            left -= 1
            continue
        point, came, problem = result
        key = point.scenario, point.kind
        tried[key] += 1
        happened[key] += came
        if tried.total() % 500 == 0:
            print(f"# {tried.total()} points tried", flush=True)
        if problem:
            problems[key].append(point)
            print(f"# {point.scenario}: {point.kind} {point.call} {point.number}: "
                  + problem.replace("\n", "\n# "), flush=True)  # fmt: skip
    for worker in workers:
        worker.join()
        if worker.exitcode:
            problems["a worker", "died"].append(worker)
            tried["a worker", "died"] += 1
    return tried, happened, problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=int(time.time()) // 86400)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--kinds", default=",".join(("kill", "malloc", *ERRNOS)))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--again", type=pathlib.Path, help="log: what failed there")
    options = parser.parse_args()
    for name in list(SCENARIOS):
        if options.only and not any(word in name for word in options.only):
            del SCENARIOS[name]

    begin = time.monotonic()
    with Place(len(USERS) - 1) as place:
        points = list_points(place, options.kinds.split(","))
    if options.list:
        print(*points, sep="\n")
        return 0
    if options.again:
        failed = re.findall(r"^# (.*?): (\w+) (\w*) (\d+): ",
                            options.again.read_text(), re.M)  # fmt: skip
        failed = {(name, kind, call, int(number)) for name, kind, call, number in failed}
        points = [p for p in points if tuple(p[:4]) in failed]
    print(f"# {len(points)} points; seed {options.seed}", flush=True)
    if options.seconds:
        points = interleave(points, options.seed)
    tried, happened, problems = run_all(points, options.jobs, options.seconds)
    print(f"1..{len(tried)}")
    for i, (key, count) in enumerate(sorted(tried.items()), 1):
        failed = len(problems[key])
        print(f"{'not ok' if failed else 'ok'} {i} - {key[0]}, {key[1]}: {count} points"
              f", {happened[key]} came to pass, {failed} failed")  # fmt: skip
    print(f"# {sum(tried.values())} of {len(points)} points, "
          f"{sum(len(p) for p in problems.values())} failed, "
          f"{time.monotonic() - begin:.0f} s")  # fmt: skip
    return 1 if any(problems.values()) else 0


if __name__ == "__main__":
    LIBRARY = build()
    try:
        code = main()
    finally:
        uninstall()
    sys.exit(code)
