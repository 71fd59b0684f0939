"""A whole machine in QEMU, which takes commands by the QEMU guest agent."""

import base64
import json
import pathlib
import shutil
import socket
import subprocess
import time

from harness import eventually


class Done:
    """A command that has ended."""

    def __init__(self, command, status, out, err):
        self.command = command
        self.status = status
        self.out = out
        self.err = err

    def __str__(self):
        return f"{self.command}: status {self.status}\n{self.out}{self.err}"


class Agent:
    """The guest agent (docs/interop/qemu-ga-ref), over its socket."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = None
        self.pending = b""

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def connect(self, seconds):
        """Until the agent answers: it may not run yet."""
        end = time.monotonic() + seconds
        while True:
            self.close()
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(self.path)
                self.socket.settimeout(3)
                self.pending = b""
                number = int(time.monotonic() * 1000)
                # 0xff makes it forget what came before, about which it
                # complains; it answers with 0xff first.
                self.socket.sendall(b"\xff")
                self._send("guest-sync-delimited", id=number)
                while self._line(20).get("return") != number:
                    pass
                return
            except (OSError, ValueError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def _send(self, name, **arguments):
        order = {"execute": name}
        if arguments:
            order["arguments"] = arguments
        self.socket.sendall(json.dumps(order).encode() + b"\n")

    def _line(self, seconds):
        self.socket.settimeout(seconds)
        while b"\n" not in self.pending:
            piece = self.socket.recv(65536)
            if not piece:
                raise OSError("the agent's socket was closed")
            self.pending += piece
        line, _, self.pending = self.pending.partition(b"\n")
        return json.loads(line.lstrip(b"\xff"))

    def _answer(self, seconds):
        answer = self._line(seconds)
        if "error" in answer:
            raise AssertionError(f"guest agent: {answer['error']}")
        return answer["return"]

    def call(self, name, **arguments):
        self._send(name, **arguments)
        return self._answer(120)


class Machine:
    """`disk` and its kernel (image.sh), unchanged below an overlay; `media` is a
    directory whose files are at /media inside.  Port 80 inside is `port` of
    127.0.0.1 here."""

    BOOT_S = 600  # the deadline of a boot that makes no progress to be seen

    def __init__(self, disk, media, place, port, memory=3072):
        self.disk = pathlib.Path(disk)
        self.place = pathlib.Path(place)
        self.port = port
        self.memory = memory
        self.media = media
        self.process = None
        self.agent = Agent(self.place / "agent")
        self.boot_id = None

    def __enter__(self):
        self.place.mkdir(parents=True, exist_ok=True)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.agent.close()
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for name in ("overlay.qcow2", "media.raw"):
            (self.place / name).unlink(missing_ok=True)

    def start(self):
        overlay = self.place / "overlay.qcow2"
        media = self.place / "media.raw"
        for path in (overlay, media):
            path.unlink(missing_ok=True)
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", self.disk, overlay],
            check=True,
        )
        size = sum(p.stat().st_size for p in pathlib.Path(self.media).iterdir())
        with open(media, "wb") as f:
            f.truncate(size * 5 // 4 + (64 << 20))
        subprocess.run(
            ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "media", "-d", self.media, media],
            check=True,
        )
        console = open(self.place / "console.log", "wb")
        self.process = subprocess.Popen(
            [
                shutil.which("qemu-system-x86_64"), "-nodefaults", "-no-user-config",
                "-machine", "q35,vmport=off", "-accel", "tcg,thread=multi,tb-size=512",
                "-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt",
                "-smp", "2", "-m", str(self.memory), "-display", "none",
                "-kernel", f"{self.disk}.vmlinuz", "-initrd", f"{self.disk}.initrd",
                "-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet no_timer_check "
                "mitigations=off cryptomgr.notests systemd.show_status=1",
                "-drive", f"file={overlay},if=virtio,format=qcow2,cache=unsafe",
                "-drive", f"file={media},if=virtio,format=raw,readonly=on",
                "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:80",
                "-device", "virtio-net-pci,netdev=net,romfile=",
                "-device", "virtio-serial-pci",
                "-chardev", f"socket,path={self.place}/agent,server=on,wait=off,id=agent",
                "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
                "-device", "virtio-rng-pci", "-serial", "stdio",
            ],
            stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
        )  # fmt: skip
        console.close()
        self.await_boot()

    def console(self, lines=40):
        text = (self.place / "console.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def await_boot(self):
        try:
            self.agent.connect(self.BOOT_S)
            self.boot_id = self.read("/proc/sys/kernel/random/boot_id")
            # degraded: some unit has failed, which the tests look at.
            eventually(
                lambda: self.run("systemctl is-system-running", check=False).out.strip()
                in ("running", "degraded"),
                self.BOOT_S, "the end of the boot", pause=1,
            )  # fmt: skip
            # On a busy host the disk may have come too late for systemd.
            self.run("mountpoint -q /media || mount /media")
        except BaseException as e:
            raise AssertionError(f"no boot ({e}):\n{self.console()}") from e

    def reboot(self):
        before = self.boot_id
        self.run("systemctl --no-block reboot")

        def again():
            try:
                self.agent.connect(self.BOOT_S)
                return self.read("/proc/sys/kernel/random/boot_id") != before
            except (OSError, ValueError, AssertionError):
                return False  # it went down under the question

        eventually(again, self.BOOT_S, "another boot", pause=2)
        self.await_boot()

    def run(self, script, check=True, seconds=600):
        """Run a script of bash as root."""
        started = self.agent.call(
            "guest-exec",
            path="/bin/bash",
            arg=["-c", script],
            env=[
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root",
                "DEBIAN_FRONTEND=noninteractive",
            ],
            **{"capture-output": True},
        )  # fmt: skip
        state = eventually(
            lambda: (s := self.agent.call("guest-exec-status", pid=started["pid"]))["exited"]
            and s,
            seconds, script, pause=0.2,
        )  # fmt: skip
        text = [
            base64.b64decode(state.get(key, "")).decode("utf-8", "replace")
            for key in ("out-data", "err-data")
        ]
        done = Done(script, state.get("exitcode", -1), *text)
        if check and done.status != 0:
            raise AssertionError(str(done))
        return done

    def put(self, path, text, mode=0o644):
        """A file, by way of the shell."""
        coded = base64.b64encode(text.encode()).decode()
        self.run(f"base64 -d >{path} <<<{coded}; chmod {mode:o} {path}")

    def read(self, path):
        return self.run(f"cat {path}").out

    def lines(self, script):
        return self.run(script).out.splitlines()
