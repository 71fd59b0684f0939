"""Slurm's own accounts and limits (slurmdbd on a real database), and what the
sessions that they concern say.
"""

import datetime

import test_slurm_visitor
from harness import *
from slurm_accounting import Accounting, unavailable
from test_slurm import gone, page

# What an administrator tells sacctmgr.
ACCOUNTS = ("usual", "single", "pool")
PEOPLE = (
    "add qos one set maxjobsperuser=1",
    "add qos few set maxsubmitjobsperuser=1",
    "add qos brief set maxwall=5",
    "add qos strict set maxtresperuser=cpu=1 flags=denyonlimit",
    "add qos low set preemptmode=cancel",
    "add qos spare set preemptmode=requeue",
    "add qos high set preempt=low,spare",
    "add qos nobodys",
    "add account usual",
    "add account single set maxjobs=1",
    "add account pool set grptres=cpu=2",
    "add account foreign",
    f"add user www-data account={','.join(ACCOUNTS)} defaultaccount=usual",
    f"modify account {','.join(ACCOUNTS)} set qos=normal,one,few,brief,strict,low,spare",
    "modify user root set qos=normal,high",
)
PARTITION = ("MaxTime=5 ", "MaxTime=5 DenyAccounts=pool ")


def accounted(slurm, job):
    """What Slurm's accounting has of a job that has ended; times in seconds."""
    names = ("State", "User", "Account", "Partition", "QOS", "AllocTRES", "NodeList")
    times = ("Start", "End")
    wanted = ",".join(names + times)

    def look():
        line = slurm.run(
            "env", "SLURM_TIME_FORMAT=%s", "sacct", "-X", "--noheader", "--parsable2",
            f"--jobs={job}", f"--format={wanted}",
        ).strip()  # fmt: skip
        found = dict(zip(names + times, line.split("|")))
        # What is accounted of a job comes in several messages.
        done = found.get("End") not in (None, "Unknown") and found["Partition"]
        return found if done else None

    found = eventually(look, 30, f"job {job} in the accounts")
    for name in times:
        with contextlib.suppress(ValueError):  # a job that never started
            found[name] = int(found[name])
    return found


def instant(text):
    """Seconds of a time in the history."""
    return datetime.datetime.fromisoformat(text).timestamp()


def history(site):
    text = (site.dir / "lib/history/history").read_text()
    return {line["session"]: line for line in map(json.loads, text.splitlines())}


