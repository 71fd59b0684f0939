"""A service without a web server, for faults: one directory and one user of its
own, so that whatever is left behind is known by its place and its owner."""

import contextlib
import fcntl
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests/e2e"))
from harness import FINAL, eventually, files_below, guest, processes, tell  # noqa: E402

# Copies that every user may run; the sandbox's tree is root's alone.
PROGRAMS = pathlib.Path("/tmp/programs")
CGI = PROGRAMS / "qemu-web-desktop"
CTL = PROGRAMS / "qwdctl"
# Each worker of a run is another of Debian's users: processes of one uid are
# one worker's.
USERS = ("www-data", "games", "news", "uucp", "proxy", "backup")
ENV = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def install():
    """The programs and pages under test, once for all places."""
    PROGRAMS.mkdir(mode=0o755)
    for path in ("cgi-bin/qemu-web-desktop", "bin/qwdctl", "bin/qwd-net", "bin/qwd-script",
                 "src/vm/qwd_display.py"):
        shutil.copyfile(TREE / path, PROGRAMS / pathlib.Path(path).name)
    shutil.copytree(TREE / "html", PROGRAMS / "html")
    for path in PROGRAMS.rglob("*"):
        path.chmod(0o755)


def uninstall():
    shutil.rmtree(PROGRAMS, ignore_errors=True)


class Problem(Exception):
    """What a fault has left behind, or broken."""


