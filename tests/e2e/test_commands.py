"""Every command of qwdctl: its options, its exit statuses, what it says."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import TREE, Site, eventually

FLAGS = ("--json", "--yes", "--quiet", "--dry-run")
TABLE = {  # what each has of these
    "download": "json quiet dry-run",
    "refresh": "json quiet dry-run",
    "status": "json",
    "start": "json quiet dry-run",
    "stop": "json yes quiet dry-run",
    "extend": "json quiet dry-run",
    "report": "json",
    "log": "json",
    "purge": "json quiet",
    "add": "quiet dry-run",
    "capture": "quiet dry-run",
    "edit": "quiet",
    "import-config": "json quiet dry-run",
    "check": "json quiet",
    "gpu": "json yes quiet dry-run",
    "gpu_unlock": "yes quiet dry-run",
    "secret": "quiet dry-run",
    "sudo-rule": "",
    "config": "json",
    "help": "",
    "version": "json",
}
NOBODY = "qemu-web-desktop-" + "a" * 20
DONE, FAILED, USAGE, NOTHING = range(4)


class Arguments(unittest.TestCase):
    """Without a site."""

    def run_ctl(self, *words, config="/dev/null"):
        return subprocess.run(
            [TREE / "bin/qwdctl", f"--config={config}", *words],
            env={"PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=30, check=False,
        )  # fmt: skip

    def test_the_table_of_commands_and_options(self):
        commands = self.run_ctl("names", "commands").stdout.split()
        self.assertEqual(sorted(commands), sorted(TABLE))
        for command, has in TABLE.items():
            known = self.run_ctl("names", "options", command).stdout.split()
            self.assertEqual([f"--{flag}" for flag in has.split()],
                             [o for o in known if o in FLAGS], command)

    def test_an_option_that_does_not_apply_is_wrong_usage(self):
        for command, has in TABLE.items():
            others = [f for f in FLAGS if f[2:] not in has.split()] + ["--no-such-option", "-x"]
            for option in others:
                with self.subTest(f"{command} {option}"):
                    done = self.run_ctl(command, option)
                    self.assertEqual((done.returncode, done.stdout), (USAGE, ""))
                    self.assertEqual(done.stderr.splitlines()[0],
                                     f"qwdctl {command}: {option}: unknown option")
                    self.assertIn(f"\nUsage: qwdctl {command} ", done.stderr)

    def test_an_unknown_command_gets_the_nearest_one_proposed(self):
        for word, said in (
            ("statsu", "there is no command statsu; did you mean status?"),
            ("--dowload", "there is no command --dowload; did you mean download?"),
            ("gpu-unlock", "there is no command gpu-unlock; did you mean gpu_unlock?"),
            ("x", "there is no command x; see 'qwdctl help'"),
            ("frob", "there is no command frob; see 'qwdctl help'"),
            ("flaten", "there is no command flaten; see 'qwdctl help'"),
            ("", "there is no command ; see 'qwdctl help'"),
        ):
            done = self.run_ctl(word)
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (USAGE, "", f"qwdctl: {said}\n"))
        done = subprocess.run([TREE / "bin/qwdctl"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (USAGE, ""))
        self.assertIn("Usage: qwdctl [--config=FILE] COMMAND", done.stderr)

    def test_each_command_tells_how_it_is_used_if_asked_for_help(self):
        for command in TABLE:
            told = self.run_ctl("help", command)
            self.assertEqual((told.returncode, told.stderr), (DONE, ""))
            self.assertIn(f"\nUsage: qwdctl {command} ", told.stdout)
            for option in "--help", "-h":
                asked = self.run_ctl(command, option)
                self.assertEqual((asked.returncode, asked.stdout, asked.stderr),
                                 (DONE, told.stdout, ""), command)

    def test_a_file_that_is_not_there_is_named_once(self):
        with tempfile.NamedTemporaryFile(suffix=".conf") as config:
            done = self.run_ctl("add", "/nowhere/x.qcow2", config=config.name)
        self.assertEqual((done.returncode, done.stderr),
                         (FAILED, "qwdctl add: /nowhere/x.qcow2 does not exist\n"))

    def test_the_perl_programs_spellings_work(self):
        for old, new in ("--version", "version"), ("--config", "config"), ("--help", "help"):
            self.assertEqual(self.run_ctl(old).stdout, self.run_ctl(new).stdout)
        for old, new in ("update", "download"), ("launch", "start"):
            self.assertIn(f"Usage: qwdctl {new} ", self.run_ctl(old, "-x").stderr)

    def test_a_wrong_configuration_is_a_failure_of_each(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            config.write("no_such_option = 1\n")
            config.flush()
            words = {"start": ["x"], "stop": ["--all"], "extend": [NOBODY], "log": [NOBODY],
                     "add": ["x"], "capture": [NOBODY, "a.qcow2"],
                     "sudo-rule": ["x"]}  # fmt: skip
            for command in set(TABLE) - {"edit", "import-config", "help", "version"}:
                done = self.run_ctl(command, *words.get(command, ()), config=config.name)
                self.assertEqual((done.returncode, done.stdout), (FAILED, ""), command)
                self.assertIn(f"qwdctl: {config.name}:1: no_such_option", done.stderr)


class Commands(unittest.TestCase):
    """With a site, as its service's user."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site(options={"service_max_session_nb_per_user": 4, "service_max_cpu_fraction_nb_per_user": 8,
                                 "service_max_mem_fraction_nb_per_user": 1})
        cls.site.__enter__()
        cls.addClassCleanup(lambda: cls.site.__exit__(None, None, None))
        cls.name = cls.site.running(user="ann")["name"]
        cls.disk = cls.site.dir / "disk.raw"
        cls.disk.write_bytes(bytes(1 << 16))
        cls.disk.chmod(0o644)

    def run_ctl(self, *words, site_config=True):
        config = [f"--config={self.site.dir}/etc/config.conf"] if site_config else []
        return subprocess.run(
            [self.site.dir / "bin/qwdctl", *config, *map(str, words)], cwd="/",
            env={"PATH": "/usr/bin:/bin", "EDITOR": "true", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def state(self, name):
        told = json.loads(self.run_ctl("status", "--json").stdout)["sessions"]
        return next(s["state"] for s in told if s["name"] == name)

    def snapshot(self):
        """What commands could change."""
        top = pathlib.Path(self.site.dir)
        return {
            str(p): (p.read_bytes() if p.stat().st_size < 1 << 20 else p.stat().st_size)
            for place in ("etc", "lib/machines", "lib/catalogue.json")
            for p in ([top / place] if (top / place).is_file() else (top / place).rglob("*"))
            if p.is_file()
        }

    def test_the_exit_status_says_how_it_ended(self):
        ended = self.site.running(user="eve")["name"]
        self.site.end(ended)
        perl = self.site.dir / "config.pl"
        perl.write_text("%config = ();")
        rows = (
            # --- done
            (DONE, "disk.raw: would be added", "add", "--dry-run", self.disk),
            (DONE, f"{self.name}: would become c.qcow2", "capture", "--dry-run", self.name, "c.qcow2"),
            (DONE, "service = ", "config"),
            (DONE, "no machine has a url", "download"),
            (DONE, f"{self.name}: ends in ", "extend", self.name),
            (DONE, f"{self.name}: ends in ", "extend", "--dry-run", self.name),
            (DONE, "Usage: qwdctl stop", "help", "stop"),
            (DONE, "# Imported from", "import-config", "--dry-run", perl),
            (DONE, f"session={self.name}", "log", self.name),
            (DONE, "", "purge"),
            (DONE, "tiny.iso  CD", "refresh"),
            (DONE, "CORE HOURS", "report"),
            (DONE, "is there", "secret"),
            (DONE, "would start 2 of tiny.iso", "start", "--dry-run", "--count=2", "tiny.iso"),
            (DONE, "Sessions: ", "status"),
            (DONE, f"{self.name}: is running, would be stopped", "stop", "--dry-run", self.name),
            (DONE, f"{self.name}: is running, would be stopped", "stop", "--dry-run", "ann"),
            (DONE, f"{self.name}: is running, would be stopped", "stop", "--dry-run", "--all"),
            (DONE, "qwdctl ", "version"),
            # --- failed
            (FAILED, "/no/such.raw", "add", "/no/such.raw"),
            (FAILED, f"{NOBODY}: no such session", "capture", "--dry-run", NOBODY, "c.qcow2"),
            (FAILED, f"{ended}: it does not run", "capture", "--dry-run", ended, "c.qcow2"),
            (FAILED, "x.raw: is not in machines.conf", "download", "x.raw"),
            (FAILED, "there is no page x.html", "edit", "web", "x.html"),
            (FAILED, f"{NOBODY}: no such session", "extend", NOBODY),
            (FAILED, "cannot open no-such.pl", "import-config", "--dry-run", "no-such.pl"),
            (FAILED, "x is neither a machine", "start", "x"),
            (FAILED, "slurm_user is not visitor, so no rule is needed", "sudo-rule", "desktops"),
            (FAILED, "a b is not a group's name", "sudo-rule", "a b"),
            (FAILED, f"{NOBODY}: no such session, nor a user who has one", "stop", NOBODY),
            (FAILED, "bob: no such session, nor a user who has one", "stop", "bob"),
            # --- wrong arguments
            (USAGE, "name one file, or one url", "add"),
            (USAGE, "--name=", "add", "--name=a/b", self.disk),
            (USAGE, "name a session and a new machine", "capture", self.name),
            (USAGE, "it takes options only", "check", "x"),
            (USAGE, "--jobs is a number from 1 to 8", "download", "--jobs=9"),
            (USAGE, "say machines, config, or web", "edit", "passwd"),
            (USAGE, "this is no session's name", "extend", "../x"),
            (USAGE, "a whole number of seconds", "extend", self.name, "soon"),
            (USAGE, "name a kind of card", "gpu", "--dry-run"),
            (USAGE, "is not of the form 10de:1d01", "gpu", "x;y"),
            (USAGE, "--root is an absolute path", "gpu_unlock", "--root=x"),
            (USAGE, "there is no such command", "help", "x"),
            (USAGE, "name one config.pl", "import-config"),
            (USAGE, "this is no session's name", "log", "../x"),
            (USAGE, "a day is as in", "report", "--since=yesterday"),
            (USAGE, "no user can have this name", "report", "--user", "a\nb"),
            (USAGE, "--count is a number from 1 to 100", "start", "--count=0", "tiny.iso"),
            (USAGE, "name one machine", "start", "--keep"),
            (USAGE, "--all needs --yes where nobody can be asked", "stop", "--all"),
            (USAGE, "name sessions or users, or say --all", "stop"),
            (USAGE, "name one group", "sudo-rule"),
            (USAGE, "name sessions or users, or say --all", "stop", "--all", self.name),
            # --- nothing to do
            (NOTHING, "Nothing was changed.", "edit", "config"),
            (NOTHING, "Nothing was changed.", "edit", "machines"),
            (NOTHING, "Nothing is to be done.", "gpu_unlock", f"--root={self.site.dir}/host"),
            (NOTHING, f"the log has nothing of {NOBODY}", "log", NOBODY),
            (NOTHING, "No session has ended.", "report", "--user=nobody-was-here"),
            (NOTHING, f"{ended}: has ended already", "stop", ended),
        )  # fmt: skip
        before = self.snapshot()
        for status, words, *arguments in rows:
            with self.subTest(arguments):
                done = self.run_ctl(*arguments)
                self.assertEqual(done.returncode, status, done)
                told = done.stderr if status in (FAILED, USAGE) or arguments[0] == "log" and \
                    status == NOTHING else done.stdout  # fmt: skip
                self.assertIn(words, told, done)
        self.assertEqual({row[2] for row in rows} | {"check", "gpu"}, set(TABLE))
        self.assertEqual(self.snapshot(), before)
        self.assertEqual(self.state(self.name), "running")
        # The check fails for what it found.
        done = self.run_ctl("check")
        errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
        self.assertEqual(done.returncode, FAILED if errors else DONE)
        # Whether this host has a card is its own affair.
        done = self.run_ctl("gpu")
        self.assertEqual(done.returncode,
                         NOTHING if "has no graphics card" in done.stdout else DONE, done)

    def test_json_is_one_value(self):
        rows = (
            ({"machines"}, "download"),
            ({"machines"}, "download", "--dry-run"),
            ({"machines"}, "refresh"),
            ({"host", "sessions", "machines"}, "status"),
            ({"sessions"}, "start", "--dry-run", "tiny.iso"),
            ({"sessions"}, "stop", "--dry-run", self.name),
            ({"name", "seconds_left"}, "extend", self.name),
            ({"sessions", "users", "accounts", "damaged"}, "report"),
            ({"session", "lines"}, "log", self.name),
            ({"ownerless", "records", "overlays", "files"}, "purge"),
            ({"checks", "errors", "warnings"}, "check"),
            ({"cards"}, "gpu"),
            ({"version"}, "version"),
        )
        for members, command, *more in rows:
            with self.subTest(command):
                done = self.run_ctl(command, "--json", *more)
                self.assertEqual(set(json.loads(done.stdout)), members, done)
        options = json.loads(self.run_ctl("config", "--json").stdout)
        self.assertEqual(options["service_max_session_nb_per_user"], "4")
        self.assertEqual(options["config_script"], [])
        told = json.loads(self.run_ctl("refresh", "--json").stdout)["machines"]
        self.assertEqual([(m["name"], m["state"]) for m in told], [("tiny.iso", "CD")])
        lines = json.loads(self.run_ctl("log", "--json", self.name).stdout)["lines"]
        later = self.run_ctl("log", self.name).stdout.splitlines()
        self.assertEqual(lines, later[: len(lines)])
        checked = self.run_ctl("check", "--json")
        told = json.loads(checked.stdout)
        plain = self.run_ctl("check").stdout.splitlines()

        def without_numbers(words):
            return [re.sub(r"\d+", "N", line) for line in words]  # what is free, and such

        self.assertEqual(
            without_numbers(f"{c['level']}: {c['text']}" for c in told["checks"]),
            without_numbers(plain),
        )
        self.assertEqual(told["errors"], sum(line.startswith("error: ") for line in plain))

    def test_quiet_says_only_what_goes_wrong(self):
        for arguments in (
            ("download",), ("refresh",), ("extend", self.name), ("purge",),
            ("stop", "--dry-run", self.name), ("add", "--dry-run", self.disk),
            ("capture", "--dry-run", self.name, "c.qcow2"), ("secret",), ("edit", "config"),
            ("start", "--dry-run", "tiny.iso"), ("gpu_unlock", f"--root={self.site.dir}/host"),
        ):  # fmt: skip
            done = self.run_ctl(*arguments, "--quiet")
            self.assertIn(done.returncode, (DONE, NOTHING), done)
            self.assertEqual((done.stdout, done.stderr), ("", ""), arguments)
        done = self.run_ctl("check", "--quiet")
        self.assertNotIn("\nok: ", "\n" + done.stdout)
        self.assertNotIn("\nnote: ", "\n" + done.stdout)
        done = self.run_ctl("stop", "--quiet", NOBODY)
        self.assertEqual(done.stderr, f"qwdctl stop: {NOBODY}: no such session, nor a user who has one\n")

    def test_a_users_sessions_are_stopped_and_nobody_elses(self):
        names = [self.site.running(user="carol")["name"] for _ in range(2)]
        done = self.run_ctl("stop", "--now", "--yes", "--json", "carol")
        self.assertEqual(done.returncode, DONE, done)
        self.assertEqual({s["name"] for s in json.loads(done.stdout)["sessions"]}, set(names))
        for name in names:
            eventually(lambda name=name: self.state(name) == "ended", 20, "the end")
        self.assertEqual(self.state(self.name), "running")
        self.assertEqual(self.run_ctl("stop", "carol").returncode, FAILED)

    def test_sessions_are_started_and_told_as_json(self):
        done = self.run_ctl("start", "--json", "--keep", "tiny.iso", "--count", "2")
        self.assertEqual(done.returncode, DONE, done)
        told = json.loads(done.stdout)["sessions"]
        self.assertEqual(len(told), 2)
        for session in told:
            self.assertRegex(session["url"], r"^http://localhost:\d+/.*token")
        done = self.run_ctl("stop", "--now", *(s["name"] for s in told))
        self.assertEqual(done.returncode, DONE, done)
        for session in told:
            eventually(lambda s=session: self.state(s["name"]) == "ended", 20, "the end")

    def test_what_may_not_be_written_is_told_and_left(self):
        """As somebody who has no right to anything."""
        before = self.snapshot()
        for words, message in (
            (("add", self.disk, "--name=new.raw"), "cannot make .new.raw.new: Permission denied"),
            (("edit", "machines"), "machines.conf.edit: Permission denied"),
            (("edit", "config"), "config.conf.edit: Permission denied"),
            (("edit", "web", "index.html"), "Permission denied"),
            (("refresh",), "Permission denied"),
        ):
            done = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                 self.site.dir / "bin/qwdctl", f"--config={self.site.dir}/etc/config.conf",
                 *map(str, words)],
                cwd="/", env={"PATH": "/usr/bin:/bin", "EDITOR": "true"}, capture_output=True,
                stdin=subprocess.DEVNULL, text=True, timeout=30, check=False,
            )  # fmt: skip
            self.assertEqual(done.returncode, FAILED, done)
            self.assertIn(message, done.stderr)
            self.assertTrue(done.stderr.startswith(f"qwdctl {words[0]}: "), done.stderr)
        self.assertEqual(self.snapshot(), before)
        self.assertFalse(os.path.exists(self.site.dir / "etc/html"))


