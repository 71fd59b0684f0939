"""Boot scripts, end to end with real guests: what a NoCloud seed carries into
the tiny guest, what visitors may ask for, and what happens if a script cannot
be had.  (SR28, P3, P34)"""
# lane: guests

import base64
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import tempfile
import threading
import unittest

import net_servers as net
from harness import CGI, Browser, Site, eventually, files_below, html_problems
from script_servers import WebServer

SERIAL = (
    "-machine pc,vmport=off,hpet=off -accel tcg,thread=multi "
    "-cpu qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt -serial file:/vm/serial"
)
CLOUD = {"name": "tiny.iso", "description": "Tiny Linux", "os": "cloud-init"}


def serial(site, name):
    """What the guest has said so far."""
    try:
        return (site.session_dir(name) / "vm/serial").read_text(errors="replace")
    except OSError:
        return ""


def seed_output(site, name, seconds=90):
    """What the guest's scripts have said, when all have run."""

    def look():
        text = serial(site, name).replace("\r", "")
        return "TINY-SEED-END" in text and text

    text = eventually(look, seconds, "the seed's scripts", pause=0.2)
    return re.search(r"TINY-SEED-START \S+\n(.*)\nTINY-SEED-END", text, re.S).group(1).strip()


def helpers(site):
    return [p for p in site.processes() if p.role.startswith("qwd-")]


def steps(client, name):
    answer = client.get(f"{CGI}?session={name}").json()
    return {step["id"]: step for step in answer["progress"]["steps"]}


class ScriptSite(Site):
    """With a serial port; `scripts` are config_script's lines."""

    def __init__(self, scripts=(), options=None, machines=None, **more):
        self.scripts = list(scripts)
        super().__init__(
            options={"qemu_exec_options": SERIAL} | (options or {}),
            machines=machines or [CLOUD],
            **more,
        )

    def configure(self, **changes):
        super().configure(**changes)
        place = self.dir / "etc/config.d"
        place.mkdir(exist_ok=True)
        text = "".join(f"config_script = {line}\n" for line in self.scripts)
        (place / "scripts.conf").write_text(text)


class InTheGuest(unittest.TestCase):
    def test_scripts_run_as_root_in_order_with_their_facts(self):
        """SR28: of the configuration, of the machine and of the visitor; only
        those whose condition holds; facts are data wherever they stand."""
        with ScriptSite(
            scripts=[
                "exec: echo one $(id -u) @USER@ '@VM@' \"@SESSION_NAME@\" $(hostname)",
                'if("@VM@" =~ /debian/i): exec: echo never',
                'if("@USER@" eq "ann.o-neil" and not ("@VM@" =~ /DEBIAN/)): exec: echo two',
                "{path}",
            ],
            options={"form_config_script": "yes"},
            machines=[CLOUD | {"config_script": "exec: echo four; exit 3"}],
        ) as site:
            script = site.dir / "etc/three.sh"
            script.write_text("#!/bin/sh\n# it's three\necho three '@EMAIL@' \"$QWD_USER\"\n")
            script.chmod(0o644)
            site.scripts[3] = str(script)
            site.configure()
            session = site.create(
                user="ann.o-neil", config_script='exec:\r\necho five\r\necho "@USER@"\r\n'
            )
            name = site.wait_state(session["name"], "running")["name"]
            said = seed_output(site, name)
            self.assertEqual(
                said.split("\n"),
                [
                    f"one 0 ann.o-neil tiny.iso {name} {name}",
                    "two",
                    "three  ann.o-neil",
                    "four",
                    "stand-in-cloud-init: /var/lib/qemu-web-desktop/boot-script-4: status 3",
                    "five",
                    "ann.o-neil",
                ],
            )
            self.assertEqual(steps(site, name)["script"]["status"], "done")
            self.assertIsNone(site.session(name)["notice"])
            site.end(name)

    def test_the_password_reaches_the_guest_and_nothing_else(self):
        """SR15, SR28: @PW@ is in no argument, environment or file of the host."""
        canary = "canary-'\"$(id)-pa55"
        with ScriptSite(
            scripts=["exec: printf '%s' '@PW@' | sha256sum; env | grep -c QWD_PW || :"],
            options={"script_password": "yes"},
        ) as site:
            with Watch(canary) as watch:
                session = site.create(password=canary)
                name = site.wait_state(session["name"], "running")["name"]
                said = seed_output(site, name)
                found = files_with(canary, site.dir, pathlib.Path("/tmp"))
                site.end(name)
            digest = hashlib.sha256(canary.encode()).hexdigest()
            self.assertEqual(said, f"{digest}  -\n0")
            self.assertGreater(watch.looks, 20)
            self.assertEqual(watch.found, [])
            self.assertEqual(found, [])

    def test_without_a_password_a_script_that_wants_it_is_none(self):
        with ScriptSite(scripts=["exec: echo @PW@"], options={"script_password": "yes"}) as site:
            session = site.wait_state(site.create()["name"], "failed")
            self.assertIn("needs the password", session["reason"])
            site.configure(script_password="no")
            session = site.wait_state(site.create(password="x")["name"], "failed")
            self.assertIn("needs the password", session["reason"])


