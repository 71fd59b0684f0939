"""qwdctl add and qwdctl edit: the administrator's files stay right."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TREE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = TREE / (os.environ.get("QWD_CTL") or "bin/qwdctl")
DISK = bytes(range(256)) * 4096


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="qwd-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.config = self.dir / "config.conf"
        self.config.write_text(f"# ours\ndir_service = {self.dir}\n")
        self.machines = self.dir / "machines.conf"
        self.machines.write_text("# the machines\n[a.raw]\ndescription = A\n")
        (self.dir / "machines").mkdir()
        (self.dir / "machines/a.raw").write_bytes(DISK)

    def run_ctl(self, *arguments, **environment):
        return subprocess.run(
            [PROGRAM, f"--config={self.config}", *map(str, arguments)],
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"} | environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=False)

    def files(self):
        return sorted(p.name for p in self.dir.iterdir())

    def catalogue(self):
        return (self.dir / "catalogue.json").read_text()


class Add(Case):
    def test_a_file_is_copied_listed_and_offered(self):
        image = self.dir / "elsewhere.raw"
        image.write_bytes(DISK)
        done = self.run_ctl("add", image, "--name=b.raw", "--description=The second")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.dir / "machines/b.raw").read_bytes(), DISK)
        self.assertEqual(os.stat(self.dir / "machines/b.raw").st_mode & 0o777, 0o644)
        self.assertEqual(self.machines.read_text(),
                         "# the machines\n[a.raw]\ndescription = A\n"
                         "\n[b.raw]\ndescription = The second\n")
        self.assertIn('"b.raw"', self.catalogue())
        self.assertEqual(sorted(p.name for p in (self.dir / "machines").iterdir()),
                         ["a.raw", "b.raw"])

    def test_a_url_is_listed_and_tried(self):
        for url, name in (("http://127.0.0.1:1/x/c.qcow2.xz?y=1", "c.qcow2"),
                          ("http://127.0.0.1:1/d.ova", "d.qcow2"),
                          ("http://127.0.0.1:1/e.iso", "e.iso")):
            done = self.run_ctl("add", url)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{name}: cannot be fetched", done.stderr)
            self.assertIn(f"\n[{name}]\nurl = {url}\n", self.machines.read_text())

    def refused(self, status, message, *arguments):
        before = self.machines.read_text()
        done = self.run_ctl("add", *arguments)
        self.assertEqual(done.returncode, status, done)
        self.assertIn(message, done.stderr)
        self.assertEqual(self.machines.read_text(), before)
        self.assertEqual(sorted(p.name for p in (self.dir / "machines").iterdir()),
                         ["a.raw"])

    def test_what_cannot_be_added_changes_nothing(self):
        text = self.dir / "text.qcow2"
        text.write_text("no image")
        image = self.dir / "a.raw"
        image.write_bytes(DISK)
        rows = (
            (2, "name one file, or one url"),
            (2, "name one file, or one url", "x.raw", "y.raw"),
            (2, "the machine's name is a file name", image, "--name=../b.raw"),
            (1, "[a.raw] is there twice", image),
            (1, "text.qcow2: is named .qcow2 but holds no known header", text),
            (1, "/no/such.raw", "/no/such.raw"),
            (1, "description", image, "--name=b.raw", "--description=" + "x" * 300),
            (1, "url", "http://user:pw@a.example/b.raw"),
        )
        for status, message, *arguments in rows:
            with self.subTest(message):
                self.refused(status, message, *arguments)

    def test_a_file_that_is_not_listed_is_not_replaced(self):
        (self.dir / "machines/b.raw").write_bytes(b"precious")
        image = self.dir / "b.raw"
        image.write_bytes(DISK)
        done = self.run_ctl("add", image)
        self.assertEqual(done.returncode, 1)
        self.assertIn("a file b.raw is in dir_machines already", done.stderr)
        self.assertEqual((self.dir / "machines/b.raw").read_bytes(), b"precious")


class EditCase(Case):
    def editor(self, script):
        """An editor that does this to its file, $1."""
        path = self.dir / "editor"
        path.write_text(f"#!/bin/sh\nset -e\n{script}\n")
        path.chmod(0o755)
        return {"EDITOR": str(path)}


class Edit(EditCase):
    def test_a_right_change_is_taken_with_the_files_mode(self):
        self.machines.chmod(0o640)
        done = self.run_ctl("edit", "machines", **self.editor(
            "printf '[b.raw]\\n' >>\"$1\""))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.machines.read_text().endswith("[b.raw]\n"))
        self.assertEqual(self.machines.stat().st_mode & 0o777, 0o640)
        self.assertIn("b.raw", done.stdout)
        self.assertIn('"a.raw"', self.catalogue())

    def test_what_others_change_meanwhile_is_not_lost(self):
        """By qwdctl add, or another editor, while this one is open."""
        image = self.dir / "b.raw"
        image.write_bytes(DISK)
        done = self.run_ctl("edit", "machines", **self.editor(
            f"{PROGRAM} --config={self.config} add {image} >/dev/null\n"
            "printf 'memory = 1\\n' >>\"$1\""))
        self.assertEqual(done.returncode, 1, done)
        yours = self.dir / "machines.conf.yours"
        self.assertIn(f"changed by somebody else meanwhile, and stays so; what you have "
                      f"written is in {yours}", done.stderr)
        self.assertTrue(self.machines.read_text().endswith("\n[b.raw]\n"))
        self.assertIn("description = A\nmemory = 1\n", yours.read_text())
        self.assertNotIn("machines.conf.edit", self.files())

    def test_a_wrong_change_is_told_and_not_taken(self):
        for what, file, line, message in (
                ("machines", self.machines, "colour = red", "there is no such key"),
                ("config", self.config, "service_max_load = much", "service_max_load"),
                ("config", self.config, "check_user_with_ldap = yes",
                 "ldap_server is not set")):
            with self.subTest(line):
                before = file.read_text()
                done = self.run_ctl("edit", what, **self.editor(
                    f"printf '{line}\\n' >>\"$1\""))
                self.assertEqual(done.returncode, 1)
                self.assertIn("nothing was changed", done.stderr)
                self.assertIn(message, done.stderr)
                self.assertEqual(file.read_text(), before)
                self.assertNotIn(file.name + ".edit", self.files())

    def test_a_configuration_that_is_wrong_can_be_mended(self):
        self.config.write_text(f"dir_service = {self.dir}\nservice_maxload = 1\n")
        done = self.run_ctl("edit", "machines", **self.editor("true"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("qwdctl edit config", done.stderr)
        done = self.run_ctl("edit", "config", **self.editor(
            "sed -i s/maxload/max_load/ \"$1\""))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("service_max_load", self.config.read_text())

    def test_nothing_changed_is_nothing_done(self):
        done = self.run_ctl("edit", "config", **self.editor("true"))
        self.assertEqual((done.returncode, done.stdout), (3, "Nothing was changed.\n"))

    def test_an_editor_that_fails_changes_nothing(self):
        before = self.config.read_text()
        for editor, message in ((self.editor("echo x >\"$1\"; exit 3"),
                                 "the editor ended with status 3"),
                                ({"EDITOR": "/no/such/editor"}, "set EDITOR")):
            done = self.run_ctl("edit", "config", **editor)
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, done.stderr)
            self.assertEqual(self.config.read_text(), before)

    def test_the_editors_words_are_no_shell(self):
        mark = self.dir / "mark"
        done = self.run_ctl("edit", "config",
                            EDITOR=f"true $(touch {mark}) ; touch {mark} ;")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertFalse(mark.exists())

    def test_two_do_not_edit_at_once(self):
        (self.dir / "config.conf.edit").write_text("theirs")
        done = self.run_ctl("edit", "config", **self.editor("true"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("somebody edits it already", done.stderr)
        self.assertEqual((self.dir / "config.conf.edit").read_text(), "theirs")

    def test_a_link_stays_a_link(self):
        real = self.dir / "real.conf"
        self.config.rename(real)
        self.config.symlink_to(real)
        done = self.run_ctl("edit", "config", **self.editor("echo '# more' >>\"$1\""))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.config.is_symlink())
        self.assertIn("# more", real.read_text())

    def test_only_these_can_be_edited(self):
        for words in (), ("passwd",), ("config", "x"), ("web",), ("web", "a.html", "b.html"):
            done = self.run_ctl("edit", *words)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn("\nUsage: qwdctl edit [--quiet] machines|config|web [PAGE]\n", done.stderr)


class EditWeb(EditCase):
    """The site's own pages."""

    def setUp(self):
        super().setUp()
        self.shipped = TREE / "html/desktop"
        self.site = self.dir / "site"
        self.config.write_text(f"dir_service = {self.dir}\ndir_html = {TREE}/html\n"
                               f"dir_html_site = {self.site}\n")

    def edit(self, page, script):
        return self.run_ctl("edit", "web", page, **self.editor(script))

    def undo(self, done):
        """As it is told."""
        command = done.stdout.partition("Undo it with: ")[2].split()
        self.assertTrue(command, done.stdout)
        subprocess.run(command, check=True)

    def test_the_shipped_page_becomes_the_sites_own(self):
        done = self.edit("terms.html", "sed -i 's/<h1>/<h1>Our /' \"$1\"")
        self.assertEqual(done.returncode, 0, done.stderr)
        own = self.site / "terms.html"
        self.assertEqual(done.stdout, f"{own} is changed.\nUndo it with: rm {own}\n")
        self.assertEqual(own.read_text(),
                         (self.shipped / "terms.html").read_text().replace("<h1>", "<h1>Our "))
        self.assertEqual(own.stat().st_mode & 0o777, 0o644)
        self.assertEqual(os.listdir(self.site), ["terms.html"])
        self.undo(done)
        self.assertFalse(own.exists())

    def test_each_shipped_page_can_be_the_sites_own(self):
        """What it says is known, and what it includes may change."""
        pages = [p.name for p in self.shipped.iterdir() if p.is_file()]
        self.assertIn("enter.html", pages)
        for page in pages:
            with self.subTest(page):
                done = self.edit(page, "echo >>\"$1\"")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.undo(done)

    def test_a_page_of_the_sites_own_is_kept_when_it_is_changed(self):
        self.site.mkdir()
        own = self.site / "terms.html"
        own.write_text("<p>ours</p>\n")
        done = self.edit("terms.html", "grep -q ours \"$1\"; echo '<p>more</p>' >>\"$1\"")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(own.read_text(), "<p>ours</p>\n<p>more</p>\n")
        self.undo(done)
        self.assertEqual(own.read_text(), "<p>ours</p>\n")
        self.assertEqual(os.listdir(self.site), ["terms.html"])

    def test_what_the_check_refuses_is_not_taken(self):
        self.site.mkdir()
        own = self.site / "terms.html"
        own.write_text("<p>ours</p>\n")
        for text, why in (("{{#user}}", "terms.html:2: "),
                          ("<p title={{user}}>", "terms.html:2: "),
                          ("<p>{{no_such_name}}</p>", "no_such_name")):
            with self.subTest(text):
                done = self.edit("terms.html", f"echo '{text}' >>\"$1\"")
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn("qwdctl edit: nothing was changed: ", done.stderr)
                self.assertIn(why, done.stderr)
                self.assertEqual(own.read_text(), "<p>ours</p>\n")
                self.assertEqual(os.listdir(self.site), ["terms.html"])

    def test_a_part_is_checked_with_the_pages_that_include_it(self):
        for text in "{{> no_such_part}}", "<p>{{no_such_name}}</p>":
            done = self.edit("_foot.html", f"echo '{text}' >>\"$1\"")
            self.assertEqual(done.returncode, 1)
            self.assertIn("no_such_", done.stderr)
            self.assertFalse(self.site.exists())
        done = self.edit("_foot.html", "sed -i 's/<footer/<!-- ours --><footer/' \"$1\"")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("<!-- ours -->", (self.site / "_foot.html").read_text())
        # A check agrees, once the service's user may look there.
        self.dir.chmod(0o755)
        self.assertIn(f"ok: the site's templates in {self.site}\n", self.run_ctl("check").stdout)

    def test_styles_and_mails_can_be_edited(self):
        for page, text in ("theme.css", "a { color: red; }"), ("mail_session.txt", "Bye."):
            done = self.edit(page, f"echo '{text}' >>\"$1\"")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(text, (self.site / page).read_text())

    def test_nothing_changed_leaves_nothing(self):
        done = self.edit("index.html", "true")
        self.assertEqual((done.returncode, done.stdout), (3, "Nothing was changed.\n"))
        self.assertFalse(self.site.exists())

    def test_an_editor_that_fails_changes_nothing(self):
        done = self.edit("index.html", "echo x >\"$1\"; touch \"$1~\"; exit 3")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the editor ended with status 3", done.stderr)
        self.assertFalse(self.site.exists())

    def test_there_is_no_other_page(self):
        for page in "no.html", "../../etc/passwd", "assets/style.css", "../index.html":
            done = self.edit(page, "true")
            self.assertEqual(done.returncode, 1, page)
            self.assertIn(f"qwdctl edit: there is no page {page}; 'qwdctl names pages' lists "
                          "them\n", done.stderr)
            self.assertFalse(self.site.exists())
        pages = self.run_ctl("names", "pages").stdout.split()
        self.assertEqual(sorted(pages), sorted(p.name for p in self.shipped.iterdir()
                                               if p.is_file()))

    def test_two_do_not_edit_at_once(self):
        (self.site / ".edit").mkdir(parents=True)
        (self.site / ".edit/index.html").write_text("theirs")
        done = self.edit("index.html", "echo x >\"$1\"")
        self.assertEqual(done.returncode, 1)
        self.assertIn("somebody edits it already; if not, remove ", done.stderr)
        self.assertEqual((self.site / ".edit/index.html").read_text(), "theirs")


if __name__ == "__main__":
    unittest.main(verbosity=2)
