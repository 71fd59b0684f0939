#!/usr/bin/python3
"""Speed and size, as ratios against a yardstick measured in the same run.

usage: bench.py SITE PORT

SITE is the directory of a private site that runs (tests/site/site) with the
machine tiny.qcow2, and a hello-world CGI at /hello under the same Apache.  Prints one line a figure: what, ours, the yardstick,
their ratio and the goal.  Measures and yardsticks take turns, medians count.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse

SAMPLE = ""
SITE, PORT = sys.argv[1], int(sys.argv[2])
RECORDS = f"{SITE}/run/sessions"
CGI = "/cgi-bin/qemu-web-desktop"
ROUNDS = int(os.environ.get("ROUNDS", "25"))
JSON = {"Accept": "application/json"}


def request(method, path, fields=None, headers=None):
    """Send one request; the answer and the seconds to its headers."""
    body = urllib.parse.urlencode(fields) if fields else None
    headers = dict(headers or {})
    if body:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    link.connect()
    begin = time.perf_counter()
    link.request(method, path, body, headers)
    answer = link.getresponse()
    elapsed = time.perf_counter() - begin
    answer.text = answer.read().decode()
    link.close()
    return answer, elapsed


def create(user, machine="tiny.qcow2"):
    fields = {"user": user, "machine": machine, "cpu": "1",
              "memory": "0.25", "create": "1"}
    return request("POST", CGI, fields, JSON)


def stop(user, name):
    request("POST", CGI, {"user": user, "session_stop": name, "now": "1"}, JSON)
    deadline = time.monotonic() + 20
    while os.path.exists(f"{RECORDS}/run/{name}"):
        if time.monotonic() > deadline:
            sys.exit(f"{name} does not end")
        time.sleep(0.01)


def banner(path, deadline=20):
    """Wait until a VNC server greets on the unix socket."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        link = socket.socket(socket.AF_UNIX)
        try:
            link.connect(path)
            if link.recv(12).startswith(b"RFB "):
                return
        except OSError:
            time.sleep(0.0005)
        finally:
            link.close()
    sys.exit(f"no greeting on {path}")


def bare(directory):
    """Seconds of the bare commands until the greeting."""
    shutil.rmtree(directory, ignore_errors=True)
    os.mkdir(directory)
    begin = time.perf_counter()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2",
                    "-b", f"{SITE}/lib/machines/tiny.qcow2",
                    f"{directory}/disk"], check=True)
    subprocess.run(["qemu-system-x86_64", "-nodefaults", "-machine", "pc",
                    "-accel", "tcg,thread=multi", "-m", "256", "-smp", "1",
                    "-drive", f"file={directory}/disk,if=virtio",
                    "-device", "virtio-vga", "-device", "virtio-balloon-pci",
                    "-device", "qemu-xhci", "-device", "usb-tablet", "-device", "usb-kbd",
                    "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n",
                    "-display", "none", "-vnc", f"unix:{directory}/vnc",
                    "-pidfile", f"{directory}/pid", "-daemonize"], check=True)
    banner(f"{directory}/vnc")
    elapsed = time.perf_counter() - begin
    os.kill(int(open(f"{directory}/pid").read()), signal.SIGKILL)
    time.sleep(0.3)
    return elapsed


def line(what, ours, yard, goal, unit="ms"):
    print(f"{what:44s} {ours:9.2f} {unit} {yard:9.2f} {unit} "
          f"ratio {ours / yard:6.2f}  (goal: at most {goal})", flush=True)


def start_to_banner():
    ours, yard = [], []
    for i in range(ROUNDS):
        yard.append(bare("/tmp/bare"))
        user = f"bench{i}"
        begin = time.perf_counter()
        answer, _ = create(user)
        if answer.status != 201:
            sys.exit(f"create: {answer.status} {answer.text}")
        name = json.loads(answer.text)["session"]["name"]
        banner(f"{RECORDS}/run/{name}/vnc")
        ours.append(time.perf_counter() - begin)
        if i == 0:
            ours.clear()  # the gateway comes up with the first session
            wait_running(user, name)
        stop(user, name)
        time.sleep(0.3)
    line("Create until the VNC greeting", statistics.median(ours) * 1000,
         statistics.median(yard) * 1000, 1.3)


def time_to_banner(user, machine):
    begin = time.perf_counter()
    answer, _ = create(user, machine)
    if answer.status != 201:
        sys.exit(f"create: {answer.status} {answer.text}")
    name = json.loads(answer.text)["session"]["name"]
    banner(f"{RECORDS}/run/{name}/vnc")
    elapsed = time.perf_counter() - begin
    stop(user, name)
    time.sleep(0.3)
    return elapsed


def script_to_banner():
    """A boot script by a cloud-init seed, against the same without."""
    ours, yard = [], []
    for i in range(ROUNDS):
        yard.append(time_to_banner(f"bench{i}", "tiny.qcow2"))
        ours.append(time_to_banner(f"bench{i}", "scripted.qcow2"))
    line("Create with a boot script (seed), greeting", statistics.median(ours) * 1000,
         statistics.median(yard) * 1000, 1.3)


