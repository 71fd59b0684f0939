"""qwdctl download, against a web server that misbehaves.

Needs only the program: QWDCTL or QWD_CTL names it, or it is bin/qwdctl.
"""

import contextlib
import email.utils
import hashlib
import http.server
import os
import pathlib
import random
import shutil
import signal
import ssl
import stat
import subprocess
import tempfile
import threading
import time
import unittest

TREE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = TREE / (os.environ.get("QWDCTL") or os.environ.get("QWD_CTL")
                  or "bin/qwdctl")
LONG = bool(os.environ.get("LONG"))

DISK = random.Random(1).randbytes(1 << 20)  # a raw disk
OTHER = random.Random(2).randbytes(1 << 20)
SHA = hashlib.sha256(DISK).hexdigest()
TIME = 1_600_000_000
# A qcow2 header that names a backing file.
BACKING = (b"QFI\xfb\0\0\0\3" + bytes(6) + b"\2\0" + b"\0\0\0\5"
           + b"\0\0\0\x10" + bytes(500))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path
        self.server.requests.append(path)
        self.server.headers.append(dict(self.headers))
        if path.startswith("http://"):  # we are the proxy
            path = "/" + path.split("/", 3)[3]
        name = path[1:].split("/")[0].replace("-", "_")
        if path.endswith("/SHA256SUMS") or path == "/SHA256SUMS":
            name = "sums"
        self.close_connection = True
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, "page_" + name)(path)

    def body(self, data, status=200, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length",
                         str(len(data) if length is None else length))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def page_disk(self, _):
        last = self.server.last_modified
        since = self.headers.get("If-Modified-Since")
        if since and email.utils.parsedate_to_datetime(
                since).timestamp() >= last:
            self.send_response(304)
            self.end_headers()
            return
        self.body(self.server.disk,
                  Last_Modified=email.utils.formatdate(last, usegmt=True))

    page_copy = page_disk

    def page_sums(self, path):
        text = self.server.sums.get(path)
        if text is None:
            self.body(b"no", status=404)
        else:
            self.body(text.encode())

    def page_versions(self, _):
        """A file that knows entity tags, dates and ranges; breaks off where
        the test says so."""
        data, tag = self.server.disk, self.server.tag
        if tag and self.headers.get("If-None-Match") == tag:
            self.send_response(304)
            self.end_headers()
            return
        date = email.utils.formatdate(self.server.last_modified, usegmt=True)
        known = {"Last_Modified": date}
        if tag:
            known["ETag"] = tag
        first, status, more = 0, 200, {}
        wanted = self.headers.get("Range")
        believes = self.server.believes_ranges or (
            self.headers.get("If-Range") in (tag, date))
        if wanted and believes:
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if first >= len(data):
                self.body(b"", status=416)
                return
            status = 206
            more["Content_Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        end = len(data) if self.server.breaks_at is None else max(
            first, self.server.breaks_at)
        self.body(data[first:end], status, len(data) - first, **known, **more)

    def page_file(self, path):
        self.body(self.server.files[path.split("/")[-1].partition("?")[0]])

    def page_together(self, _):
        """Answers when as many ask as are to ask at once."""
        self.server.together.wait(60)
        self.body(DISK)

    def page_ignores_condition(self, _):
        self.body(DISK, Last_Modified=email.utils.formatdate(
            self.server.last_modified, usegmt=True))

    def page_no_time(self, _):
        self.body(DISK)

    def page_from_the_future(self, _):
        self.body(DISK, Last_Modified=email.utils.formatdate(
            time.time() + 1e6, usegmt=True))

    def page_truncated(self, _):
        self.body(DISK[:512], length=len(DISK))

    def page_truncated_chunks(self, _):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"200\r\n" + DISK[:512] + b"\r\n")

    def page_closed(self, _):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(DISK[:700])

    def page_enormous(self, _):
        self.body(b"", length=100 << 40)

    def page_endless(self, _):
        self.send_response(200)
        self.end_headers()
        while not self.server.over.is_set():
            self.wfile.write(DISK)

    def page_hangs(self, _):
        self.body(DISK[:512 * 1024], length=len(DISK))
        self.server.hanging.set()
        self.server.over.wait(120)

    def page_pauses(self, _):
        self.body(DISK[:512 * 1024], length=len(DISK))
        self.server.hanging.set()
        self.server.over.wait(120)
        self.wfile.write(DISK[512 * 1024:])

    def page_longer(self, _):
        """Says that it is shorter than what it sends."""
        self.body(DISK, length=len(DISK) // 2)

    def page_drips(self, _):
        self.body(b"", length=len(DISK))
        while not self.server.over.wait(1):
            self.wfile.write(b"x")
            self.wfile.flush()

    def page_not_found(self, _):
        self.body(b"no", status=404)

    def page_no_content(self, _):
        self.send_response(204)
        self.end_headers()

    def page_text(self, _):
        self.body(b"<!DOCTYPE html>" + b" " * 497)

    def page_web(self, _):
        self.body(b"<!DOCTYPE html>" + b" " * 497,
                  Content_Type="text/html; charset=utf-8")

    def page_backing(self, _):
        self.body(BACKING)

    def page_empty(self, _):
        self.body(b"")

    def redirect(self, target):
        self.body(b"", status=302, Location=target)

    def page_to(self, path):
        self.redirect(path[4:])

    def page_chain(self, path):
        left = int(path.split("/")[2])
        self.redirect(f"/chain/{left - 1}" if left > 1 else "/disk")

    def page_escape(self, _):
        self.redirect("gopher\x1b[31m://x/")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tls=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.headers = []
        self.disk = DISK
        self.last_modified = TIME
        self.sums = {}
        self.files = {}
        self.tag = '"one"'
        self.breaks_at = None
        self.believes_ranges = False
        self.hanging = threading.Event()
        self.over = threading.Event()
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.02,),
                         daemon=True).start()

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}/{path}"

    def handle_error(self, *_):
        pass  # a client that went away is what is tested

    def end(self):
        self.over.set()
        self.shutdown()
        self.server_close()