class Planted(unittest.TestCase):
    """P32: whoever may write to a directory does not choose where root writes."""

    def test_links_in_the_place_of_what_root_writes_are_not_followed(self):
        with tempfile.TemporaryDirectory(dir="/tmp") as place:
            top = pathlib.Path(place)
            precious = top / "precious"
            (top / "machines").mkdir()
            (top / "machines/a.raw").write_bytes(bytes(1 << 16))
            (top / "config.conf").write_text(f"dir_service = {top}\ndir_html = {TREE}/html\n"
                                             f"dir_html_site = {top}/site\n")
            (top / "machines.conf").write_text("[a.raw]\n")
            (top / "site").mkdir()
            editor = top / "editor"
            editor.write_text("#!/bin/sh\necho '# more' >>\"$1\"\n")
            editor.chmod(0o755)
            for words, link in (
                (("refresh",), "catalogue.json.tmp"),
                (("refresh",), "catalogue.json"),
                (("add", top / "machines/a.raw", "--name=b.raw"), "machines/.b.raw.new"),
                (("edit", "config"), "config.conf.edit"),
                (("edit", "machines"), "machines.conf.edit"),
                (("edit", "machines"), "machines.conf.tmp"),
                (("edit", "web", "terms.html"), "site/.edit"),
                (("edit", "web", "terms.html"), "site/terms.html.tmp"),
                (("secret",), "secret"),
            ):
                with self.subTest(link):
                    precious.write_text("precious")
                    (top / link).unlink(missing_ok=True)
                    (top / link).symlink_to(precious)
                    subprocess.run(
                        [TREE / "bin/qwdctl", f"--config={top}/config.conf", *map(str, words)],
                        env={"PATH": "/usr/bin:/bin", "EDITOR": str(editor)},
                        stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False,
                    )  # fmt: skip
                    self.assertEqual(precious.read_text(), "precious")
                    self.assertEqual(precious.stat().st_mode & 0o777, 0o644)
                    (top / link).unlink(missing_ok=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
