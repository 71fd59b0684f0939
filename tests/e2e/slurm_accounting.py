"""A cluster whose limits and accounts are Slurm's own: slurmdbd on a mariadbd with
a directory of its own, beside what Cluster starts.

    with Accounting(lines=("add account beamline",)) as cluster:
        cluster.manage("modify user www-data set maxjobs=1")
"""

import shutil
import subprocess

from harness import eventually
from slurm_cluster import PORT_CONTROL, WEB, Cluster

PORT_ACCOUNTS = 18202
USER_DATABASE = "slurm"

DATABASE = """\
[mariadbd]
datadir={dir}/db/data
socket={dir}/db/socket
pid-file={dir}/db/pid
skip-networking
innodb_buffer_pool_size=32M
innodb_log_file_size=16M
innodb_lock_wait_timeout=900
# Not every host lets a program have io_uring.
innodb_use_native_aio=0
# Nothing of it is to outlive the test.
innodb_flush_log_at_trx_commit=0
innodb_flush_method=nosync
innodb_doublewrite=0
"""

ACCOUNTS = """\
AuthType=auth/munge
AuthInfo=socket={dir}/munge/socket
DbdHost=ctl
DbdAddr={web}
DbdPort={port}
SlurmUser=slurm
LogFile={dir}/log/slurmdbd
PidFile={dir}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser={user}
StorageLoc=accounts
CommitDelay=1
"""

SLURM = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={web}
AccountingStoragePort={port}
AccountingStoragePass={dir}/munge/socket
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/gpu
PriorityType=priority/multifactor
PriorityCalcPeriod=1
PriorityDecayHalfLife=1-0
PriorityWeightFairshare=10000
PreemptType=preempt/qos
PreemptMode=CANCEL
"""


def unavailable():
    missing = [
        name
        for name in ("slurmctld", "slurmd", "sbatch", "munged", "stunnel")
        + ("slurmdbd", "mariadbd", "mariadb-install-db")
        if not shutil.which(name, path="/usr/sbin:/usr/bin")
    ]
    return f"not installed: {', '.join(missing)}" if missing else None


class Accounting(Cluster):
    def __init__(self, lines=(), **more):
        """`lines`: what sacctmgr is told of accounts, people and limits."""
        super().__init__(**more)
        self.lines = lines

    def prepare(self):
        more = SLURM.format(dir=self.dir, web=WEB, port=PORT_ACCOUNTS)
        self.changes = (("EnforcePartLimits", f"{more}EnforcePartLimits"), *self.changes)
        super().prepare()
        place = self.dir / "db"
        place.mkdir(mode=0o700)
        files = {
            place / "my.cnf": DATABASE,
            self.dir / "conf/slurmdbd.conf": ACCOUNTS,
        }
        for path, text in files.items():
            path.write_text(
                text.format(dir=self.dir, web=WEB, port=PORT_ACCOUNTS, user=USER_DATABASE)
            )
            path.chmod(0o600)
            shutil.chown(path, "slurm")
        shutil.chown(place, "slurm")

    def start_munge(self):
        super().start_munge()
        self.start_database()
        self.start_accounts()
        self.manage("add cluster qwd")

    def __enter__(self):
        super().__enter__()
        try:
            # From then on slurmctld is told of changes at once.
            eventually(
                lambda: self.manage("show cluster format=controlport").strip()
                == str(PORT_CONTROL),
                30,
                "slurmdbd knows slurmctld",
            )
            for line in self.lines:
                self.manage(line)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start_database(self):
        place = self.dir / "db"
        conf = f"--defaults-file={place}/my.cnf"
        with open(self.dir / "log/install-db", "wb") as log:
            subprocess.run(
                ["mariadb-install-db", conf, f"--datadir={place}/data", "--user=slurm"]
                + ["--skip-test-db", "--skip-name-resolve"]
                + ["--auth-root-authentication-method=socket"]
                + ["--auth-root-socket-user=slurm"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                timeout=60,
                check=True,
            )
        self.daemon("mariadbd", ["mariadbd", conf, "--user=slurm"])
        eventually((place / "socket").exists, 30, "mariadbd")

    def start_accounts(self):
        self.daemon(
            "slurmdbd",
            ["env", f"MYSQL_UNIX_PORT={self.dir}/db/socket"]
            + ["unshare", "--uts", "bash", "-c"]
            + ["hostname ctl; exec setpriv --reuid=slurm --regid=slurm --init-groups slurmdbd -D"],
        )
        # Its titles, at least.
        eventually(
            lambda: self.run("sacctmgr", "show", "cluster", check=False), 30, "slurmdbd"
        )

    def manage(self, line, check=True):
        """A line of an administrator's, as he would type it behind sacctmgr."""
        how = ("--immediate", "--noheader", "--parsable2")
        return self.run("sacctmgr", *how, *line.split(), check=check)
