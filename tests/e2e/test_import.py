"""qwdctl import-config: a site moves over from the Perl service."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TREE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = TREE / (os.environ.get("QWD_CTL") or "bin/qwdctl")

CONFIG = r"""
use strict;
our %config;
print "a line that is no setting\n";
$config{service_max_load} = 0.5;
$config{service_max_session_nb} = 4;
$config{snapshot_alloc_mem} = 2;
$config{user_admin} = [ 'ann', 'bob' ];
$config{check_user_with_imap} = 1;
$config{imap_server} = 'imap.lab.example';
$config{check_user_with_smtp} = 0;
$config{smtp_server} = "";
$config{email_from} = 'desk@lab.example';
$config{email_passwd} = "s3cret # word";
$config{layout_title} = "Ångström's \"lab\"";
$config{boot_delay} = 10;
$config{fallback_servers} = 'http://desk2.lab.example,desk3';
$config{check_user_custom} = sub { return "SUCCESS" };
$config{service_use_vpn} = 1;
$config{service_port} = "6080; rm -rf /";
$config{long_text} = "two\nlines";
$config{things} = { a => 1 };
1;
"""
PAGE = """
<option value="slax.iso">Slax &amp; more</option>
<!-- <option value="hidden.iso">Hidden</option> -->
<OPTION selected value='lab.qcow2'>
  The lab</OPTION>
<option value="monitor">Sessions</option>
<option value="../evil.iso">Evil</option>
<option>nothing</option>
"""
FORM = """
<form><input name="user">
<!-- <input type="checkbox" name="oneshot"> -->
<textarea name="config_script"></textarea></form>
"""


class Import(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="qwd-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.out = self.dir / "out"
        (self.dir / "config.pl").write_text(CONFIG)
        (self.dir / "machines.html").write_text(PAGE)
        (self.dir / "index.html").write_text(FORM)
        (self.dir / "perl.conf").write_text(
            "[slax.iso]\nurl = https://a.example/slax.iso\ndescription = Slax\n")

    def run_ctl(self, *arguments):
        return subprocess.run(
            [PROGRAM, *map(str, arguments)], cwd=self.dir,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            check=False)

    def take(self, *more):
        return self.run_ctl("import-config", "config.pl", "--output=out", *more)

    def options(self):
        lines = (self.out / "config.conf").read_text().splitlines()
        return dict(line.split(" = ", 1) for line in lines if not line.startswith("#"))

    def test_settings_are_carried_over_and_can_be_read(self):
        done = self.take()
        self.assertEqual(done.returncode, 0, done.stderr)
        got = self.options()
        self.assertEqual(got, {
            "service_max_load": "0.5", "service_max_session_nb": "4",
            "snapshot_alloc_mem": "2", "user_admin": "ann, bob",
            "check_user_with_imap": "1", "imap_server": "imap.lab.example",
            "check_user_with_smtp": "0", "email_from": "desk@lab.example",
            "layout_title": "Ångström's \"lab\"", "boot_delay": "10",
            "email_passwd_file": str(self.out / "email-password")})
        read = self.run_ctl(f"--config={self.out}/config.conf", "config")
        self.assertEqual(read.returncode, 0, read.stderr)
        self.assertIn("service_max_instance_nb = 4\n", read.stdout)

    def test_the_mail_password_is_in_a_private_file_only(self):
        done = self.take()
        file = self.out / "email-password"
        self.assertEqual(file.read_text(), "s3cret # word")
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertNotIn("s3cret", (self.out / "config.conf").read_text()
                         + done.stdout + done.stderr)

    def test_what_could_not_be_carried_over_is_listed(self):
        out = self.take().stdout
        for line in ("check_user_custom: a Perl function",
                     "service_use_vpn: service_use_vpn: there is no such option",
                     "fallback_servers: write the servers that have this program",
                     "service_port: service_port:",
                     "long_text: long_text: there is no such option",
                     "things: it is neither a text nor a list"):
            self.assertIn("  " + line, out)

    def test_machines_come_from_the_list_and_the_page(self):
        done = self.take("--list=perl.conf", "--machines=machines.html")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(
            (self.out / "machines.conf").read_text(),
            "# See machines.conf(5).\n"
            "\n[slax.iso]\ndescription = Slax\nurl = https://a.example/slax.iso\n"
            "\n[lab.qcow2]\ndescription = The lab\n")
        self.assertIn("  ../evil.iso: machines.conf:", done.stdout)

    def test_the_page_alone_gives_names_and_descriptions(self):
        self.take("--machines=machines.html")
        text = (self.out / "machines.conf").read_text()
        self.assertIn("[slax.iso]\ndescription = Slax & more\n", text)
        self.assertNotIn("hidden", text)

    def test_nothing_is_overwritten_unasked(self):
        self.take()
        (self.out / "config.conf").write_text("# mine\n")
        done = self.take()
        self.assertEqual(done.returncode, 1)
        self.assertIn("config.conf is there already", done.stderr)
        self.assertEqual((self.out / "config.conf").read_text(), "# mine\n")
        self.assertEqual(self.take("--replace").returncode, 0)
        self.assertEqual((self.out / "config.conf.before-import").read_text(), "# mine\n")

    def test_what_cannot_be_read_is_told_and_writes_nothing(self):
        for text, message in (("this is no perl {", "Perl cannot read config.pl:"),
                              ("die 'no such thing'", "no such thing"),
                              ("use No::Such::Module; 1;", "No/Such/Module.pm")):
            (self.dir / "config.pl").write_text(text)
            done = self.take()
            self.assertEqual(done.returncode, 1, text)
            self.assertIn(message, done.stderr)
            self.assertFalse(self.out.exists())
        done = self.run_ctl("import-config", "missing.pl", "--output=out")
        self.assertIn("cannot open missing.pl", done.stderr)
        done = self.run_ctl("import-config")
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
