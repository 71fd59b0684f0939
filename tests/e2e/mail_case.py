"""What the tests of mails share: a real mail server of the file's own, and the
password by which the service sends."""

import os
import shutil
import tempfile
import unittest

import net_servers as net
from harness import SERVICE_USER


def mail_server(prefix):
    """Of the file's tests, for setUpModule(): its directory, its authority, the
    server, and the file of the password."""
    directory = tempfile.mkdtemp(prefix=prefix)
    unittest.addModuleCleanup(shutil.rmtree, directory)
    os.chmod(directory, 0o755)
    for name in ("ca", "exim"):
        os.mkdir(os.path.join(directory, name))
        os.chmod(os.path.join(directory, name), 0o755)
    authority = net.Authority(os.path.join(directory, "ca"))
    exim = net.Exim(os.path.join(directory, "exim"), authority)
    unittest.addModuleCleanup(exim.stop)
    exim.ready(*exim.endpoints)
    password = os.path.join(directory, "password")
    with open(password, "w", encoding="utf-8") as f:
        f.write(net.PASSWORD + "\n")
    # Its group may be another than its own: kvm's, where there is one.
    os.chown(password, SERVICE_USER.pw_uid, 0)
    os.chmod(password, 0o600)
    return {"directory": directory, "authority": authority, "exim": exim, "password": password}
