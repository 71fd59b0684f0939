"""The Debian package and `make install`, as far as they go without installing
anything: tests/system does that (make check-system)."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import TREE

CGI = "usr/libexec/qemu-web-desktop/cgi"
HELPERS = tuple(f"usr/libexec/qemu-web-desktop/qwd-{name}" for name in ("net", "script", "visitor"))


def run(*command, seconds=900, check=True, **more):
    done = subprocess.run(
        [str(word) for word in command],
        cwd=more.pop("cwd", TREE),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp"}
        | more.pop("env", {}),
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def files_below(top):
    return {str(p.relative_to(top)) for p in pathlib.Path(top).rglob("*") if not p.is_dir()}


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.mkdtemp(prefix="deb", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.place)
        run("tests/packages/deb", cls.place)
        (cls.deb,) = pathlib.Path(cls.place).glob("qemu-web-desktop_*.deb")
        run("dpkg-deb", "-R", cls.deb, f"{cls.place}/x")
        cls.tree = pathlib.Path(cls.place) / "x"
        cls.listing = {}
        for line in run("dpkg-deb", "-c", cls.deb).stdout.splitlines():
            mode, owner, _, _, _, name = line.split(None, 5)
            cls.listing[name.partition(" -> ")[0].removeprefix("./").rstrip("/")] = (mode, owner)

    def control(self, name):
        return (self.tree / "DEBIAN" / name).read_text()

    def test_lintian_has_nothing_to_say(self):
        (changes,) = pathlib.Path(self.place).glob("*.changes")
        done = run(
            "lintian", "--allow-root", "--profile", "debian", "--fail-on", "error,warning", changes,
            check=False, env={"TMPDIR": self.place},  # where it leaves things
        )  # fmt: skip
        said = [line for line in done.stdout.splitlines() if line.startswith(("E:", "W:"))]
        self.assertEqual((done.returncode, said), (0, []), done.stderr)

    def test_files_are_where_the_standard_wants_them(self):
        wanted = {
            "etc/apache2/conf-available/qemu-web-desktop.conf",
            "etc/cron.d/qemu-web-desktop",
            "etc/fail2ban/filter.d/qemu-web-desktop.conf",
            "etc/logrotate.d/qemu-web-desktop",
            "etc/qemu-web-desktop/config.conf",
            "etc/qemu-web-desktop/machines.conf",
            "lib/systemd/system/qemu-web-desktop-session.socket",
            "lib/systemd/system/qemu-web-desktop-session@.service",
            "lib/systemd/system/qemu-web-desktop-gateway.socket",
            "lib/systemd/system/qemu-web-desktop-gateway@.service",
            "lib/systemd/system/qemu-web-desktop-purge.service",
            "lib/systemd/system/qemu-web-desktop-purge.timer",
            "usr/bin/qemu-web-desktop",
            "usr/bin/qwdctl",
            "usr/lib/sysusers.d/qemu-web-desktop.conf",
            "usr/lib/tmpfiles.d/qemu-web-desktop.conf",
            *HELPERS,
            "usr/libexec/qemu-web-desktop/qwd_display.py",
            "usr/share/bash-completion/completions/qwdctl",
            "usr/share/doc/qemu-web-desktop/README.Debian",
            "usr/share/doc/qemu-web-desktop/install.md.gz",
            "usr/share/man/man5/machines.conf.5.gz",
            "usr/share/man/man5/qemu-web-desktop.conf.5.gz",
            "usr/share/man/man8/qemu-web-desktop.8.gz",
            "usr/share/man/man8/qwdctl.8.gz",
            "usr/share/qemu-web-desktop/html/desktop/index.html",
            "usr/share/zsh/vendor-completions/_qwdctl",
        }
        self.assertEqual(wanted - set(self.listing), set())
        tops = {name.split("/")[0] for name in self.listing if name} - {"."}
        self.assertEqual(tops, {"etc", "lib", "usr"})
        for name in self.listing:
            self.assertNotIn("/local/", name)

    def test_what_is_in_etc_is_kept_by_upgrades(self):
        kept = set(self.control("conffiles").split())
        self.assertEqual(kept, {f"/{name}" for name in files_below(self.tree) if name[:4] == "etc/"})

    def test_nothing_is_set_user_id_or_writable_before_its_user_is_there(self):
        # P29: no local user replaces a master image, a program or a page; the
        # directories of images are root's (what systemd-tmpfiles makes).
        made = (self.tree / "usr/lib/tmpfiles.d/qemu-web-desktop.conf").read_text()
        for path, mode in ("", "0755"), ("/machines", "0755"):
            self.assertRegex(made, rf"(?m)^d /var/lib/qemu-web-desktop{path} +{mode} root +root ")
        for name, (mode, owner) in self.listing.items():
            self.assertNotIn("s", mode.lower(), name)
            if not mode.startswith("l"):
                self.assertNotIn("w", mode[4:], name)
            self.assertEqual(owner, "root/www-data" if name == CGI else "root/root", name)
        self.assertEqual(self.listing[CGI][0], "drwxr-x---")
        one, other = self.tree / CGI / "qemu-web-desktop", self.tree / "usr/bin/qemu-web-desktop"
        self.assertEqual(one.read_bytes(), other.read_bytes())

    def test_apache_runs_the_set_user_id_program(self):
        text = (self.tree / "etc/apache2/conf-available/qemu-web-desktop.conf").read_text()
        self.assertIn(f"Define QWD_CGI /{CGI}/qemu-web-desktop\n", text)
        wanted = re.search(r"Modules: ([^;.]*)[;.]", text).group(1).replace("\n# ", " ")
        wanted = set(re.findall(r"[a-z_]+", re.sub(r"\(.*?\)| or ", " ", wanted))) - {"cgi", "cgid"}
        script = self.control("postinst")
        enabled = set(re.search(r"modules='(.*)'", script).group(1).split())
        self.assertEqual(wanted, enabled)
        self.assertIn("6755", script)

    def test_records_are_where_privatetmp_does_not_hide_them(self):
        text = (self.tree / "etc/qemu-web-desktop/config.conf").read_text()
        self.assertRegex(text, r"(?m)^dir_cfg = /run/qemu-web-desktop/sessions$")
        # The packaged configuration is one that the program reads.
        run(TREE / "bin/qwdctl", f"--config={self.tree}/etc/qemu-web-desktop/config.conf", "config")

    def test_the_programs_are_hardened(self):
        # SR32
        for name in ("usr/bin/qemu-web-desktop", "usr/bin/qwdctl", *HELPERS):
            path = self.tree / name
            self.assertIn("DYN (Position-Independent", run("readelf", "-h", path).stdout)
            dynamic = run("readelf", "-dW", path).stdout
            self.assertRegex(dynamic, r"FLAGS_1.*NOW")
            self.assertIn("GNU_RELRO", run("readelf", "-lW", path).stdout)
            symbols = run("readelf", "--dyn-syms", "-W", path).stdout
            self.assertIn("__stack_chk_fail", symbols)
            self.assertIn("_chk@", symbols)

    def test_the_scripts_of_the_maintainer(self):
        for name in ("postinst", "prerm", "postrm"):
            run("shellcheck", "-S", "warning", "-s", "sh", "-e", "SC1090,SC1091,SC2034,SC2043",
                self.tree / "DEBIAN" / name)  # fmt: skip
            self.assertTrue(os.access(self.tree / "DEBIAN" / name, os.X_OK))

    def test_the_apparmor_profile_is_well_formed(self):
        profile = self.tree / "usr/share/doc/qemu-web-desktop/apparmor/qemu-web-desktop"
        run("apparmor_parser", "--skip-kernel-load", "--skip-cache", "--skip-read-cache",
            profile)  # fmt: skip

    def test_it_is_built_with_what_the_build_wants(self):
        listed = (TREE / "tests/packages/build").read_text()
        wanted = set(re.findall(r"(?m)^(lib[a-z0-9.+-]*-dev)\b", listed)) - {"libc6-dev"}
        control = (TREE / "debian/control").read_text().partition("\n\n")[0]
        self.assertEqual(wanted - set(re.findall(r"lib[a-z0-9.+-]*-dev", control)), set())

    def test_the_version_is_one(self):
        version = re.search(r"(?m)^VERSION := (.*)", (TREE / "Makefile").read_text()).group(1)
        self.assertIn(f"Version: {version}\n", self.control("control"))
        said = run(self.tree / "usr/bin/qwdctl", "version").stdout
        self.assertIn(version, said)


class Install(unittest.TestCase):
    def staged(self, place, *arguments, where="."):
        run("make", "-s", "-C", where, *arguments, f"DESTDIR={place}")

    def test_uninstall_takes_what_install_brought_but_the_configuration(self):
        # From src/ too, as the readme of the Perl program says.
        for where, prefix in ((".", "/usr"), ("src", "/usr/local")):
            with self.subTest(prefix), tempfile.TemporaryDirectory(dir="/tmp") as place:
                self.staged(place, "install", f"prefix={prefix}", where=where)
                there = files_below(place)
                self.assertIn(f"{prefix[1:]}/bin/qwdctl", there)
                self.assertIn(f"{prefix[1:]}/lib/cgi-bin/qemu-web-desktop", there)
                link = pathlib.Path(place, prefix[1:], "bin/qemu-web-desktop")
                self.assertTrue(link.is_symlink() and link.exists())
                unit = pathlib.Path(
                    place, prefix[1:], "lib/systemd/system/qemu-web-desktop-session@.service"
                )
                self.assertIn(f"ExecStart={prefix}/bin/qemu-web-desktop ", unit.read_text())
                config = pathlib.Path(place, "etc/qemu-web-desktop/config.conf")
                told = run(link, f"--config={config}", "--help", check=False)
                self.assertEqual(told.returncode, 0, told.stderr)
                shown = run(
                    pathlib.Path(place, prefix[1:], "bin/qwdctl"), f"--config={config}", "config"
                ).stdout
                self.assertIn(f"dir_html = {prefix}/share/qemu-web-desktop/html\n", shown)
                # The site's own survives another installation.
                config.write_text(config.read_text() + "layout_title = Ours\n")
                self.staged(place, "install", f"prefix={prefix}", where=where)
                self.assertIn("layout_title = Ours\n", config.read_text())
                self.staged(place, "uninstall", f"prefix={prefix}", where=where)
                self.assertEqual(
                    files_below(place),
                    {"etc/qemu-web-desktop/config.conf", "etc/qemu-web-desktop/machines.conf"},
                )


if __name__ == "__main__":
    unittest.main(verbosity=2)