class Result:
    def __init__(self, done):
        self.status, self.out, self.err = (done.returncode, done.stdout,
                                           done.stderr)


class Download(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.end)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="qwd-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.machines = self.dir / "machines"
        self.extra = ""

    def offer(self, **machines):
        """machines.conf: name (with "_" for ".") = url, or (url, sha256)."""
        lines = []
        for name, value in machines.items():
            url, sha = value if isinstance(value, tuple) else (value, "")
            lines.append(f"[{name.replace('_', '.')}]\n")
            lines += [f"url = {url}\n"] * bool(url)
            lines += [f"sha256 = {sha}\n"] * bool(sha)
        (self.dir / "machines.conf").write_text("".join(lines))

    def argv(self, *arguments):
        config = self.dir / "config.conf"
        config.write_text(f"dir_service = {self.dir}\n{self.extra}")
        return [PROGRAM, f"--config={config}", "download", *arguments]

    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

    def download(self, *arguments, under=()):
        return Result(subprocess.run(
            [*under, *self.argv(*arguments)], env=self.environment,
            capture_output=True, text=True, timeout=300, check=False))

    def files(self):
        """What is in dir_machines, but for the notes of the urls."""
        return sorted(p.name for p in self.machines.iterdir()
                      if not (p.name.startswith(".")
                              and p.name.endswith(".url")))

    def refused(self, page, message, name="disk.raw", sha=""):
        """The old file stands, and the complaint is this one."""
        self.machines.mkdir(exist_ok=True)
        (self.machines / name).write_bytes(b"old")
        self.offer(**{name.replace(".", "_"): (self.server.url(page), sha)})
        result = self.download()
        self.assertEqual(result.status, 1, result.out)
        self.assertIn(f"qwdctl download: {name}: {message}", result.err)
        self.assertEqual(self.files(), [name])
        self.assertEqual((self.machines / name).read_bytes(), b"old")
        return result


class Good(Download):
    def test_an_image_appears_whole_with_the_servers_time(self):
        self.offer(disk_raw=(self.server.url("disk"), SHA.upper()))
        result = self.download()
        self.assertEqual((result.status, result.err), (0, ""))
        self.assertIn("disk.raw: fetched, 1 MB\n", result.out)
        image = self.machines / "disk.raw"
        self.assertEqual(image.read_bytes(), DISK)
        self.assertEqual(stat.S_IMODE(image.stat().st_mode), 0o644)
        self.assertEqual(image.stat().st_mtime, TIME)
        self.assertEqual(self.files(), ["disk.raw"])
        self.assertIn('"disk.raw"',
                      (self.dir / "catalogue.json").read_text())

    def test_nothing_is_fetched_when_nothing_changed(self):
        self.offer(disk_raw=self.server.url("disk"))
        self.assertEqual(self.download().status, 0)
        inode = (self.machines / "disk.raw").stat().st_ino
        result = self.download()
        self.assertEqual(result.status, 0)
        self.assertIn("disk.raw: unchanged\n", result.out)
        self.assertIn("If-Modified-Since", self.server.headers[-1])
        self.assertEqual((self.machines / "disk.raw").stat().st_ino, inode)

    def test_a_server_without_conditions_makes_no_difference(self):
        self.offer(disk_raw=self.server.url("ignores-condition"))
        self.download()
        self.assertIn("disk.raw: unchanged\n", self.download().out)

    def test_what_changed_is_fetched(self):
        self.offer(disk_raw=self.server.url("disk"))
        self.download()
        self.server.disk = OTHER
        self.server.last_modified += 1
        self.assertIn("disk.raw: fetched", self.download().out)
        self.assertEqual((self.machines / "disk.raw").read_bytes(), OTHER)

    def test_another_url_is_fetched_even_if_it_is_older(self):
        self.offer(disk_raw=self.server.url("disk"))
        self.download()
        self.server.disk = OTHER
        self.server.last_modified -= 1000
        self.offer(disk_raw=self.server.url("copy"))
        self.assertIn("disk.raw: fetched", self.download().out)
        self.assertEqual((self.machines / "disk.raw").read_bytes(), OTHER)

    def test_with_the_right_sum_the_server_is_not_asked(self):
        self.machines.mkdir()
        (self.machines / "disk.raw").write_bytes(DISK)
        self.offer(disk_raw=(self.server.url("disk"), SHA))
        self.assertIn("disk.raw: unchanged\n", self.download().out)
        self.assertEqual(self.server.requests, [])

    def test_with_the_wrong_sum_it_is_fetched(self):
        self.machines.mkdir()
        (self.machines / "disk.raw").write_bytes(OTHER)
        self.offer(disk_raw=(self.server.url("disk"), SHA))
        self.assertIn("disk.raw: fetched", self.download().out)
        self.assertEqual((self.machines / "disk.raw").read_bytes(), DISK)

    def test_a_damaged_file_is_fetched_again(self):
        self.machines.mkdir()
        (self.machines / "disk.raw").write_bytes(DISK[:1000])
        self.offer(disk_raw=self.server.url("disk"))
        self.assertIn("disk.raw: fetched", self.download().out)

    def test_force_fetches_what_is_there(self):
        self.offer(disk_raw=(self.server.url("disk"), SHA))
        self.download()
        self.assertIn("disk.raw: fetched", self.download("--force").out)
        self.assertEqual(len(self.server.requests), 2)

    def test_a_time_that_is_missing_or_to_come_is_not_taken(self):
        for page in "no-time", "from-the-future":
            begin = time.time() - 1
            self.offer(disk_raw=self.server.url(page))
            self.assertEqual(self.download("--force").status, 0)
            taken = (self.machines / "disk.raw").stat().st_mtime
            self.assertTrue(begin <= taken <= time.time(), page)

    def test_five_redirects_are_followed(self):
        self.offer(disk_raw=(self.server.url("chain/5"), SHA))
        self.assertEqual(self.download().status, 0)

    def test_http_without_a_sum_is_for_the_insecure(self):
        """SR30, P31."""
        self.extra = f"service_proxy = {self.server.url('')}\n"
        for url in ("http://images.lab.example/disk", "http://127.0.0.1.example/disk",
                    "http://localhost@images.lab.example/disk"):
            self.offer(disk_raw=url)
            result = self.download()
            self.assertEqual(result.status, 1)
            self.assertIn("disk.raw: is not fetched by http without a sha256, since whoever is "
                          "between could change it: give its sha256, or say --insecure\n"
                          if "@" not in url else "must not hold a user name", result.err)
            self.assertEqual(self.server.requests, [])
        self.offer(disk_raw="http://images.lab.example/disk")
        self.assertEqual(self.download("--insecure").status, 0)
        # A list that comes the same way protects nothing.
        self.server.sums["/SHA256SUMS"] = f"{SHA}  disk\n"
        self.assertEqual(self.download("--force").status, 1)
        # From this host itself, and with a mirror that is better.
        self.extra = ""
        self.offer(disk_raw="http://images.lab.example/disk " + self.server.url("disk"))
        self.assertEqual(self.download("--force").status, 0)

    def test_the_configured_proxy_is_used(self):
        self.offer(disk_raw=("http://images.lab.example/disk", SHA))
        self.extra = f"service_proxy = {self.server.url('')}\n"
        self.assertEqual(self.download().status, 0)
        self.assertEqual(self.server.requests,
                         ["http://images.lab.example/disk"])

    def test_only_the_named_machines_are_fetched(self):
        url = self.server.url("disk")
        self.offer(a_raw=url, b_raw=url, c_raw=url)
        self.assertEqual(self.download("c.raw", "a.raw").status, 0)
        self.assertEqual(self.files(), ["a.raw", "c.raw"])

    def test_one_failure_does_not_stop_the_others(self):
        self.offer(a_raw=self.server.url("not-found"),
                   b_raw=(self.server.url("disk"), SHA))
        result = self.download()
        self.assertEqual(result.status, 1)
        self.assertEqual(self.files(), ["b.raw"])
        self.assertIn('"b.raw"', (self.dir / "catalogue.json").read_text())

    def test_without_any_url_there_is_nothing_to_do(self):
        self.offer(a_raw="")
        result = self.download()
        self.assertEqual(result.status, 0)
        self.assertIn("no machine has a url", result.out)


