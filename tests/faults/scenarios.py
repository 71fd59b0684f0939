"""What is interrupted: one program's run each, from a state that prepare()
makes, and what must be true of its end besides Place.clean()."""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from place import CGI, CTL, Problem, eventually

HERE = pathlib.Path(__file__).resolve().parent


class Scenario:
    """One run of one program."""

    name = ""
    data = None  # for its standard input
    fds = ()  # that it inherits

    def __init__(self, place):
        self.place = place

    def prepare(self):
        pass

    def argv(self):
        raise NotImplementedError

    def env(self):
        return self.place.env

    def run(self, prefix, more_env, **how):
        """Run it under `prefix`; status, output, errors."""
        env = self.env() | more_env
        return self.place.run(
            [*prefix, *self.argv()], env, self.data, pass_fds=self.fds, **how
        )

    def judge(self, status, out, err):
        """It was not killed: how did it end?"""
        if status < 0 or status >= 128:
            raise Problem(f"crashed: {status} {err[-300:]!r}")

    def succeeded(self, status, out, err):
        """Nothing was done to it: Problem unless it did all that it is for, or
        the points of its run would be those of an early end."""
        if status != 0:
            raise Problem(f"{self.name} fails by itself: {status} {out!r} {err!r}")

    def settle(self):
        """End what lives, after it has shown that it works."""


class Request(Scenario):
    """A request of a web server."""

    def argv(self):
        return [CGI]

    def env(self):
        return self.place.cgi_env(self.data)

    def judge(self, status, out, err):
        super().judge(status, out, err)
        head, blank, _ = out.partition(b"\r\n\r\n")
        if out and not (blank and re.match(rb"Status: [1-5]\d\d ", head)):
            raise Problem(f"no whole answer: {out[:200]!r} {err[-200:]!r}")
        if not out and not err:
            raise Problem("neither an answer nor a word in the log")

    def succeeded(self, status, out, err):
        super().succeeded(status, out, err)
        if not re.match(rb"Status: (200|201|303) ", out):
            raise Problem(f"{self.name} is refused: {out!r} {err!r}")


class Create(Request):
    name = "create: the request"

    def __init__(self, place):
        super().__init__(place)
        self.data = place.ORDER

    def settle(self):
        place = self.place
        for name in place.living() - {place.canary}:
            record = place.wait(name, "running", "failed")
            if record["state"] == "running":
                place.greet(name)
            place.end(name)


class Stop(Request):
    name = "stop: the request"
    session = None

    def prepare(self):
        place = self.place
        if not self.session or not place.lives(self.session):
            self.session = place.create()
            place.wait(self.session, "running")
            # With it comes a purge, which is not what is tested here.
            place.baseline = place.pids()
        self.data = f"user=ann&session_stop={self.session}&now=1".encode()

    def settle(self):
        place = self.place
        record = place.record(self.session)
        if record["state"] in ("running", "starting") and place.lives(self.session):
            place.greet(self.session)
            return
        place.wait(self.session, seconds=20)
        self.session = None


class StopByHand(Stop):
    name = "stop: qwdctl"

    def argv(self):
        return [CTL, "stop", self.session, "--now", "--yes"]

    def env(self):
        return self.place.env

    def judge(self, status, out, err):
        Scenario.judge(self, status, out, err)
        if status != 0 and not err:
            raise Problem(f"status {status} without a word")

    def succeeded(self, status, out, err):
        Scenario.succeeded(self, status, out, err)


class Owner(Scenario):
    """The owner's whole life: disk, QEMU, display, running, stop, clean-up.
    Reserved as session/admission.c does it, launched as run/launch.c does."""

    name = "create and stop: the owner"
    patience = 120

    def prepare(self):
        place = self.place
        record = place.record(place.canary)
        self.session = f"qemu-web-desktop-{os.urandom(10).hex()}"
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        record |= {
            "name": self.session,
            "token": os.urandom(16).hex(),
            "state": "starting",
            "step": 0,
            "started": int(time.time()),
            "ends": int(time.time()) + 900,
            "ends_boot_ms": int(now * 1000) + 900_000,
            "guest_seen": False,
        }
        lock = os.open(
            place.store / "locks" / self.session, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600
        )
        fcntl.flock(lock, fcntl.LOCK_EX)
        own(place, place.store / "locks" / self.session)
        write(place, place.store / f"{self.session}.json", json.dumps(record))
        run = place.store / "run" / self.session
        run.mkdir(mode=0o700)
        own(place, run)
        control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.bind(str(run / "control"))
        control.listen(8)
        control.setblocking(False)
        own(place, run / "control")
        self.fds = (lock, control.detach())

    def argv(self):
        words = [CGI, "--session-owner", self.session, *map(str, self.fds), "0"]
        return [*words, f"--config={self.place.conf}"]

    def run(self, prefix, more_env, **how):
        place = self.place
        process = place.start(
            [*prefix, *self.argv()], self.env() | more_env, pass_fds=self.fds, **how
        )
        for fd in self.fds:
            os.close(fd)
        try:
            self.follow(process)
            out, err = process.communicate(timeout=30)
        except Exception as e:
            # strace lets go of what it traces.
            for p in place.mine():
                if self.session in p.argv:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(p.pid, signal.SIGKILL)
            process.kill()
            process.communicate()
            raise Problem(f"{type(e).__name__}: {e}") from None
        return process.returncode, out, err

    def succeeded(self, status, out, err):
        super().succeeded(status, out, err)
        record = self.place.record(self.session)
        if not (self.ran and record["state"] == "ended"):
            raise Problem(f"{self.name} fails by itself: {record} {err!r} {self.place.log()}")

    def follow(self, process):
        """Until it runs, and then to its end."""
        place = self.place
        self.ran = False
        end = time.monotonic() + self.patience
        while process.poll() is None and time.monotonic() < end:
            record = place.record(self.session)
            if record and record["state"] not in ("starting", "preparing", "booting"):
                break
            time.sleep(0.01)
        if process.poll() is not None:
            return
        record = place.record(self.session)
        try:
            if record and record["state"] == "running":
                place.greet(self.session)
                self.ran = True
        except Problem:
            # Unless it has been killed in this moment.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            if process.returncode is None:
                raise
        # The one that fails may be the answer to this.
        for _ in range(3):
            if process.poll() is None:
                place.ctl("stop", self.session, "--now", "--yes", check=False)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)

    def settle(self):
        if self.place.lives(self.session):
            self.place.end(self.session)