@unittest.skipIf(unavailable(), unavailable())
class Accounts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.slurm = cls.enterClassContext(
            Accounting(nodes=1, cores=8, memory=8192, lines=PEOPLE, changes=(PARTITION,))
        )

    def site(self, **options):
        lists = {
            "slurm_account": "usual, single, pool, foreign",
            "slurm_qos": "normal, one, few, brief, strict, low, spare, nobodys",
            "slurm_partition": "vms, short",
        }
        return self.slurm.site(**lists | options)

    def has_place(self, site, name):
        """Until its job runs."""
        return site.wait_state(name, ("preparing", "booting", "running"))

    def test_the_history_agrees_with_slurms_accounts(self):
        with self.site() as site:
            runs = site.running(account="pool", cpu="2")["name"]
            usual = site.running()["name"]
            waits = site.create(account="pool")["name"]
            site.wait_state(waits, "queued")
            self.assertEqual(
                site.session(runs)["cluster"],
                {"account": "pool", "partition": "vms", "qos": "normal"},
            )
            self.assertIn("<dt>Account on the cluster</dt><dd>pool</dd>", page(site, runs))
            for name in (waits, runs, usual):
                site.stop(name)
                site.wait_state(name, "ended")
                gone(self, self.slurm, site, name)
            lines = history(site)
            for name, account, state, cores in (
                (runs, "pool", "COMPLETED", 2),
                (usual, "usual", "COMPLETED", 1),
                (waits, "pool", "CANCELLED", 0),
            ):
                with self.subTest(account=account, state=state):
                    line = lines[name]
                    self.assertEqual(line["job"], site.record(name)["job"])
                    self.assertEqual(line["account"], account)
                    slurms = accounted(self.slurm, line["job"])
                    self.assertEqual(slurms["User"], "www-data")
                    self.assertEqual(slurms["State"].split()[0], state)
                    for ours, theirs in (
                        ("account", "Account"),
                        ("partition", "Partition"),
                        ("qos", "QOS"),
                    ):
                        self.assertEqual(line[ours], slurms[theirs])
                    cpus = re.search(r"\bcpu=(\d+)", slurms["AllocTRES"])
                    self.assertEqual(int(cpus.group(1)) if cpus else 0, cores)
                    if cores:
                        self.assertEqual(slurms["NodeList"], site.record(name)["node"])
                        # Ours begins with the job's first word, and ends when all
                        # of it is gone.
                        self.assertGreaterEqual(instant(line["started"]), slurms["Start"])
                        self.assertGreaterEqual(instant(line["ended"]), slurms["End"])
            self.assertEqual(lines[waits]["seconds"], 0)
            report = json.loads(site.qwdctl("report", "--json").stdout)
            self.assertEqual(set(report["accounts"]), {"usual", "pool"})
            pool = report["accounts"]["pool"]
            self.assertEqual(pool["sessions"], 2)
            self.assertEqual(pool["core_seconds"], 2 * lines[runs]["seconds"])
            only = site.qwdctl("report", "--account=pool").stdout
            self.assertRegex(only, r"USER +ACCOUNT +MACHINE")
            self.assertRegex(only, r"\nACCOUNT +SESSIONS .*\npool +2 ")
            self.assertNotIn("usual", only)

    def test_who_waits_for_a_limit_is_told_which_and_what_helps(self):
        with self.site() as site:
            count = "may have at once run already: it waits until one of them has ended."
            for first, second, reason, sentence in (
                (
                    {"account": "single"},
                    {"account": "single"},
                    "AssocMaxJobsLimit",
                    f"As many jobs as its account on the cluster {count}",
                ),
                (
                    {"qos": "one"},
                    {"qos": "one"},
                    "QOSMaxJobsPerUserLimit",
                    f"As many jobs as its quality of service {count}",
                ),
                (
                    {"account": "pool", "cpu": "2"},
                    {"account": "pool"},
                    "AssocGrpCpuLimit",
                    "With it, its account on the cluster would have more processors at once "
                    "than it may: it waits until others have ended. If none are there, stop "
                    "it and ask for less.",
                ),
                (
                    None,
                    {"qos": "brief"},
                    "QOSMaxWallDurationPerJobLimit",
                    "It asks for more time than its quality of service lets one machine have, "
                    "and will not start: stop it and ask for less.",
                ),
            ):
                with self.subTest(reason):
                    before = first and site.create(**first)["name"]
                    if before:
                        self.has_place(site, before)
                    name = site.create(**second)["name"]
                    site.wait_state(name, "queued")
                    eventually(
                        lambda: (site.session(name)["job"] or {}).get("reason") == reason,
                        30,
                        reason,
                    )
                    self.assertIn(f"<dd>{sentence} (Slurm: {reason})</dd>", page(site, name))
                    if before:
                        site.stop(before)
                        site.wait_state(before, "ended")
                        self.has_place(site, name)
                    site.stop(name)
                    site.wait_state(name, "ended")

    def test_a_refusal_says_why_and_what_helps(self):
        with self.site() as site:
            full = site.create(qos="few")["name"]
            self.has_place(site, full)
            ask = "Choose another one, or ask the administrator."
            for choice, sentence, words in (
                (
                    {"qos": "few"},
                    "As many jobs as its quality of service may have run or wait already. Try "
                    "again when one of them has ended.",
                    "QOSMaxSubmitJobPerUserLimit",
                ),
                (
                    {"qos": "strict", "cpu": "2"},
                    "It asks for more processors than its quality of service lets it have. Ask "
                    "for less.",
                    "QOSMaxCpuPerUserLimit",
                ),
                (
                    {"account": "foreign"},
                    "The cluster does not let it use the account foreign in the part vms. " + ask,
                    "Invalid account or account/partition combination specified",
                ),
                (
                    {"account": "pool", "partition": "short", "snapshot_lifetime": "60"},
                    "The cluster does not let it use the account pool in the part short. " + ask,
                    "Invalid account or account/partition combination specified",
                ),
                (
                    {"qos": "nobodys"},
                    "The cluster does not let it use the quality of service nobodys. " + ask,
                    "Invalid qos specification",
                ),
                (
                    {"partition": "short"},
                    "It asks for more time than this part of the cluster gives. Choose a shorter "
                    "lifetime.",
                    "Requested time limit is invalid (missing or exceeds some limit)",
                ),
            ):
                with self.subTest(choice):
                    name = site.create(**choice)["name"]
                    failed = site.wait_state(name, "failed")
                    self.assertEqual(failed["reason"], f"{sentence} (Slurm: {words})")
                    self.assertIsNone(failed["job"])
                    # What Slurm says is in the log as well.
                    self.assertRegex(
                        (site.store / "log").read_text(),
                        rf"event=slurm session={name} command=sbatch result=refused "
                        rf"message={re.escape(words if ' ' not in words else chr(34) + words)}",
                    )
                    eventually(lambda: name in history(site), 10, "its line")
                    self.assertEqual(history(site)[name]["seconds"], 0)
            # Which names an administrator should not have listed.
            told = site.qwdctl("check", check=False).stdout
            notes = re.findall(r"^note: slurm_(?:account|qos|partition): .*$", told, re.M)
            self.assertEqual(
                [note.partition(";")[0] for note in notes],
                [
                    "note: slurm_account: Slurm would not take a job with foreign (Invalid "
                    "account or account/partition combination specified)",
                    "note: slurm_qos: Slurm would take no further job with few now, for a limit "
                    "(QOSMaxSubmitJobPerUserLimit)",
                    "note: slurm_qos: Slurm would not take a job with nobodys (Invalid qos "
                    "specification)",
                ],
            )
            site.end(full)

    def test_the_recipe_of_the_documentation_is_taken(self):
        text = (TREE / "src/doc/slurm.md").read_text()
        lines = re.findall(r"^sacctmgr ((?:add|modify) .*)$", text, re.M)
        self.assertGreater(len(lines), 7)
        for line in lines:
            self.slurm.manage(line)
        limits = self.slurm.manage("show qos desktop format=maxjobspu,maxsubmitpu,maxwall,flags")
        self.assertEqual(limits.strip(), "1|2|1-00:00:00|DenyOnLimit")
        shown = self.slurm.manage("show assoc account=physics user=ann format=maxjobs,qos")
        self.assertEqual(shown.strip(), "1|desktop,normal,urgent")
        # And the configuration's lines that stand below: the last ones.
        names = dict(re.findall(r"^(slurm_account|slurm_qos) = (.*)$", text, re.M))
        with self.slurm.site(**names) as site:
            told = site.qwdctl("check", check=False).stdout
            self.assertIn("ok: Slurm's control answers\n", told)
            self.assertNotRegex(told, "note: slurm_(account|qos)")
            name = site.create(account="teaching", qos="desktop")["name"]
            self.has_place(site, name)
            # Its job may have spoken before Slurm was asked again.
            cluster = {"account": "teaching", "partition": "vms", "qos": "desktop"}
            eventually(lambda: site.session(name)["cluster"] == cluster, 60, "what its job has")

    @unittest.skipUnless(LONG, "slow: waits for Slurm's turns")
    def test_a_job_of_higher_quality_takes_its_place(self):
        with self.site() as site:
            for qos in ("low", "spare"):
                with self.subTest(qos):
                    session = site.running(qos=qos)
                    name, job = session["name"], session["job"]["id"]
                    self.slurm.run(
                        "sbatch", "--qos=high", "--cpus-per-task=8", "--mem=100", "--time=5",
                        "--chdir=/", "--output=/dev/null", "--wrap=exec sleep 300",
                    )  # fmt: skip
                    failed = site.wait_state(name, FINAL, 120)
                    self.assertEqual(
                        (failed["state"], failed["reason"]),
                        ("failed", "The cluster needed its place for a job that goes before it."),
                    )
                    gone(self, self.slurm, site, name)
                    self.assertEqual(accounted(self.slurm, job)["State"], "PREEMPTED")
                    self.assertEqual(history(site)[name]["qos"], qos)
                    self.slurm.run("scancel", "--user=root")
                    eventually(lambda: self.slurm.idle() == 1, 30, "the node is idle")


