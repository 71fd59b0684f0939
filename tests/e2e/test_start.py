"""qwdctl start: sessions by hand, followed to their end."""

import re
import shutil
import signal
import subprocess
import unittest

from harness import SERVICE_USER, TREE, Site, Vnc, eventually


class Started:
    """A `qwdctl start' that goes on, and what it has said so far."""

    def __init__(self, site, *arguments):
        self.out = ""
        self.process = subprocess.Popen(
            [str(site.dir / "bin/qwdctl"), "start", *arguments], cwd="/",
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8",
                 "QWD_CONFIG": str(site.dir / "etc/config.conf")},
            user=SERVICE_USER.pw_uid, group=SERVICE_USER.pw_gid,
            extra_groups=[], stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def until(self, words):
        while words not in self.out:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"it ended without '{words}': {self.out}")
            self.out += line
        return self.out

    def names(self):
        return re.findall(r"^Session: (\S+)$", self.out, re.M)

    def interrupt(self, number=signal.SIGINT):
        self.process.send_signal(number)

    def end(self):
        self.out += self.process.communicate(timeout=60)[0]
        return self.process.returncode


class Start(unittest.TestCase):
    def test_it_prints_the_url_follows_and_ends_by_a_signal(self):
        with Site() as site:
            for number in signal.SIGINT, signal.SIGTERM:
                started = Started(site, "tiny.iso")
                started.until("Ctrl-C ends it.")
                (name,) = started.names()
                url = re.search(r"^URL: (\S+)$", started.out, re.M).group(1)
                self.assertIn("vnc.html#", url)
                with Vnc.of(site, name) as vnc:
                    self.assertEqual(vnc.greeting, b"RFB 003.008\n")
                started.interrupt(number)
                self.assertEqual(started.end(), 0, started.out)
                self.assertIn(f"{name}: ended: Stopped by the administrator.",
                              started.out)
                self.assertEqual(site.overlays(name), [])
                eventually(lambda: not site.processes(name), 5, "its owner's end")

    def test_it_ends_when_the_session_does(self):
        with Site() as site:
            started = Started(site, "tiny.iso", "--snapshot_lifetime=3600")
            started.until("Ctrl-C ends it.")
            (name,) = started.names()
            site.qwdctl("stop", name, "--now", "--yes")
            self.assertEqual(started.end(), 0)
            self.assertIn(f"{name}: ended:", started.out)

    def test_a_file_and_options_are_taken(self):
        with Site(options={"snapshot_alloc_mem": 1}) as site:
            elsewhere = site.dir / "elsewhere"
            elsewhere.mkdir(mode=0o755)
            shutil.copy(site.machines_dir / "tiny.iso", elsewhere / "my live.iso")
            started = Started(site, str(elsewhere / "my live.iso"),
                              "--snapshot_alloc_mem=0.25", "--quiet")
            started.until("URL: ")
            owner = eventually(lambda: site.process("owner"), 5, "the owner")
            name = owner.argv[2]
            record = site.record(name)
            self.assertEqual(record["machine"], "my live.iso")
            self.assertEqual(record["memory_mb"], 256)
            started.interrupt()
            self.assertEqual(started.end(), 0, started.out)
            self.assertNotIn("Ctrl-C", started.out)

    def test_several_are_started_and_kept(self):
        with Site(options={"service_max_cpu_fraction_nb_per_user": 2}) as site:
            done = site.qwdctl("start", "tiny.iso", "--count", "2", "--keep",
                               "--snapshot_alloc_mem=0.25")
            names = re.findall(r"^Session: (\S+)$", done.stdout, re.M)
            self.assertEqual(len(set(names)), 2)
            for name in names:
                self.assertIn(f"Stop it with: qwdctl stop {name}\n", done.stdout)
                self.assertEqual(site.record(name)["state"], "running")
                site.qwdctl("stop", name, "--now", "--yes")
                eventually(lambda n=name: site.record(n)["state"] == "ended", 10, "its end")


class Completion(unittest.TestCase):
    """The shells' completions, in the shells."""

    def bash(self, site, *words):
        script = """
            . etc/completion/qwdctl.bash
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _qwdctl
            printf '%s\\n' "${COMPREPLY[@]}"
        """
        done = subprocess.run(
            ["bash", "-c", script, "bash", str(site.dir / "bin/qwdctl"), *words],
            cwd=TREE, env={"PATH": "/usr/bin:/bin",
                           "QWD_CONFIG": str(site.dir / "etc/config.conf")},
            capture_output=True, text=True, timeout=20, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_commands_options_machines_and_sessions_are_completed(self):
        with Site() as site:
            name = site.running()["name"]
            self.assertIn("download", self.bash(site, ""))
            self.assertEqual(self.bash(site, "sta"), ["status", "start"])
            self.assertEqual(self.bash(site, "stop", "--n"), ["--now"])
            self.assertEqual(self.bash(site, "download", "ti"), ["tiny.iso"])
            self.assertEqual(self.bash(site, "stop", name[:-3]), [name])
            self.assertEqual(self.bash(site, "stop", "x"), [])
            self.assertEqual(self.bash(site, "edit", ""),
                             ["--quiet", "machines", "config", "web"])
            self.assertIn("index.html", self.bash(site, "edit", "web", ""))
            self.assertEqual(self.bash(site, "help", "gpu_"), ["gpu_unlock"])

    def test_the_options_of_every_command_are_completed(self):
        with Site(refresh=False) as site:
            def lines(*words):
                return site.qwdctl(*words).stdout.split()

            commands = lines("names", "commands")
            self.assertEqual(self.bash(site, ""), commands)
            for command in commands:
                known = lines("names", "options", command)
                self.assertEqual(self.bash(site, command, "--"), known, command)
                usage = site.qwdctl("help", command).stdout
                for option in known:
                    self.assertIn(f"[{option}", usage)
            # Also where the configuration is broken.
            config = site.dir / "etc/config.conf"
            text = config.read_text()
            try:
                config.write_text("junk\n")
                self.assertEqual(self.bash(site, "stop", "--n"), ["--now"])
            finally:
                config.write_text(text)

    def test_zsh_reads_its_file(self):
        subprocess.run(["zsh", "-n", "etc/completion/_qwdctl"], cwd=TREE, check=True)


class Refused(unittest.TestCase):
    def refused(self, site, status, message, *arguments):
        done = site.qwdctl("start", *arguments, check=False)
        self.assertEqual(done.returncode, status, done)
        self.assertIn(message, done.stderr)
        self.assertFalse([str(p) for p in site.processes() if p.role in ("owner", "qemu")])

    def test_what_cannot_be_started_is_told(self):
        with Site() as site:
            (site.dir / "text.iso").write_text("no image")
            rows = (
                (2, "name one machine, or one file"),
                (2, "name one machine", "tiny.iso", "tiny.iso"),
                (2, "--count is a number", "tiny.iso", "--count=0"),
                (2, "--fast: unknown option", "tiny.iso", "--fast"),
                (1, "missing.iso is neither a machine", "missing.iso"),
                (1, "cannot open /no/such.iso", "/no/such.iso"),
                (1, "text.iso", str(site.dir / "text.iso")),
                (1, "snapshot_alloc_mem", "tiny.iso", "--snapshot_alloc_mem=no"),
            )
            for status, message, *arguments in rows:
                with self.subTest(arguments):
                    self.refused(site, status, message, *arguments)


if __name__ == "__main__":
    unittest.main(verbosity=2)
