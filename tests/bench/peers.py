# SPDX-License-Identifier: BSD-3-Clause
"""The filesystems compared: each mounted once, for the whole run."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
IMAGE_BYTES = 1 << 30
START_SECONDS = 20
STOP_SECONDS = 20


class BenchError(Exception):
    """One line for the user."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def die_with_driver():
    """In the child: a driver that is killed takes its servers along."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def run(*argv, timeout=60):
    done = subprocess.run(argv, capture_output=True, text=True,
                          timeout=timeout, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["failed"]
        raise BenchError(f"{os.path.basename(argv[0])}: {lines[-1]}")
    return done.stdout


def process_cpu_ns(pid):
    """CPU of a process since its start, threads that have ended included."""
    clock = ctypes.c_int()
    err = LIBC.clock_getcpuclockid(pid, ctypes.byref(clock))
    if err:
        raise BenchError(f"cpu clock of {pid}: {os.strerror(err)}")
    return time.clock_gettime_ns(clock.value)


class Peer:
    """A native filesystem: a folder of it, and nobody serving."""

    name = "tmpfs"
    has_files = False  # f0 to f3 are there as it is

    def __init__(self, work, build):
        self.work = work
        self.build = build
        self.root = os.path.join(work, self.name)

    def missing(self):
        """The program that is not there, or None."""
        return None

    def start(self):
        os.mkdir(self.root)

    def stop(self):
        pass

    def cpu_ns(self):
        return 0

    def threads(self):
        """The server's, by number."""
        return []

    def facts(self):
        return {}


class FusePeer(Peer):
    """A server in the foreground, mounted on self.root."""

    program = None
    process = None
    connection = None

    def missing(self):
        return None if shutil.which(self.program) else self.program

    def prepare(self):
        """Before the server starts: what it serves."""

    def command(self):
        raise NotImplementedError

    def start(self):
        os.mkdir(self.root)
        self.prepare()
        before = os.stat(self.root).st_dev
        self.log = open(self.root + ".log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, start_new_session=True,
            preexec_fn=die_with_driver)
        end = time.monotonic() + START_SECONDS
        while os.stat(self.root).st_dev == before:
            if self.process.poll() is not None or time.monotonic() > end:
                raise BenchError(f"{self.name}: no mount: {self.last_words()}")
            time.sleep(0.02)
        self.connection = os.minor(os.stat(self.root).st_dev)

    def last_words(self):
        self.log.seek(0)
        lines = self.log.read().strip().splitlines()
        return lines[-1] if lines else "nothing said"

    def cpu_ns(self):
        return process_cpu_ns(self.process.pid)

    def threads(self):
        return map(int, os.listdir(f"/proc/{self.process.pid}/task"))

    def unmount(self, *flags):
        """What umount complains of, or an empty string."""
        argv = (["umount", *flags] if os.geteuid() == 0 else
                ["fusermount3", "-u", *(["-z"] if flags else [])])
        done = subprocess.run([*argv, self.root], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=30,
                              check=False)
        return done.stderr.strip() if done.returncode else ""

    def ended(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self):
        """Politely, then lazily, then by abort: never a mount left behind."""
        if self.process is None:
            return
        complaint = self.unmount()
        if complaint or not self.ended(STOP_SECONDS):
            say(f"{self.name}: aborted: {complaint or 'lives on unmounted'}")
            self.unmount("-l")
            self.abort()
            self.process.terminate()
            if not self.ended(5):
                self.process.kill()
                self.ended(5)
        if is_mounted(self.root):
            self.unmount("-l")
        self.process = None

    def abort(self):
        path = f"/sys/fs/fuse/connections/{self.connection}/abort"
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write("1")
        except OSError as error:
            say(f"{path}: {error.strerror}")


def is_mounted(path):
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        return any(line.split(" ")[1] == path for line in mounts)


class Null(FusePeer):
    """FUSE itself: our loop, f0 to f7 of no bytes, other files in memory."""

    name = "null"
    has_files = True

    def __init__(self, work, build):
        super().__init__(work, build)
        self.program = os.path.join(build, "tests/bench/null_server")

    def command(self):
        return [self.program, "-p", self.root]


class Bindfs(FusePeer):
    name = "bindfs"
    program = "bindfs"

    def prepare(self):
        self.source = self.root + ".source"
        os.mkdir(self.source)

    def command(self):
        # Without big_writes libfuse 2 has the kernel cut writes to 4 KiB.
        return ["bindfs", "-f", "-o", "big_writes", self.source, self.root]


class Fuse2fs(FusePeer):
    name = "fuse2fs"
    program = "fuse2fs"

    def prepare(self):
        self.image = self.root + ".img"
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_BYTES)
        run("mke2fs", "-q", "-F", "-t", "ext4", self.image)

    def missing(self):
        return super().missing() or (
            None if shutil.which("mke2fs") else "mke2fs")

    def command(self):
        return ["fuse2fs", "-f", "-o", "rw,big_writes", self.image, self.root]


class Udaxfs(FusePeer):
    name = "udaxfs"

    def __init__(self, work, build):
        super().__init__(work, build)
        self.program = os.path.join(build, "udaxfs")

    def prepare(self):
        self.device = self.root + ".pmem"
        run(os.path.join(self.build, "mkfs.udaxfs"), "-q", "-s",
            f"{IMAGE_BYTES >> 20}M", self.device)

    def command(self):
        return [self.program, self.device, self.root, "-f"]

    def facts(self):
        ctl = os.path.join(self.build, "udaxctl")
        devices = json.loads(run(ctl, "list-devices", self.root, "--json"))
        return {"granularity": devices["devices"][0]["granularity"]}


PEERS = [Peer, Null, Bindfs, Fuse2fs, Udaxfs]


class Fleet:
    """All peers, mounted below one folder; leaving takes it all away."""

    def __init__(self, work, build, names):
        self.work = work
        known = [cls(work, build) for cls in PEERS]
        self.peers = [peer for peer in known if peer.name in names]

    def __enter__(self):
        os.mkdir(self.work)
        try:
            for peer in list(self.peers):
                program = peer.missing()
                if program:
                    say(f"{peer.name}: left out, {program} is not there")
                    self.peers.remove(peer)
                    continue
                peer.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self.peers

    def __exit__(self, *_):
        handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        previous = [signal.signal(number, signal.SIG_IGN)
                    for number in handled]
        for peer in self.peers:
            try:
                peer.stop()
            except Exception as error:  # the others must still go
                say(f"{peer.name}: {error}")
        left = [peer.root for peer in self.peers if is_mounted(peer.root)]
        if left:
            say(f"still mounted, left in place: {' '.join(left)}")
        else:
            shutil.rmtree(self.work)
        for number, handler in zip(handled, previous):
            signal.signal(number, handler)
