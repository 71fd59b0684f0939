"""How Slurm ends jobs, and what is said of their sessions then: the states that
Slurm itself reports, each brought about by what it stands for.

Of a node that does not come up in ResumeTimeout Slurm 22.05 says NODE_FAIL;
BOOT_FAIL only where the program that makes nodes ready says so itself, by
slurm_requeue(3), as Slurm's own capmc_resume does.  Preemption by quality of
service is in test_slurm_accounts.py.
"""

import signal

from harness import *
from slurm_cluster import Cluster
from test_slurm import HOG, gone, mark, unavailable, web_owner

CGROUP = pathlib.Path("/sys/fs/cgroup/memory")


def cluster(*changes, **more):
    return Cluster(nodes=1, changes=changes, **more)


# What is told of a job whose node could not be made ready, and which may not be
# put back into the queue: JOB_RECONFIG_FAIL of slurm/slurm.h.
NOT_READY = """\
import ctypes, glob, sys
library = glob.glob("/usr/lib/*/slurm-wlm/libslurmfull.so")[0]
# Its plugins look for it.
slurm = ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
slurm.slurm_init(None)
slurm.slurm_requeue(ctypes.c_uint32(int(sys.argv[1])), ctypes.c_uint32(1 << 17))
"""


def power_saving(timeout):
    """Nodes that sleep when nothing runs on them."""
    return (
        "EnforcePartLimits",
        "SuspendProgram=/bin/true\nResumeProgram=/bin/true\nSuspendTime=3\n"
        f"SuspendTimeout=3\nResumeTimeout={timeout}\nSuspendRate=0\nResumeRate=0\nTreeWidth=2\n"
        "EnforcePartLimits",
    )


def fall_asleep(slurm):
    asleep = ("sinfo", "--noheader", "--Node", "--partition=vms", "--format=%T")
    eventually(lambda: slurm.run(*asleep).strip()[-1] in "~%", 60, "the node sleeps")
    slurm.kill_slurmd(1)


def no_memory_cgroup():
    return not os.access(CGROUP / "cgroup.procs", os.W_OK)


def forget_cgroups():
    """slurmd leaves its own."""
    for top in pathlib.Path("/sys/fs/cgroup").glob("*/slurm_node1"):
        for directory in sorted((d for d in top.rglob("*") if d.is_dir()), reverse=True):
            directory.rmdir()
        top.rmdir()


