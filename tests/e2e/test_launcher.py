"""Sessions as instances of systemd's units (issue 4, item 5), as far as that
goes without systemd as the first process: systemd's own socket activation
starts them, and the unit files are judged by systemd-analyze.  The rest is
tests/system's."""

import contextlib
import grp
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from harness import CGI, SERVICE_USER, TREE, Site, eventually, is_listening, processes, tell

UNITS = TREE / "etc/systemd"


class Activator:
    """One socket of systemd's, by systemd-socket-activate: a process for each
    connection, in its own session and process group."""

    def __init__(self, site, role, socket_name, program=None):
        self.path = site.dir / "run/launch" / socket_name
        self.path.parent.mkdir(mode=0o755, exist_ok=True)
        os.chown(self.path.parent, SERVICE_USER.pw_uid, SERVICE_USER.pw_gid)
        command = [program] if program else [
            str(site.dir / "cgi-bin/qemu-web-desktop"), "--handed-over", role
        ]  # fmt: skip
        self.log = open(site.dir / f"log/{socket_name}.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["systemd-socket-activate", "--accept", "--seqpacket", "-l", str(self.path)]
            + command,
            user=SERVICE_USER.pw_uid,
            group=SERVICE_USER.pw_gid,
            extra_groups=[],
            umask=0o077,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        eventually(lambda: is_listening(self.path), what=f"{self.path}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()

    def words(self):
        self.log.seek(0)
        return self.log.read()


class Launching(unittest.TestCase):
    def options(self, site, **more):
        site.configure(dir_launcher=str(site.dir / "run/launch"), **more)

    def end_web_server(self, site):
        """As `systemctl restart apache2` does with what is in its cgroup."""
        for process in processes():
            if process.role == "apache":
                tell(process, signal.SIGKILL)
        eventually(
            lambda: not [p for p in processes() if p.role == "apache"], what="no Apache"
        )
        (site.dir / "run/apache/httpd.pid").unlink(missing_ok=True)

    def test_a_session_and_the_gateway_belong_to_the_units_and_outlive_the_web_server(self):
        with Site() as site:
            self.options(site, launcher="auto")
            with Activator(site, "session-owner", "session") as session, Activator(
                site, "gateway-keeper", "gateway"
            ) as gateway:
                name = site.running()["name"]
                owner = site.process("owner")
                keeper = site.process("keeper")
                self.assertIn(name, owner.argv)
                self.assertEqual(owner.parent, session.process.pid)
                self.assertEqual(keeper.parent, gateway.process.pid)
                # What it says goes where the others' words go.
                self.assertEqual(owner.descriptors()[2], str(site.store / "log"))
                # The web server's end, a session of its own and all.
                self.end_web_server(site)
                site.start()
                self.assertEqual(site.session(name)["state"], "running")
                self.assertTrue(owner.alive() and keeper.alive())
                with site.websocket(site.token(site.session(name))) as display:
                    self.assertTrue(display.recv(12).startswith(b"RFB "))
                site.end(name)
                eventually(lambda: not owner.alive(), what="the owner's end")
                site.stop_all()
                site.start()

    def test_no_socket_of_ours_means_fork(self):
        with Site() as site:
            self.options(site, launcher="auto")
            name = site.running()["name"]
            self.is_forked(site)
            site.end(name)
            # Somebody else's, which we could use, but which is not ours.
            place = site.dir / "run/launch"
            place.mkdir(exist_ok=True)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
                other.bind(str(place / "session"))
                other.listen(4)
                (place / "session").chmod(0o666)
                name = site.running()["name"]
                self.is_forked(site)
                site.end(name)
            # Ours, but nobody listens any more.
            os.chown(place / "session", SERVICE_USER.pw_uid, SERVICE_USER.pw_gid)
            name = site.running()["name"]
            self.is_forked(site)
            site.end(name)

    def is_forked(self, site):
        """By a request, which has ended, or will at once."""

        def parents():
            return {p.parent for p in site.processes() if p.role == "owner"}

        eventually(lambda: parents() == {1}, what="an owner without a parent")

    def test_systemd_or_nothing_where_that_is_configured(self):
        with Site() as site:
            self.options(site, launcher="systemd")
            name = site.create()["name"]
            failed = site.wait_state(name, "failed")
            self.assertIn("could not start a process", failed["reason"])
            self.assertIn("cannot connect to", site.error_log())
            self.assertEqual(site.overlays(name), [])

    def test_a_unit_that_does_not_start_is_a_failed_session_at_once(self):
        # So it looks, too, when MaxConnections is exceeded.
        with Site() as site:
            self.options(site, launcher="auto")
            with Activator(site, "session-owner", "session", program="/bin/false"):
                name = site.create()["name"]
                failed = site.wait_state(name, "failed")
                self.assertIn("could not start a process", failed["reason"])
                self.assertIn("service manager did not start", site.error_log())

    def test_another_user_and_another_role_start_nothing(self):
        with Site() as site, Activator(site, "session-owner", "session") as unit:
            packet = b'{"version":1,"arguments":["--%s","x"],"descriptors":[]}'
            # The socket is 0600, which does not hold root; the peer's uid does.
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.settimeout(60)
                s.connect(str(unit.path))
                # Closed, without reading what was sent; perhaps before it was.
                with self.assertRaises((ConnectionResetError, BrokenPipeError)):
                    s.send(packet % b"session-owner")
                    s.recv(16)
            told = "user 0 may not start processes here"
            eventually(lambda: told in unit.words(), what=told)
            for role in (b"gateway-keeper", b"help"):
                done = subprocess.run(
                    ["/usr/bin/python3", "-c", "import socket, sys\n"
                     "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                     "s.connect(sys.argv[1]); s.send(sys.argv[2].encode())\n"
                     "s.recv(16); s.recv(16)", str(unit.path), (packet % role).decode()],
                    user=SERVICE_USER.pw_uid, check=False, timeout=60,
                )  # fmt: skip
                self.assertEqual(done.returncode, 0)
            told = "something else than a session-owner was handed over"
            eventually(lambda: unit.words().count(told) == 2, what=told)
            self.assertIsNone(site.process("keeper"))

    def test_by_hand_the_role_is_refused(self):
        with Site() as site:
            done = site.by_hand("--handed-over", "session-owner")
            self.assertEqual(done.returncode, 1)
            self.assertIn("this is started by systemd", done.stderr)


class Borrowed(unittest.TestCase):
    """The program installed set-user-id, as the Debian package has it: owned by
    the service's user, in a directory that only Apache's group may enter, with
    the configuration at its fixed place."""

    USER = pwd.getpwnam("nobody")

    def setUp(self):
        # Our /etc and a place where set-user-id holds (/tmp is nosuid): both
        # are of this mount namespace.
        self.place = "/mnt/borrowed"
        os.mkdir(self.place)
        self.addCleanup(os.rmdir, self.place)
        self.mount("-t", "tmpfs", "-o", "mode=755", "borrowed", self.place)
        for name in ("upper", "work", "cgi"):
            os.mkdir(f"{self.place}/{name}", 0o755)
        layers = f"lowerdir=/etc,upperdir={self.place}/upper,workdir={self.place}/work"
        self.mount("-t", "overlay", "-o", layers, "etc", "/etc")

    def mount(self, *arguments):
        subprocess.run(["mount", *arguments], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", arguments[-1]], check=True)

    def install(self, site):
        """Make the site one of USER's, with a set-user-id program."""
        program = f"{self.place}/cgi/qemu-web-desktop"
        shutil.copyfile(site.dir / "cgi-bin/qemu-web-desktop", program)
        os.chown(program, self.USER.pw_uid, self.USER.pw_gid)
        os.chmod(program, 0o6755)
        os.chown(f"{self.place}/cgi", 0, SERVICE_USER.pw_gid)
        os.chmod(f"{self.place}/cgi", 0o750)
        shutil.copytree(site.dir / "etc", "/etc/qemu-web-desktop", dirs_exist_ok=True)
        httpd = site.dir / "etc/httpd.conf"
        text = re.sub(
            r"(?m)^Define QWD_CGI .*", f'Define QWD_CGI "{program}"', httpd.read_text()
        )
        httpd.write_text(re.sub(r"(?m)^Define SITE_GROUP .*", "Define SITE_GROUP www-data", text))
        self.own(site, self.USER)
        return program

    def own(self, site, user):
        for top in (site.store, site.snapshots_dir, site.dir / "lib/secret"):
            for path in [top, *top.rglob("*")]:
                os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)

    @staticmethod
    def ids(pid):
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        return [re.search(rf"^{key}:\s+(.*)", text, re.M).group(1) for key in ("Uid", "Gid")]

    @contextlib.contextmanager
    def borrowed(self):
        with Site() as site:
            site.site("stop")
            program = self.install(site)
            site.start()
            try:
                yield site, program
            finally:
                keeper = site.process("keeper")
                if keeper:
                    os.kill(keeper.pid, signal.SIGTERM)
                    eventually(lambda: not keeper.alive(), what="the keeper's end")
                self.own(site, SERVICE_USER)

    def test_its_sessions_belong_wholly_to_its_owner(self):
        with self.borrowed() as (site, _):
            name = site.running()["name"]
            wanted = ["\t".join([str(i)] * 4) for i in (self.USER.pw_uid, self.USER.pw_gid)]
            for role in ("owner", "qemu", "keeper"):
                self.assertEqual(self.ids(site.process(role).pid), wanted, role)
            self.assertEqual((site.store / f"{name}.json").stat().st_uid, self.USER.pw_uid)
            site.post_form({"session_stop": name, "now": "1"})
            site.wait_state(name, "ended")
            self.assertEqual(site.overlays(name), [])

    def test_its_callers_environment_chooses_no_configuration(self):
        with self.borrowed() as (site, program):
            evil = site.dir / "www/evil.conf"
            fixed = pathlib.Path("/etc/qemu-web-desktop/config.conf").read_text()
            evil.write_text(f"{fixed}layout_title = Chosen by the caller\n")

            def ask(path):
                done = subprocess.run(
                    [path], user=SERVICE_USER.pw_uid, group=SERVICE_USER.pw_gid,
                    extra_groups=[], capture_output=True, text=True, timeout=60, check=True,
                    env={"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET",
                         "QUERY_STRING": "terms=1", "REMOTE_ADDR": "127.0.0.1",
                         "SERVER_NAME": "localhost", "SERVER_PORT": "80",
                         "SCRIPT_NAME": CGI, "QWD_CONFIG": str(evil)},
                )  # fmt: skip
                return done.stdout

            # What is not set-user-id obeys it: so the test can tell.
            plain = site.dir / "cgi-bin/qemu-web-desktop"
            self.assertIn("Chosen by the caller", ask(str(plain)))
            page = ask(program)
            self.assertNotIn("Chosen by the caller", page)
            self.assertIn("Remote Desktop Service", page)

    def test_it_serves_requests_only_and_apaches_group_only(self):
        with self.borrowed() as (_, program):

            def run(user, *arguments):
                return subprocess.run(
                    [program, *arguments], user=user.pw_uid, group=user.pw_gid,
                    extra_groups=[], capture_output=True, text=True, timeout=60,
                    check=False, env={"LISTEN_FDS": "1"},
                )  # fmt: skip

            for arguments in (
                ("--help",),
                ("--machine=tiny.iso",),
                ("--session-owner", "x", "3", "4"),
                ("--gateway-keeper", "3", "http://x"),
                ("--handed-over", "session-owner"),
            ):
                done = run(SERVICE_USER, *arguments)
                self.assertEqual(done.returncode, 2, arguments)
                self.assertIn("installed set-user-id, it serves requests only", done.stderr)
            with self.assertRaises(PermissionError):
                run(pwd.getpwnam("daemon"), "--help")

    def test_set_user_id_root_serves_nobody(self):
        with self.borrowed() as (site, program):
            os.chown(program, 0, 0)
            os.chmod(program, 0o4755)
            answer = site.get(f"{CGI}?terms=1")
            self.assertEqual(answer.status, 500)
            self.assertIn("installed set-user-id root", site.error_log())


class Checking(unittest.TestCase):
    """What `qwdctl check` says of all this: set-user-id is switched off in
    silence."""

    def lines(self, site, word):
        done = site.qwdctl("check", check=False)
        return [line for line in done.stdout.splitlines() if word in line]

    def one(self, site, word):
        (line,) = self.lines(site, word)
        return line

    def test_the_set_user_id_program(self):
        with Site() as site:
            self.assertEqual(self.lines(site, "set-user-id"), [])
            place = site.dir / "libexec/cgi"
            program = place / "qemu-web-desktop"
            place.mkdir(mode=0o755)

            def install(mode):
                shutil.copyfile(site.dir / "cgi-bin/qemu-web-desktop", program)
                os.chown(program, SERVICE_USER.pw_uid, SERVICE_USER.pw_gid)
                os.chmod(program, mode)

            install(0o755)
            self.assertRegex(self.one(site, "set-user-id"), "^error: .* is not set-user-id www-data")
            install(0o4755)
            # As /tmp is.
            self.assertRegex(self.one(site, "set-user-id"), "^error: .* mounted nosuid")
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "cgi", place], check=True)
            try:
                install(0o4755)
                self.assertRegex(self.one(site, "set-user-id"), "^warning: every user")
                group = re.search(
                    r"(?m)^Define SITE_GROUP (.*)", (site.dir / "etc/httpd.conf").read_text()
                ).group(1)
                os.chown(place, 0, grp.getgrnam(group).gr_gid)
                os.chmod(place, 0o750)
                self.assertEqual(
                    self.one(site, f"{program} runs as"), f"ok: {program} runs as user www-data"
                )
                site.site("stop")
                subprocess.run(
                    ["setpriv", "--no-new-privs", "/usr/sbin/apache2", "-f",
                     site.dir / "etc/httpd.conf", "-k", "start"],
                    check=True, timeout=60,
                )  # fmt: skip
                eventually(lambda: self.lines(site, "NoNewPrivileges"), what="the complaint")
                self.assertRegex(self.one(site, "set-user-id"), "^error: .* NoNewPrivileges=no")
            finally:
                subprocess.run(["umount", "-l", place], check=True)

    def test_the_launcher(self):
        with Site() as site:
            site.configure(dir_launcher=str(site.dir / "run/launch"), launcher="systemd")
            self.assertRegex(self.one(site, "launcher = systemd"), "^error: .* enable --now")
            with Activator(site, "session-owner", "session"), Activator(
                site, "gateway-keeper", "gateway"
            ):
                self.assertRegex(self.one(site, "units of systemd"), "^ok: ")
                site.configure(launcher="fork")
                self.assertEqual(self.lines(site, "units of systemd"), [])
                self.assertRegex(self.one(site, "detach from the web server"), "^ok: ")


