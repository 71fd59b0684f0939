"""What the tests of logins need beside net_servers.py: saslauthd with an
account of this host, the site's own programs, a password file for Apache."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import net_servers as net

LOCAL_USER = "local-ann"
PAM = """auth required pam_unix.so nodelay
account required pam_unix.so
"""


class LocalAccount:
    """LOCAL_USER with net.PASSWORD, and PAM's service of ours, in this mount
    namespace only."""

    def __init__(self, directory):
        self.mounts = []
        hashed = subprocess.run(
            ("openssl", "passwd", "-6", "-stdin"), input=net.PASSWORD + "\n",
            capture_output=True, text=True, check=True).stdout.strip()
        self._replace(directory, "passwd", f"{LOCAL_USER}:x:4711:4711::/nonexistent:/bin/false\n")
        self._replace(directory, "shadow", f"{LOCAL_USER}:{hashed}:20000:0:99999:7:::\n")
        copy = os.path.join(directory, "pam.d")
        shutil.copytree("/etc/pam.d", copy)
        pathlib.Path(copy, "qemu-web-desktop").write_text(PAM)
        self._mount(copy, "/etc/pam.d")

    def _replace(self, directory, name, line):
        copy = os.path.join(directory, name)
        shutil.copy2("/etc/" + name, copy)
        with open(copy, "a", encoding="utf-8") as f:
            f.write(line)
        self._mount(copy, "/etc/" + name)

    def _mount(self, what, where):
        subprocess.run(("mount", "--bind", what, where), check=True)
        self.mounts.append(where)

    def close(self):
        while self.mounts:
            subprocess.run(("umount", self.mounts.pop()), check=True)


class Saslauthd(net.Daemon):
    """saslauthd -a pam; self.socket."""

    def __init__(self, directory):
        place = os.path.join(directory, "mux")
        os.mkdir(place)
        self.socket = os.path.join(place, "mux")
        # A session of its own: at its end it signals its process group.
        super().__init__(directory, "setsid", "saslauthd", "-d", "-a", "pam",
                         "-n", "2", "-m", place)
        net.within(10, "saslauthd", lambda: os.path.exists(self.socket))
        os.chmod(place, 0o755)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


class Program:
    """A program of the site's: a shell or Python script that keeps what it
    reads in self.directory/asked-*, one file for each time it is asked."""

    def __init__(self, directory, name, body):
        self.directory = os.path.join(directory, name)
        os.mkdir(self.directory)
        os.chmod(self.directory, 0o777)
        self.path = os.path.join(self.directory, "program")
        with open(self.path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\ncat >%s/asked-$$\n%s\n" % (self.directory, body))
        os.chmod(self.path, 0o755)

    def asked(self):
        """What it was asked, as JSON; forgotten by this."""
        found = []
        for name in sorted(os.listdir(self.directory)):
            if name.startswith("asked-"):
                path = os.path.join(self.directory, name)
                text = pathlib.Path(path).read_text(encoding="utf-8")
                found.append(json.loads(text))
                os.unlink(path)
        return found


def apache_passwords(path, users):
    """A file for mod_authn_file."""
    with open(path, "w", encoding="utf-8") as f:
        for user in users:
            hashed = subprocess.run(
                ("openssl", "passwd", "-apr1", "-stdin"), input=net.PASSWORD + "\n",
                capture_output=True, text=True, check=True).stdout.strip()
            f.write(f"{user}:{hashed}\n")
    os.chmod(path, 0o644)