@unittest.skipUnless(LONG, "slow: waits for Slurm's own timeouts")
@unittest.skipIf(unavailable(), unavailable())
class Ends(unittest.TestCase):
    def assert_end(self, slurm, site, name, word, state, reason):
        session = site.wait_state(name, FINAL, 180)
        self.assertEqual((session["state"], session["reason"]), (state, reason))
        self.assertEqual(slurm.jobs()[session["job"]["id"]][0], word)
        eventually(lambda: f"session={name} state={word}" in site.words(), 5, "a line of the log")
        gone(self, slurm, site, name)

    def test_a_job_that_goes_before_it_takes_its_place(self):
        for how in ("CANCEL", "REQUEUE"):
            preempt = (
                ("OverSubscribe=NO", "OverSubscribe=NO PriorityTier=1"),
                (
                    "EnforcePartLimits",
                    f"PreemptType=preempt/partition_prio\nPreemptMode={how}\n"
                    "PartitionName=first Nodes=ALL MaxTime=60 State=UP PriorityTier=9\n"
                    "EnforcePartLimits",
                ),
            )
            with (
                self.subTest(how),
                cluster(*preempt) as slurm,
                Site(options=slurm.options(slurm_partition="vms")) as site,
            ):
                name = site.running()["name"]
                slurm.run(
                    "sbatch", "--partition=first", "--cpus-per-task=2", "--mem=100",
                    "--chdir=/", "--output=/dev/null", "--wrap=exec sleep 300",
                )  # fmt: skip
                self.assert_end(
                    slurm, site, name, "PREEMPTED", "failed",
                    "The cluster needed its place for a job that goes before it.",
                )  # fmt: skip
                slurm.run("scancel", "--user=root")

    @unittest.skipIf(no_memory_cgroup(), "no cgroup of version 1 for memory to write to")
    def test_the_kernel_ends_what_takes_too_much_memory(self):
        kernel = (
            ("TaskPlugin=task/none", "TaskPlugin=task/cgroup"),
            ("JobAcctGatherParams=OverMemoryKill\n", ""),
        )
        files = {
            "cgroup.conf": "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n"
            "ConstrainRAMSpace=yes\nAllowedRAMSpace=100\nMinRAMSpace=1\n"
        }
        self.addCleanup(forget_cgroups)
        with cluster(*kernel, files=files) as slurm, Site(options=slurm.options(**HOG)) as site:
            self.assert_end(
                slurm, site, site.create()["name"], "OUT_OF_MEMORY", "failed",
                "It used more memory than its job on the cluster may.",
            )  # fmt: skip

    def test_a_node_that_does_not_come_up(self):
        with cluster(power_saving(8)) as slurm, Site(options=slurm.options()) as site:
            fall_asleep(slurm)
            self.assert_end(
                slurm, site, site.create()["name"], "NODE_FAIL", "failed",
                "The computer of the cluster that was to run it did not start, or has failed.",
            )  # fmt: skip

    def test_a_node_of_which_is_said_that_it_cannot_be_made_ready(self):
        with cluster(power_saving(100)) as slurm, Site(options=slurm.options()) as site:
            fall_asleep(slurm)
            name = site.create()["name"]
            job = eventually(lambda: (site.session(name)["job"] or {}).get("id"), 20, "a job")
            eventually(lambda: slurm.jobs()[job][0] == "CONFIGURING", 30, "the node is woken")
            slurm.run("python3", "-c", NOT_READY, str(job))
            self.assert_end(
                slurm, site, name, "BOOT_FAIL", "failed",
                "The computer of the cluster that was to run it did not start, or has failed.",
            )  # fmt: skip

    def test_a_prolog_that_fails(self):
        prolog = ("EnforcePartLimits", "Prolog=/bin/false\nEnforcePartLimits")
        with cluster(prolog) as slurm, Site(options=slurm.options()) as site:
            self.assert_end(
                slurm, site, site.create()["name"], "CANCELLED", "ended",
                "Its job was cancelled on the cluster.",
            )  # fmt: skip

    def test_a_deadline_that_passes_in_the_queue(self):
        with cluster() as slurm, Site(options=slurm.options()) as site:
            site.running(cpu="2")
            name = site.create(user="bob")["name"]
            site.wait_state(name, "queued")
            job = f"JobId={site.record(name)['job']}"
            # It must be possible when it is set.
            then = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 66))
            slurm.run("scontrol", "update", job, "TimeLimit=1")
            slurm.run("scontrol", "update", job, f"Deadline={then}")
            self.assert_end(
                slurm, site, name, "DEADLINE", "ended",
                "The cluster's deadline for its job had passed.",
            )  # fmt: skip

    def test_a_limit_of_time_that_the_job_does_not_hear_of(self):
        with cluster() as slurm, Site(options=slurm.options()) as site:
            name = site.running()["name"]
            for p in site.processes(name):
                if p.pid != web_owner(site, name).pid and p.role in ("owner", "qemu-web-deskto"):
                    tell(p, signal.SIGSTOP)
            self.assertEqual(mark(slurm, name)["session"]["state"], "running")
            slurm.run("scontrol", "update", f"JobId={site.record(name)['job']}", "TimeLimit=1")
            self.assert_end(
                slurm, site, name, "TIMEOUT", "ended",
                "The cluster's limit of time was reached.",
            )  # fmt: skip


if __name__ == "__main__":
    unittest.main(verbosity=2)