class Units(unittest.TestCase):
    """The unit files, judged by systemd's own tools."""

    SESSION = "qemu-web-desktop-session@.service"

    def analyze(self, *arguments):
        done = subprocess.run(
            ["systemd-analyze", "--no-pager", *arguments],
            capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "SYSTEMD_PAGER": ""},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def setting(self, unit, name):
        return re.findall(rf"^{name}=(.*)", (UNITS / unit).read_text(), re.M)

    def test_they_verify(self):
        # With programs that are there: those of the tree.
        with tempfile.TemporaryDirectory(dir="/tmp") as place:
            for unit in sorted(UNITS.glob("q*.*")):
                text = unit.read_text()
                text = text.replace("/usr/bin/qemu-web-desktop ", f"{TREE}/cgi-bin/qemu-web-desktop ")
                text = text.replace("/usr/bin/qwdctl ", f"{TREE}/bin/qwdctl ")
                text = re.sub(r"(?m)^Documentation=.*\n", "", text)
                (pathlib.Path(place) / unit.name).write_text(text)
            units = [
                f"{place}/{unit.name.replace('@.', '@1.')}" for unit in sorted(UNITS.glob("q*.*"))
            ]
            for unit in UNITS.glob("*@.service"):
                os.symlink(unit.name, f"{place}/{unit.name.replace('@.', '@1.')}")
            self.assertGreaterEqual(len(units), 7)
            for unit in units:
                status, said = self.analyze("verify", "--man=no", unit)
                ours = [line for line in said.splitlines() if place in line or "qemu-web" in line]
                self.assertEqual((status, ours), (0, []), unit)

    def test_their_exposure_is_below_three(self):
        for unit in UNITS.glob("*.service"):
            status, said = self.analyze("security", "--offline=yes", "--threshold=29", str(unit))
            self.assertEqual(status, 0, f"{unit.name}: {said[-300:]}")
            self.assertIn("Overall exposure level", said)

    def test_the_namespaces_of_the_sandbox_are_allowed(self):
        (allowed,) = self.setting(self.SESSION, "RestrictNamespaces")
        self.assertLessEqual({"user", "net", "pid", "ipc", "mnt", "uts"}, set(allowed.split()))

    def test_memory_and_tasks_are_bounded(self):
        for unit in (self.SESSION, "qemu-web-desktop-gateway@.service"):
            for name in ("MemoryMax", "TasksMax"):
                (value,) = self.setting(unit, name)
                self.assertRegex(value, r"^\d+%?$")

    def test_the_sockets_are_private_and_never_refuse_a_session_that_the_service_admits(self):
        header = (TREE / "src/conf/options.h").read_text()
        most = re.search(r"X\(INT, service_max_instance_nb, \d+, 1, (\d+)", header).group(1)
        for name in ("session", "gateway"):
            unit = f"qemu-web-desktop-{name}.socket"
            self.assertEqual(self.setting(unit, "SocketMode"), ["0600"])
            self.assertEqual(self.setting(unit, "SocketUser"), ["_qemu-web-desktop"])
            self.assertEqual(self.setting(unit, "Accept"), ["yes"])
            self.assertEqual(self.setting(unit, "TriggerLimitIntervalSec"), ["0"])
            place = f"/run/qemu-web-desktop/launch/{name}"
            self.assertEqual(self.setting(unit, "ListenSequentialPacket"), [place])
        (connections,) = self.setting("qemu-web-desktop-session.socket", "MaxConnections")
        self.assertGreater(int(connections), int(most))


if __name__ == "__main__":
    unittest.main(verbosity=2)
