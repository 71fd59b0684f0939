"""Jobs under the visitors' own accounts (slurm_user = visitor): real accounts,
real sudo, a real Slurm.  The accounts are in this test's own mount namespace.

The enemies are a visitor with a shell on the cluster, who owns his job's
directory and processes, and a web service that was taken over, which is
whoever may run what sudo's rule lets www-data run.
"""

import grp
import signal

from harness import *
from slurm_cluster import Cluster
from test_displays import offered
from test_slurm import covered, see_screen, unavailable, web_owner

GROUP = "desktops"
PEOPLE = {"ann": 2001, "bob": 2002, "carla": 2003}
# An account of the system's, and one that is in no group.
SYSTEM = {"printer": 300}
RULE = pathlib.Path("/etc/sudoers.d/qemu-web-desktop")
LOGIN = "#!/bin/sh\necho SUCCESS\n"
NO_ACCOUNT = "Your name has no account on the cluster. Ask the administrator for one."


# What it gets is --session-job DIR.
ROGUE = """#!/usr/bin/python3
import json, os, sys, time
def main():
    place = sys.argv[2]
    with open(place + "/order") as file:
        session = json.load(file)["session"]
    session.update(state="running")
    session.update(MARK.pop("session", {}))
    mark = {"version": 1, "job": int(os.environ["SLURM_JOB_ID"]),
            "node": os.environ["SLURMD_NODENAME"], "port": 4000, "left_ms": 900000,
            "certificate": "-----BEGIN CERTIFICATE-----\\n", "session": session} | MARK
    os.umask(0o027)
    with open(place + "/mark.new", "w") as file:
        json.dump(mark, file)
    os.rename(place + "/mark.new", place + "/mark")
    time.sleep(600)
"""


@contextlib.contextmanager
def accounts():
    """They are there in this mount namespace, and in those made of it."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="etc", dir="/tmp"))
    place.chmod(0o755)
    covered = []

    def cover(target, text, mode):
        file = place / target.name
        file.write_text(text)
        file.chmod(mode)
        subprocess.run(["mount", "--bind", file, target], check=True)
        covered.append(target)

    try:
        passwd, group = pathlib.Path("/etc/passwd"), pathlib.Path("/etc/group")
        lines = [
            f"{name}:x:{uid}:{uid}::/tmp/etc-home:/bin/sh\n"
            for name, uid in (PEOPLE | SYSTEM).items()
        ]
        groups = [f"{name}:x:{uid}:\n" for name, uid in (PEOPLE | SYSTEM).items()]
        # carla may not have machines; root may, if one believes the group.
        groups += [f"{GROUP}:x:2100:ann,bob,root,printer\n"]
        cover(passwd, passwd.read_text() + "".join(lines), 0o644)
        cover(group, group.read_text() + "".join(groups), 0o644)
        rules = place / "sudoers.d"
        rules.mkdir(mode=0o750)
        # No letters to root about each refusal.
        (rules / "letters").write_text("Defaults !mailerpath\n")
        (rules / "letters").chmod(0o440)
        subprocess.run(["mount", "--bind", rules, "/etc/sudoers.d"], check=True)
        covered.append("/etc/sudoers.d")
        yield
    finally:
        for target in reversed(covered):
            subprocess.run(["umount", target], check=True)
        shutil.rmtree(place)


def service_group():
    """The group that the site's processes have (tests/site/site)."""
    with contextlib.suppress(FileNotFoundError, KeyError):
        device = os.stat("/dev/kvm")
        kvm = grp.getgrnam("kvm").gr_gid
        if device.st_gid == kvm and stat.filemode(device.st_mode) == "crw-rw----":
            return kvm
    return SERVICE_USER.pw_gid


def web_owners(site, name):
    return [p for p in site.processes(name) if p.role == "owner" and p.uid == SERVICE_USER.pw_uid]


def lacking():
    why = unavailable()
    return why or (None if shutil.which("sudo") else "not installed: sudo")