def lookup(machines=200):
    """The catalogue and QEMU's vector, for the last of many machines."""
    place = f"{SITE}/many"
    os.makedirs(f"{place}/machines")
    names = [f"machine-{i:03d}.raw" for i in range(machines)]
    with open(f"{place}/machines.conf", "w", encoding="utf-8") as f:
        for name in names:
            f.write(f"[{name}]\ndescription = The machine {name} with what it is for\n"
                    "cpu = 2 1-8\nmemory = 2 1-16\nqemu_options = -rtc base=localtime\n")
            with open(f"{place}/machines/{name}", "wb") as image:
                image.truncate(1 << 20)
    with open(f"{place}/config.conf", "w", encoding="utf-8") as f:
        f.write(f"dir_service = {place}\n")
    config = f"{place}/config.conf"
    subprocess.run([f"{SITE}/bin/qwdctl", f"--config={config}", "refresh"], check=True,
                   stdout=subprocess.DEVNULL)
    ours, yard = [], []
    for _ in range(ROUNDS):
        yard.append(request("GET", "/hello")[1])
        done = subprocess.run([f"{SITE}/lookup", config, names[-1]], check=True,
                              stdout=subprocess.PIPE)
        ours.append(float(done.stdout))
    line(f"Catalogue of {machines} machines, QEMU's vector", statistics.median(ours),
         statistics.median(yard) * 1000, "1 ms of ours")


def wait_running(user, name):
    for _ in range(600):
        answer, _ = request("POST", CGI, {"user": user, "manage": "1"}, JSON)
        for session in json.loads(answer.text)["sessions"]:
            if session["name"] == name and session["state"] == "running":
                return
        time.sleep(0.05)
    sys.exit(f"{name} does not run")


def answer_to_create():
    ours, yard = [], []
    for i in range(ROUNDS):
        for _ in range(4):
            yard.append(request("GET", "/hello")[1])
        user = f"bench{i}"
        fields = {"user": user, "machine": "tiny.qcow2", "cpu": "1",
                  "memory": "0.25", "create": "1"}
        answer, elapsed = request("POST", CGI, fields)
        if answer.status != 303:
            sys.exit(f"create: {answer.status}")
        ours.append(elapsed)
        name = re.search(r"session=([a-z0-9-]+)", answer.headers["Location"])[1]
        stop(user, name)
        time.sleep(0.3)
    line("The answer to Create (303)", statistics.median(ours) * 1000,
         statistics.median(yard) * 1000, 2)


def owner_pss(name):
    """PSS in kB of the session's owner."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
            if words[1:3] == [b"--session-owner", name.encode()]:
                text = open(f"/proc/{pid}/smaps_rollup").read()
                return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
        except OSError:
            pass
    sys.exit("no owner found")


def memory():
    answer, _ = create("bench")
    name = json.loads(answer.text)["session"]["name"]
    wait_running("bench", name)
    time.sleep(20)  # past its first look at a guest that has shown life
    pss = owner_pss(name)
    stop("bench", name)
    print(f"{'Memory of a session besides QEMU (PSS)':44s} {pss:9d} kB "
          f"(goal: at most 300)", flush=True)


def fake_records(count):
    """Ended sessions of one user, so that the page shows them all."""
    for old in os.listdir(RECORDS):
        if old.endswith(".json"):
            os.unlink(f"{RECORDS}/{old}")
    sample = json.loads(SAMPLE)
    owner = os.stat(RECORDS)
    for i in range(count):
        name = f"qemu-web-desktop-{i:020d}"
        record = dict(sample, name=name)
        path = f"{RECORDS}/{name}.json"
        with open(path, "w", encoding="utf-8") as f:
            json.dump(record, f, separators=(",", ":"), ensure_ascii=False)
        os.chown(path, owner.st_uid, owner.st_gid)
        os.chmod(path, 0o600)


def manage_page():
    answer, _ = request("POST", CGI, {"user": "bench", "manage": "1"})
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    for count, goal in ((0, 2), (100, None), (1000, 10)):
        fake_records(count)
        ours, yard = [], []
        for _ in range(ROUNDS):
            yard.append(request("GET", "/hello")[1])
            answer, elapsed = request("GET", CGI + "?manage=1",
                                      headers={"Cookie": cookie})
            ours.append(elapsed)
        if answer.status != 200:
            sys.exit(f"manage: {answer.status}")
        seen = len(set(re.findall(r"session=([a-z0-9-]+)", answer.text)))
        if seen != min(count, 100):  # the page shows the newest hundred
            sys.exit(f"the page shows {seen} sessions of {count}")
        line(f"The manage page, {count} records",
             statistics.median(ours) * 1000, statistics.median(yard) * 1000,
             goal or "-")
    fake_records(0)


def keep_sample():
    """A real record, as the pattern for the made-up ones."""
    global SAMPLE
    answer, _ = create("bench")
    name = json.loads(answer.text)["session"]["name"]
    wait_running("bench", name)
    stop("bench", name)
    path = f"{RECORDS}/{name}.json"
    for _ in range(200):
        SAMPLE = open(path, encoding="utf-8").read()
        if json.loads(SAMPLE)["state"] == "ended":
            return
        time.sleep(0.02)
    sys.exit("the sample session does not end")


print(f"Medians of {ROUNDS} rounds, ours and the yardstick in turn:\n")
start_to_banner()
script_to_banner()
lookup()
answer_to_create()
memory()
keep_sample()
manage_page()
