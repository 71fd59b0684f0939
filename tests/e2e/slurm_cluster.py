"""A cluster of Slurm on this machine, for the end-to-end tests: one munged, one
slurmctld, and nodes that have network, mount, host name, ipc and pid
namespaces of their own, with a bridge between.  Killing a node's first process
is its loss of power.

    with Cluster() as cluster, Site(options=cluster.options()) as site:
        ...
"""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from harness import Site, eventually

PORT_CONTROL, PORT_NODE = 18200, 18201
WEB = "10.82.0.1"

CONF = """\
ClusterName=qwd
SlurmctldHost=ctl({web})
SlurmctldPort={control}
SlurmUser=slurm
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={dir}/munge/socket
CredType=cred/munge
StateSaveLocation={dir}/state
SlurmctldPidFile={dir}/run/slurmctld.pid
SlurmctldLogFile={dir}/log/slurmctld
SlurmdPidFile={dir}/run/slurmd-%n.pid
SlurmdLogFile={dir}/log/slurmd-%n
SlurmdSpoolDir={dir}/spool-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
MpiDefault=none
ReturnToService=2
SlurmdTimeout={node_timeout}
InactiveLimit=0
KillWait=5
MinJobAge=600
SlurmdParameters=config_overrides
GresTypes=gpu
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
PropagateResourceLimits=NONE
NodeName=node[1-{nodes}] NodeAddr=10.82.0.[11-{last}] Port={node} \
CPUs={cores} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=vms Nodes=ALL Default=YES DefaultTime=60 MaxTime=7-0 State=UP \
DefMemPerCPU=64 OverSubscribe=NO
PartitionName=short Nodes=ALL MaxTime=5 State=UP DefMemPerCPU=64
EnforcePartLimits=ALL
"""

NODE = """\
hostname node$1
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip link set lo up
ip addr add "10.82.0.$((10 + $1))/24" dev eth0
ip link set eth0 up
ip route add default via 10.82.0.1
export SLURM_CONF=$2/conf/slurm.conf
slurmd -D -N node$1 &
# The first process stays: jobs outlive slurmd.
while :; do wait; sleep 0.2; done
"""


