#!/usr/bin/python3
"""Sessions as jobs: how long until a display is there, and what many jobs cost.

usage: slurm.py [display] [growth]     default both; in tests/sandbox, with
                                       PYTHONPATH=tests/e2e

display: Create until the session runs, its display having greeted through the
tunnel, against what Slurm needs to start an empty job and what Create takes
without Slurm, in turns.  slurmctld starts batch jobs at ticks of its own, every
two seconds with the cluster's sched_interval and bf_interval, whatever else
happens: an empty job shows when, and each kind is submitted half a second
before.  growth: Slurm's own part with hundreds of jobs, sleeps as stand-ins, on
ten nodes; the list of sessions with thousands of records; a watcher's memory.
The ratio that is wanted is 1.3.
"""

import concurrent.futures
import json
import os
import pwd
import shutil
import statistics
import subprocess
import sys
import time

from harness import Site, eventually
from slurm_cluster import Cluster

ROUNDS = max(8, int(os.environ.get("ROUNDS", "25")) // 3)
TICKS = 2.0  # seconds between two of slurmctld's
BEFORE = 0.5
WANTED = 1.3
JOBS = (100, 300, 600)
RECORDS = (100, 1000, 10000)
PLENTY = {
    "service_max_instance_nb": 100000,
    "service_max_session_nb_per_user": 100000,
    "service_max_cpu_fraction_nb_per_user": 100,
    "service_stop_grace": 1,
}


def say(what, seconds, more=""):
    print(f"{what:60s} {seconds * 1000:8.1f} ms  {more}", flush=True)


def empty_job(cluster, serial):
    """From sbatch until the job has said on the shared file system that it
    runs."""
    mark = cluster.dir / f"shared/empty{serial}"
    begin = time.perf_counter()
    subprocess.run(
        ["sbatch", "--parsable", "--no-requeue", "--export=PATH=/usr/bin:/bin"]
        + ["--chdir=/", "--output=/dev/null", "--mem=64"],
        input=f"#!/bin/sh\necho >{mark}\n",
        text=True,
        env={"PATH": "/usr/bin:/bin", "SLURM_CONF": str(cluster.conf)},
        user=pwd.getpwnam("www-data").pw_uid,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    eventually(mark.exists, 60, "the empty job", pause=0.002)
    return time.perf_counter() - begin


def session(site, claim=None):
    """From Create until it runs; with `claim`, a function that gives the file
    which its job makes first, also from then."""
    begin = time.time()
    name = site.create(user=f"u{time.monotonic_ns()}")["name"]
    eventually(lambda: site.record(name)["state"] == "running", 60, "it runs", pause=0.002)
    end = time.time()
    own = end - claim(name).stat().st_mtime if claim else None
    site.end(name)
    return (end - begin, own) if claim else end - begin


def moment(cluster, last):
    """Wait until it is so long before the tick, `last` being the newest empty job."""
    settle(cluster)
    tick = (cluster.dir / f"shared/empty{last}").stat().st_mtime
    time.sleep((tick - BEFORE - time.time()) % TICKS)


def settle(cluster):
    eventually(lambda: cluster.idle() == cluster.count, 60, "the nodes are idle")


def display():
    local, empty, job, own = [], [], [], []
    with Cluster() as cluster, Site(options=cluster.options(**PLENTY)) as site:
        jobs = cluster.dir / "shared/jobs"
        session(site)  # the gateway starts once
        for serial in range(ROUNDS):
            site.configure(launcher="fork")
            local.append(session(site))
            settle(cluster)
            empty_job(cluster, f"{serial}a")
            moment(cluster, f"{serial}a")
            empty.append(empty_job(cluster, f"{serial}b"))
            site.configure(launcher="slurm")
            moment(cluster, f"{serial}b")
            both = session(site, lambda name: jobs / name / "claim")
            job.append(both[0])
            own.append(both[1])
            settle(cluster)
    ratio = statistics.median(job) / (statistics.median(empty) + statistics.median(local))
    say("Create until the display, without Slurm", statistics.median(local))
    say("sbatch until an empty job has spoken", statistics.median(empty))
    say("Create until the display, as a job", statistics.median(job), f"{ratio:.2f} of both together (wanted: {WANTED})")
    say("... of it from its job's start on the node", statistics.median(own))


def timed(argv, cluster, times=20):
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        cluster.run(*argv)
        took.append(time.perf_counter() - begin)
    return statistics.median(took)


def many_jobs():
    with Cluster(nodes=10, cores=64, memory=65536) as cluster:
        submitted = 0
        for count in JOBS:
            begin = time.perf_counter()
            while submitted < count:
                last = int(
                    cluster.run(
                        "sbatch", "--parsable", "--mem=100", "--output=/dev/null",
                        "--chdir=/", "--wrap=exec sleep 900",
                    ).split(";")[0]
                )  # fmt: skip
                submitted += 1
            rate = (count - (JOBS[JOBS.index(count) - 1] if count != JOBS[0] else 0)) / (
                time.perf_counter() - begin
            )
            eventually(
                lambda: sum(s == "RUNNING" for s, _ in cluster.jobs().values()) == count,
                300,
                f"{count} jobs run",
            )
            one = timed(["squeue", "-h", "-t", "all", "-j", str(last), "-o", "%i|%T|%r|%B|%S"], cluster)
            say(f"squeue of one job among {count} that run", one, f"{rate:.0f} sbatch a second")
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                begin = time.perf_counter()
                list(pool.map(lambda _: cluster.run("squeue", "-h", "-j", str(last)), range(200)))
                rate = 200 / (time.perf_counter() - begin)
            print(f"    {rate:.0f} squeue a second, eight at a time", flush=True)
        cluster.run("scancel", "--user=root")


def many_records():
    with Site(options=PLENTY) as site:
        name = site.running()["name"]
        sample = site.record(name)
        owner = site.process("owner", name)
        print(f"a session's owner: {owner.pss_kb()} kB (PSS)", flush=True)
        made = 0
        for count in RECORDS:
            for made in range(made, count):
                other = f"qemu-web-desktop-{made:020d}"
                place(site, other, sample | {"name": other, "state": "ended",
                                             "user": f"u{made}", "ended": int(time.time())})  # fmt: skip
            took = []
            for _ in range(9):
                begin = time.perf_counter()
                answer = site.get("/cgi-bin/qemu-web-desktop?manage=1")
                took.append(time.perf_counter() - begin)
                assert answer.status == 200, answer
            say(f"the list of a user's sessions, {count} records", statistics.median(took))
        for path in site.store.glob("qemu-web-desktop-0*.json"):
            path.unlink()
        for path in (site.store / "locks").glob("qemu-web-desktop-0*"):
            path.unlink()


def place(site, name, record):
    for path, text in (
        (site.store / f"{name}.json", json.dumps(record, separators=(",", ":"))),
        (site.store / "locks" / name, ""),
    ):
        path.write_text(text)
        path.chmod(0o600)
        shutil.chown(path, "www-data", "www-data")


def watcher_memory():
    with Cluster(nodes=1) as cluster, Site(options=cluster.options(**PLENTY)) as site:
        name = site.running()["name"]
        sizes = {
            ("watcher" if f"--config={site.dir}/etc/config.conf" in p.argv else "owner on the node")
            if p.role == "owner"
            else "job on the node": p.pss_kb()
            for p in site.processes(name)
            if p.role == "owner" or "--session-job" in p.argv
        }
        for what, size in sizes.items():
            print(f"{what}: {size} kB (PSS)", flush=True)
        print("record:", (site.store / f"{name}.json").stat().st_size, "bytes")


def growth():
    many_jobs()
    many_records()
    watcher_memory()


def main():
    parts = {"display": display, "growth": growth}
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