class Bad(Download):
    def test_a_body_that_ends_early_is_refused(self):
        self.refused("truncated", "cannot be fetched: transfer closed with")
        self.refused("truncated-chunks", "cannot be fetched: ")

    def test_an_end_that_nobody_announced_is_seen_by_the_content(self):
        self.refused("closed", "what was fetched is refused: is not a raw "
                     "disk: its 700 bytes are no multiple of 512")
        self.refused("closed", "is not the wanted file: its sha256 is ",
                     sha=SHA)

    def test_more_than_fits_is_refused_before_it_is_written(self):
        self.refused("enormous", "is larger than the ")

    def test_an_endless_body_ends_at_the_disks_end(self):
        self.offer(disk_raw=self.server.url("endless"))
        self.machines.mkdir()
        result = self.download(under=(
            "bwrap", "--dev-bind", "/", "/", "--size", "110000000",
            "--tmpfs", self.machines))
        self.assertEqual(result.status, 1)
        self.assertRegex(result.err, r"disk.raw: is larger than the \d+ MB "
                         r"that fit\n")

    def test_a_full_disk_is_told(self):
        self.offer(disk_raw=self.server.url("disk"))
        self.machines.mkdir()
        result = self.download(under=(
            "bwrap", "--dev-bind", "/", "/", "--size", "1000000", "--tmpfs",
            self.machines))
        self.assertEqual(result.status, 1)
        self.assertIn("disk.raw: the disk is full\n", result.err)

    def test_a_disk_that_fills_in_the_middle_is_told(self):
        self.offer(disk_raw=(self.server.url("pauses"), SHA))
        self.machines.mkdir()
        process = subprocess.Popen(
            ["bwrap", "--dev-bind", "/", "/", "--size", "110000000", "--tmpfs", self.machines,
             *self.argv()], env=self.environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        self.assertTrue(self.server.hanging.wait(60))
        # The other end of its mount namespace.
        inner = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        disk = pathlib.Path(f"/proc/{inner.split()[0]}/root{self.machines}")
        with contextlib.suppress(OSError), open(disk / "filler", "wb", buffering=0) as f:
            while True:
                f.write(bytes(1 << 20))
        with contextlib.suppress(OSError), open(disk / "filler2", "wb", buffering=0) as f:
            while True:
                f.write(bytes(4096))
        self.server.over.set()
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, out)
        self.assertIn("qwdctl download: disk.raw: cannot write: No space left on device\n", err)

    def test_more_than_was_announced_is_left_out_and_found_by_the_sum(self):
        half = hashlib.sha256(DISK[:len(DISK) // 2]).hexdigest()
        self.refused("longer", f"is not the wanted file: its sha256 is {half}\n", sha=SHA)

    def test_who_has_no_right_is_told(self):
        self.offer(disk_raw=(self.server.url("disk"), SHA))
        self.machines.mkdir()
        for path in self.dir, self.machines:
            path.chmod(0o755)
        result = self.download(under=("setpriv", "--reuid=65534", "--regid=65534",
                                      "--clear-groups"))
        self.assertEqual(result.status, 1)
        self.assertIn("qwdctl download: disk.raw: cannot make .disk.raw.part.next: Permission "
                      "denied\n", result.err)
        self.assertEqual(list(self.machines.iterdir()), [])
        self.assertEqual(self.server.requests, [])

    def test_an_http_error_is_told(self):
        self.refused("not-found", "cannot be fetched: The requested URL "
                     "returned error: 404")
        self.refused("no-content", "cannot be fetched: HTTP status 204")

    def test_what_is_no_image_is_refused(self):
        self.refused("text", "what was fetched is refused: is named .qcow2 "
                     "but holds no known header", name="disk.qcow2")
        self.refused("empty", "what was fetched is refused: is an empty file",
                     name="disk.qcow2")
        # A raw disk has no header that could tell.
        shutil.rmtree(self.machines)
        self.refused("web", "is a web page, no image\n")

    def test_an_image_that_names_another_file_is_refused(self):
        self.refused("backing", "what was fetched is refused: names a backing "
                     "file", name="disk.qcow2")

    def test_another_sum_is_refused(self):
        self.server.disk = OTHER
        self.refused("disk", "is not the wanted file: its sha256 is "
                     + hashlib.sha256(OTHER).hexdigest(), sha=SHA)

    def test_redirects_lead_only_to_web_servers(self):
        self.refused("to/file:///etc/passwd", "cannot be fetched: ")
        self.refused("to/ftp://127.0.0.1/x", "cannot be fetched: Protocol "
                     "\"ftp\" not supported or disabled")
        self.refused("to/gopher://127.0.0.1/x", "cannot be fetched: Protocol")

    def test_a_sixth_redirect_is_refused(self):
        self.refused("chain/6", "cannot be fetched: Maximum (5) redirects "
                     "followed")

    def test_a_complaint_holds_nothing_for_the_terminal(self):
        result = self.refused("escape", "cannot be fetched: ")
        self.assertNotIn("\x1b", result.err)

    def test_a_server_that_is_not_there_is_told(self):
        self.offer(disk_raw="http://127.0.0.1:1/disk")
        self.assertIn("disk.raw: cannot be fetched: Failed to connect",
                      self.download().err)

    def test_a_machine_that_cannot_be_fetched_is_told(self):
        self.offer(a_raw="", b_raw=(self.server.url("disk"), SHA))
        result = self.download("a.raw", "../x", "b.raw")
        self.assertEqual(result.status, 1)
        self.assertEqual(result.err.splitlines(), [
            "qwdctl download: a.raw: has no url in machines.conf",
            "qwdctl download: ../x: is not in machines.conf"])
        self.assertEqual(self.files(), ["b.raw"])

    def test_an_unknown_option_is_wrong_usage(self):
        self.offer(disk_raw=self.server.url("disk"))
        result = self.download("--all")
        self.assertEqual(result.status, 2)
        self.assertIn("--all: unknown option", result.err)
        self.assertEqual(self.server.requests, [])

    def test_a_wrong_machines_conf_fetches_nothing(self):
        (self.dir / "machines.conf").write_text("[a.raw]\nurl = file:///x\n")
        result = self.download()
        self.assertEqual(result.status, 1)
        self.assertIn("machines.conf:2: url: 'file:///x' must begin with "
                      "https:// or http://", result.err)

    @unittest.skipUnless(LONG, "takes a minute")
    def test_a_server_that_drips_is_given_up(self):
        self.refused("drips", "cannot be fetched: Operation too slow")


class Interrupted(Download):
    def hang(self, *arguments):
        """A download that has half of the image and waits for more."""
        self.machines.mkdir(exist_ok=True)
        (self.machines / "disk.raw").write_bytes(b"old")
        self.offer(disk_raw=self.server.url("hangs"),
                   next_raw=self.server.url("disk"))
        process = subprocess.Popen(
            self.argv("--jobs=1", *arguments), env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertTrue(self.server.hanging.wait(60))
        part = self.machines / ".disk.raw.part"
        end = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size == 512 * 1024):
            self.assertLess(time.monotonic(), end, self.files())
            time.sleep(0.02)
        return process

    def test_a_signal_leaves_no_half_file(self):
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            self.server.hanging.clear()
            process = self.hang()
            self.assertIn(".disk.raw.part", self.files())
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 1)
            self.assertIn("disk.raw: interrupted\n", err)
            self.assertEqual(self.files(), ["disk.raw"])
            self.assertEqual((self.machines / "disk.raw").read_bytes(),
                             b"old")

    def test_what_a_killed_one_left_is_replaced(self):
        process = self.hang()
        process.kill()
        process.communicate()
        self.server.over.set()
        self.assertIn(".disk.raw.part", self.files())
        self.offer(disk_raw=(self.server.url("disk"), SHA))
        self.assertEqual(self.download().status, 0)
        self.assertEqual(self.files(), ["disk.raw"])

    CALLS = ("openat", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "fchmod",
             "utimensat", "flock", "rename", "renameat", "renameat2", "unlink", "unlinkat",
             "linkat", "mkdirat")  # fmt: skip

    def begin_anew(self):
        shutil.rmtree(self.machines, ignore_errors=True)
        self.machines.mkdir()
        (self.machines / "disk.raw").write_bytes(b"old")

    def occurrences(self):
        """(call, how many times it was made) of a download that succeeds, in
        the order of the first of each."""
        told = self.dir / "trace"
        self.begin_anew()
        result = self.download(under=("strace", "-qq", "-o", told, "-e",
                                      "trace=" + ",".join(self.CALLS)))
        self.assertEqual(result.status, 0, result.err)
        calls = [line.partition("(")[0] for line in told.read_text().splitlines()]
        return {call: calls.count(call) for call in calls if call in self.CALLS}

    def test_killed_at_any_call_it_is_the_old_file_or_the_new_one(self):
        """RR14: and the next one makes it the new one, with nothing beside it.
        Some of the calls; with LONG each of them."""
        self.offer(disk_raw=(self.server.url("versions"), SHA))
        killed = 0
        for call, count in self.occurrences().items():
            for when in range(1, count + 1) if LONG else {1, count}:
                with self.subTest(call=call, when=when):
                    self.begin_anew()
                    result = self.download(under=(
                        "strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                        "-e", f"inject={call}:signal=KILL:when={when}"))
                    killed += result.status != 0
                    self.assertIn((self.machines / "disk.raw").read_bytes(), (b"old", DISK))
                    result = self.download()
                    self.assertEqual((result.status, result.err), (0, ""))
                    self.assertEqual((self.machines / "disk.raw").read_bytes(), DISK)
                    self.assertEqual(self.files(), ["disk.raw"])
        self.assertGreater(killed, 10)

    def test_a_link_in_the_parts_place_is_not_followed(self):
        self.machines.mkdir()
        victim = self.dir / "victim"
        victim.write_bytes(b"precious")
        (self.machines / ".disk.raw.part").symlink_to(victim)
        self.offer(disk_raw=(self.server.url("disk"), SHA))
        self.assertEqual(self.download().status, 0)
        self.assertEqual(victim.read_bytes(), b"precious")
        self.assertFalse((self.machines / "disk.raw").is_symlink())

    def test_two_do_not_run_at_once(self):
        self.hang()
        result = self.download()
        self.assertEqual(result.status, 1)
        self.assertIn("qwdctl download: another download is running",
                      result.err)


class AtAnyTime(Download):
    """RR14: Ctrl-C, and SIGKILL while something is unpacked, at each system
    call that changes something, or a sample of them; then the image is the old one or the new one, and the next
    download makes it the new one."""

    CALLS = "rename,renameat,renameat2,unlinkat,fsync,ftruncate,fchmod,utimensat,linkat,flock"

    def interrupted(self, name, call, count):
        """One download with the signal at the count-th such call; False if
        there are not so many."""
        shutil.rmtree(self.machines, ignore_errors=True)
        self.machines.mkdir()
        (self.machines / "disk.raw").write_bytes(OTHER)
        (self.machines / "disk.raw").chmod(0o644)
        log = self.dir / "strace"
        result = self.download(under=(
            "strace", "-f", "-qq", "-o", log, "-e", f"trace={call}", "-e",
            f"inject={call}:signal={name}:when={count}"))
        if f"--- {name} " not in log.read_text() and "killed by" not in log.read_text():
            self.assertEqual(result.status, 0, result.err)
            return False
        self.assertIn(result.status, (0, 1) if name == "SIGINT" else (-9, 137, 0))
        self.assertIn((self.machines / "disk.raw").read_bytes(), (OTHER, DISK))
        if name == "SIGINT":
            self.assertLessEqual(set(self.files()), {"disk.raw", ".disk.raw.part"})
        result = self.download()
        self.assertEqual(result.status, 0, result.err)
        self.assertEqual((self.machines / "disk.raw").read_bytes(), DISK)
        self.assertEqual([p.name for p in self.machines.iterdir()
                          if p.name not in ("disk.raw", ".disk.raw.url")], [])
        return True

    def all_of(self, signals, step):
        hit = 0
        for name in signals:
            for call in self.CALLS.split(","):
                for count in range(1, 40, step):
                    with self.subTest(f"{name} {call} {count}"):
                        if not self.interrupted(name, call, count):
                            break
                        hit += 1
        return hit

    def test_of_a_plain_image(self):
        self.offer(disk_raw=(self.server.url("versions"), SHA))
        self.assertGreater(self.all_of(("SIGINT",), 1 if LONG else 3), 5)

    def test_of_a_packed_image(self):
        packed = subprocess.run(["gzip", "-c"], input=DISK, capture_output=True,
                                check=True).stdout
        self.server.files["d.gz"] = packed
        self.offer(disk_raw=(self.server.url("file/d.gz"), hashlib.sha256(packed).hexdigest()))
        self.assertGreater(self.all_of(("SIGINT", "SIGKILL"), 1 if LONG else 4), 5)


class GoesOn(Download):
    """A download that broke off, and the next one."""

    HALF = len(DISK) // 2

    def broken(self, **server):
        for name, value in server.items():
            setattr(self.server, name, value)
        self.server.breaks_at = self.HALF
        self.offer(disk_raw=self.server.url("versions"))
        result = self.download()
        self.assertEqual(result.status, 1)
        self.assertIn("disk.raw: cannot be fetched: transfer closed with",
                      result.err)
        self.server.breaks_at = None

    def whole(self, data, requests):
        result = self.download()
        self.assertIn("disk.raw: fetched, 1 MB", result.out, result.err)
        self.assertEqual((self.machines / "disk.raw").read_bytes(), data)
        self.assertEqual(self.files(), ["disk.raw"])
        self.assertEqual(
            [p for p in self.machines.iterdir() if ".part" in p.name], [])
        got = [h.get("Range") for h, r in
               zip(self.server.headers, self.server.requests)
               if r == "/versions"]
        self.assertEqual(got, requests)

    def test_it_goes_on_by_the_entity_tag(self):
        self.broken()
        self.assertEqual(self.files(), [".disk.raw.part"])
        self.whole(DISK, [None, f"bytes={self.HALF}-"])
        self.assertEqual(self.server.headers[1]["If-Range"], '"one"')

    def test_it_goes_on_by_the_date_where_the_tag_is_weak_or_missing(self):
        for tag in 'W/"one"', "":
            with self.subTest(tag):
                shutil.rmtree(self.machines, ignore_errors=True)
                self.server.requests.clear()
                self.server.headers.clear()
                self.broken(tag=tag)
                self.whole(DISK, [None, f"bytes={self.HALF}-"])

    def test_a_file_that_has_changed_is_fetched_from_its_start(self):
        self.broken()
        self.server.disk, self.server.tag = OTHER, '"two"'
        self.server.last_modified += 10
        self.whole(OTHER, [None, f"bytes={self.HALF}-"])

    def test_a_server_that_mixes_versions_is_not_believed(self):
        self.broken()
        self.server.disk, self.server.tag = OTHER, '"two"'
        self.server.believes_ranges = True
        result = self.download()
        self.assertIn("disk.raw: has changed on the server in between",
                      result.err)
        self.assertEqual(self.files(), [])
        self.whole(OTHER, [None, f"bytes={self.HALF}-", None])

    def test_a_file_that_has_become_shorter_is_fetched_from_its_start(self):
        self.broken()
        self.server.disk = OTHER[:self.HALF // 2]
        self.server.believes_ranges = True
        self.offer(disk_raw=self.server.url("versions"))
        self.assertEqual(self.download().status, 0)
        self.assertEqual((self.machines / "disk.raw").read_bytes(),
                         OTHER[:self.HALF // 2])

    def test_the_part_of_another_url_is_not_gone_on_with(self):
        self.broken()
        self.offer(disk_raw=self.server.url("versions?2"))
        self.server.disk = OTHER
        Handler.page_versions_2 = Handler.page_versions
        self.assertEqual(self.download().status, 1)  # no such page
        self.offer(disk_raw=self.server.url("copy"))
        self.assertEqual(self.download().status, 0)
        self.assertEqual((self.machines / "disk.raw").read_bytes(), OTHER)
        self.assertNotIn("Range", self.server.headers[-1])

    def test_a_part_that_was_changed_is_found_out_by_the_sum(self):
        self.broken()
        part = self.machines / ".disk.raw.part"
        part.write_bytes(bytes(self.HALF))
        self.offer(disk_raw=(self.server.url("versions"), SHA))
        result = self.download()
        self.assertIn("is not the wanted file: its sha256 is", result.err)
        self.assertEqual(self.files(), [])

    def test_a_signal_keeps_what_can_be_gone_on_with(self):
        self.broken()
        self.assertEqual((self.machines / ".disk.raw.part").stat().st_size,
                         self.HALF)

    def test_an_unchanged_tag_fetches_nothing(self):
        self.offer(disk_raw=self.server.url("versions"))
        self.assertEqual(self.download().status, 0)
        self.server.disk = OTHER
        self.server.last_modified += 100
        self.assertIn("disk.raw: unchanged", self.download().out)


class Mirrors(Download):
    """Several urls for one file."""

    def mirrors(self, *pages, sha=SHA):
        self.offer(disk_raw=(" ".join(map(self.server.url, pages)), sha))

    def asked(self):
        return [path for path in self.server.requests
                if not path.endswith("SHA256SUMS")]

    def test_the_first_that_has_the_file_is_taken(self):
        self.mirrors("disk", "copy")
        result = self.download()
        self.assertEqual((result.status, result.err), (0, ""))
        self.assertIn(f"disk.raw: fetched, 1 MB, from {self.server.url('disk')}\n",
                      result.out)
        self.assertEqual(self.asked(), ["/disk"])

    def test_one_that_fails_is_told_and_the_next_is_tried(self):
        for page, why, sha in (
                ("not-found", "cannot be fetched: The requested URL returned "
                 "error: 404", SHA),
                ("truncated", "cannot be fetched: transfer closed with 1048064 "
                 "bytes remaining to read", SHA),
                ("wrong", "is not the wanted file: its sha256 is "
                 + hashlib.sha256(OTHER).hexdigest(), SHA),
                ("web", "is a web page, no image", ""),
                ("empty", "what was fetched is refused: is an empty file", ""),
                ("to/file:///etc/passwd", "cannot be fetched: ", SHA)):
            with self.subTest(page):
                shutil.rmtree(self.machines, ignore_errors=True)
                self.server.requests.clear()
                self.server.files["wrong"] = OTHER
                self.mirrors("file/wrong" if page == "wrong" else page, "copy", "disk", sha=sha)
                result = self.download()
                first = self.asked()[0]
                self.assertEqual(result.status, 0, result.err)
                self.assertIn(f"disk.raw: {self.server.url(first[1:])}: {why}", result.err)
                self.assertIn(f"; trying {self.server.url('copy')}\n", result.err)
                self.assertIn(f", from {self.server.url('copy')}\n", result.out)
                self.assertEqual(self.asked(), [first, "/copy"])
                self.assertEqual((self.machines / "disk.raw").read_bytes(), DISK)
                self.assertEqual(self.left(), [])

    def left(self):
        return [p.name for p in self.machines.iterdir() if ".part" in p.name]

    def test_where_all_fail_the_old_file_stands(self):
        self.machines.mkdir()
        (self.machines / "disk.raw").write_bytes(b"old")
        self.mirrors("not-found", "truncated", "no-content")
        result = self.download()
        self.assertEqual(result.status, 1)
        self.assertEqual(len(result.err.splitlines()), 3)
        self.assertTrue(result.err.endswith(
            f"disk.raw: {self.server.url('no-content')}: cannot be fetched: HTTP status 204\n"))
        self.assertEqual(self.asked(), ["/not-found", "/truncated", "/no-content"])
        self.assertEqual((self.machines / "disk.raw").read_bytes(), b"old")
        self.assertEqual(self.files(), ["disk.raw"])

    def test_a_part_is_gone_on_with_at_its_own_mirror_only(self):
        half = len(DISK) // 2
        self.server.breaks_at = half
        self.mirrors("not-found", "versions", "not-found")
        self.assertEqual(self.download().status, 1)
        # Mirrors that have nothing leave it alone.
        self.assertEqual((self.machines / ".disk.raw.part").stat().st_size, half)
        self.server.breaks_at = None
        self.server.requests.clear()
        self.server.headers.clear()
        result = self.download()
        self.assertEqual(result.status, 0, result.err)
        self.assertEqual(self.asked(), ["/versions"])
        self.assertEqual(self.server.headers[0]["Range"], f"bytes={half}-")
        self.assertEqual((self.machines / "disk.raw").read_bytes(), DISK)
        self.assertEqual(self.left(), [])

    def test_another_mirror_begins_at_the_start(self):
        self.server.breaks_at = len(DISK) // 2
        self.mirrors("versions")
        self.assertEqual(self.download().status, 1)
        self.mirrors("versions", "copy")
        result = self.download()
        self.assertEqual(result.status, 0, result.err)
        self.assertEqual(self.asked(), ["/versions", "/versions", "/copy"])
        self.assertNotIn("Range", self.server.headers[-1])
        self.assertEqual((self.machines / "disk.raw").read_bytes(), DISK)
        self.assertEqual(self.left(), [])

    def test_nothing_is_fetched_again_from_another_mirror(self):
        self.mirrors("not-found", "disk", sha="")
        self.assertEqual(self.download().status, 0)
        self.server.requests.clear()
        self.assertIn("disk.raw: unchanged", self.download().out)
        self.assertEqual(self.asked(), ["/disk"])
        # The one that it came from is gone: the others are asked for news.
        self.mirrors("copy", "disk", sha="")
        Handler.page_disk, kept = Handler.page_not_found, Handler.page_disk
        try:
            result = self.download()
        finally:
            Handler.page_disk = kept
        self.assertIn("disk.raw: unchanged", result.out, result.err)
        self.assertEqual(self.asked(), ["/disk", "/disk", "/copy"])

    def test_ctrl_c_ends_it_at_once(self):
        self.mirrors("hangs", "disk")
        process = subprocess.Popen(self.argv(), env=self.environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        self.assertTrue(self.server.hanging.wait(60))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, err),
                         (1, "qwdctl download: disk.raw: interrupted\n"))
        self.assertEqual(self.asked(), ["/hangs"])

    @unittest.skipUnless(LONG, "takes a minute")
    def test_one_that_stalls_gives_way_to_the_next(self):
        self.mirrors("drips", "disk")
        result = self.download()
        self.assertEqual(result.status, 0, result.err)
        self.assertIn("cannot be fetched: Operation too slow", result.err)

    def test_a_dry_run_names_the_one_that_would_be_asked(self):
        self.mirrors("copy", "disk")
        self.assertIn(f"would come from {self.server.url('copy')}\n",
                      self.download("--dry-run").out)


class Sums(Download):
    """SHA256SUMS beside the image."""

    def test_the_right_sum_is_accepted_in_each_form(self):
        for line in (f"{SHA}  disk\n", f"{SHA.upper()} *disk\n",
                     f"{SHA}  ./disk\n", f"SHA256 (disk) = {SHA}\r\n",
                     f"{'0' * 64}  disk2\n{SHA}  disk\n"):
            with self.subTest(line):
                self.server.sums["/SHA256SUMS"] = line
                self.offer(disk_raw=self.server.url("disk"))
                self.assertEqual(self.download("--force").status, 0)

    def test_a_wrong_sum_is_refused(self):
        self.server.sums["/SHA256SUMS"] = f"{'0' * 64}  disk\n"
        self.refused("disk", "is not the wanted file: its sha256 is " + SHA)

    def test_a_list_without_the_file_says_nothing(self):
        self.server.sums["/SHA256SUMS"] = f"{'0' * 64}  disk.raw\njunk\n"
        self.offer(disk_raw=self.server.url("disk"))
        self.assertEqual(self.download().status, 0)

    def test_an_enormous_list_is_refused(self):
        self.server.sums["/SHA256SUMS"] = "x" * (2 << 20)
        self.refused("disk", "its list SHA256SUMS: is larger than the 1 MB")

    def test_where_the_sum_is_configured_no_list_is_asked_for(self):
        self.offer(disk_raw=(self.server.url("disk"), SHA))
        self.assertEqual(self.download().status, 0)
        self.assertEqual(self.server.requests, ["/disk"])


class Packed(Download):
    def pack(self, *command):
        return subprocess.run(command, input=DISK, capture_output=True,
                              check=True).stdout

    def test_compressed_images_are_unpacked(self):
        for ending, command in (("gz", ["gzip", "-c"]), ("xz", ["xz", "-c"]),
                                ("bz2", ["bzip2", "-c"]),
                                ("zst", ["zstd", "-qc"])):
            with self.subTest(ending):
                self.server.files[f"d.{ending}"] = self.pack(*command)
                self.offer(disk_raw=self.server.url(f"file/d.{ending}?x=1"))
                result = self.download("--force")
                self.assertEqual(result.status, 0, result.err)
                image = self.machines / "disk.raw"
                self.assertEqual(image.read_bytes(), DISK)
                self.assertEqual(self.files(), ["disk.raw"])

    def test_the_sum_is_that_of_the_packed_file(self):
        packed = self.pack("gzip", "-c")
        self.server.files["d.gz"] = packed
        sha = hashlib.sha256(packed).hexdigest()
        self.offer(disk_raw=(self.server.url("file/d.gz"), sha))
        self.assertIn("disk.raw: fetched", self.download().out)
        # And it is remembered.
        self.assertIn("disk.raw: unchanged", self.download().out)
        self.assertEqual(len(self.server.requests), 1)
        (self.machines / "disk.raw").write_bytes(OTHER)
        self.assertIn("disk.raw: fetched", self.download().out)

    def test_what_is_not_compressed_or_damaged_is_refused(self):
        self.server.files["d.gz"] = DISK
        self.refused("file/d.gz", "cannot be unpacked: it is not compressed")
        self.server.files["d.xz"] = self.pack("xz", "-c")[:5000]
        self.refused("file/d.xz", "cannot be unpacked: ")

    def test_a_bomb_ends_at_the_disks_end(self):
        self.server.files["d.gz"] = subprocess.run(
            "head -c 60000000 /dev/zero | gzip -c", shell=True,
            capture_output=True, check=True).stdout
        self.offer(disk_raw=self.server.url("file/d.gz"))
        self.machines.mkdir()
        result = self.download(under=(
            "bwrap", "--dev-bind", "/", "/", "--size", "110000000",
            "--tmpfs", self.machines))
        self.assertEqual(result.status, 1)
        self.assertRegex(result.err, r"disk.raw: is larger than the \d+ MB "
                         r"that fit, once it is unpacked\n")

    def appliance(self, *names):
        work = self.dir / "ova"
        work.mkdir(exist_ok=True)
        (work / "a.ovf").write_text("<Envelope/>")
        (work / "raw").write_bytes(DISK)
        subprocess.run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "vmdk",
                        "-o", "subformat=streamOptimized", work / "raw",
                        work / "a.vmdk"], check=True)
        return subprocess.run(["tar", "-cf", "-", "-C", work, *names],
                              capture_output=True, check=True).stdout

    def test_an_appliance_becomes_a_qcow2_image(self):
        self.server.files["a.ova"] = self.appliance("a.ovf", "a.vmdk")
        self.offer(lab_qcow2=self.server.url("file/a.ova"))
        result = self.download()
        self.assertEqual(result.status, 0, result.err)
        self.assertEqual(self.files(), ["lab.qcow2"])
        raw = self.dir / "back"
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw",
                        self.machines / "lab.qcow2", raw], check=True)
        self.assertEqual(raw.read_bytes(), DISK)

    def test_an_appliance_needs_a_name_and_a_disk(self):
        self.server.files["a.ova"] = self.appliance("a.ovf", "a.vmdk")
        self.refused("file/a.ova", "comes from an appliance (.ova): its name",
                     name="disk.raw")
        shutil.rmtree(self.machines)
        self.server.files["a.ova"] = self.appliance("a.ovf")
        self.refused("file/a.ova", "cannot be unpacked: there is no disk",
                     name="lab.qcow2")

    def test_a_disk_that_names_another_file_is_refused(self):
        vmdk = self.dir / "flat.vmdk"
        subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", "-o",
                        "subformat=monolithicFlat", vmdk, "1M"], check=True)
        self.server.files["a.ova"] = subprocess.run(
            ["tar", "-cf", "-", "-C", self.dir, "flat.vmdk"],
            capture_output=True, check=True).stdout
        self.refused("file/a.ova", "its disk is refused: ", name="lab.qcow2")