class Cluster:
    def __init__(self, nodes=3, node_timeout=20, cores=2, memory=2048, changes=(), files=None):
        """`changes`: pairs, what stands in slurm.conf and what is to stand there
        instead; `files`: beside it, name -> text."""
        self.count = nodes
        self.cores = cores
        self.memory = memory
        self.node_timeout = node_timeout
        self.changes = changes
        self.files = files or {}
        self.dir = None
        self.daemons = {}
        self.nodes = {}

    # -- its life

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))
        self.dir.chmod(0o755)
        try:
            self.prepare()
            self.start_munge()
            self.start_control()
            for number in range(1, self.count + 1):
                self.start_node(number)
            eventually(lambda: self.idle() == self.count, 40, "all nodes idle")
        except BaseException:
            self.words()
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for number in list(self.nodes):
            self.kill_node(number)
        # What was started last needs the others.
        for name in reversed(list(self.daemons)):
            self.end(name)
        self.ip("link", "del", "qwd-bridge", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def prepare(self):
        for name in ("conf", "run", "log"):
            (self.dir / name).mkdir(mode=0o755)
        for name, user in (
            ("munge", "munge"),
            ("state", "slurm"),
            ("shared", "www-data"),
        ):
            path = self.dir / name
            path.mkdir(mode=0o755)
            shutil.chown(path, user)
        for name in ("run", "log"):
            shutil.chown(self.dir / name, "slurm")
        (self.dir / "shared").chmod(0o700)
        for number in range(1, self.count + 1):
            (self.dir / f"spool-node{number}").mkdir(mode=0o755)
        text = CONF.format(
            dir=self.dir,
            web=WEB,
            control=PORT_CONTROL,
            node=PORT_NODE,
            nodes=self.count,
            last=10 + self.count,
            cores=self.cores,
            memory=self.memory,
            node_timeout=self.node_timeout,
        )
        for before, after in self.changes:
            assert before in text, before
            text = text.replace(before, after)
        self.conf.write_text(text)
        for name, content in self.files.items():
            (self.dir / "conf" / name).write_text(content)
        (self.dir / "conf/gres.conf").write_text(
            f"NodeName=node[1-{self.count}] Name=gpu File=/dev/null\n"
        )
        key = self.dir / "munge/key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        shutil.chown(key, "munge")
        self.ip("link", "add", "qwd-bridge", "type", "bridge")
        self.ip("addr", "add", f"{WEB}/24", "dev", "qwd-bridge")
        self.ip("link", "set", "qwd-bridge", "up")

    @property
    def conf(self):
        return self.dir / "conf/slurm.conf"

    def options(self, **more):
        """The site's options for it."""
        return {
            "launcher": "slurm",
            "dir_slurm": self.dir / "shared/jobs",
            "slurm_conf": self.conf,
            "slurm_scratch": "/var/tmp",
            "slurm_memory_overhead": 256,
            "slurm_max_cpu": 2,
            "slurm_max_memory": 2,
        } | more

    @contextlib.contextmanager
    def site(self, **options):
        """A site that leaves no job behind."""
        limits = {
            "service_max_session_nb_per_user": 20,
            "service_max_instance_nb": 20,
            "service_stop_grace": 1,
        }
        jobs = self.dir / "shared/jobs"
        with Site(options=self.options(**limits) | options) as site:
            yield site
            site.qwdctl("stop", "--all", "--now", "--yes", check=False)
            eventually(
                lambda: not jobs.exists() or not list(jobs.iterdir()), 30, "no job is left"
            )

    # -- its parts

    def ip(self, *arguments, check=True):
        subprocess.run(["ip", *arguments], check=check, capture_output=True)

    def daemon(self, name, argv):
        log = open(self.dir / f"log/{name}.out", "ab")
        with log:
            self.daemons[name] = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
                | {"SLURM_CONF": str(self.conf)},
                start_new_session=True,
            )

    def end(self, name, how=signal.SIGTERM):
        process = self.daemons.pop(name, None)
        if process:
            process.send_signal(how)
            process.wait(120)

    def start_munge(self):
        d = self.dir / "munge"
        self.daemon(
            "munged",
            ["setpriv", "--reuid=munge", "--regid=munge", "--init-groups"]
            + ["munged", "-F", f"--key-file={d}/key", f"--socket={d}/socket"]
            + [f"--pid-file={d}/pid", f"--seed-file={d}/seed"]
            + [f"--log-file={d}/log"],
        )
        eventually((d / "socket").exists, 10, "munged")

    def start_control(self):
        self.daemon(
            "slurmctld",
            [
                "unshare",
                "--uts",
                "bash",
                "-c",
                "hostname ctl; exec setpriv --reuid=slurm --regid=slurm "
                "--init-groups slurmctld -D",
            ],
        )
        eventually(
            lambda: "UP" in self.run("scontrol", "ping", check=False), 20, "slurmctld"
        )

    def kill_control(self):
        self.end("slurmctld", signal.SIGKILL)

    def start_node(self, number):
        link = f"qwd{number}"
        self.ip("link", "add", link, "type", "veth", "peer", "name", "eth0")
        self.ip("link", "set", link, "master", "qwd-bridge", "up")
        log = open(self.dir / f"log/node{number}.out", "ab")
        with log:
            node = subprocess.Popen(
                ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork"]
                + ["--kill-child", "--mount-proc", "bash", "-c", NODE, "node"]
                + [str(number), str(self.dir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                start_new_session=True,
            )
        self.nodes[number] = node

        def child():
            path = pathlib.Path(f"/proc/{node.pid}/task/{node.pid}/children")
            return path.read_text().split()

        first = eventually(child, 10, f"node{number}")[0]
        self.ip("link", "set", "eth0", "netns", first)

    def kill_node(self, number):
        """Its loss of power."""
        node = self.nodes.pop(number)
        node.kill()
        node.wait(60)
        self.ip("link", "del", f"qwd{number}", check=False)

    def first(self, number):
        """The pid of its first process, as we see it."""
        pid = self.nodes[number].pid
        path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        return int(path.read_text().split()[0])

    def inside(self, number, *argv, **more):
        """Run a command on the node."""
        return subprocess.run(
            ["nsenter", f"--target={self.first(number)}", "--all", *argv],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **more,
        )

    def kill_slurmd(self, number):
        self.inside(number, "pkill", "-KILL", "-x", "slurmd")

    # -- its commands

    def run(self, *argv, check=True, user=None):
        done = subprocess.run(
            argv,
            env={"PATH": "/usr/bin:/bin", "SLURM_CONF": str(self.conf)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            user=pwd.getpwnam(user).pw_uid if user else None,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{argv}: {done.returncode} {done.stderr}")
        return done.stdout

    def idle(self):
        return len(self.run("sinfo", "-h", "-N", "-p", "vms", "-t", "idle", "-o", "%T").split())

    def jobs(self):
        """Number -> state and node of all that Slurm knows."""
        lines = self.run("squeue", "-h", "-t", "all", "-o", "%i|%T|%B").splitlines()
        return {int(a): (b, c) for a, b, c in (line.split("|") for line in lines)}

    def words(self):
        for log in sorted((self.dir / "log").iterdir()):
            with contextlib.suppress(OSError):
                text = log.read_text(errors="replace").splitlines()[-15:]
                print(f"--- {log.name}", *text, sep="\n")
