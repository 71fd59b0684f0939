"""qwdctl check, config and refresh: what they say of a site, and of each thing
that is wrong with it.

Needs the program (QWDCTL or QWD_CTL names it, or it is bin/qwdctl), the pages
of this tree, and root.
"""

import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

TREE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = TREE / (os.environ.get("QWDCTL") or os.environ.get("QWD_CTL")
                  or "bin/qwdctl")
USER = "www-data"


class Site(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="qwd-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.dir.chmod(0o755)
        shutil.copytree(TREE / "html", self.dir / "html")
        for name in "machines", "snapshots", "sessions", "libexec":
            (self.dir / name).mkdir(mode=0o755)
        shutil.copy(TREE / "src/vm/qwd_display.py", self.dir / "libexec")
        shutil.copy(TREE / "bin/qwd-net", self.dir / "libexec")
        for name in "snapshots", "sessions":
            shutil.chown(self.dir / name, USER)
            (self.dir / name).chmod(0o700)
        self.options = {
            "service_url": "https://desktop.lab.example",
            "dir_service": self.dir, "dir_html": self.dir / "html",
            "dir_cfg": self.dir / "sessions",
            "dir_libexec": self.dir / "libexec",
            "service_reverse_proxy": "/qemu-web-desktop/display"}
        self.machines = "[disk.raw]\n"
        (self.dir / "machines/disk.raw").write_bytes(bytes(1 << 16))

    def run_program(self, *arguments):
        (self.dir / "config.conf").write_text(
            "".join(f"{k} = {v}\n" for k, v in self.options.items()))
        (self.dir / "machines.conf").write_text(self.machines)
        return subprocess.run(
            [PROGRAM, f"--config={self.dir}/config.conf", *arguments],
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            capture_output=True, text=True, timeout=60, check=False)

    def check(self):
        done = self.run_program("check")
        self.assertEqual(done.stderr, "")
        lines = done.stdout.splitlines()
        for line in lines:
            self.assertRegex(line, r"^(ok|note|warning|error): \S")
            if not line.startswith("ok:"):
                self.assertIn("; ", line)  # what to do
        bad = any(line.startswith("error:") for line in lines)
        self.assertEqual(done.returncode, 1 if bad else 0)
        return lines

    def assert_found(self, pattern):
        """The check says this after all is well but for one thing."""
        lines = self.check()
        self.assertTrue(any(re.search(pattern, line) for line in lines),
                        f"no {pattern} in\n" + "\n".join(lines))

    def refresh(self):
        done = self.run_program("refresh")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout


class Check(Site):
    def setUp(self):
        super().setUp()
        self.refresh()

    def test_a_good_site_has_no_errors_but_the_hosts(self):
        lines = self.check()
        for word in ("ok: configuration ", "ok: 1 of 1 machines can be st",
                     "ok: dir_service ", "ok: dir_machines ",
                     "ok: dir_snapshots ", "ok: dir_cfg ",
                     "ok: templates in ", "ok: noVNC in "):
            self.assertTrue(any(line.startswith(word) for line in lines),
                            word)
        host = r"error: .*(/dev/net/tun|user namespaces|program)"
        self.assertEqual([line for line in lines
                          if line.startswith("error:")
                          and not re.match(host, line)], [])

    def test_who_may_is_told(self):
        self.assert_found(r"^warning: no login is configured, so only "
                          "requests from this host itself are served; ")
        self.options["allow_anonymous"] = "yes"
        self.assert_found("^warning: whoever reaches the page can start ")

    def test_options_without_effect_are_told(self):
        self.options |= {"boot_delay": 5, "service_port_vnc": 5901, "email_passwd": "x"}
        for option in ("boot_delay", "service_port_vnc", "email_passwd"):
            self.assert_found(f"^note: option {option} has no effect: ")

    def test_a_missing_service_url_is_told(self):
        del self.options["service_url"]
        self.assert_found("^note: links are built on the web server's own ")
        self.options["service_url"] = "http://desktop.lab.example"
        self.assert_found("^warning: service_url: passwords and screens cross ")
        for url in "https://desktop.lab.example", "http://localhost:8080":
            self.options["service_url"] = url
            self.assertEqual([x for x in self.check() if "service_url" in x], [])

    def test_what_login_by_mail_lacks_is_told(self):
        password = self.dir / "password"
        self.options |= {
            "check_user_with_email": "yes", "email_from": "a@lab.example",
            "email_domains": "lab.example", "smtp_server": "mail.example",
            "email_passwd_file": password}
        self.assert_found("^error: email_passwd_file: .* cannot be looked at")
        password.write_text("secret\n")
        password.chmod(0o644)
        self.assert_found("^error: email_passwd_file: others may use ")
        password.chmod(0o640)
        shutil.chown(password, "nobody", "nogroup")
        self.assert_found(f"^error: email_passwd_file: .* read by {USER}; ")
        shutil.chown(password, "root", USER)
        self.assertEqual([line for line in self.check() if "email" in line],
                         [])
        self.options["email_domains"] = "any"
        del self.options["service_url"]
        self.assert_found("^warning: everybody who has a mail address can ")
        self.assert_found("^warning: links in mails are built on ")

    def test_what_displays_lack_is_told(self):
        self.assert_found("^ok: displays are at /qemu-web-desktop/display of ")
        self.options["service_port"] = 0
        self.assert_found("^error: service_port = 0: the web server does not ")
        self.options["service_port"] = 6080
        self.options["service_reverse_proxy"] = ""
        self.assert_found("^warning: displays cross the network in the clear; ")
        self.options["service_port_multiple"] = "yes"
        self.assert_found("^note: browsers need the ports 6080 to 6090 of ")
        (self.dir / "libexec/qwd_display.py").unlink()
        self.assert_found("^error: dir_libexec: there is no .*/qwd_display.py,")

    def test_what_is_wrong_with_the_certificate_is_told(self):
        def make(name, days=90):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-nodes",
                 "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-subj", "/CN=desktop.lab.example", "-days", str(days),
                 "-keyout", self.dir / f"{name}.key",
                 "-out", self.dir / f"{name}.crt"],
                check=True, capture_output=True, timeout=30)
            shutil.chown(self.dir / f"{name}.key", "root", USER)
            (self.dir / f"{name}.key").chmod(0o640)
            self.options |= {"certificate_crt": self.dir / f"{name}.crt",
                             "certificate_key": self.dir / f"{name}.key"}

        make("site")
        self.assert_found("^note: certificate_crt has no effect, since ")
        self.options["service_reverse_proxy"] = ""
        self.assert_found("^ok: displays are encrypted with ")
        (self.dir / "site.key").chmod(0o600)
        self.assert_found(f"^error: certificate_key: user {USER} cannot read ")
        make("soon", 10)
        self.assert_found("^warning: certificate_crt: .* expires within three ")
        make("other")
        self.options["certificate_crt"] = self.dir / "soon.crt"
        self.assert_found("^error: certificate_key: .* is not the key of ")
        (self.dir / "soon.crt").write_text("no certificate\n")
        self.assert_found("^error: certificate_crt: .* cannot be read as PEM; ")
        del self.options["certificate_key"]
        done = self.run_program("check")
        self.assertIn("certificate_crt and certificate_key: one is of no use "
                      "without the other", done.stdout + done.stderr)

    def test_a_missing_machine_is_told(self):
        self.machines += "[a.iso]\nurl = https://a.example/a.iso\n[b.iso]\n"
        self.assert_found("^warning: machine a.iso is not here; run qwdctl "
                          "download a.iso$")
        self.assert_found("^warning: machine b.iso is not here and has no "
                          "url; copy it into ")

    def test_a_machine_that_changed_is_told(self):
        os.utime(self.dir / "machines/disk.raw", (1, 1))
        self.assert_found("^warning: machine disk.raw is new or changed; run "
                          "qwdctl refresh$")

    def test_a_refused_machine_is_told(self):
        (self.dir / "machines/x.qcow2").write_bytes(bytes(512))
        self.machines += "[x.qcow2]\n"
        self.assertRegex(self.refresh(), r"x.qcow2 +refused +is named .qcow2 "
                         "but holds no known header")
        self.assert_found("^warning: machine x.qcow2 is named .qcow2 but "
                          "holds no known header; replace it")

    def test_a_machine_that_the_service_cannot_read_is_told(self):
        (self.dir / "machines/disk.raw").chmod(0o600)
        self.assert_found(f"^error: .*/disk.raw cannot be read by user {USER}")

    def test_an_image_that_nobody_is_offered_is_told(self):
        (self.dir / "machines/extra.raw").write_bytes(b"")
        self.assert_found(r"^note: .*/extra.raw is not offered; add "
                          r"\[extra.raw\] to ")

    def test_no_machine_at_all_is_an_error(self):
        self.machines = ""
        self.assert_found("^error: no machine can be started; ")

    def test_a_wrong_machines_conf_is_told_with_its_place(self):
        for self.machines, pattern in (
                ("[disk.raw]\nurn = x\n", ":2: urn: there is no such key; "),
                ("[disk.raw]\n\n[disk.raw]\n", r":3: \[disk.raw\] is there twice"),
                ("[../../etc/shadow]\n", r":1: \[../../etc/shadow\] is not a file name "),
                ("[disk.raw]\nurl = file:///etc/shadow\n", ":2: url: .* must begin with ")):
            self.assert_found("^error: .*/machines.conf" + pattern)

    def test_a_missing_or_damaged_catalogue_is_told(self):
        catalogue = self.dir / "catalogue.json"
        catalogue.write_text("{}")
        self.assert_found("^error: .*/catalogue.json: damaged at machine 0")
        catalogue.unlink()
        self.assert_found("^error: .*/catalogue.json does not exist; run "
                          "qwdctl refresh$")

    def test_directories_with_wrong_rights_are_told(self):
        (self.dir / "machines").chmod(0o777)
        self.assert_found("^error: dir_machines: others can write to ")
        (self.dir / "machines").chmod(0o700)
        self.assert_found(f"^error: dir_machines: user {USER} cannot read ")
        (self.dir / "snapshots").chmod(0o755)
        self.assert_found("^warning: dir_snapshots: other users can enter ")
        shutil.chown(self.dir / "snapshots", "root")
        self.assert_found(f"^error: dir_snapshots: user {USER} cannot write")
        (self.dir / "snapshots").rmdir()
        self.assert_found("^error: dir_snapshots: .* is no directory; make ")

    def test_a_directory_of_records_that_cannot_be_made_is_told(self):
        self.options["dir_cfg"] = self.dir / "sessions/below"
        self.assert_found(r"^ok: dir_cfg .*/below \(the first session")
        self.options["dir_cfg"] = self.dir / "none/below"
        self.assert_found(f"^error: dir_cfg: user {USER} cannot make ")

    def test_a_history_that_cannot_be_made_is_told(self):
        self.options["dir_history"] = self.dir / "sessions/history"
        self.assert_found(r"^ok: dir_history .*/history \(the first session")
        self.options["dir_history"] = self.dir / "none/history"
        self.assert_found(f"^warning: dir_history: user {USER} cannot make ")

    def test_a_wrong_or_missing_template_is_told(self):
        page = self.dir / "html/desktop/manage.html"
        page.write_text("<p title={{title}}>x</p>\n")
        self.assert_found(r"^error: template .*manage.html:1: ")
        page.unlink()
        self.assert_found("^error: template .*/manage.html is missing; ")
        shutil.rmtree(self.dir / "html/desktop")
        self.assert_found("^error: dir_html: .*/desktop cannot be read; ")

    def test_missing_programs_are_told(self):
        self.options["qemu_exec"] = "qemu-system-none"
        self.options["dir_websockify"] = "/nonexistent/websockify"
        self.options["dir_novnc"] = "/nonexistent"
        self.assert_found("^error: .*qemu-system-none.*; apt install qemu-")
        self.assert_found("^error: program /nonexistent/websockify is "
                          "missing; apt install websockify$")
        self.assert_found("^error: dir_novnc: there is no "
                          "/nonexistent/vnc.html; apt install novnc$")

    def test_a_guest_without_network_needs_no_tun(self):
        self.options["guest_network"] = "none"
        self.assert_found("^ok: guest_network = none$")

    def over(self, path, text, mode=0o755):
        """Another file in the place of `path`, for these namespaces alone."""
        fake = self.dir / pathlib.Path(path).name
        fake.write_text(text)
        fake.chmod(mode)
        subprocess.run(["mount", "--bind", fake, path], check=True)
        self.addCleanup(subprocess.run, ["umount", path], check=True)

    def test_a_host_without_user_namespaces_is_an_error(self):
        """SR25: what the service does then is another test's affair
        (test_session_life.py)."""
        self.assert_found("^ok: user namespaces$")
        self.over("/usr/bin/bwrap", "#!/bin/sh\nexit 1\n")
        self.assert_found(f"^error: user {USER} cannot make user namespaces, "
                          "so that guests have no network and QEMU no ")

    def test_what_a_bridge_needs_is_told(self):
        self.options["guest_network"] = "bridge=guests0"
        self.assert_found("^ok: guest_network = bridge=guests0$")
        self.assert_found("^error: .*no bridge guests0.*; ip link add ")
        self.assert_found("^error: /etc/qemu/bridge.conf does not allow "
                          "guests0, .*; add the line 'allow guests0'$")
        self.assert_found("^warning: guests on guests0 reach what listens on "
                          "this host; name guests0 in etc/firewall/guests.nft")
        helper = "/usr/lib/qemu/qemu-bridge-helper"
        self.over(helper, "")
        self.assert_found(f"^error: {helper} cannot make ports .*; chmod u.s")
        os.chmod(helper, 0o4755)
        self.assert_found(f"^ok: program {helper}$")
        subprocess.run(["ip", "link", "add", "guests0", "type", "bridge"],
                       check=True)
        self.addCleanup(subprocess.run, ["ip", "link", "del", "guests0"],
                        check=True)
        rules = (TREE / "etc/firewall/guests.nft").read_text()
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
        self.addCleanup(subprocess.run, ["nft", "flush", "ruleset"], check=True)
        lines = self.check()
        self.assertFalse([line for line in lines
                          if "no bridge" in line or "reach what" in line])

    def test_the_network_of_each_machine_is_looked_at(self):
        self.machines = ("[disk.raw]\nnetwork = bridge=guests1\n"
                         "[other.raw]\nnetwork = bridge=guests1\n"
                         "[third.raw]\nnetwork = user\n")
        self.options["guest_network"] = "none"
        lines = self.check()
        told = [line for line in lines if "no bridge guests1" in line]
        self.assertEqual(len(told), 1, told)  # once is enough
        self.assertRegex(told[0], "^error: .*; ip link add guests1 type bridge$")
        self.assertIn("ok: machine disk.raw: network = bridge=guests1", lines)
        self.assertIn("ok: machine third.raw: network = user", lines)
        self.assertTrue(any("program" in line and "slirp4netns" in line for line in lines))
        self.machines = "[disk.raw]\nnetwork = none\n"
        self.options["guest_network"] = "bridge=guests1"
        self.assert_found("^error: .*no bridge guests1")
        self.machines = "[disk.raw]\nnetwork = bridge=guests1\n"
        told = [line for line in self.check() if "no bridge guests1" in line]
        self.assertEqual(len(told), 1, told)

    def test_a_proxy_that_hides_itself_is_warned_of(self):
        words = "behind a proxy on it that sends neither X-Forwarded-For, "
        self.assert_found(f"^warning: the service is for .*{words}.*; .*, or configure a login$")
        self.options["allow_anonymous"] = "yes"
        self.assertFalse([line for line in self.check() if words in line])
        self.options["service_metrics"] = "local"
        self.assert_found(f"^warning: service_metrics = local: figures are .*{words}"
                          ".*; .*let it send X-Forwarded-For$")
        self.options["service_metrics"] = "yes"
        self.assertFalse([line for line in self.check() if words in line])

    def test_a_bubblewrap_that_binds_no_descriptors_is_an_error_for_volumes(self):
        shutil.copy("/usr/bin/bwrap", self.dir / "real")
        said = "bwrap (has no|can bind)"
        self.assertFalse([line for line in self.check() if re.search(said, line)])
        self.machines = f"[disk.raw]\nmounts = {self.dir}\n"
        self.assert_found("^ok: /usr/bin/bwrap can bind volumes$")
        self.over("/usr/bin/bwrap", f"#!/bin/sh\n{self.dir}/real \"$@\" | grep -v bind-fd\n")
        self.assert_found("^error: /usr/bin/bwrap has no --bind-fd, so that machines with volumes "
                          "do not start; apt install bubblewrap ")
        self.machines = "[disk.raw]\n"
        self.options["dir_mounts"] = self.dir
        self.assert_found("^error: /usr/bin/bwrap has no --bind-fd")
        self.machines = "[disk.raw]\nmounts = none\n"
        self.options["dir_mounts"] = "/nonexistent"
        self.assert_found("^error: dir_mounts: the volume /nonexistent is no directory")

    def test_arguments_are_wrong_usage(self):
        for command in "check", "refresh", "config":
            done = self.run_program(command, "x")
            self.assertEqual(done.returncode, 2, command)
            self.assertIn(f"qwdctl {command}: x: ", done.stderr)

    def test_a_wrong_configuration_is_told_with_its_place(self):
        self.options["accel"] = "fast"
        done = self.run_program("check")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"/config.conf:\d+: accel: 'fast' is "
                         "not one of auto|kvm|tcg")

    def test_a_boot_script_whose_condition_has_no_end_is_told_with_its_place(self):
        self.options["config_script"] = "if(" + '"a" or ' * 900 + '"a"): exec: id'
        self.assert_found(r"^error: .*/config.conf:\d+: .* a condition of more than 4096 bytes")
        self.options["config_script"] = 'if("' + "a" * 100_000 + '" eq "a"): exec: id'
        done = self.run_program("check")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"/config.conf:\d+: ")
        self.assertLess(len(done.stderr), 1000)


class Config(Site):
    def test_values_and_defaults_are_printed(self):
        self.options["service_port"] = 7000
        values = self.run_program("config")
        self.assertEqual(values.returncode, 0)
        self.assertIn("\nservice_port = 7000\n", values.stdout)
        self.assertIn(f"\ndir_machines = {self.dir}/machines\n",
                      values.stdout)
        defaults = self.run_program("config", "--defaults")
        self.assertIn("\nservice_port = 6080\n", defaults.stdout)


class Refresh(Site):
    def test_two_follow_one_another(self):
        self.refresh()
        lock = os.open(self.dir, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [PROGRAM, f"--config={self.dir}/config.conf", "refresh"],
            stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        end = time.monotonic() + 60
        waits = re.compile(rf"-> FLOCK .* {process.pid} ")
        while not waits.search(pathlib.Path("/proc/locks").read_text()):
            self.assertIsNone(process.poll())
            self.assertLess(time.monotonic(), end)
        os.close(lock)
        self.assertEqual(process.wait(60), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