@unittest.skipUnless(LONG, "slow: a cluster of its own, and Slurm counts once a minute")
@unittest.skipIf(unavailable(), unavailable())
@unittest.skipIf(test_slurm_visitor.lacking(), test_slurm_visitor.lacking())
class VisitorsAccounts(test_slurm_visitor.VisitorCase):
    """With slurm_user = visitor accounts, limits and fair share are each one's."""

    @staticmethod
    def new_cluster():
        lines = ("add account beamline", "add user ann account=beamline")
        return Accounting(nodes=1, cores=4, memory=3000, lines=lines)

    def setUp(self):
        self.slurm = self.cluster

        def forgotten():
            # Slurm deletes nobody of whom it thinks that a job of his runs.
            self.slurm.manage("delete user bob", check=False)
            return not self.slurm.manage("show user bob").strip()

        eventually(forgotten, 60, "nobody knows bob")
        self.slurm.manage("modify user ann account=beamline set maxjobs=-1", check=False)

    def made(self, site, user, **fields):
        """Somebody, and his session."""
        visitor = site.visitor()
        return visitor, visitor.create(user=user, password="any", **fields)["name"]

    def job(self, visitor, name):
        return eventually(lambda: (visitor.session(name)["job"] or {}).get("id"), 30, "a job")

    def test_limits_are_each_persons(self):
        self.slurm.manage("modify user ann account=beamline set maxjobs=1")
        with self.site() as site:
            ann, first = self.made(site, "ann")
            ann.wait_state(first, "running")
            # The account that she has by herself, and is charged.
            cluster = {"account": "beamline", "partition": "vms", "qos": "normal"}
            eventually(lambda: ann.session(first)["cluster"] == cluster, 60, "what her job has")
            second = ann.create(user="ann", password="any")["name"]
            eventually(
                lambda: (ann.session(second)["job"] or {}).get("reason") == "AssocMaxJobsLimit",
                30,
                "her limit",
            )
            # Who has an account on the computers, and none in Slurm.
            bob, refused = self.made(site, "bob")
            self.assertEqual(
                bob.wait_state(refused, "failed")["reason"],
                "The cluster has no account for it. Ask the administrator for one. (Slurm: "
                "Invalid account or account/partition combination specified)",
            )
            self.slurm.manage("add user bob account=beamline")
            bob, other = self.made(site, "bob")
            bob.wait_state(other, "running")
            self.assertEqual(ann.session(second)["state"], "queued")
            job = self.job(ann, first)
            ann.stop(first)
            ann.wait_state(first, "ended")
            self.assertEqual(accounted(self.slurm, job)["User"], "ann")
            self.assertEqual(history(site)[first]["account"], "beamline")
            ann.wait_state(second, "running")
            self.end(site, ann, second)
            self.end(site, bob, other)

    def test_who_has_had_less_goes_first(self):
        self.slurm.manage("add user bob account=beamline")
        with self.site() as site:
            ann, first = self.made(site, "ann", cpu="2")
            ann.wait_state(first, "running")

            def used():
                line = self.slurm.run(
                    "sshare", "-n", "-P", "--users=ann", "--accounts=beamline",
                    "--format=User,RawUsage",
                )  # fmt: skip
                return re.search(r"^ *ann\|[1-9]", line, re.M)

            eventually(used, 200, "what ann has used")
            self.end(site, ann, first)
            filler = self.slurm.run(
                "sbatch", "--parsable", "--cpus-per-task=4", "--mem=100", "--time=60",
                "--chdir=/", "--output=/dev/null", "--wrap=exec sleep 600",
            ).strip()  # fmt: skip
            eventually(lambda: self.slurm.jobs()[int(filler)][0] == "RUNNING", 30, "a full node")
            ann, late = self.made(site, "ann", cpu="2", memory="1.5")
            job_of_ann = self.job(ann, late)
            bob, early = self.made(site, "bob", cpu="2", memory="1.5")
            job_of_bob = self.job(bob, early)

            def priority(job):
                return int(self.slurm.run("squeue", "-h", "-j", str(job), "-o", "%Q"))

            eventually(
                lambda: priority(job_of_bob) > priority(job_of_ann) > 0, 100, "their priorities"
            )
            self.slurm.run("scancel", filler)
            bob.wait_state(early, "running")
            # The node has room for one of that size.
            self.assertEqual(self.slurm.jobs()[job_of_ann][0], "PENDING")
            self.end(site, ann, late)
            self.end(site, bob, early)


if __name__ == "__main__":
    unittest.main(verbosity=2)
