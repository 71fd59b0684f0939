"""What websockify asks before it opens a display (--token-plugin and
--auth-plugin).

websockify's own ExpectOrigin knows the origins that it was started with; here
they come and go with the sessions.  And it takes any number of viewers, each of
whom costs a process here and a thread of the web server: one visitor could have
them all.  Part of qemu-web-desktop, AGPL-3.0-or-later.
"""

import ctypes
import fcntl
import os
import signal
import sys

from websockify.auth_plugins import AuthenticationError, ExpectOrigin
from websockify.token_plugins import TokenFile

PR_SET_PDEATHSIG = 1  # prctl(2)
LIBC = ctypes.CDLL(None)
VIEWERS = 32  # at a time, of one display


class Displays(TokenFile):
    """The display of a token, which authenticate() is not told."""

    display = None

    def lookup(self, token):
        found = super().lookup(token)
        Displays.display = found[1] if found else None
        return found


class Pages(ExpectOrigin):
    """Only the pages that the file --auth-source names, in lines
    "SESSION: ORIGIN ORIGIN...", and no page at all if it cannot be read."""

    def __init__(self, src):
        super().__init__(None)
        self.file = src
        self.parent = os.getpid()
        self.home = os.getcwd()
        self.viewers = None

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
        if Displays.display:
            self.take_place(os.path.dirname(Displays.display))

    def take_place(self, session):
        """One of the display's places: a byte of a file beside it, which stays
        locked until this process ends."""
        try:
            self.viewers = os.open(os.path.join(session, "viewers"),
                                   os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as e:
            raise AuthenticationError("no place for a viewer", 503, {}, "Not Now") from e
        for place in range(VIEWERS):
            try:
                fcntl.lockf(self.viewers, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                return
            except OSError:
                continue
        raise AuthenticationError("too many viewers", 503, {}, "Too Many Viewers")
