"""Tools of the end-to-end tests: a whole site, programs that talk to it, and
a browser.

A test file is run by tests/run-e2e, in namespaces of its own, as root: only a
loopback interface, an empty /tmp, no foreign processes.  So ports are fixed
and whatever is left is the test's own fault.

    class Creating(unittest.TestCase):
        def test_a_session_runs(self):
            with Site() as site:
                session = site.create(user="ann")
                site.wait_state(session["name"], "running")
                with Vnc.of(site, session["name"]) as vnc:
                    picture = vnc.screen()

    if __name__ == "__main__":
        unittest.main(verbosity=2)

Nothing here waits a fixed time: eventually() asks again until a deadline, which
is a number of seconds that a quiet host needs with ease; PATIENCE times as many
have to pass before a test fails.
"""

import base64
import contextlib
import dataclasses
import hashlib
import http.client
import io
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest  # noqa: F401  (for test files that import everything)
import urllib.parse

TREE = pathlib.Path(__file__).resolve().parents[2]
GUESTS = TREE / "build/guests"
CGI = "/cgi-bin/qemu-web-desktop"
HOME = "/qemu-web-desktop/"
DISPLAY = "/qemu-web-desktop/display/"
SERVICE_USER = pwd.getpwnam("www-data")
FINAL = ("ended", "failed")
LONG = bool(os.environ.get("LONG"))
PATIENCE = 6

TINY = {"name": "tiny.iso", "description": "Tiny Linux"}


def eventually(probe, seconds=10, what="it", pause=0.02):
    """The first true value that probe() gives.  AssertionError naming `what`
    when PATIENCE times `seconds` are over; what probe() raises ends the wait at
    once."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)


# ---- Processes ----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    state: str
    name: str
    argv: tuple
    uid: int

    def __str__(self):
        return f"{self.pid} ({self.name}) {' '.join(self.argv)[:200]}"

    @property
    def role(self):
        """qemu, bwrap, slirp4netns, websockify, keeper, owner, apache, or the
        program's name."""
        if self.name.startswith("qemu-system"):
            return "qemu"
        if self.name == "apache2":
            return "apache"
        if any(arg.endswith("websockify") for arg in self.argv[:2]):
            return "websockify"
        if "--gateway-keeper" in self.argv[:2]:
            return "keeper"
        if "--session-owner" in self.argv[:2]:
            return "owner"
        return self.name

    def alive(self):
        now = read_process(self.pid)
        return now is not None and now.state != "Z"

    def pss_kb(self):
        """Proportional share of memory, in kB."""
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))

    def environment(self):
        raw = pathlib.Path(f"/proc/{self.pid}/environ").read_bytes()
        pairs = (item.partition(b"=") for item in raw.split(b"\0") if item)
        return {key.decode(): value.decode() for key, _, value in pairs}

    def descriptors(self):
        """Number -> what it is open on; none if it is gone."""
        place = f"/proc/{self.pid}/fd"
        found = {}
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for number in os.listdir(place):
                with contextlib.suppress(OSError):
                    found[int(number)] = os.readlink(f"{place}/{number}")
        return found


def read_process(pid):
    """The process, or None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            text = f.read()
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            argv = tuple(
                arg.decode("utf-8", "replace") for arg in f.read().split(b"\0")[:-1]
            )
        uid = os.stat(f"/proc/{pid}").st_uid
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
            uid = int(re.search(r"^Uid:\s+(\d+)", f.read(), re.M).group(1))
    except (FileNotFoundError, ProcessLookupError):
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return Process(int(pid), int(fields[1]), fields[0], name, argv, uid)


def processes():
    """All processes of this namespace but for the first, itself and zombies."""
    found = (read_process(p) for p in os.listdir("/proc") if p.isdigit())
    return [
        p for p in found if p and p.pid not in (1, os.getpid()) and p.state != "Z"
    ]


def eldest(found):
    """Those of these processes that are no other's child: a child that is about
    to run its own program has the name and the arguments of the one that forked
    it until it does, and bubblewrap has an inner half."""
    pids = {p.pid for p in found}
    return [p for p in found if p.parent not in pids]


def tell(process, how):
    """Send a signal to a process, which may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, how)