class Terminal(Download):
    """Several at a time, and what is shown of them."""

    def test_three_come_at_a_time(self):
        self.server.together = threading.Barrier(3)
        self.offer(**{f"m{n}_raw": self.server.url("together")
                      for n in range(3)})
        result = self.download()
        self.assertEqual(result.status, 0, result.err)
        self.assertEqual(self.files(), ["m0.raw", "m1.raw", "m2.raw"])

    def test_one_job_fetches_one_after_the_other(self):
        self.offer(a_raw=self.server.url("disk"), b_raw=self.server.url("disk"))
        self.assertEqual(self.download("--jobs=1").status, 0)
        self.assertEqual(self.download("--jobs=0").status, 2)

    def test_a_dry_run_asks_nobody_and_changes_nothing(self):
        self.offer(disk_raw=self.server.url("disk"))
        result = self.download("--dry-run")
        self.assertIn(f"disk.raw: would come from {self.server.url('disk')}",
                      result.out)
        self.assertEqual(self.server.requests, [])
        self.assertEqual(self.files(), [])

    def test_quiet_says_nothing_of_what_went_well(self):
        self.offer(disk_raw=(self.server.url("disk"), SHA))
        result = self.download("--quiet")
        self.assertEqual((result.status, result.err), (0, ""))
        self.assertNotIn("fetched", result.out)

    def shown(self, columns):
        """What a terminal of so many columns has got when a download hangs
        half way."""
        self.offer(disk_raw=self.server.url("hangs"))
        command = subprocess.list2cmdline(map(str, self.argv()))
        process = subprocess.Popen(
            ["script", "-qec", f"stty cols {columns}; exec {command}",
             "/dev/null"], env={**self.environment, "TERM": "xterm"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        got = b""
        while b"50 %" not in got:
            piece = os.read(process.stdout.fileno(), 4096)
            self.assertTrue(piece, got)
            got += piece
        while not got.endswith(b"\n"):
            got += os.read(process.stdout.fileno(), 4096)
        self.server.over.set()
        return next(line for line in got.decode().split("\n")
                    if "50 %" in line).rstrip("\r")

    def test_a_bar_fits_the_terminal(self):
        for columns in 80, 200:
            with self.subTest(columns):
                self.server.over.clear()
                line = self.shown(columns).rpartition("\x1b[K")[2]
                self.assertLess(len(line), columns)
                self.assertRegex(line, r"^disk\.raw +.*50 %  \d+\.\d MB/s")
                self.assertRegex(line, r"\[#+\.+\]")


class Https(Download):
    @classmethod
    def setUpClass(cls):
        cls.keys = pathlib.Path(tempfile.mkdtemp(prefix="qwd-"))
        cls.addClassCleanup(shutil.rmtree, cls.keys)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
             "subjectAltName=IP:127.0.0.1", "-keyout", cls.keys / "key",
             "-out", cls.keys / "crt"], check=True, capture_output=True)
        cls.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.tls.load_cert_chain(cls.keys / "crt", cls.keys / "key")

    def setUp(self):
        super().setUp()
        self.secure = Server(self.tls)
        self.addCleanup(self.secure.end)
        # A host that trusts our certificate.
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        self.trusting = ("bwrap", "--dev-bind", "/", "/", "--bind",
                         self.keys / "crt", os.path.realpath(bundle))

    def test_an_unknown_certificate_is_refused(self):
        self.offer(disk_raw=self.secure.url("disk"))
        result = self.download()
        self.assertEqual(result.status, 1)
        self.assertIn("disk.raw: cannot be fetched: SSL certificate problem",
                      result.err)
        self.assertEqual(self.files(), [])
        self.assertEqual(self.secure.requests, [])

    def test_another_hosts_certificate_is_refused(self):
        url = self.secure.url("disk").replace("127.0.0.1", "localhost")
        self.offer(disk_raw=url)
        result = self.download(under=self.trusting)
        self.assertIn("no alternative certificate subject name matches",
                      result.err)

    def test_a_verified_server_is_believed(self):
        self.offer(disk_raw=self.secure.url("disk"))
        result = self.download(under=self.trusting)
        self.assertEqual((result.status, result.err), (0, ""))
        self.assertEqual((self.machines / "disk.raw").read_bytes(), DISK)

    def test_https_is_not_left_for_http_unless_the_sum_is_known(self):
        url = self.secure.url("to/" + self.server.url("disk"))
        self.offer(disk_raw=url)
        result = self.download(under=self.trusting)
        self.assertEqual(result.status, 1)
        self.assertIn('Protocol "http" not supported or disabled',
                      result.err)
        self.assertEqual(self.server.requests, [])
        self.offer(disk_raw=(url, SHA))
        self.assertEqual(self.download(under=self.trusting).status, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