class Place:
    def __init__(self, number):
        self.user = pwd.getpwnam(USERS[number])
        self.port = 6080 + number
        self.dir = pathlib.Path(f"/tmp/place{number}")
        self.store = self.dir / "sessions"
        self.snapshots = self.dir / "lib/snapshots"
        self.conf = self.dir / "config.conf"
        self.env = ENV | {"QWD_CONFIG": str(self.conf)}
        self.baseline = set()  # the canary's processes
        self.canary = None

    # -- its life

    def __enter__(self):
        machines = self.dir / "lib/machines"
        machines.mkdir(parents=True, mode=0o755)
        shutil.copyfile(guest("tiny.iso"), machines / "tiny.iso")
        self.snapshots.mkdir()
        self.store.mkdir()
        for directory in (self.store, self.snapshots, self.dir / "lib"):
            os.chown(directory, self.user.pw_uid, self.user.pw_gid)
        (self.dir / "machines.conf").write_text("[tiny.iso]\ndescription = Tiny\n")
        for path in (self.dir, *self.dir.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.conf.write_text(
            "".join(
                f"{name} = {value}\n"
                for name, value in {
                    "service_url": f"http://localhost:{8080 + self.port - 6080}",
                    "service_reverse_proxy": "/qemu-web-desktop/display",
                    "service_port": self.port,
                    "service_max_load": 1000,
                    "service_max_instance_nb": 100,
                    "service_max_session_nb_per_user": 100,
                    "service_max_cpu_fraction_nb_per_user": 100,
                    "dir_html": PROGRAMS / "html",
                    "dir_libexec": PROGRAMS,
                    "dir_service": self.dir / "lib",
                    "dir_machines": machines,
                    "dir_snapshots": self.snapshots,
                    "dir_cfg": self.store,
                }.items()
            )
        )
        self.conf.chmod(0o644)
        self.store.chmod(0o700)
        self.ctl("refresh")
        # One that lives through it all, and keeps the gateway there.
        self.canary = self.create()
        self.wait(self.canary, "running")
        self.baseline = self.pids()
        return self

    def __exit__(self, *_):
        for name in self.living():
            with contextlib.suppress(Problem):
                self.end(name)
        for process in self.mine():
            if process.role == "keeper":
                tell(process, 15)
        with contextlib.suppress(AssertionError):
            eventually(lambda: not self.mine(), 10)
        left = [str(p) for p in self.mine()]
        shutil.rmtree(self.dir, ignore_errors=True)
        if left:
            print("left behind:", *left, sep="\n  ", file=sys.stderr)

    # -- programs

    def run(self, argv, env=None, data=None, seconds=180, **more):
        """Run as the service's user.  Problem if it does not end."""
        done = self.start(argv, env, data, **more)
        try:
            out, err = done.communicate(data, timeout=seconds)
        except subprocess.TimeoutExpired:
            done.kill()
            done.communicate()
            raise Problem(f"{' '.join(map(str, argv))[:200]} hangs") from None
        return done.returncode, out, err

    def start(self, argv, env=None, data=None, **more):
        return subprocess.Popen(
            [str(a) for a in argv],
            cwd="/",
            env=env or self.env,
            stdin=subprocess.PIPE if data is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            umask=0o022,
            **more,
        )

    def as_user(self):
        return {
            "user": self.user.pw_uid,
            "group": self.user.pw_gid,
            "extra_groups": [],
        }

    def ctl(self, *arguments, check=True):
        status, out, err = self.run([CTL, *arguments], **self.as_user())
        if check and status != 0:
            raise Problem(f"qwdctl {' '.join(arguments)}: {status} {err.decode()}")
        return out.decode()

    def cgi_env(self, body):
        return self.env | {
            "GATEWAY_INTERFACE": "CGI/1.1",
            "REQUEST_METHOD": "POST",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8080",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost:8080",
            "HTTP_ACCEPT": "application/json",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
        }

    ORDER = b"user=ann&machine=tiny.iso&cpu=1&memory=0.25&create=1"

    def create(self):
        env = self.cgi_env(self.ORDER)
        status, out, err = self.run([CGI], env, self.ORDER, **self.as_user())
        if not out.startswith(b"Status: 201"):
            raise Problem(f"create: {status} {out[:300]!r} {err[-300:]!r}")
        return json.loads(out.partition(b"\r\n\r\n")[2])["session"]["name"]

    # -- sessions

    def record(self, name):
        """The record, or None; one that is not whole is a problem."""
        try:
            text = (self.store / f"{name}.json").read_bytes()
        except FileNotFoundError:
            return None
        try:
            record = json.loads(text)
        except ValueError:
            raise Problem(f"half a record: {text[:200]!r}") from None
        if record["name"] != name or not record["boot_id"]:
            raise Problem(f"not a record: {text[:200]!r}")
        return record

    def log(self):
        """The end of what owners and keepers have to say."""
        return (self.store / "log").read_text()[-1500:]

    def names(self):
        """Names of all locks and records."""
        found = {p.name for p in (self.store / "locks").iterdir()}
        return found | {p.stem for p in self.store.glob("*.json")}

    def lives(self, name):
        try:
            fd = os.open(self.store / "locks" / name, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def living(self):
        return {name for name in self.names() if self.lives(name)}

    def wait(self, name, *states, seconds=60):
        def look():
            record = self.record(name)
            if not self.lives(name) or (record and record["state"] in states):
                return record or {"state": "gone"}
            return None

        try:
            return eventually(look, seconds, f"{name} {states}", pause=0.01)
        except AssertionError as e:
            raise Problem(f"{e}: {self.record(name)}") from None

    def end(self, name):
        self.ctl("stop", name, "--now", "--yes", check=False)
        self.wait(name, seconds=20)

    def greet(self, name):
        """A session that lives still works."""
        record = self.record(name)
        if not record or record["state"] != "running" or not self.lives(name):
            raise Problem(f"{name} does not run any more: {record}")
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            try:
                s.connect(str(self.store / "run" / name / "vnc"))
                greeting = s.recv(12)
            except OSError as e:
                raise Problem(f"no display of {name}: {e}") from None
        if greeting[:4] != b"RFB ":
            raise Problem(f"{name} greets with {greeting!r}")
        tokens = (self.store / "gateway/tokens").read_text()
        if f"{record['token']}: unix_socket:{name}/vnc\n" not in tokens:
            raise Problem(f"the token of {name} is gone")

    # -- what is left

    def mine(self):
        return [p for p in processes() if p.uid == self.user.pw_uid]

    def pids(self):
        """All but a gateway that is looked after."""
        mine = self.mine()
        keepers = {p.pid for p in mine if p.role == "keeper"}
        gateway = keepers | {
            p.pid for p in mine if p.role == "websockify" and p.parent in keepers
        }
        return {p.pid for p in mine} - gateway

    def age_temporaries(self):
        """Logins that were being written are believed for a minute."""
        for folder in ("logins", "tickets"):
            for path in (self.store / folder).glob("*.tmp"):
                then = time.time() - 120
                os.utime(path, (then, then), follow_symlinks=False)

    def clean(self):
        """One pass of the housekeeping, and what it has left; Problem."""
        self.age_temporaries()
        self.ctl("purge")
        living = self.living()
        found = self.files(living)
        try:
            eventually(lambda: self.pids() <= self.baseline, 5, pause=0.01)
        except AssertionError:
            stray = self.pids() - self.baseline
            found += [f"process {p}" for p in self.mine() if p.pid in stray]
        if found:
            raise Problem("; ".join(found))
        self.greet(self.canary)

    def files(self, living):
        found = []
        for name in self.names():
            record = self.record(name)
            if name not in living and (record is None or record["state"] not in FINAL):
                found.append(f"record of the dead {name}: {record}")
        for folder in (self.store / "run", self.snapshots):
            found += [
                str(p) for p in folder.iterdir() if p.name.split(".")[0] not in living
            ]
        # The canary's owner may be writing its record.
        found += [
            str(p)
            for p in files_below(self.store, self.dir / "lib")
            if p.name.endswith(".tmp") and p.name != f"{self.canary}.json.tmp"
        ]
        damaged = self.store / "damaged"
        if damaged.exists():
            found += [f"damaged: {p.read_text()[:100]}" for p in damaged.iterdir()]
        tokens = (self.store / "gateway/tokens").read_text()
        for line in tokens.splitlines():
            if line.partition("unix_socket:")[2].split("/")[0] not in living:
                found.append(f"token {line}")
        return found

    def forget_ended(self):
        """Records are shown for ten minutes; not here."""
        for name in self.names() - self.living():
            for path in (self.store / f"{name}.json", self.store / "locks" / name):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
        for path in (self.store / "logins").glob("*"):
            path.unlink()

    def restart(self):
        """After a problem: a clean place for the next point."""
        for name in self.living() - {self.canary}:
            with contextlib.suppress(Problem):
                self.end(name)
        for pid in self.pids() - self.baseline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        for root in (self.store, self.dir / "lib"):
            for path in root.rglob("*.tmp"):
                path.unlink(missing_ok=True)
        shutil.rmtree(self.store / "damaged", ignore_errors=True)
        for path in [*(self.store / "run").iterdir(), *self.snapshots.iterdir()]:
            if path.name.split(".")[0] != self.canary:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        self.forget_ended()
        with contextlib.suppress(Problem):
            self.ctl("purge", check=False)
        try:
            self.greet(self.canary)
        except Problem:
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
            eventually(lambda: not self.pids(), 10, "the end of all")
            self.ctl("purge", check=False)
            self.canary = self.create()
            self.wait(self.canary, "running")
            self.baseline = self.pids()

