"""What stands in the machine of test_nfs.py: an NFS server, the web host, which
mounts it, and a node of a Slurm cluster in namespaces of its own.  The kernel
knows the node as another client: it has a mount, a cache, and locks of its own.
"""

from harness import eventually

SERVER = "10.82.0.1"  # which is also the web host
SERVED = "/srv/desktops"
SHARED = "/shared/desktops"
SERVICE = "_qemu-web-desktop"
GRACE_S = 10  # after a restart of the server; 90 s if nobody says so
# Both believe their caches for an hour: what is right only once a cache has
# forgotten is never right here.
MOUNT = f"mount -t nfs4 -o vers=4.2,hard,actimeo=3600 {SERVER}:{SERVED} {SHARED}"

NFS = f"""\
[nfsd]
vers3=n
lease-time={GRACE_S}
grace-time={GRACE_S}
"""

SLURM = f"""\
ClusterName=qwd
SlurmctldHost=system-test({SERVER})
SlurmUser=slurm
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile=/var/log/slurm/slurmctld
SlurmdLogFile=/var/log/slurm/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MpiDefault=none
ReturnToService=2
KillWait=5
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
PropagateResourceLimits=NONE
NodeName=node1 NodeAddr=10.82.0.11 CPUs=4 RealMemory=4096 State=UNKNOWN
PartitionName=vms Nodes=ALL Default=YES DefaultTime=60 MaxTime=7-0 State=UP DefMemPerCPU=64
"""

NODE = f"""\
#!/bin/bash
# Its own host name first: NFS 4 knows a client by it.
set -e
hostname node1
umount {SHARED}
{MOUNT}
mount -t tmpfs -o mode=1777 tmpfs /local
exec slurmd -D -N node1
"""

# As a purge of another service holds a disk (file_hold() in src/sys/file.c).
HOLD = """\
import fcntl, os, struct, sys
shared = sys.argv[1] == "--shared"
fd = os.open(sys.argv[-1], os.O_RDONLY if shared else os.O_RDWR)
kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
F_OFD_SETLK = 37
try:
    fcntl.fcntl(fd, F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, 1000, 1, 0))
except BlockingIOError:
    print("held")
    sys.exit(1)
print("free")
"""

LOGIN = "#!/bin/sh\necho SUCCESS\n"


class NfsSite:
    """Over a Machine (machine.py) with our package."""

    def __init__(self, machine):
        self.machine = machine

    def sh(self, script, **more):
        return self.machine.run(script, **more).out.strip()

    # -- How it is made

    def start_server(self):
        """Root's files are root's, and root is nobody, as it should be."""
        self.machine.put("/etc/nfs.conf.d/test.conf", NFS)
        self.machine.put(
            "/etc/exports",
            f"{SERVED} 10.82.0.0/24(rw,sync,root_squash,no_subtree_check,fsid=1)\n",
        )
        self.sh(
            "ip link add veth type veth peer name eth1; ip link set veth up;"
            f"ip addr add {SERVER}/24 dev veth;"
            "ip netns add node1; ip link set eth1 netns node1;"
            "ip netns exec node1 sh -c 'ip link set lo up; ip link set eth1 up;"
            f" ip addr add 10.82.0.11/24 dev eth1; ip route add default via {SERVER}';"
            f"install -d -m 755 {SERVED} {SERVED}/machines {SHARED} /local;"
            f"install -d -m 700 -o {SERVICE} -g {SERVICE} {SERVED}/jobs;"
            "systemctl start nfs-server"
        )
        # The first mount waits until the server's time of grace is over.
        self.sh(MOUNT)

    def start_cluster(self):
        self.machine.put("/etc/slurm/slurm.conf", SLURM)
        self.machine.put("/usr/local/lib/hold", HOLD)
        self.machine.put("/root/node", NODE, 0o755)
        self.sh(
            "install -d -o slurm /var/lib/slurm /var/lib/slurm/slurmctld /var/log/slurm;"
            "install -d /var/lib/slurm/slurmd;"
            "systemctl start munge slurmctld;"
            "systemd-run -q --unit=node1 -p NetworkNamespacePath=/run/netns/node1"
            " -p KillMode=control-group unshare --mount --uts /root/node"
        )
        eventually(
            lambda: self.sh("sinfo -h -o %T", check=False) == "idle",
            300, "the node", pause=1,
        )  # fmt: skip

    def configure(self, url, visitors=False, slurm_overlay="scratch"):
        options = {
            "service_url": url,
            "launcher": "slurm",
            "dir_machines": f"{SHARED}/machines",
            "dir_slurm": f"{SHARED}/{'visitors' if visitors else 'jobs'}",
            "slurm_overlay": slurm_overlay,
            "slurm_scratch": "/local",
            "slurm_memory_overhead": 256,
            "service_stop_grace": 1,
            "service_max_session_nb_per_user": 20,
        }
        if visitors:
            options |= {"slurm_user": "visitor", "check_user_custom": "/usr/local/bin/login"}
        else:
            options["allow_anonymous"] = "yes"
        text = "".join(f"{name} = {value}\n" for name, value in options.items())
        self.machine.put("/etc/qemu-web-desktop/config.d/nfs.conf", text)
        self.sh("qwdctl refresh")

    def install_units(self, example, directory):
        """As the example itself says, for this dir_slurm."""
        self.sh(
            "for unit in session@ purge; do"
            "  place=/etc/systemd/system/qemu-web-desktop-$unit.service.d; mkdir -p $place;"
            f" sed 's|/shared/desktops/jobs|{SHARED}/{directory}|'"
            f" /usr/share/doc/qemu-web-desktop/examples/{example} >$place/slurm.conf;"
            "done; systemctl daemon-reload"
        )

    def make_visitors(self):
        """ann and bob may have machines, carla may not."""
        self.machine.put("/usr/local/bin/login", LOGIN, 0o755)
        self.sh(
            "groupadd -g 2100 desktops; useradd -u 2001 -G desktops ann;"
            "useradd -u 2002 -G desktops bob; useradd -u 2003 carla;"
            f"install -d -m 3733 -o root -g {SERVICE} {SERVED}/visitors;"
            f"install -d -m 700 -o {SERVICE} -g {SERVICE} {SERVED}/visitors/register"
        )

    # -- What happens to it

    def stop_server(self):
        self.sh("systemctl stop nfs-server")

    def restart_server(self):
        self.sh("systemctl start nfs-server")

    def jobs(self):
        """Session -> state and user, of all that Slurm knows."""
        lines = self.sh("squeue -h -t all -o '%j %T %u'").splitlines()
        return {name: (state, user) for name, state, user in map(str.split, lines)}

    def left(self, place="jobs"):
        """On the server, where no cache is: but for the register's own."""
        found = self.sh(f"find {SERVED}/{place} -mindepth 1 -printf '%P\\n'").splitlines()
        return [name for name in found if not is_register(name)]

    def guests(self, name):
        return self.pids(f"^[^ ]*qemu-system-x86_64 .*guest={name}")

    def processes(self, name, more=""):
        """The owners, on both sides, and whatever they have started."""
        return self.pids(f"^[^ ]*(exe|qemu|bwrap|stunnel|slirp4netns).*{name}.*{more}")

    def opened_by(self, unit):
        """What a unit has for its standard input."""
        return self.sh(
            f"readlink /proc/$(systemctl show -P MainPID {unit})/fd/0", check=False
        )

    def pids(self, pattern):
        return self.sh(f"pgrep -f -- '{pattern}'", check=False).split()


def is_register(name):
    return name == "register" or (name.startswith("register/") and name.count("/") == 1)
