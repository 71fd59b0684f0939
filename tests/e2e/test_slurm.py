"""Sessions as jobs of a Slurm cluster (launcher = slurm): one slurmctld, three
nodes in network namespaces, displays through stunnel.

The cluster starts once for the quick cases; those that lose a part of it have
one of their own, and but for the quickest wait for Slurm's own timeouts, so
they run only when LONG is set.
"""

import signal
import ssl

from farm_rogue import Assertion
from harness import *
from slurm_cluster import Cluster

# Two sessions to a node at most: 2 cores of it, one each.
BIG = {"cpu": "2"}
# Options with which QEMU takes more memory than its job may.
HOG = {
    "slurm_memory_overhead": 64,
    "qemu_exec_options": "-machine pc,vmport=off,hpet=off -accel tcg,thread=multi "
    "-cpu qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt "
    "-object memory-backend-ram,id=hog,size=600M,prealloc=on",
}


def unavailable():
    missing = [
        name
        for name in ("slurmctld", "slurmd", "sbatch", "munged", "stunnel")
        if not shutil.which(name, path="/usr/sbin:/usr/bin")
    ]
    return f"not installed: {', '.join(missing)}" if missing else None


def job_dir(cluster, name):
    return cluster.dir / "shared/jobs" / name


def mark(cluster, name):
    return json.loads((job_dir(cluster, name) / "mark").read_text())


def see_screen(test, site, session):
    with Vnc(site.websocket(site.token(session))) as vnc:
        test.assertGreater(vnc.width * vnc.height, 0)
        vnc.screen()


def web_owner(site, name):
    """The one on the web host; that of the node has the job's configuration."""

    def found():
        return eldest(
            [
                p
                for p in site.processes(name)
                if p.role == "owner" and f"--config={site.dir}/etc/config.conf" in p.argv
            ]
        )

    return eventually(lambda: len(one := found()) == 1 and one[0], 5, f"the owner of {name}")


def page(site, name):
    return site.get(f"{CGI}?session={name}", accept="html").text


def told_to_the_farm(site):
    """What another server of the farm would be told of this one."""
    secret = site.dir / "lib/farm-secret"
    if not secret.exists():
        secret.write_bytes(os.urandom(64))
        secret.chmod(0o600)
        shutil.chown(secret, "www-data")
    text = Assertion(secret.read_bytes(), site.url, method="").text
    answer = site.visitor().post_form({"farm": text}, path="/qemu-web-desktop/farm")
    assert answer.status == 200, answer
    return answer.json()["server"]


def gone(_, cluster, site, name):
    """Nothing of it is left, on either side."""
    eventually(lambda: not job_dir(cluster, name).exists(), 20, "its directory is gone")
    eventually(lambda: not site.processes(name), 20, "its processes are gone")
    # Its node tells Slurm a moment after the last process.
    job = site.record(name)["job"]
    eventually(
        lambda: cluster.jobs()[job][0] not in ("RUNNING", "PENDING"), 20, "its job is over"
    )