class Purge(Scenario):
    """Two dead sessions with all that they can have, and what has no name."""

    name = "purge"

    def prepare(self):
        place = self.place
        record = place.record(place.canary)
        for i in range(2):
            name = f"qemu-web-desktop-{os.urandom(10).hex()}"
            write(place, place.store / "locks" / name, "")
            write(place, place.store / f"{name}.json", json.dumps(record | {"name": name}))
            write(place, place.store / f"{name}.json.tmp", '{"version":1,')
            write(place, place.snapshots / f"{name}.qcow2", "QFI")
            inner = place.store / "run" / name / "vm"
            inner.mkdir(parents=True)
            own(place, inner.parent)
            own(place, inner)
            write(place, inner / "file", "x")
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(str(inner.parent / "vnc"))
            own(place, inner.parent / "vnc")
            tokens = place.store / "gateway/tokens"
            with tokens.open("a") as f:
                f.write(f"{os.urandom(16).hex()}: unix_socket:{name}/vnc\n")
            if i == 1:  # the record is gone: nobody knows of it
                (place.store / f"{name}.json").unlink()
                (place.store / "locks" / name).unlink()
        write(place, place.store / "gateway/tokens.tmp", "secret")

    def argv(self):
        return [CTL, "purge"]


class Refresh(Scenario):
    name = "refresh"

    def argv(self):
        return [CTL, "refresh"]

    def settle(self):
        path = self.place.dir / "lib/catalogue.json"
        names = [m["name"] for m in json.loads(path.read_text())["machines"]]
        if names != ["tiny.iso"]:
            raise Problem(f"the catalogue has {names}")
        # It may say that the image could not be read, which held then only.
        self.place.ctl("refresh")
        [machine] = json.loads(path.read_text())["machines"]
        if not machine["usable"]:
            raise Problem(f"the catalogue says {machine}")


class Keeper(Scenario):
    """The gateway's keeper: websockify's start, and their end."""

    name = "gateway: the keeper"

    def prepare(self):
        place = self.place
        self.end_keepers()
        self.gateway = place.store / "gateway"
        (self.gateway / "port").unlink(missing_ok=True)
        gate = os.open(self.gateway / "gate", os.O_RDWR | os.O_CREAT, 0o600)
        own(place, self.gateway / "gate")
        fcntl.flock(gate, fcntl.LOCK_EX)
        lock = os.open(self.gateway / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        own(place, self.gateway / "lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # The canary's owner was faster: once more.
            os.close(lock)
            os.close(gate)
            self.prepare()
            return
        os.close(gate)
        self.fds = (lock,)

    def end_keepers(self):
        def gone():
            keepers = [p for p in self.place.mine() if p.role == "keeper"]
            for p in keepers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(p.pid, signal.SIGTERM)
            return not keepers

        eventually(gone, 20, "the keeper's end")

    def argv(self):
        words = [CGI, "--gateway-keeper", str(self.fds[0])]
        return [*words, f"--config={self.place.conf}"]

    def run(self, prefix, more_env, **how):
        process = self.place.start(
            [*prefix, *self.argv()], self.env() | more_env, pass_fds=self.fds, **how
        )
        os.close(self.fds[0])
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            if (self.gateway / "port").exists():
                break
            time.sleep(0.01)
        self.listened = (self.gateway / "port").exists()
        if process.poll() is None:
            self.end_keepers()
        try:
            out, err = process.communicate(timeout=30)
        except Exception:
            process.kill()
            process.communicate()
            raise Problem("the keeper does not end") from None
        return process.returncode, out, err

    def succeeded(self, status, out, err):
        super().succeeded(status, out, err)
        if not self.listened:
            raise Problem(f"{self.name} does not come to listen: {err!r} {self.place.log()}")


def own(place, path):
    os.chown(path, place.user.pw_uid, place.user.pw_gid, follow_symlinks=False)


def write(place, path, text):
    path.write_text(text)
    path.chmod(0o600)
    own(place, path)


ALL = (Create, Stop, StopByHand, Owner, Purge, Refresh, Keeper)