class Watch:
    """Looks for a secret in the arguments and environment of all processes."""

    def __init__(self, secret):
        self.secret = secret.encode()
        self.found = []
        self.looks = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.over.is_set():
            self.looks += 1
            for pid in os.listdir("/proc"):
                if not pid.isdigit() or int(pid) == os.getpid():
                    continue
                for name in "cmdline", "environ":
                    try:
                        text = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
                    except OSError:
                        continue
                    if self.secret in text:
                        self.found.append(f"{pid} {name}: {text[:100]!r}")
            self.over.wait(0.005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def files_with(secret, *places):
    """Files below these places that hold it, in clear or in base64."""
    forms = [secret.encode()]
    forms += [base64.b64encode(b"x" * n + secret.encode())[4:-4] for n in range(3)]
    found = []
    for path in files_below(*places):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                found += [str(path) for form in forms if form in data]
    return found


class Visitors(unittest.TestCase):
    """SR28, P3: what may come from the form, which is nothing by default."""

    def refused(self, site, script, words, **fields):
        answer = site.post_form(site.order(config_script=script, **fields))
        self.assertEqual(answer.status, 400, (script, answer))
        error = answer.json()["error"]
        self.assertEqual(error["field"], "config_script")
        self.assertIn(words, error["message"])

    def test_a_script_is_refused_unless_the_site_wants_it(self):
        with ScriptSite() as site:
            self.assertNotIn("config_script", site.get("/qemu-web-desktop/", accept="html").text)
            self.refused(site, "exec: id", "not accepted here")
            site.configure(form_config_script="yes", service_max_script_length=100)
            limits = site.get(CGI).json()["limits"]
            self.assertEqual(limits["config_script"], 100)
            page = site.get("/qemu-web-desktop/", accept="html").text
            self.assertIn('<textarea id="config_script" name="config_script"', page)
            self.assertEqual(html_problems(page), [])
            for script, words in (
                ("exec: " + "#" * 100, "longer than 100 bytes"),
                ("echo hello", "begins with none of exec:"),
                ("/etc/passwd", "only the administrator may name"),
                ("virt-customize: upload /etc/passwd:/x", "is for its administrator"),
                ("virt-customize: edit /x:system(1)", "is for its administrator"),
                ("if(system('id')): exec: id", "something else than a text"),
                ("if(" + "(" * 60, "nested too deeply"),
                ("file:///etc/passwd", "begins with none of"),
                ("exec: echo @PW@", "which scripts may not have here"),
            ):
                self.refused(site, script, words)
            site.configure(service_max_script_length=None)
            self.refused(site, 'if("' + "a" * 100_000 + '" eq "a"): exec: id',
                         "longer than 65535 bytes")
            self.refused(site, 'if("' + "a" * 60_000 + '" eq "a"): exec: id',
                         "a condition of more than 4096 bytes")
            page = site.post_form(
                site.order(config_script="</textarea><b>no"), accept="html"
            )
            self.assertEqual(page.status, 400)
            self.assertIn("&lt;/textarea&gt;&lt;b&gt;no", page.text)
            self.assertEqual(html_problems(page.text), [])
            self.assertEqual(list(site.store.glob("*.json")), [])

    def test_a_script_works_without_javascript_on_a_telephone(self):
        with ScriptSite(options={"form_config_script": "yes"}) as site:
            with Browser(javascript=False, phone=True) as browser:
                browser.get(site.url + "/qemu-web-desktop/")
                browser.fill(user="ann", config_script="exec: echo 'by @USER@'")
                browser.fill(memory="0.25")
                browser.press("create")
                step = browser.one("#step-script", 30)
                self.assertIn("Boot scripts", step.text)
                name = re.search(r"session=([a-z0-9-]+)", browser.url).group(1)
                self.assertEqual(seed_output(site, name), "by ann")
            site.qwdctl("stop", name, "--now", "--yes")


class WithServer(unittest.TestCase):
    """A web server that scripts are fetched from."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="scripts-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        os.chmod(cls.dir, 0o755)
        cls.authority = net.Authority(cls.dir)
        cls.web = WebServer(cls.authority)
        cls.web.scripts["a b"] = b"echo fetched @USER@\n"
        cls.web.scripts["ann"] = b"echo fetched @USER@\n"
        cls.big = pathlib.Path(cls.dir, "big.sh")
        cls.big.write_bytes(b"#" * 10_000_000)
        cls.big.chmod(0o644)

    def site(self, scripts, **options):
        return ScriptSite(
            scripts=scripts,
            options={"script_ca_file": self.authority.ca, "script_hosts": "127.0.0.1"} | options,
        )


class Fetching(WithServer):
    """By what the site says; a script that did come then fails for another
    reason, so that no guest has to boot."""

    def check(self, site, words, **options):
        site.configure(**options)
        session = site.wait_state(site.create()["name"], "failed", 30)
        self.assertIn("Boot script 1 of this service", session["reason"])
        self.assertIn(words, session["reason"])

    def test_a_fetched_script_runs(self):
        digest = hashlib.sha256(self.web.scripts["ann"]).hexdigest()
        with self.site(
            [f"{self.web.url}/script/@USER@", f"{self.web.url}/script/ann#sha256={digest}"]
        ) as site:
            name = site.running()["name"]
            self.assertEqual(seed_output(site, name), "fetched ann\nfetched ann")
            site.end(name)

    def test_only_from_where_the_site_says_and_if_its_certificate_is_good(self):
        with self.site([f"{self.web.url}/big/70000"]) as site:
            self.check(site, "more than 65535 bytes")
            self.check(site, "certificate", script_ca_file=None)
            self.check(site, "not a public address", script_ca_file=self.authority.ca,
                       script_hosts="scripts.example")

    def test_by_the_proxy_and_by_http_only_with_a_digest(self):
        """SR28, P34: what anybody on the way could change is no script."""
        proxy = WebServer()
        proxy.scripts["x"] = b"echo x\n"
        url = "http://scripts.example/script/x"
        with self.site([url], service_proxy=proxy.url + "/") as site:
            self.check(site, "only https may be fetched")
            self.assertEqual(proxy.asked, [])
            site.scripts = [f"{url}#sha256={'0' * 64}"]
            self.check(site, "another one than its #sha256=")
            self.assertEqual(proxy.asked, [url])
            site.scripts = ["http://scripts.example/big/70000"]
            self.check(site, "more than 65535 bytes", script_http="yes")


class Failures(WithServer):
    """A script that cannot be had ends the session, or it starts without."""

    def test_what_cannot_be_had_ends_the_session_with_the_reason(self):
        other = "0" * 64
        for script, words in (
            (f"{self.web.url}/nothing", "HTTP status 404"),
            (f"{self.web.url}/script/ann#sha256={other}", "another one than its #sha256="),
            (f"{self.web.url}/big/10000000", "more than 65535 bytes"),
            (f"{self.web.url}/loop/", "redirects for ever"),
            (f"{self.web.url}/to/?file:///etc/passwd", "redirects to another server"),
            ("https://localhost/x", "not a public address"),
            ("http://127.0.0.1/x", "only https may be fetched"),
            ("file:///etc/passwd", "qwdctl check"),
            (str(self.big), "longer than 65535 bytes"),
            ("/nowhere/x.sh", "there is no such file"),
            ("/etc/shadow", "cannot be read"),
            ("/dev/zero", "cannot be read"),
            ("if(" + '"a" or ' * 900 + '"a"): exec: id', "qwdctl check"),
        ):
            with self.subTest(script=script), self.site([script]) as site:
                session = site.wait_state(site.create()["name"], "failed", 30)
                self.assertIn("Boot script 1 of this service", session["reason"])
                self.assertIn(words, session["reason"])
                self.assertEqual(steps(site, session["name"])["script"]["status"], "failed")
                page = site.get(f"{CGI}?session={session['name']}", accept="html").text
                self.assertEqual(html_problems(page), [])
                self.assertIn("Boot scripts", page)

    def test_a_pattern_that_takes_too_long_ends_the_session(self):
        """To the administrator the log says why, to visitors their page."""
        slow = 'if("' + "a" * 40 + 'b" =~ /^(a+)+$/): exec: id'
        why = "has a pattern that takes too long to match"
        with self.site([slow], form_config_script="yes") as site:
            session = site.wait_state(site.create()["name"], "failed", 30)
            self.assertIn("is wrong; qwdctl check, or the log, tells", session["reason"])
            self.assertIn(why, site.words())
            site.scripts = []
            site.configure()
            session = site.wait_state(site.create(config_script=slow)["name"], "failed", 30)
            self.assertEqual(session["reason"], f"Your boot script {why}.")
            self.assertEqual(site.overlays(session["name"]), [])

    def test_a_server_that_hangs_has_the_time_of_the_step(self):
        with self.site([f"{self.web.url}/hang/"], config_script_timeout=10) as site:
            session = site.wait_state(site.create()["name"], "failed", 40)
            self.assertEqual(session["reason"], "The boot scripts were not in place in time.")
            eventually(lambda: not helpers(site), 10, "the end of its helpers")

    def test_a_session_can_be_stopped_meanwhile(self):
        with self.site([f"{self.web.url}/hang/"]) as site:
            name = site.create()["name"]
            eventually(lambda: site.process("qwd-net"), 20, "qwd-net")
            site.end(name)
            eventually(lambda: not helpers(site), 5, "the end of its helpers")

    def test_without_being_required_it_is_a_warning(self):
        with self.site(
            ["exec: echo one", "/nowhere/x.sh", "exec: echo three"], config_script_required="no"
        ) as site:
            session = site.running()
            self.assertEqual(
                session["notice"],
                "Boot script 2 of this service cannot be read: there is no such file.",
            )
            page = site.get(f"{CGI}?session={session['name']}", accept="html").text
            self.assertEqual(html_problems(page), [])
            self.assertIn('id="notice"', page)
            self.assertEqual(seed_output(site, session["name"]), "one\nthree")
            site.end(session["name"])

    def test_a_machine_that_takes_none_says_so(self):
        with ScriptSite(
            scripts=["exec: id"], machines=[{"name": "tiny.iso", "description": "Tiny"}]
        ) as site:
            session = site.wait_state(site.create()["name"], "failed")
            self.assertIn("a CD image that is not marked os = cloud-init", session["reason"])

    def test_check_tells_each_mistake_with_its_place(self):
        with self.site(
            [
                "exec: id",
                'if("@VM@" =~ /(/): exec: id',
                "if(1): exec: id",
                "/nowhere/x.sh",
                "exec: echo @PW@",
                "http://scripts.example/x",
                "virt-customize: install vim",
                str(self.big),
            ]
        ) as site:
            found = site.qwdctl("check", check=False).stdout
            place = f"{site.dir}/etc/config.d/scripts.conf"
            for line, words in (
                (2, "has a wrong pattern, /(/"),
                (3, "something else than a text"),
                (4, "there is no /nowhere/x.sh"),
                (5, "set script_password"),
                (6, "is not fetched by http"),
                (7, "firstboot-install"),
                (8, "is longer than 65535 bytes"),
            ):
                self.assertRegex(found, rf"(?m)^error: {re.escape(place)}:{line}: .*" + re.escape(words))
            self.assertNotIn(f"{place}:1:", found)
            self.assertIn("ok: 8 boot scripts are configured", found)


if __name__ == "__main__":
    unittest.main(verbosity=2)
