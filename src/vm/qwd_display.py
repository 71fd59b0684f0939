"""What websockify asks before it opens a display (--auth-plugin).

websockify's own ExpectOrigin knows the origins that it was started with; here
they come and go with the sessions.  Part of qemu-web-desktop, AGPL-3.0-or-later.
"""

import ctypes
import os
import signal
import sys

from websockify.auth_plugins import ExpectOrigin

PR_SET_PDEATHSIG = 1  # prctl(2)
LIBC = ctypes.CDLL(None)


class Pages(ExpectOrigin):
    """Only the pages that the file --auth-source names, in lines
    "SESSION: ORIGIN ORIGIN...", and no page at all if it cannot be read."""

    def __init__(self, src):
        super().__init__(None)
        self.file = src
        self.parent = os.getpid()
        self.home = os.getcwd()

    def authenticate(self, headers, target_host, target_port):
        # This is the process of one viewer: it ends with websockify, or it
        # would keep the port from the next one.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.parent:
            sys.exit(1)
        # --web has left the directory in which the displays are.
        os.chdir(self.home)
        try:
            with open(self.file, encoding="utf-8") as lines:
                self.source = [origin for line in lines for origin in line.split()[1:]]
        except OSError:
            self.source = []
        super().authenticate(headers, target_host, target_port)