def files_below(*tops):
    """All that is no directory below these directories, where others may make
    and remove things meanwhile."""
    for top in tops:
        for place, _, names in os.walk(top):
            yield from (pathlib.Path(place, name) for name in names)


# ---- HTTP -----------------------------------------------------------------------


class Response:
    def __init__(self, status, reason, headers, body):
        self.status = status
        self.reason = reason
        self.headers = headers  # http.client.HTTPMessage: case does not matter
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("application/json"):
            raise AssertionError(f"not JSON but {kind}: {self.body[:500]}")
        return json.loads(self.body)

    @property
    def location(self):
        return self.headers.get("Location")

    def __repr__(self):
        return f"<Response {self.status} {self.body[:300]!r}>"


class Client:
    """A visitor: keeps cookies, follows no redirect by itself."""

    def __init__(self, site):
        self.site = site
        self.cookies = {}

    def request(self, method, path, body=None, headers=None, accept="json", seconds=60):
        """One request.  `accept`: "json", "html", or None for no header.
        `path` may be a whole URL of the site."""
        path = path.removeprefix(self.site.url)
        sent = {}
        if accept == "json":
            sent["Accept"] = "application/json"
        elif accept == "html":
            sent["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        sent.update(headers or {})
        with contextlib.closing(self.site.connect(seconds)) as connection:
            host = [] if "Host" in sent else [("Host", self.site.host)]
            connection.putrequest(
                method, path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in host + list(sent.items()):
                connection.putheader(name, value)
            if body is not None and "Content-Length" not in sent:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            response = Response(
                answer.status, answer.reason, answer.msg, answer.read()
            )
        for line in response.headers.get_all("Set-Cookie", []):
            pair, _, attributes = line.partition(";")
            name, _, value = pair.partition("=")
            if re.search(r"max-age=0\b", attributes, re.I):
                self.cookies.pop(name.strip(), None)
            else:
                self.cookies[name.strip()] = value.strip()
        return response

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post_form(self, fields, headers=None, accept="json", path=CGI, **more):
        """POST fields (a dict, or pairs) as a browser's form does."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request(
            "POST",
            path,
            body=urllib.parse.urlencode(fields).encode(),
            headers=kind | (headers or {}),
            accept=accept,
            **more,
        )

    def post_multipart(self, fields, headers=None, accept="json", path=CGI):
        edge = "----" + os.urandom(8).hex()
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
            f"{value}\r\n"
            for name, value in dict(fields).items()
        ]
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        return self.request(
            "POST",
            path,
            body=("".join(parts) + f"--{edge}--\r\n").encode(),
            headers=kind | (headers or {}),
            accept=accept,
        )

    def session(self, name):
        """The session's JSON, or the answer if it is not 200."""
        answer = self.get(f"{CGI}?session={name}")
        return answer.json()["session"] if answer.status == 200 else answer

    def create(self, **fields):
        """Create a session that is expected to be accepted; its JSON."""
        answer = self.post_form(self.site.order(**fields))
        if answer.status != 201:
            raise AssertionError(f"create: {answer.status} {answer.body[:500]!r}")
        return answer.json()["session"]

    def stop(self, name):
        answer = self.post_form({"session_stop": name})
        if answer.status != 200:
            raise AssertionError(f"stop: {answer.status} {answer.body[:500]!r}")
        return answer.json()["session"]

    def wait_state(self, name, state, deadline=60):
        """The session's JSON once it is in `state` (a word or several).
        Fails at once when it has reached a final state that is none of them."""
        wanted = (state,) if isinstance(state, str) else tuple(state)

        def look():
            session = self.session(name)
            if isinstance(session, Response):
                raise AssertionError(f"{name}: {session}")
            if session["state"] in wanted:
                return session
            if session["state"] in FINAL:
                raise AssertionError(
                    f"{name} is {session['state']}, not {'/'.join(wanted)}: "
                    f"{session['reason']}\n{self.site.words()}"
                )
            return None

        return eventually(look, deadline, f"{name} {'/'.join(wanted)}", pause=0.05)


def raw_request(port, data, seconds=60):
    """Bytes to the web server as they are; all that it answers until it closes
    or is silent for `seconds`."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as s:
        s.sendall(data)
        got = b""
        with contextlib.suppress(TimeoutError):
            while piece := s.recv(65536):
                got += piece
    return got


# ---- The site ---------------------------------------------------------------------


class Site:
    """A private site: prepared, refreshed and started on entry; on exit ended,
    checked for what it left behind, and removed.

    options   option -> value, over the site's own (tests/site/site)
    machines  list of {"name", "description", ...}: machines.conf's sections in
              order.  Key "file" (a path, or bytes) gives the image; without,
              it is a guest of build/guests: tiny.iso, or tiny.qcow2 and
              tiny.raw, which are made of it.  Default: tiny.iso
    mpm       "event" (with mod_cgid) or "prefork" (with mod_cgi)
    qmp       a second QMP channel for each session: qmp(), screendump()
    refresh   run `qwdctl refresh` before the start
    httpd     further lines for Apache's configuration
    """

    def __init__(
        self,
        options=None,
        machines=None,
        mpm="event",
        qmp=False,
        port=8080,
        gateway_port=6080,
        refresh=True,
        httpd="",
    ):
        self.port = port
        self.gateway_port = gateway_port
        self.host = f"localhost:{port}"
        self.url = f"http://{self.host}"
        self.mpm = mpm
        self.machines = [TINY] if machines is None else machines
        self.options = {"service_port": gateway_port, "service_max_load": 1000}
        if qmp:
            self.options["qemu_exec_options"] = (
                "-machine pc,vmport=off,hpet=off -accel tcg,thread=multi "
                "-cpu qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt "
                "-qmp unix:/vm/qmp,server=on,wait=off"
            )
        self.options.update(options or {})
        self.wants_refresh = refresh
        self.httpd = httpd
        self.dir = None
        self.before = ()
        self.client = Client(self)

    # -- its life

    def __enter__(self):
        self.before = {p.pid for p in processes()}
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="site", dir="/tmp"))
        self.dir.chmod(0o755)
        try:
            self.configure()
            self.install_machines()
            if self.wants_refresh:
                self.qwdctl("refresh")
            self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, value, trace):
        problems = []
        try:
            self.stop_all()
            problems = self.left_behind()
        except (AssertionError, subprocess.SubprocessError) as e:
            problems.append(str(e))
        words = self.words() if problems or kind else ""
        shutil.rmtree(self.dir, ignore_errors=True)
        if words:
            print(words, file=sys.stderr)
        if problems and kind is None:
            raise AssertionError("\n".join(["the site left behind:", *problems]))
        if problems:
            print("\n".join(["left behind:", *problems]), file=sys.stderr)

    def enter(self):
        """What its programs are started by, in front of their arguments."""
        return []

    def site(self, verb, *arguments):
        done = subprocess.run(
            [*self.enter(), "tests/site/site", verb, str(self.dir), *map(str, arguments)],
            cwd=TREE,
            env=os.environ | {"MPM": self.mpm},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(
                f"site {verb}: status {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout + done.stderr

    def configure(self, **changes):
        """Write the configuration anew, with these options changed (None: as
        it is by default).  It acts at once."""
        self.options.update(changes)
        self.site(
            "prepare",
            self.port,
            *(f"{k}={v}" for k, v in self.options.items() if v is not None),
        )
        if self.httpd:
            with open(self.dir / "etc/httpd.conf", "a", encoding="utf-8") as f:
                f.write(self.httpd)

    def start(self):
        self.site("start")

    def stop_all(self):
        complaints = self.site("stop")
        if complaints:
            raise AssertionError(complaints)

    def install_machines(self):
        """Images and machines.conf of self.machines."""
        lines = []
        for machine in self.machines:
            lines.append(f"[{machine['name']}]")
            lines += [
                f"{key} = {value}"
                for key, value in machine.items()
                if key not in ("name", "file")
            ]
            target = self.machines_dir / machine["name"]
            content = machine.get("file")
            if isinstance(content, bytes):
                target.write_bytes(content)
            elif content is not False:  # False: no file at all
                shutil.copyfile(content or guest(machine["name"]), target)
            if target.exists():
                target.chmod(0o644)
        conf = self.dir / "etc/machines.conf"
        conf.write_text("\n".join(lines) + "\n")
        conf.chmod(0o644)

    def left_behind(self):
        """What should not be there after the end, as lines."""

        def ours():
            return [
                p
                for p in processes()
                if p.pid not in self.before
                and (p.uid == SERVICE_USER.pw_uid or str(self.dir) in " ".join(p.argv))
            ]

        with contextlib.suppress(AssertionError):
            eventually(lambda: not ours(), 15)
        found = [f"process {p}" for p in ours()]
        found += [f"overlay {path}" for path in self.snapshots_dir.iterdir()]
        run = self.store / "run"
        if run.exists():
            found += [f"session directory {path}" for path in run.iterdir()]
        return found

    def words(self, lines=30):
        """The ends of all logs, for messages."""
        told = []
        for log in (
            self.dir / "log/start.log",
            self.dir / "log/error.log",
            self.store / "log",
        ):
            with contextlib.suppress(OSError):
                text = log.read_text(errors="replace").splitlines()[-lines:]
                told += [f"--- {log}", *text]
        return "\n".join(told)

    # -- its places

    @property
    def machines_dir(self):
        return self.dir / "lib/machines"

    @property
    def snapshots_dir(self):
        return self.dir / "lib/snapshots"

    @property
    def store(self):
        """dir_cfg"""
        return self.dir / "run/sessions"

    def record(self, name):
        """The session's record as it is on disk."""
        return json.loads((self.store / f"{name}.json").read_text())

    def session_dir(self, name):
        return self.store / "run" / name

    def vnc_socket(self, name):
        return self.session_dir(name) / "vnc"

    def overlays(self, name):
        return [p for p in self.snapshots_dir.rglob("*") if name in str(p)]

    def error_log(self):
        return (self.dir / "log/error.log").read_text(errors="replace")

    def access_log(self):
        return (self.dir / "log/access.log").read_text(errors="replace")

    def processes(self, session=None):
        """Processes of the site's sessions and gateway; with `session` (a
        name) only those that carry it in their arguments.  Not those that
        answer a request: they may end a moment after their answer is read."""
        found = processes()
        web = {p.pid for p in found if p.role == "apache"}
        return [
            p
            for p in found
            if p.pid not in self.before
            and p.pid not in web
            and p.parent not in web
            and (session is None or any(session in arg for arg in p.argv))
        ]

    def wait_gone(self, name, seconds=5):
        """Until nothing is left of that session but its record."""
        eventually(
            lambda: not self.overlays(name)
            and not self.session_dir(name).exists()
            and not self.processes(name),
            seconds,
            f"nothing left of {name}",
        )
        # Its token went before its directory.
        if name in (self.store / "gateway/tokens").read_text():
            raise AssertionError(f"the gateway still has a token of {name}")

    def process(self, role, session=None):
        """The one process of that role, or None."""
        found = []

        def one_at_most():
            # The processes are not read all at once: again for a while.
            found[:] = eldest([p for p in self.processes(session) if p.role == role])
            return len(found) <= 1

        eventually(one_at_most, 5, f"one {role}, not several")
        return found[0] if found else None

    # -- its programs

    def qwdctl(self, *arguments, check=True, seconds=120):
        """Run qwdctl as the service user; the finished process."""
        done = subprocess.run(
            [*self.enter(), "tests/site/site", "qwdctl", str(self.dir), *arguments],
            cwd=TREE,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"qwdctl {' '.join(arguments)}: status {done.returncode}\n"
                f"{done.stdout}{done.stderr}"
            )
        return done

    def end(self, name):
        """End the session at once, without waiting for its guest."""
        self.qwdctl("stop", name, "--now", "--yes")
        return self.wait_state(name, FINAL, 10)

    def by_hand(self, *arguments, env=None, seconds=120):
        """Run the CGI program outside of the web server, as the service user."""
        return subprocess.run(
            [str(self.dir / "cgi-bin/qemu-web-desktop"), *arguments],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
            | {"QWD_CONFIG": str(self.dir / "etc/config.conf")}
            | (env or {}),
            user=SERVICE_USER.pw_uid,
            group=SERVICE_USER.pw_gid,
            extra_groups=[],
            umask=0o022,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    # -- talking to it, as its first visitor

    def connect(self, seconds):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)

    def order(self, **fields):
        """The form's fields for a session that is small and short."""
        first = self.machines[0]["name"] if self.machines else ""
        values = {
            "user": "ann",
            "machine": first,
            "cpu": "1",
            "memory": "0.25",
            "snapshot_lifetime": "900",
            "create": "1",
        } | {key: str(value) for key, value in fields.items() if value is not None}
        return {k: v for k, v in values.items() if fields.get(k, "") is not None}

    def visitor(self):
        """Another visitor, without cookies."""
        return Client(self)

    def get(self, path, **more):
        return self.client.get(path, **more)

    def post_form(self, fields, **more):
        return self.client.post_form(fields, **more)

    def create(self, **fields):
        return self.client.create(**fields)

    def session(self, name):
        return self.client.session(name)

    def stop(self, name):
        return self.client.stop(name)

    def wait_state(self, name, state, deadline=60):
        return self.client.wait_state(name, state, deadline)

    def raw(self, data, seconds=60):
        return raw_request(self.port, data, seconds)

    def running(self, **fields):
        """A new session, running."""
        return self.wait_state(self.create(**fields)["name"], "running")

    # -- its displays

    def token(self, session):
        """The secret in a running session's URL."""
        fragment = urllib.parse.urlsplit(session["url"]).fragment
        path = urllib.parse.parse_qs(fragment)["path"][0]
        return urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)["token"][0]

    def websocket(self, token, origin=None, port=None):
        """The display's websocket, through the web server."""
        return WebSocket(
            port or self.port,
            f"{DISPLAY}websockify?token={token}",
            origin=origin or self.url,
        )

    def qmp(self, name):
        return Qmp(self.session_dir(name) / "vm/qmp")

    def screendump(self, name):
        """QEMU's own picture of the screen (needs qmp=True)."""
        from PIL import Image

        picture = self.session_dir(name) / "vm/screen.png"
        with self.qmp(name) as qmp:
            qmp.command("screendump", filename="/vm/screen.png", format="png")
        with Image.open(picture) as image:
            image.load()
        picture.unlink()
        return image.convert("RGB")


def guest(name):
    """The cached guest of that name in build/guests."""
    path = GUESTS / name
    source = GUESTS / "tiny.iso"
    if not source.exists():
        raise AssertionError(f"{source} is missing: make guest")
    if name in ("tiny.qcow2", "tiny.raw") and (
        not path.exists() or path.stat().st_mtime < source.stat().st_mtime
    ):
        # Tests of other files may be making it, too.
        kind = name.rpartition(".")[2]
        part = path.with_name(f"{name}.{os.urandom(8).hex()}.making")
        subprocess.run(
            ["qemu-img", "convert", "-f", "raw", "-O", kind, source, part], check=True
        )
        part.rename(path)
    return path


# ---- The display: RFB, websockets, QMP ---------------------------------------------


class WebSocketRefused(Exception):
    def __init__(self, status, head):
        super().__init__(f"{status}: {head[:200]!r}")
        self.status = status


class WebSocket:
    """A websocket's binary messages as a stream (RFC 6455)."""

    def __init__(self, port, path, origin, protocol="binary", seconds=60):
        self.pending = b""
        self.rest = b""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: localhost:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        if protocol:
            lines.append(f"Sec-WebSocket-Protocol: {protocol}")
        if origin:
            lines.append(f"Origin: {origin}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.socket.recv(4096)
            if not piece:
                break
            head += piece
        head, _, self.rest = head.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/") else 0
        magic = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        proof = base64.b64encode(hashlib.sha1(magic.encode()).digest())
        if status != 101 or proof not in head:
            self.socket.close()
            raise WebSocketRefused(status, head)

    def _raw(self, count):
        while len(self.rest) < count:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError("the websocket closed")
            self.rest += piece
        got, self.rest = self.rest[:count], self.rest[count:]
        return got

    def _frame(self):
        first, second = self._raw(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self._raw(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self._raw(8))
        return first & 0x0F, self._raw(size)

    def recv(self, count):
        while not self.pending:
            kind, payload = self._frame()
            if kind == 8:
                return b""
            if kind == 9:
                self.send(payload, kind=10)
            elif kind in (0, 1, 2):
                self.pending = payload
        got, self.pending = self.pending[:count], self.pending[count:]
        return got

    def send(self, payload, kind=2):
        mask = os.urandom(4)
        size = len(payload)
        if size < 126:
            head = struct.pack(">BB", 0x80 | kind, 0x80 | size)
        elif size < 65536:
            head = struct.pack(">BBH", 0x80 | kind, 0x80 | 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | kind, 0x80 | 127, size)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.socket.sendall(head + mask + masked)

    sendall = send

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Vnc:
    """An RFB 3.8 client (RFC 6143) over any stream: security None, raw
    rectangles in 32 bits."""

    KEYS = {"\n": 0xFF0D, "\t": 0xFF09, "\b": 0xFF08}

    def __init__(self, stream):
        self.stream = stream
        self.greeting = self._read(12)
        self.stream.sendall(b"RFB 003.008\n")
        kinds = self._read(self._read(1)[0])
        if 1 not in kinds:
            raise AssertionError(f"no security type None: {kinds!r}")
        self.stream.sendall(b"\x01")
        if self._read(4) != b"\0\0\0\0":
            raise AssertionError("the VNC server refuses")
        self.stream.sendall(b"\x01")  # shared
        self.width, self.height = struct.unpack(">HH", self._read(4))
        self._read(16)
        self.title = self._read(struct.unpack(">I", self._read(4))[0]).decode()
        # 32 bits, little-endian, red at bit 16: "BGRX" in memory.
        form = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        self.stream.sendall(b"\0\0\0\0" + form)
        # Encodings: raw, and the pseudo-encoding DesktopSize.
        self.stream.sendall(struct.pack(">BxHii", 2, 2, 0, -223))

    @classmethod
    def unix(cls, path, seconds=60):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(seconds)
        s.connect(str(path))
        return cls(s)

    @classmethod
    def of(cls, site, name):
        """Straight to the session's own socket."""
        return cls.unix(site.vnc_socket(name))

    def _read(self, count):
        got = b""
        while len(got) < count:
            piece = self.stream.recv(count - len(got))
            if not piece:
                raise EOFError("the VNC server closed")
            got += piece
        return got

    def screen(self):
        """The whole screen as a PIL image."""
        from PIL import Image

        while True:
            size = (self.width, self.height)
            image = Image.new("RGB", size)
            self.stream.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, *size))
            if self._update(image):
                return image

    def _update(self, image):
        """Read messages up to an update with pixels; False if the size is
        another now."""
        from PIL import Image

        while True:
            kind = self._read(1)[0]
            if kind == 2:  # bell
                continue
            if kind == 3:  # clipboard
                self._read(3)
                self._read(struct.unpack(">I", self._read(4))[0])
                continue
            if kind != 0:
                raise AssertionError(f"unexpected RFB message {kind}")
            resized = False
            pixels = 0
            (count,) = struct.unpack(">xH", self._read(3))
            for _ in range(count):
                x, y, w, h, encoding = struct.unpack(">HHHHi", self._read(12))
                if encoding == -223:
                    self.width, self.height = w, h
                    resized = True
                    continue
                if encoding != 0:
                    raise AssertionError(f"unexpected encoding {encoding}")
                data = self._read(w * h * 4)
                part = Image.frombytes("RGB", (w, h), data, "raw", "BGRX")
                image.paste(part, (x, y))
                pixels += w * h
            if resized:
                return False
            if pixels >= self.width * self.height:
                return True

    def key(self, keysym):
        for down in (1, 0):
            self.stream.sendall(struct.pack(">BBxxI", 4, down, keysym))

    def type(self, text):
        """As a person would: a guest's keyboard holds sixteen events, and
        forgets what comes faster than a busy guest takes them."""
        for character in text:
            self.key(self.KEYS.get(character, ord(character)))
            time.sleep(0.03)

    def pointer(self, x, y, buttons=0):
        self.stream.sendall(struct.pack(">BBHH", 5, buttons, x, y))

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Qmp:
    """QEMU's monitor (docs/interop/qmp-spec) on a unix socket."""

    def __init__(self, path, seconds=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rwb")
        self.events = []
        if "QMP" not in json.loads(self.file.readline()):
            raise AssertionError("no QMP greeting")
        self.command("qmp_capabilities")

    def command(self, name, /, **arguments):
        order = {"execute": name}
        if arguments:
            order["arguments"] = arguments
        self.file.write(json.dumps(order).encode() + b"\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise AssertionError(f"{name}: {answer['error']}")
            else:
                return answer["return"]

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ---- The browser --------------------------------------------------------------------


class Browser:
    """Debian's Chromium, headless, at scale 1, with a profile of its own.

    javascript=False switches scripts off; dark asks for dark colours; phone
    makes a small touch screen.  `driver` is selenium's.
    """

    def __init__(
        self, width=1280, height=800, javascript=True, dark=False, phone=False, flags=()
    ):
        self.size = (390, 844) if phone else (width, height)
        self.javascript = javascript
        self.dark = dark
        self.phone = phone
        self.flags = flags
        self.profile = None
        self.driver = None

    def __enter__(self):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        self.profile = tempfile.mkdtemp(prefix="chromium", dir="/tmp")
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--force-device-scale-factor=1",
            "--hide-scrollbars",
            "--lang=en",
            f"--user-data-dir={self.profile}/data",
            f"--window-size={self.size[0]},{self.size[1]}",
            *self.flags,
        ):
            options.add_argument(flag)
        if not self.javascript:
            options.add_experimental_option(
                "prefs", {"profile.managed_default_content_settings.javascript": 2}
            )
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        environment = {
            "HOME": self.profile,
            "TMPDIR": self.profile,
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
        }
        service = Service(
            executable_path="/usr/bin/chromedriver",
            log_path=f"{self.profile}/chromedriver.log",
            env=environment,
        )
        try:
            self.driver = webdriver.Chrome(service=service, options=options)
        except BaseException:
            shutil.rmtree(self.profile, ignore_errors=True)
            raise
        try:
            self.driver.set_page_load_timeout(120)
            self._emulate()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _emulate(self):
        width, height = self.size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width,
                "height": height,
                "deviceScaleFactor": 1,
                "mobile": self.phone,
            },
        )
        if self.phone:
            self.driver.execute_cdp_cmd(
                "Emulation.setTouchEmulationEnabled", {"enabled": True}
            )
        if self.dark:
            feature = {"name": "prefers-color-scheme", "value": "dark"}
            self.driver.execute_cdp_cmd(
                "Emulation.setEmulatedMedia", {"features": [feature]}
            )

    def __exit__(self, *_):
        try:
            self.driver.quit()
        finally:
            shutil.rmtree(self.profile, ignore_errors=True)

    def get(self, url):
        """Not what the browser shows, and the driver takes for a page, when an
        address has come or gone while it was loading."""

        def has_come():
            self.driver.get(url)
            return "ERR_NETWORK_CHANGED" not in self.driver.page_source

        eventually(has_come, 10, f"{url}, on a network that stays")

    @property
    def url(self):
        return self.driver.current_url

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector, seconds=10):
        """The first element, as soon as it is there."""
        return eventually(
            lambda: next(iter(self.all(selector)), None), seconds, f"{selector} on {self.url}"
        )

    def wait(self, probe, seconds=10, what="the page"):
        """eventually(), for which an element that has just gone is no error."""
        from selenium.common.exceptions import (
            NoSuchElementException,
            StaleElementReferenceException,
            WebDriverException,
        )

        def ask():
            try:
                return probe()
            except (NoSuchElementException, StaleElementReferenceException):
                return None
            except WebDriverException as e:
                # While a page gives way to the next, the driver says so too.
                if "does not belong to the document" in str(e):
                    return None
                raise

        return eventually(ask, seconds, what, pause=0.05)

    def text(self):
        return self.one("body").text

    def fill(self, **fields):
        """Set form fields by their names."""
        from selenium.webdriver.support.ui import Select

        for name, value in fields.items():
            element = self.one(f'[name="{name}"]')
            if element.tag_name == "select":
                Select(element).select_by_value(str(value))
            else:
                element.clear()
                element.send_keys(str(value))

    def press(self, name):
        """Press the form's button of that name."""
        self.one(f'button[name="{name}"], input[type="submit"][name="{name}"]').click()

    def type(self, text):
        """Keys to whatever has the focus."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(text).perform()

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def console(self):
        """What the console has said since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def screenshot(self):
        """The viewport, as a PIL image."""
        from PIL import Image

        return Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB")

    def save(self, name):
        """Keep a screenshot as build/check/e2e/NAME.png, for people."""
        place = TREE / "build/check/e2e"
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{name}.png"
        path.write_bytes(self.driver.get_screenshot_as_png())
        return path


