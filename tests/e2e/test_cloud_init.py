"""Boot scripts in a guest with Debian's own cloud-init, which reads the seed that
sessions get (the other tests have a stand-in for it).  With LONG only: without
KVM such a guest takes two minutes or more.  Needs `make guest-cloud`.  (SR28)"""

import hashlib
import re
import unittest

from guests import made, serial
from harness import LONG
from test_boot_scripts import ScriptSite, steps

PASSWORD = "it's $(id)"


@unittest.skipUnless(LONG, "LONG is not set")
class CloudInit(unittest.TestCase):
    def test_it_runs_the_scripts_of_the_seed_as_root_in_order(self):
        image = made("cloud.qcow2")
        if not image:
            self.fail("build/guests/cloud.qcow2 is missing: make guest-cloud")
        machine = {
            "name": "cloud.qcow2", "file": image, "description": "Debian", "os": "cloud-init",
            "memory": "0.5",
        }  # fmt: skip
        with ScriptSite(
            scripts=[
                "exec: echo \"SCRIPT one $(id -u) @USER@ $(hostname)\" >/dev/ttyS0",
                'if("@VM@" =~ /^tiny/): exec: echo SCRIPT never >/dev/ttyS0',
                "exec: exit 3",
                "bash: printf '%s\\n' '@PW@' | sha256sum | sed 's/^/SCRIPT /' >/dev/ttyS0; "
                "stat -c 'SCRIPT %a %U' $0 >/dev/ttyS0",
            ],
            options={"script_password": "yes"},
            machines=[machine],
        ) as site:
            session = site.create(machine="cloud.qcow2", memory=None, password=PASSWORD)
            name = site.wait_state(session["name"], "running")["name"]
            said = serial(site, name, "CLOUD-READY", 900)
            digest = hashlib.sha256(PASSWORD.encode() + b"\n").hexdigest()
            self.assertEqual(
                re.findall(r"(?m)^SCRIPT (.*)$", said),
                [f"one 0 ann {name}", f"{digest}  -", "700 root"],
                said,
            )
            self.assertIn("status: ", said)
            self.assertIn("NoCloud", said)
            self.assertEqual(steps(site, name)["script"]["status"], "done")
            site.end(name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