class VisitorCase(unittest.TestCase):
    """What is needed for visitors' jobs, on a cluster of one's own choice."""

    @staticmethod
    def new_cluster():
        return Cluster(nodes=2)

    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(accounts())
        cls.cluster = cls.enterClassContext(cls.new_cluster())
        cls.machines = cls.cluster.dir / "machines"
        cls.machines.mkdir()
        cls.jobs = cls.cluster.dir / "visitors"
        cls.jobs.mkdir()
        os.chown(cls.jobs, 0, service_group())
        cls.jobs.chmod(0o3733)
        register = cls.jobs / "register"
        register.mkdir(mode=0o700)
        shutil.chown(register, "www-data", "www-data")

    @contextlib.contextmanager
    def site(self, rule=True, machines=None, **options):
        """A site whose visitors are who they say they are, and which leaves
        nothing in dir_slurm."""
        ours = self.cluster.options(
            dir_slurm=self.jobs,
            slurm_user="visitor",
            service_max_instance_nb=20,
            service_stop_grace=1,
        )
        login = pathlib.Path("/tmp/login-visitor")
        login.write_text(LOGIN)
        login.chmod(0o755)
        try:
            own = ours | {"check_user_custom": login}
            with Site(options=own, machines=machines) as site:
                for image in site.machines_dir.iterdir():
                    shutil.copy(image, self.machines)
                site.configure(
                    slurm_program=site.dir / "cgi-bin/qemu-web-desktop",
                    dir_machines=self.machines,
                    **options,
                )
                if rule:
                    self.install_rule(site)
                yield site
                site.qwdctl("stop", "--all", "--now", "--yes", check=False)
                eventually(lambda: not self.left(), 30, f"nothing left of {self.left()}")
        finally:
            login.unlink()
            RULE.unlink(missing_ok=True)

    def install_rule(self, site):
        """As the administrator does: by what qwdctl prints."""
        RULE.write_text(site.qwdctl("sudo-rule", GROUP).stdout)
        RULE.chmod(0o440)
        subprocess.run(["visudo", "-c", "-q", "-f", RULE], check=True)

    def left(self):
        """What is in dir_slurm but the register's own directories, and whose
        turn it is."""
        found = [p for p in self.jobs.iterdir() if p.name != "register"]
        return found + [p for p in (self.jobs / "register").glob("*/*") if p.name != ".late"]

    def client(self, site, name):
        """Somebody who is logged in."""
        visitor = site.visitor()
        answer = visitor.post_form({"user": name, "password": "any", "manage": "1"})
        self.assertEqual(answer.status, 200, answer)
        return visitor

    def order(self, site, name, **fields):
        visitor = site.visitor()
        answer = visitor.post_form(site.order(user=name, password="any", **fields))
        return answer

    def running(self, site, name="ann", **fields):
        """A client of his, and his running session."""
        visitor = site.visitor()
        session = visitor.create(user=name, password="any", **fields)
        return visitor, visitor.wait_state(session["name"], "running")

    def end(self, site, visitor, name):
        site.qwdctl("stop", name, "--now", "--yes")
        visitor.wait_state(name, FINAL, 30)

    def as_visitor(self, site, request, user="ann", config=None, script=b""):
        """The helper, by sudo, as the service's user starts it: or whoever has
        taken that over."""
        return subprocess.run(
            ["sudo", "-n", "-u", user, "--", site.dir / "libexec/qwd-visitor"]
            + [config or site.dir / "etc/config.conf"],
            input=(request if isinstance(request, bytes) else json.dumps(request).encode())
            + b"\n"
            + script,
            env={"PATH": "/usr/bin:/bin"},
            user=SERVICE_USER.pw_uid,
            group=SERVICE_USER.pw_gid,
            extra_groups=[],
            capture_output=True,
            timeout=120,
            check=False,
        )

    def owner_of(self, job):
        return self.cluster.run("squeue", "-h", "-j", str(job), "-o", "%u").strip()