@unittest.skipIf(unavailable(), unavailable())
class Slurm(unittest.TestCase):
    """With a cluster that stays whole."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster())

    def site(self, **options):
        return self.cluster.site(**options)

    def test_a_job_shows_its_display_and_ends_when_it_is_stopped(self):
        with self.site() as site:
            session = site.running()
            self.assertRegex(session["job"]["node"], "^node[123]$")
            self.assertEqual(session["job"]["control"], True)
            see_screen(self, site, session)
            self.assertIn(f"Job {session['job']['id']} on node", page(site, session["name"]))
            record = site.record(session["name"])
            self.assertAlmostEqual(record["ends"] - record["started"], 900, delta=5)
            state, node = self.cluster.jobs()[session["job"]["id"]]
            self.assertEqual((state, node), ("RUNNING", session["job"]["node"]))
            for command in (["capture", "--dry-run", session["name"], "new.qcow2"],
                            ["flatten", session["name"]]):
                done = site.qwdctl(*command, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn("it is a job of a cluster, and its disk cannot be copied from "
                              "here; a stop would erase it\n", done.stderr)
            site.stop(session["name"])
            session = site.wait_state(session["name"], "ended")
            self.assertEqual(session["reason"], "Stopped by its user.")
            gone(self, self.cluster, site, session["name"])

    def test_who_comes_before_the_display_waits_for_it(self):
        with self.site() as site, held_back(self.cluster) as let_go:
            name = site.create()["name"]
            site.wait_state(name, "booting")
            owner = web_owner(site, name)

            def on_their_way():
                found = [p for p in processes() if p.name == "stunnel"]
                # Nobody is let in on the node: there is no screen.
                self.assertEqual({p.parent for p in found} - {owner.pid}, set())
                return found

            (first,) = eventually(on_their_way, 20, "somebody on his way to the display")
            # One who has given up is followed by another.
            tell(first, signal.SIGKILL)
            (second,) = eventually(
                lambda: [p for p in on_their_way() if p.pid != first.pid], 20, "another"
            )
            self.assertEqual(site.record(name)["state"], "booting")
            self.assertTrue(second.alive())
            let_go()
            see_screen(self, site, site.wait_state(name, "running"))
            # Once it runs there are news of nothing, and nobody on his way.
            eventually(
                lambda: not [p for p in processes() if p.name == "stunnel"],
                20,
                "the first look is over",
            )
            for p in site.processes(name):
                eventually(
                    lambda p=p: "anon_inode:inotify" not in p.descriptors().values(), 10, str(p)
                )

    def test_news_without_end_are_listened_to_no_more(self):
        with self.site() as site, held_back(self.cluster) as let_go:
            name = site.create()["name"]
            site.wait_state(name, "booting")
            owner = web_owner(site, name)
            self.assertIn("anon_inode:inotify", owner.descriptors().values())
            one, other = (job_dir(self.cluster, name) / n for n in ("one", "other"))
            one.touch()

            def deaf():
                one.rename(other)
                other.rename(one)
                return "anon_inode:inotify" not in owner.descriptors().values()

            eventually(deaf, 30, "it listens no more", pause=0.002)
            let_go()
            see_screen(self, site, site.wait_state(name, "running"))

    def test_where_the_kernel_gives_no_news_it_is_looked_at_again_and_again(self):
        with self.site() as site, no_inotify():
            see_screen(self, site, site.running())

    def test_a_full_cluster_lets_the_next_one_wait_and_says_why(self):
        with self.site() as site:
            full = [site.create(**BIG)["name"] for _ in range(3)]
            nodes = {site.wait_state(n, "running")["job"]["node"] for n in full}
            self.assertEqual(nodes, {"node1", "node2", "node3"})
            waits = site.create(**BIG)["name"]
            site.wait_state(waits, "queued")
            told = eventually(
                lambda: (s := site.session(waits))["job"]["reason"] and s, 20, "a reason"
            )
            self.assertIn(told["job"]["reason"], ("Resources", "Priority"))
            self.assertIsNone(told["ends"])
            self.assertIn(f"(Slurm: {told['job']['reason']})", page(site, waits))
            # The limits of time are known, so Slurm knows when.
            eventually(lambda: site.session(waits)["job"]["expected_start"], 30, "a time")
            self.assertIn("Expected to start", page(site, waits))
            # One that waits is taken out of the queue.
            other = site.create(**BIG)["name"]
            site.wait_state(other, "queued")
            site.stop(other)
            self.assertEqual(site.wait_state(other, "ended")["reason"], "Stopped by its user.")
            gone(self, self.cluster, site, other)
            site.end(full[0])
            session = site.wait_state(waits, "running")
            see_screen(self, site, session)

    def test_slurms_refusal_is_told_with_its_words(self):
        with self.site(slurm_partition="nowhere") as site:
            name = site.create()["name"]
            session = site.wait_state(name, "failed")
            self.assertEqual(
                session["reason"],
                "The cluster has no part nowhere. Choose another one, or ask the administrator. "
                "(Slurm: Invalid partition name specified)",
            )
            self.assertIn("event=slurm", site.words())
            self.assertFalse(job_dir(self.cluster, name).exists())
            # Longer than a partition lets a job be.
            site.configure(slurm_partition="short")
            session = site.wait_state(site.create()["name"], "failed")
            self.assertRegex(session["reason"], "^It asks for more time than this part")

    def test_visitors_choose_account_and_partition(self):
        lists = {"slurm_partition": "vms, short", "slurm_account": "physics,chemistry"}
        with self.site(**lists) as site:
            form = site.get(CGI, accept="html").text
            for name, choices in (
                ("account", ("physics", "chemistry")),
                ("partition", ("vms", "short")),
            ):
                (select,) = re.findall(f'<select id="{name}".*?</select>', form, re.S)
                options = re.findall('<option value="(.*?)".*?>(.*?)</option>', select)
                self.assertEqual(options, [("", choices[0]), (choices[1], choices[1])])
            self.assertNotIn('name="qos"', form)
            self.assertEqual(html_problems(form), [])
            self.assertEqual(
                site.get(CGI).json()["cluster"],
                {"account": ["physics", "chemistry"], "partition": ["vms", "short"], "qos": []},
            )
            refused = site.post_form(site.order(partition="nowhere"))
            self.assertEqual((refused.status, refused.json()["error"]["field"]), (400, "partition"))
            # What was chosen is still chosen on the page that comes back.
            again = site.post_form(
                site.order(partition="nowhere", account="chemistry"), accept="html"
            )
            self.assertEqual(again.status, 400)
            self.assertEqual(html_problems(again.text), [])
            self.assertRegex(again.text, '<option value="chemistry" selected>')
            self.assertRegex(again.text, '<select id="partition"[^>]* aria-invalid="true"')
            usual = site.create(partition="", snapshot_lifetime="60")
            other = site.create(
                partition="short", account="chemistry", snapshot_lifetime="60"
            )
            for session, account, partition in (
                (usual, "physics", "vms"),
                (other, "chemistry", "short"),
            ):
                cluster = {"account": account, "partition": partition, "qos": None}
                self.assertEqual(session["cluster"], cluster)
                number = eventually(
                    lambda: (site.session(session["name"])["job"] or {}).get("id"), 20, "a job"
                )
                told = self.cluster.run("scontrol", "show", "job", str(number))
                self.assertRegex(told, rf"\bAccount={account}\b")
                self.assertRegex(told, rf"\bPartition={partition}\b")
                self.assertIn(
                    f"<dt>Part of the cluster</dt><dd>{partition}</dd>",
                    page(site, session["name"]),
                )
            status = json.loads(site.qwdctl("status", "--json").stdout)
            self.assertEqual(
                {s["name"]: s["cluster"]["partition"] for s in status["sessions"]},
                {usual["name"]: "vms", other["name"]: "short"},
            )
            told = site.qwdctl("check", check=False).stdout
            self.assertNotIn("would not take", told)
            site.configure(slurm_partition="vms,nowhere")
            self.assertIn(
                "note: slurm_partition: Slurm would not take a job with nowhere "
                "(Invalid partition name specified)",
                site.qwdctl("check", check=False).stdout,
            )

    def test_other_servers_are_told_what_the_cluster_has_free(self):
        """And not this host, which runs nothing of it."""

        def room():
            (site.store / "farm/cluster").unlink(missing_ok=True)  # ask anew
            told = told_to_the_farm(site)
            return told["free_cpu"], told["free_memory_mb"], told["busy_milli"]

        with self.site() as site:
            # 2048 MB of a node, without slurm_memory_overhead; slurm_max_cpu is 2.
            eventually(lambda: room() == (2, 1792, 0), 60, "an idle cluster")
            for _ in range(3):
                site.create(**BIG)
            # One session has its place on each, or will have.
            self.assertEqual(room()[0], 0)
            self.assertGreaterEqual(room()[2], 1000)
            eventually(lambda: self.cluster.idle() == 0, 60, "no idle node")
            eventually(lambda: room() == (0, 0, 1000), 60, "a full cluster")
            site.create(**BIG)
            eventually(lambda: room()[2] == 1333, 60, "what waits is load, too")
            # Who has nothing to say is not waited for, and is no room.
            site.qwdctl("stop", "--all", "--now", "--yes")
            eventually(lambda: room() == (2, 1792, 0), 60, "an idle cluster")
            with covered("/usr/bin/sinfo", "#!/bin/sh\nexec sleep 600\n"):
                self.assertEqual(room(), (0, 0, 1000))
                self.assertIn("command=sinfo result=failed", site.error_log())
            eventually(lambda: room() == (2, 1792, 0), 60, "it is asked again")

    def test_a_strangers_certificate_opens_nothing(self):
        with self.site() as site:
            session = site.running()
            said = mark(self.cluster, session["name"])
            number = int(said["node"][-1])
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            address = (f"10.82.0.1{number}", said["port"])
            own = site.dir / "own"
            own.mkdir()
            make_certificate(own)
            for certificate in (None, own):
                if certificate:
                    context.load_cert_chain(own / "crt", own / "key")
                with socket.create_connection(address, timeout=10) as raw:
                    # TLS 1.3 tells a client that it is refused at its first
                    # read only.
                    with self.assertRaises(ssl.SSLError) as refused:
                        with context.wrap_socket(raw) as s:
                            got = s.recv(12)
                            self.fail(f"it says {got!r}")
                    self.assertRegex(
                        str(refused.exception), "alert|certificate required|unknown ca"
                    )
            # Nor does anybody who speaks no TLS.
            with socket.create_connection(address, timeout=10) as raw:
                raw.sendall(b"RFB 003.008\n")
                with contextlib.suppress(ConnectionResetError):
                    self.assertNotIn(b"RFB", raw.recv(100))
            see_screen(self, site, session)

    def test_a_node_with_another_certificate_gets_no_byte(self):
        with self.site() as site:
            session = site.running()
            name = session["name"]
            own = site.dir / "own"
            own.mkdir()
            make_certificate(own)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(own / "crt", own / "key")
            conf = site.session_dir(name) / "tunnel.conf"
            with socket.create_server(("127.0.0.1", 0)) as server:
                server.settimeout(20)
                text = re.sub(
                    "^connect = .*",
                    f"connect = 127.0.0.1:{server.getsockname()[1]}",
                    conf.read_text(),
                    flags=re.M,
                )
                conf.write_text(text)
                with socket.socket(socket.AF_UNIX) as viewer:
                    viewer.settimeout(20)
                    viewer.connect(str(site.vnc_socket(name)))
                    viewer.sendall(b"a secret of the viewer")
                    raw, _ = server.accept()
                    with raw, self.assertRaises(OSError):
                        with context.wrap_socket(raw, server_side=True) as s:
                            got = s.recv(100)
                            self.assertEqual(got, b"", "what the viewer has said")
                            raise OSError("closed without a byte")
                    with contextlib.suppress(ConnectionResetError):
                        self.assertEqual(viewer.recv(100), b"")

    def test_the_keys_stay_on_their_hosts(self):
        with self.site() as site:
            session = site.running()
            shared = job_dir(self.cluster, session["name"])
            self.assertEqual(stat.S_IMODE(shared.stat().st_mode), 0o700)
            for path in shared.rglob("*"):
                # Its mark is replaced now and then.
                with contextlib.suppress(FileNotFoundError):
                    self.assertFalse(path.stat().st_mode & 0o077, path)
                    if path.is_file() and path.stat().st_size < 1 << 20:
                        text = path.read_text(errors="replace")
                        self.assertNotIn("PRIVATE KEY", text, path)
                        self.assertNotIn(site.token(session), text, path)

    def test_more_time_is_slurms_to_give(self):
        with self.site(snapshot_lifetime=3600) as site:
            session = site.running()
            answer = site.post_form(
                {"session_extend": session["name"], "snapshot_lifetime": "1800"}
            )
            # Only an operator of Slurm may give a job more time.
            self.assertEqual(answer.status, 409)
            self.assertRegex(
                answer.json()["error"]["message"],
                "^The cluster does not give it more time: Access/permission denied",
            )
            self.assertEqual(site.session(session["name"])["ends"], session["ends"])
            # But it may ask for what its job has anyway.
            answer = site.post_form(
                {"session_extend": session["name"], "snapshot_lifetime": "910"}
            )
            self.assertEqual(answer.status, 200, answer)
            ends = site.session(session["name"])["ends"]
            self.assertGreater(ends, session["ends"])
            # And the node's own deadline moves with it.
            eventually(
                lambda: mark(self.cluster, session["name"])["left_ms"] > 900_000, 20, "the node knows"
            )

    def test_a_card_is_asked_for_as_gres(self):
        with self.site() as site:
            name = site.create(gpu="yes")["name"]
            # The nodes have one for Slurm (/dev/null), and none for guests.
            session = site.wait_state(name, "failed")
            self.assertEqual(
                session["reason"],
                "This machine needs a graphics card, and there is none for desktops here.",
            )
            told = self.cluster.run("scontrol", "show", "job", str(session["job"]["id"]))
            self.assertRegex(told, r"TresPerNode=gres:gpu:1")

    def test_two_cards_are_more_than_a_node_has(self):
        with self.site(slurm_gres="gpu:2") as site:
            session = site.wait_state(site.create(gpu="yes")["name"], "failed")
            self.assertRegex(session["reason"], "^No computer there has as many processors, as much memory or")

    def test_the_disk_may_be_the_nodes_own(self):
        with self.site(slurm_overlay="scratch", slurm_port=7300) as site:
            session = site.running()
            name = session["name"]
            said = mark(self.cluster, name)
            self.assertIn(said["port"], range(7300, 8300))
            self.assertEqual(list(job_dir(self.cluster, name).rglob("*.qcow2")), [])
            own = f"/var/tmp/qemu-web-desktop-node-{SERVICE_USER.pw_uid}/disk/{name}.qcow2"
            there = self.cluster.inside(int(said["node"][-1]), "stat", "-c", "%a %U", own)
            self.assertEqual(there.stdout.split(), ["600", "www-data"], there.stderr)
            site.configure(slurm_overlay="shared")
            other = site.running(user="bob")["name"]
            (disk,) = job_dir(self.cluster, other).rglob("*.qcow2")
            self.assertEqual(disk.name, f"{other}.qcow2")

    def test_a_job_that_was_started_twice_refuses(self):
        with self.site() as site:
            session = site.running()
            name, number = session["name"], session["job"]["id"]
            directory = job_dir(self.cluster, name)
            program = site.dir / "cgi-bin/qemu-web-desktop"
            again = subprocess.run(
                [program, "--session-job", directory],
                env={"SLURM_JOB_ID": str(number), "SLURMD_NODENAME": "node9"},
                user=SERVICE_USER.pw_uid,
                group=SERVICE_USER.pw_gid,
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
            self.assertEqual(again.returncode, 1)
            self.assertIn("nothing is started a second time", again.stderr)
            # Outside of Slurm, or by a web server's request, it is no role.
            alone = site.by_hand("--session-job", str(directory))
            self.assertEqual(alone.returncode, 1)
            self.assertIn("only Slurm starts", alone.stderr)
            see_screen(self, site, session)

    def test_a_job_that_is_cancelled_says_so(self):
        with self.site() as site:
            session = site.running()
            self.cluster.run("scancel", str(session["job"]["id"]))
            session = site.wait_state(session["name"], FINAL, 60)
            self.assertEqual(session["reason"], "Its job was cancelled on the cluster.")
            gone(self, self.cluster, site, session["name"])

    def test_slurm_ends_what_takes_too_much_memory(self):
        with self.site(**HOG) as site:
            session = site.wait_state(site.create()["name"], FINAL, 60)
            self.assertEqual(
                (session["state"], session["reason"]),
                ("failed", "It used more memory than its job on the cluster may."),
            )
            # Slurm's own word for it is another.
            self.assertEqual(self.cluster.jobs()[session["job"]["id"]][0], "FAILED")
            self.assertIn("exceeded memory limit", site.words())
            gone(self, self.cluster, site, session["name"])

    def test_slurms_reason_is_told_where_the_job_sees_but_its_beginning(self):
        """Slurm kills what is in a job one after the other; the first was the
        one that looked after the guest."""
        with self.site() as site:
            session = site.running()
            name = session["name"]
            with (job_dir(self.cluster, name) / "output").open("a") as output:
                output.write("slurmstepd: error: Exceeded job memory limit\n")
            (owner,) = eldest(
                [
                    p
                    for p in site.processes(name)
                    if p.role == "owner" and p.pid != web_owner(site, name).pid
                ]
            )
            os.kill(owner.pid, signal.SIGKILL)
            session = site.wait_state(name, FINAL, 60)
            self.assertEqual(
                (session["state"], session["reason"]),
                ("failed", "It used more memory than its job on the cluster may."),
            )
            gone(self, self.cluster, site, name)

    def test_a_job_that_is_put_back_into_the_queue_starts_nothing(self):
        with self.site() as site:
            session = site.running()
            number = str(session["job"]["id"])
            # --no-requeue forbids it: the administrator forgets that.
            self.cluster.run("scontrol", "update", f"JobId={number}", "Requeue=1")
            self.cluster.run("scontrol", "requeue", number)
            session = site.wait_state(session["name"], FINAL, 60)
            self.assertEqual(session["state"], "failed")
            self.assertRegex(session["reason"], "^The cluster took its place away and put it back")
            gone(self, self.cluster, site, session["name"])

    def test_an_owner_that_dies_leaves_no_job(self):
        with self.site() as site:
            session = site.running()
            os.kill(web_owner(site, session["name"]).pid, 9)
            eventually(lambda: site.session(session["name"])["state"] == "failed", 10, "failed")
            site.qwdctl("purge")
            gone(self, self.cluster, site, session["name"])

    def test_check_looks_at_control_directory_and_a_node(self):
        with self.site() as site:
            shared = self.cluster.dir / "shared/jobs"
            with contextlib.suppress(FileNotFoundError):
                shared.rmdir()  # empty, as each site leaves it

            def check():
                return site.qwdctl("check", check=False).stdout

            told = check()
            self.assertIn("ok: Slurm's control answers\n", told)
            self.assertIn(f"error: dir_slurm: {shared} is not a private directory", told)
            shared.mkdir(mode=0o700)
            shutil.chown(shared, "www-data", "www-data")
            told = check()
            self.assertIn("ok: a node of the cluster has dir_slurm\n", told)
            self.assertIn(f"note: dir_slurm: {shared} is on a file system of this host", told)
            # Which the nodes do not have: their /var/tmp is their own.
            there = pathlib.Path("/var/tmp/qwd-check")
            there.mkdir(mode=0o700)
            try:
                shutil.chown(there, "www-data", "www-data")
                site.configure(dir_slurm=there)
                self.assertIn("error: dir_slurm: a node of the cluster has no", check())
            finally:
                there.rmdir()
            site.configure(slurm_conf="/nowhere/slurm.conf", dir_slurm=shared)
            self.assertIn("error: launcher = slurm: Slurm's control does not answer", check())
            site.configure(slurm_conf=self.cluster.conf)

    def test_odd_answers_of_slurm_are_no_answers(self):
        with self.site() as site:
            session = site.running()
            programs = "/usr/bin/squeue"
            with covered(programs, "#!/bin/sh\necho '7|DANCING'\n"):
                eventually(
                    lambda: not site.session(session["name"])["job"]["control"], 60, "away"
                )
                self.assertIn("control does not answer", page(site, session["name"]))
                see_screen(self, site, session)
            eventually(lambda: site.session(session["name"])["job"]["control"], 60, "back")
            with covered("/usr/bin/sbatch", "#!/bin/sh\necho Submitted\n"):
                failed = site.wait_state(site.create()["name"], "failed")
                self.assertRegex(failed["reason"], "^The cluster's answer was not understood")


@unittest.skipIf(unavailable(), unavailable())
class ControlIsLost(unittest.TestCase):
    def test_sessions_live_on_and_the_page_says_so(self):
        grace = {"service_stop_grace": 1}
        with Cluster(nodes=1) as cluster, Site(options=cluster.options(**grace)) as site:
            name = site.running()["name"]
            cluster.kill_control()
            eventually(lambda: not site.session(name)["job"]["control"], 60, "away")
            session = site.session(name)
            self.assertEqual(session["state"], "running")
            self.assertIn("control does not answer", page(site, name))
            see_screen(self, site, session)
            # The job itself reads that it is to end.
            site.stop(name)
            self.assertEqual(site.wait_state(name, FINAL, 60)["reason"], "Stopped by its user.")
            eventually(lambda: not site.processes(name), 30, "its processes are gone")
            cluster.start_control()
            site.qwdctl("purge")
            gone(self, cluster, site, name)


@unittest.skipUnless(LONG, "slow: waits for Slurm's own timeouts")
@unittest.skipIf(unavailable(), unavailable())
class PartsAreLost(unittest.TestCase):
    def test_a_node_without_power(self):
        with Cluster() as cluster, Site(options=cluster.options()) as site:
            session = site.running()
            cluster.kill_node(int(session["job"]["node"][-1]))
            session = site.wait_state(session["name"], FINAL, 120)
            self.assertEqual(session["state"], "failed")
            self.assertEqual(
                session["reason"], "The computer of the cluster on which it ran has failed."
            )
            gone(self, cluster, site, session["name"])
            # The others still serve.
            see_screen(self, site, site.running(user="bob"))

    def test_slurmd_dies_and_the_guest_with_its_directory(self):
        with Cluster() as cluster, Site(options=cluster.options()) as site:
            session = site.running()
            cluster.kill_slurmd(int(session["job"]["node"][-1]))
            see_screen(self, site, session)
            session = site.wait_state(session["name"], FINAL, 120)
            self.assertEqual(session["state"], "failed")
            gone(self, cluster, site, session["name"])

    def test_a_lifetime_needs_neither_slurmd_nor_slurmctld(self):
        with Cluster(nodes=1) as cluster, Site(options=cluster.options()) as site:
            session = site.running(snapshot_lifetime=60)
            cluster.kill_slurmd(1)
            cluster.kill_control()
            # Nor the owner on the web host.
            os.kill(web_owner(site, session["name"]).pid, signal.SIGSTOP)
            try:
                eventually(
                    lambda: not [p for p in site.processes(session["name"]) if p.role == "qemu"],
                    90,
                    "its guest has ended",
                )
            finally:
                os.kill(web_owner(site, session["name"]).pid, signal.SIGCONT)
            self.assertEqual(
                site.wait_state(session["name"], FINAL, 60)["reason"], "Its lifetime was over."
            )
            cluster.start_control()
            site.qwdctl("purge")

    def test_slurms_limit_of_time_is_announced_to_the_guest(self):
        with Cluster(nodes=1) as cluster, Site(options=cluster.options()) as site:
            session = site.running()
            number = session["job"]["id"]
            cluster.run("scontrol", "update", f"JobId={number}", "TimeLimit=1")
            session = site.wait_state(session["name"], FINAL, 150)
            self.assertEqual(session["state"], "ended")
            self.assertRegex(session["reason"], "limit of time")
            gone(self, cluster, site, session["name"])

    def test_a_display_that_cannot_be_reached_is_told(self):
        with Cluster(nodes=1) as cluster, Site(options=cluster.options()) as site:
            session = site.running()
            name = session["name"]
            port = mark(cluster, name)["port"]
            table = ["nft", "add", "table", "inet", "qwd-cut"]
            subprocess.run(table, check=True)
            try:
                subprocess.run(
                    ["nft", "add chain inet qwd-cut out { type filter hook output priority 0; }"],
                    check=True,
                )
                subprocess.run(
                    ["nft", f"add rule inet qwd-cut out tcp dport {port} drop"], check=True
                )
                eventually(lambda: "cannot be reached" in page(site, name), 120, "it is told")
                self.assertEqual(site.session(name)["state"], "running")
            finally:
                subprocess.run(["nft", "delete table inet qwd-cut"], check=True)
            eventually(lambda: "cannot be reached" not in page(site, name), 120, "it is back")
            see_screen(self, site, session)


def make_certificate(directory):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        + ["-nodes", "-keyout", directory / "key", "-out", directory / "crt"]
        + ["-subj", "/CN=display", "-days", "30"],
        check=True,
        capture_output=True,
    )


@contextlib.contextmanager
def held_back(cluster):
    """On all nodes no sandbox begins before the function that this gives has
    been called."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="held", dir="/tmp"))
    place.chmod(0o755)
    shutil.copy2("/usr/bin/bwrap", place / "bwrap")
    script = place / "script"
    script.write_text(
        f'#!/bin/sh\nuntil [ -e {place}/go ]; do sleep 0.1; done\nexec {place}/bwrap "$@"\n'
    )
    script.chmod(0o755)
    for number in cluster.nodes:
        cluster.inside(number, "mount", "--bind", script, "/usr/bin/bwrap").check_returncode()
    try:
        yield (place / "go").touch
    finally:
        for number in cluster.nodes:
            cluster.inside(number, "umount", "--lazy", "/usr/bin/bwrap").check_returncode()
        shutil.rmtree(place)


@contextlib.contextmanager
def no_inotify():
    """The service's user has as many inotify descriptors as it may."""
    code = """
import ctypes, os, resource, sys
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
inotify = ctypes.CDLL(None).inotify_init1
while inotify(0) >= 0:
    pass
os.pipe()  # it may have more descriptors, but none of those
print("no more", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        ["/usr/bin/python3", "-c", code],
        user=SERVICE_USER.pw_uid,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as taker:
        if taker.stdout.readline() != "no more\n":
            raise unittest.SkipTest("the kernel's limit is above that of open files")
        try:
            yield
        finally:
            taker.stdin.close()


@contextlib.contextmanager
def covered(path, text):
    """In this test's mount namespace another program stands there."""
    other = pathlib.Path("/tmp") / f"other-{os.urandom(4).hex()}"
    other.write_text(text)
    other.chmod(0o755)
    subprocess.run(["mount", "--bind", other, path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)
        other.unlink()


if __name__ == "__main__":
    unittest.main(verbosity=2)