# ---- Checks ------------------------------------------------------------------------


def html_problems(text):
    """What is wrong with a page's markup, as lines; empty if nothing is."""
    done = subprocess.run(
        [
            "tidy", "-quiet", "-errors", "-utf8",
            "--show-info", "no", "--drop-empty-elements", "no",
            "--mute", "PROPRIETARY_ATTRIBUTE",
        ],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    # Younger than this tidy: <form method="dialog">.
    known = '"method" has invalid value "dialog"'
    return [line for line in done.stderr.splitlines() if line.strip() and known not in line]


def pictures_differ(one, other):
    """How many pixels of two pictures of one size differ."""
    from PIL import ImageChops

    if one.size != other.size:
        raise AssertionError(f"pictures of different sizes: {one.size}, {other.size}")
    difference = ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    return sum(1 for pixel in difference.getdata() if pixel != (0, 0, 0))


# What may differ between two looks at one screen: a text cursor that blinks is
# at most 16 x 16 pixels.
BLINK = 256


def wait_for_prompt(look, unlike=None):
    """The tiny guest's screen, as look() gives it, once it stands still, shows
    the prompt, and is not `unlike`.  Keys that are pressed before, while its
    kernel looks for a keyboard, can cost it the keyboard."""
    seen = []

    def settled():
        seen.append(look())
        now = seen[-1]
        if len(seen) < 4 or any(p.size != now.size for p in seen[-4:]):
            return None
        if any(pictures_differ(p, now) > BLINK for p in seen[-4:]):
            return None
        if unlike and (unlike.size != now.size or pictures_differ(unlike, now) <= BLINK):
            return None
        # It greets in green, above its prompt.
        green = sum(1 for r, g, b in now.getdata() if g > 200 and r < 120 and b < 120)
        return green > 100 and now

    return eventually(settled, 60, "the guest's prompt, standing still", pause=0.5)


def listening_sockets():
    """(address, port) of all TCP listeners, and ("unix", path)."""
    done = subprocess.run(
        ["ss", "-Hltn"], capture_output=True, text=True, check=True, timeout=60
    )
    found = []
    for line in done.stdout.splitlines():
        address, _, port = line.split()[3].rpartition(":")
        found.append((address, int(port)))
    return found


def is_socket(path):
    return path.exists() and stat.S_ISSOCK(path.stat().st_mode)


def is_listening(path):
    """Does somebody listen at that unix socket?  Asked of the kernel, not by a
    connection."""
    for line in pathlib.Path("/proc/net/unix").read_text(errors="replace").splitlines():
        fields = line.split(maxsplit=7)
        if fields[-1] == str(path) and int(fields[3], 16) & 0x10000:  # __SO_ACCEPTCON
            return True
    return False