@unittest.skipIf(lacking(), lacking())
class Visitors(VisitorCase):
    def test_a_job_is_its_visitors_and_nobody_elses(self):
        """SR8."""
        with self.site() as site:
            visitor, session = self.running(site)
            name = session["name"]
            self.assertEqual(self.owner_of(session["job"]["id"]), "ann")
            see_screen(self, site, session)
            mine = self.jobs / name
            state = mine.stat()
            self.assertEqual(
                (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)),
                (PEOPLE["ann"], service_group(), 0o2750),
            )
            qemu = site.process("qemu", name)
            self.assertEqual(qemu.uid, PEOPLE["ann"])
            # Nobody but she writes there, and bob does not even look.
            for who, what in (("bob", ["ls", mine]), ("bob", ["ls", self.jobs])):
                done = subprocess.run(what, user=PEOPLE[who], capture_output=True, check=False)
                self.assertIn(b"Permission denied", done.stderr)
            for path in mine.rglob("*"):
                # Its mark is replaced now and then.
                if path.name == "mark.tmp":
                    continue
                self.assertEqual(path.stat().st_uid, PEOPLE["ann"], path)
                readable = path.name in ("mark", "output")
                self.assertEqual(path.stat().st_mode & 0o077, 0o040 if readable else 0, path)
            # Another visitor has no way to it here either.
            other = self.client(site, "bob")
            self.assertIn(other.get(f"{CGI}?session={name}").status, (403, 404))
            answer = other.post_form({"session_stop": name})
            self.assertIn(answer.status, (403, 404))
            self.assertEqual(visitor.session(name)["state"], "running")
            visitor.stop(name)
            ended = visitor.wait_state(name, "ended")
            self.assertEqual(ended["reason"], "Stopped by its user.")
            eventually(lambda: not self.left(), 20, "its directory and its entry are gone")

    def test_names_without_an_account_get_no_machine(self):
        """SR8."""
        with self.site() as site:
            for name in ("nobody-here", "root", "printer", "www-data", "ann@lab.example",
                         "Ann", "nobody", "#2001", "2001"):
                answer = self.order(site, name)
                self.assertEqual(answer.status, 403, (name, answer))
                self.assertEqual(answer.json()["error"]["message"], NO_ACCOUNT, name)
            self.assertEqual(self.left(), [])
            self.assertIn('user=root result="no account"', site.error_log())
            # One with an account that the rule leaves out.
            visitor = site.visitor()
            session = visitor.create(user="carla", password="any")
            failed = visitor.wait_state(session["name"], "failed")
            self.assertEqual(
                failed["reason"],
                "Your account may not have machines on the cluster. Ask the administrator.",
            )

    def test_more_time_comes_with_the_knock(self):
        with self.site(snapshot_lifetime=3600) as site:
            visitor, session = self.running(site)
            more = {"session_extend": session["name"], "snapshot_lifetime": "1800"}
            # It is another's job to the service's user, who is no operator.
            answer = visitor.post_form(more)
            self.assertEqual(answer.status, 409)
            self.assertRegex(
                answer.json()["error"]["message"],
                "^The cluster does not give it more time: Invalid user id",
            )
            with covered("/usr/bin/scontrol", "#!/bin/sh\nexit 0\n"):
                self.assertEqual(visitor.post_form(more).status, 200)
            mark = self.jobs / session["name"] / "mark"
            eventually(
                lambda: json.loads(mark.read_text())["left_ms"] > 1_000_000, 20, "the node knows"
            )

    def test_a_display_may_have_a_port_and_a_password_of_its_own(self):
        with self.site(service_reverse_proxy="", service_port_multiple="yes") as site:
            visitor, session = self.running(site)
            # By password only, which QEMU on the node has.
            self.assertEqual(offered(site, session), [2])
            order = self.jobs / session["name"] / "order"
            self.assertEqual(json.loads(order.read_text())["session"]["token"], "")
            self.assertEqual(order.stat().st_mode & 0o777, 0o600)

    def test_a_boot_script_comes_to_the_job_and_to_nobody_else(self):
        machine = {"name": "tiny.iso", "description": "Tiny", "os": "cloud-init"}
        with self.site(machines=[machine], form_config_script="yes") as site:
            script = "exec: echo hers"
            _, session = self.running(site, config_script=script)
            name = session["name"]
            there = self.jobs / name / "script"
            self.assertIn(b"echo hers", there.read_bytes())
            self.assertEqual((there.stat().st_uid, there.stat().st_mode & 0o777), (2001, 0o600))
            (owner,) = eldest(
                [p for p in site.processes(name) if p.role == "owner" and p.uid == PEOPLE["ann"]]
            )
            self.assertNotEqual(owner.argv[5], "0", "what boot scripts need is handed over")

    @unittest.skipUnless(LONG, "slow: waits for Slurm's own timeouts")
    def test_a_stop_works_while_slurms_control_is_away(self):
        with self.site() as site:
            visitor, session = self.running(site)
            name = session["name"]
            # It keeps its numbers: other tests have jobs on this cluster, too.
            control = self.cluster.daemons["slurmctld"]
            control.send_signal(signal.SIGSTOP)
            try:
                visitor.stop(name)
                ended = visitor.wait_state(name, FINAL, 180)
                self.assertEqual(ended["reason"], "Stopped by its user.")
                eventually(lambda: not site.processes(name), 90, "its processes are gone")
                self.assertNotEqual(self.left(), [], "its job may still be in the queue")
            finally:
                control.send_signal(signal.SIGCONT)
            eventually(lambda: self.cluster.idle() == 2, 60, "the nodes are back")
            site.qwdctl("purge")
            self.assertEqual(self.left(), [])

    def test_who_is_not_in_the_group_cannot_make_sudo_write_letters(self):
        letters, mailer = pathlib.Path("/tmp/letters"), pathlib.Path("/tmp/mailer")
        defaults = pathlib.Path("/etc/sudoers.d/zz")
        mailer.write_text(f"#!/bin/sh\ncat >>{letters}\n")
        mailer.chmod(0o755)
        try:
            with self.site() as site:
                # As Debian has it; the last one counts.
                defaults.write_text(f'Defaults mail_badpass, mailerpath="{mailer}"\n')
                defaults.chmod(0o440)
                visitor = site.visitor()
                name = visitor.create(user="carla", password="any")["name"]
                visitor.wait_state(name, "failed")
                # Of somebody in the web service who tries another command, it does.
                subprocess.run(
                    ["/usr/bin/sudo", "-n", "-u", "ann", "--", "/usr/bin/id"],
                    user=SERVICE_USER.pw_uid, group=SERVICE_USER.pw_gid, extra_groups=[],
                    capture_output=True, check=False,
                )
                eventually(
                    lambda: letters.exists() and "COMMAND=/usr/bin/id" in letters.read_text(),
                    20, "a letter",
                )
                self.assertNotIn("USER=carla", letters.read_text())
        finally:
            defaults.unlink(missing_ok=True)
            mailer.unlink()
            letters.unlink(missing_ok=True)

    def test_an_owner_that_dies_leaves_neither_job_nor_directory(self):
        with self.site() as site:
            visitor, session = self.running(site)
            name = session["name"]
            os.kill(web_owner(site, name).pid, signal.SIGKILL)
            eventually(lambda: visitor.session(name)["state"] == "failed", 10, "failed")
            site.qwdctl("purge")
            self.assertEqual(self.left(), [])
            eventually(lambda: not site.processes(name), 20, "its processes are gone")
            job = session["job"]["id"]
            eventually(
                lambda: self.cluster.jobs()[job][0] not in ("RUNNING", "PENDING"), 20,
                "its job is over",
            )

    def test_a_place_on_the_node_that_is_anothers_is_not_entered(self):
        """SR8: who has made a directory may exchange what others make in it,
        and the keys and the stunnel.conf of a display are there."""
        place = f"/var/tmp/qemu-web-desktop-node-{PEOPLE['ann']}"
        traps = (
            f"mkdir -m 777 {place}",
            f"mkdir -m 777 {place}-trap && ln -s {place}-trap {place}",
            f"mkdir -m 777 {place}-trap && ln -s {place}-trap/store {place}",
            # Where the administrator has left out the sticky bit.
            None,
        )
        clean = f"rm -rf {place} {place}-trap; chmod 1777 /var/tmp"
        with self.site() as site:
            for trap in traps:
                for number in (1, 2):
                    # Sessions of hers, before, leave her own.
                    self.cluster.inside(number, "sh", "-c", clean)
                    done = self.cluster.inside(
                        number, "setpriv", f"--reuid={PEOPLE['bob']}", "--clear-groups",
                        "sh", "-c", trap,
                    ) if trap else self.cluster.inside(number, "chmod", "777", "/var/tmp")
                    self.assertEqual(done.returncode, 0, done.stderr)
                try:
                    visitor = site.visitor()
                    name = visitor.create(user="ann", password="any")["name"]
                    failed = visitor.wait_state(name, FINAL + ("running",))
                    self.assertEqual(
                        (failed["state"], failed["reason"]),
                        ("failed", "The cluster's computer is not ready for machines."),
                    )
                    for number in (1, 2):
                        made = self.cluster.inside(number, "sh", "-c", f"find {place}* -user ann")
                        self.assertEqual(made.stdout, "", trap)
                finally:
                    for number in (1, 2):
                        self.cluster.inside(number, "sh", "-c", clean)

    def test_a_directory_full_of_traps_hangs_nobody_and_is_removed(self):
        """SR21: what a visitor writes is his, whatever it looks like."""
        with self.site() as site:
            visitor, session = self.running(site)
            name = session["name"]
            planted = "qemu-web-desktop-" + "b" * 20
            traps = f"""
                set -e
                cd {self.jobs}/{name}
                rm -f mark output
                mkfifo output
                ln -sf /etc/passwd mark.tmp
                mkdir -p a/{"/".join(["d"] * 400)} closed/inside
                chmod 0 closed
                ln -s /etc victim
                """
            subprocess.run(["sh", "-c", traps], user=PEOPLE["ann"], check=True)
            # One of bob's beside it, as like one of ours as he can make it.
            host = f"cd {self.jobs} && mkdir {planted} && cp /etc/hostname {planted}/host"
            subprocess.run(["sh", "-c", host], user=PEOPLE["bob"], check=True)
            for trap in ("mkfifo mark", "ln -s /etc/passwd mark", "truncate -s 1T mark",
                         "printf '{\"version\":1}' >mark", "mkdir -p mark/x"):
                subprocess.run(
                    # Until the job has not written a new one in between.
                    ["sh", "-c", f"cd {self.jobs}/{name}; until rm -rf mark && {trap}; do :; done"],
                    user=PEOPLE["ann"], check=True,
                )
                site.qwdctl("purge", check=False)
                self.assertEqual(visitor.session(name)["state"], "running", trap)
            eventually(lambda: 'result="not believed"' in site.words(), 20, "the log has it")
            # The page goes on, and the job ends as it is told.
            visitor.stop(name)
            self.assertEqual(visitor.wait_state(name, FINAL)["reason"], "Stopped by its user.")
            eventually(lambda: self.left() == [self.jobs / planted], 30, "hers is gone, his stays")
            self.assertTrue(pathlib.Path("/etc/passwd").exists())
            subprocess.run(["rm", "-r", self.jobs / planted], check=True)

    def rogue(self, **mark):
        """A program in the job's place that says what it likes."""
        program = self.cluster.dir / "rogue"
        program.write_text(ROGUE + f"MARK = {mark!r}\nmain()\n")
        program.chmod(0o755)
        return program

    def test_a_mark_decides_nothing_that_is_the_services(self):
        """SR21."""
        lie = {"session": {"user": "bob", "email": "bob@lab.example", "token": "t" * 32,
                           "notice": "no \x1b[31m", "cpu": 64}}
        long = {"session": {"user": "bob", "machine": "other.iso", "cpu": 64}, "left_ms": 0,
                "port": 4001}
        with self.site() as site:
            # To another node, or another host than Slurm says, nobody goes.
            with socket.create_server(("127.0.0.1", 0)) as trap:
                for mark_of, told in (
                    ({"node": "localhost", "port": trap.getsockname()[1]}, "of another node"),
                    (lie, "control characters"),
                    ({"port": 22}, "of a port that displays do not have"),
                    ({"job": 1 << 20}, "of another job"),
                ):
                    site.configure(slurm_program=self.rogue(**mark_of))
                    visitor = site.visitor()
                    name = visitor.create(user="ann", password="any")["name"]
                    eventually(
                        lambda: re.search(f"session={name} result=\"not believed\" .*{told}", site.words()),
                        30, told,
                    )
                    self.assertEqual(visitor.session(name)["state"], "queued")
                    self.end(site, visitor, name)
                trap.settimeout(0)
                with self.assertRaises(BlockingIOError):
                    trap.accept()
            # A lifetime without an end is not his to give, nor another's name.
            site.configure(slurm_program=self.rogue(**long))
            visitor = site.visitor()
            name = visitor.create(user="ann", password="any")["name"]
            before = site.record(name)
            visitor.wait_state(name, "booting")
            record = site.record(name)
            self.assertLessEqual(record["ends"] - record["started"], 900)
            self.assertGreater(record["ends"], 0)
            for key in ("user", "machine", "cpu", "token", "email", "origin"):
                self.assertEqual(record[key], before[key], key)
            self.end(site, visitor, name)

    def test_a_number_that_is_another_ones_job_is_not_taken(self):
        """SR21: Slurm says whose job it is, and not who has submitted it."""
        with self.site(snapshot_lifetime=3600) as site:
            _, his = self.running(site, "bob")
            number = his["job"]["id"]
            with covered("/usr/bin/sbatch", f"#!/bin/sh\ncat >/dev/null\necho {number}\n"):
                visitor = site.visitor()
                name = visitor.create(user="ann", password="any")["name"]
                failed = visitor.wait_state(name, "failed")
            self.assertEqual(failed["reason"], "The cluster says that its job is another one.")
            self.assertEqual(self.cluster.jobs()[number][0], "RUNNING")

    def test_the_helper_does_no_more_than_the_configuration_says(self):
        """SR2, SR27: who has taken over the web service asks it."""
        with self.site(dir_mounts="", slurm_account="beamline") as site:
            name = "qemu-web-desktop-" + "c" * 20
            good = {
                "name": name, "user": "ann", "machine": "tiny.iso", "format": "raw", "cpu": 1,
                "memory_mb": 256, "network": "user", "account": "beamline",
                "remote": True, "token": "",
            }
            visitor, session = None, None
            template = self.template(site)

            def ask(user="ann", life=900, verb="start", **session):
                order = {"version": 1, "session": template | good | session, "lifetime_s": life,
                         "certificate": ""}
                return self.as_visitor(
                    site, {"version": 1, "verb": verb, "name": order["session"]["name"],
                           "order": order}, user)

            for told, changes in {
                "order's mounts": {"mounts": "/home:rw"},
                "order's qemu_options": {"qemu_options": "-fsdev local,path=/"},
                "order's network": {"network": "bridge=br0"},
                "order's cpu": {"cpu": 64},
                "order's memory": {"memory_mb": 1 << 20},
                "order's lifetime": {"life": 0},
                "order's format": {"format": "vvfat"},
                "order's master": {"master": True},
                "order's display": {"remote": False},
                "order's account": {"account": "others"},
                "order's gpu": {"gpu": "0000:01:00.0"},
                "order's firmware": {"firmware": "uefi"},
                "order's user": {"user": "bob"},
                "not a session's name": {"name": "../ann"},
                "not a name of this service's": {"name": "analysis-of-hers"},
                "machine is malformed": {"machine": "../../etc/passwd"},
                "verb: none of ours": {"verb": "shell"},
            }.items():
                done = ask(**changes)
                self.assertEqual(done.returncode, 1, (told, done))
                self.assertIn(told, done.stderr.decode())
                self.assertEqual(self.left(), [], told)
            for request in (b"", b"{}", b"[]", b"x" * 300_000, b'{"version":1}'):
                self.assertEqual(self.as_visitor(site, request).returncode, 1, request[:20])
            # In the group, and none of the people that it is for.
            self.assertIn("is no account of a person", ask("printer").stderr.decode())
            # Others, root and another configuration are not in sudo's rule.
            mine = pathlib.Path("/tmp/mine.conf")
            mine.write_text((site.dir / "etc/config.conf").read_text())
            more = site.dir / "etc/config.d"
            try:
                for done in (
                    ask("root"), ask("carla"),
                    self.as_visitor(site, {}, "ann", config=mine),
                ):
                    self.assertEqual(done.returncode, 1)
                    self.assertIn("a password is required", done.stderr.decode())
                # Nor would one be taken that is not root's.
                shutil.chown(mine, "ann")
                alone = subprocess.run(
                    [site.dir / "libexec/qwd-visitor", mine], user=PEOPLE["ann"],
                    input=b"", capture_output=True, check=False,
                )
                self.assertIn("must be root's", alone.stderr.decode())
                # Nor what is read with it.
                for path in (site.dir / "etc/machines.conf", more, more / "x.conf",
                             site.dir / "cgi-bin/qemu-web-desktop", site.dir / "libexec"):
                    if path == more:
                        more.mkdir()
                        (more / "x.conf").touch()
                    shutil.chown(path, "www-data")
                    self.assertIn(f"{path} must be root's", ask().stderr.decode())
                    shutil.chown(path, "root")
                # Nor may anybody make what is missing, once it was looked at.
                for place in ("/tmp", site.dir / "lib"):
                    site.configure(machines_conf=f"{place}/missing.conf")
                    self.assertIn(f"{place} must be root's", ask().stderr.decode())
                site.configure(machines_conf=site.dir / "etc/missing.conf")
                self.assertIn("order's cpu", ask(cpu=64).stderr.decode())
                site.configure(machines_conf=None)
                shutil.chown(self.cluster.dir, "www-data")
                self.assertIn(f"{self.cluster.dir} must be root's", ask().stderr.decode())
            finally:
                mine.unlink()
                shutil.chown(self.cluster.dir, "root")
                shutil.rmtree(more)
            # What somebody has put in its place is not taken either.
            (self.jobs / name).mkdir(mode=0o777)
            (self.jobs / name).chmod(0o777)
            (self.jobs / name / "of-anns").touch()
            shutil.chown(self.jobs / name / "of-anns", "ann")
            self.assertIn("is there already", ask().stderr.decode())
            done = self.as_visitor(site, {"version": 1, "verb": "remove", "name": name})
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            (self.jobs / name / "of-anns").unlink()
            (self.jobs / name).rmdir()
            for mode, told in (0o2777, "nobody else's to write"), (0o1733, "with mode 3733"):
                self.jobs.chmod(mode)
                self.assertIn(told, ask().stderr.decode())
            self.jobs.chmod(0o3733)
            self.assertEqual(self.left(), [])

    def test_no_file_of_a_visitors_is_shown_to_a_machine_as_its_disk(self):
        """SR27: who has taken over the web service, and may write to a directory
        on the way to the images, puts a link there."""
        secret = pathlib.Path("/tmp/hers")
        secret.write_bytes(b"hers" * 1024)
        secret.chmod(0o600)
        shutil.chown(secret, "ann")
        name = "qemu-web-desktop-" + "d" * 20
        others = self.cluster.dir / "others"
        others.mkdir()
        (others / "x.raw").symlink_to(secret)
        session = {"name": name, "user": "ann", "machine": "x.raw", "format": "raw", "cpu": 1,
                   "memory_mb": 256, "virtual_size": 4096, "iso": False, "network": "user",
                   "remote": True, "token": "", "account": ""}
        try:
            with self.site(dir_mounts="") as site:
                template = self.template(site)
                site.configure(slurm_account=None, dir_machines=others)
                order = {"version": 1, "session": template | session, "lifetime_s": 900,
                         "certificate": "-----BEGIN CERTIFICATE-----\n"}
                request = {"version": 1, "verb": "start", "name": name, "order": order}
                shutil.chown(others, "www-data")
                done = self.as_visitor(site, request)
                self.assertIn(f"{others} must be root's", done.stderr.decode(), done)
                # The images' own directory, where theirs is but a link.
                shutil.chown(others, "root")
                (others / "x.raw").unlink()
                (others / "more").mkdir()
                shutil.chown(others / "more", "www-data")
                (others / "x.raw").symlink_to("more/y.raw")
                (others / "more/y.raw").write_bytes(b"its")
                done = self.as_visitor(site, request)
                self.assertIn(f"{others}/more must be root's", done.stderr.decode(), done)
                self.assertEqual(self.left(), [])
        finally:
            secret.unlink()
            shutil.rmtree(others)

    def template(self, site):
        """A record with all its members, as a session of bob's has it."""
        site.configure(slurm_account=None)
        visitor = site.visitor()
        name = visitor.create(user="bob", password="any")["name"]
        record = site.record(name)
        self.end(site, visitor, name)
        eventually(lambda: not self.left(), 20, "it is gone")
        site.configure(slurm_account="beamline")
        return record | {"state": "starting", "reason": "", "ended": 0, "job": 0, "node": ""}

    def test_the_log_has_the_end_of_what_a_failed_job_has_said(self):
        program = self.cluster.dir / "rogue"
        program.write_text("#!/bin/sh\nseq 900\nexit 1\n")
        program.chmod(0o755)
        with self.site() as site:
            site.configure(slurm_program=program)
            visitor = site.visitor()
            name = visitor.create(user="ann", password="any")["name"]
            visitor.wait_state(name, "failed")
            eventually(lambda: f"event=ended session={name}" in site.words(), 10, "its end")
            told = site.words(2000)
            said = re.findall(f"event=child-says session={name} message=(.*)", told)
            self.assertEqual(said, [str(n) for n in range(881, 901)])

    @unittest.skipUnless(LONG, "slow: waits for jobs that go on")
    def test_a_job_that_stops_or_boots_for_ever_is_ended(self):
        """Each would cost the web host a command a second, or five."""
        with self.site() as site:
            sessions = {}
            for who, state, more in (
                ("ann", "stopping", {}),
                ("bob", "booting", {"port": 4001}),
            ):
                site.configure(slurm_program=self.rogue(session={"state": state}, **more))
                visitor = site.visitor()
                name = visitor.create(user=who, password="any")["name"]
                visitor.wait_state(name, state)
                sessions[who] = (visitor, name)
            for who, state in (("ann", "ended"), ("bob", "failed")):
                visitor, name = sessions[who]
                visitor.wait_state(name, state, 300)
            eventually(lambda: not self.left(), 30, "nothing is left")

    @unittest.skipUnless(LONG, "slow: waits for a job that lingers")
    def test_a_job_that_says_its_end_and_goes_on_is_cancelled(self):
        with self.site() as site:
            over = {"session": {"state": "ended", "reason": "Its guest was shut down."}}
            site.configure(slurm_program=self.rogue(**over))
            visitor = site.visitor()
            name = visitor.create(user="ann", password="any")["name"]
            ended = visitor.wait_state(name, "ended", 120)
            self.assertEqual(ended["reason"], "Its job was cancelled on the cluster.")

    @unittest.skipUnless(LONG, "slow: waits for a helper that does not end")
    def test_a_helper_that_nobody_can_end_holds_up_nobody(self):
        """A visitor has stopped it, who may: the service may not kill it."""
        with self.site() as site:
            visitor, session = self.running(site)
            name = session["name"]
            stuck = "#!/bin/sh\ntrap '' ALRM TERM HUP\nwhile :; do sleep 1; done\n"
            with covered("/usr/bin/scancel", stuck):
                try:
                    site.qwdctl("stop", name, "--now", "--yes", check=False)
                    visitor.wait_state(name, FINAL, 240)
                    eventually(lambda: not web_owners(site, name), 60, "its owner has ended")
                    # The next purge does others' before hers.
                    late = self.jobs / "register/ann/.late"
                    self.assertFalse(late.exists())
                    site.qwdctl("purge", check=False)
                    self.assertTrue(late.exists())
                finally:
                    for process in processes():
                        if "/usr/bin/scancel" in process.argv:
                            tell(process, signal.SIGKILL)
            site.qwdctl("purge", check=False)
            self.assertEqual(self.left(), [])

    def test_check_looks_at_rule_directory_and_configuration(self):
        with self.site(rule=False) as site:
            told = site.qwdctl("check", check=False).stdout
            self.assertIn("error: slurm_user = visitor: sudo has no rule for", told)
            self.install_rule(site)
            told = site.qwdctl("check", check=False).stdout
            self.assertIn(f"ok: sudo has a rule for {site.dir}/libexec/qwd-visitor\n", told)
            self.assertIn(f"note: dir_slurm: {self.jobs} is on a file system of this host", told)
            self.assertNotIn("systemd's unit", told)
            units = pathlib.Path("/tmp/launch")
            units.mkdir()
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as unit:
                    unit.bind(str(units / "session"))
                    site.configure(dir_launcher=units)
                    told = site.qwdctl("check", check=False).stdout
                self.assertIn("systemd's unit keeps sessions from calling sudo", told)
            finally:
                site.configure(dir_launcher=None)
                shutil.rmtree(units)
            os.chown(self.jobs, 0, 2100)
            self.jobs.chmod(0o3733)
            told = site.qwdctl("check", check=False).stdout
            self.assertIn(f"error: dir_slurm: ann is in group {GROUP}, and may read in", told)
            os.chown(self.jobs, 0, service_group())
            self.jobs.chmod(0o2700)
            told = site.qwdctl("check", check=False).stdout
            self.assertIn(f"error: dir_slurm: {self.jobs} is not root's directory for all", told)
            self.jobs.chmod(0o3733)
            (site.dir / "etc/config.conf").chmod(0o600)
            shutil.chown(site.dir / "etc/config.conf", "www-data")
            told = site.qwdctl("check", check=False).stdout
            self.assertIn("must be root's to write and everybody's to read", told)
            site.configure()
            # Whose names nobody checks have no jobs of their own.
            site.configure(check_user_custom=None, allow_anonymous="yes")
            done = site.qwdctl("check", check=False)
            self.assertIn("slurm_user = visitor: nobody's name is checked", done.stdout + done.stderr)
            site.configure(check_user_custom="/tmp/login-visitor", allow_anonymous=None)


if __name__ == "__main__":
    unittest.main(verbosity=2)
