# SPDX-License-Identifier: BSD-3-Clause
"""The work: what is done, how much of it, and how it is timed."""

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time

from peers import BenchError

FILE_BYTES = 256 << 20  # f0: one job
SHARE_BYTES = 64 << 20  # f0 to f3: four jobs, each in its own
SHARES = 4
MMAP_BYTES = 64 << 20
TREE = "/usr/include"
LOAD_SECONDS = 180


class Scale:
    """How much of each work: fixed, so that two runs can be compared.
    Short turns and many of them: what a turn meets on the machine, the
    median forgets."""

    def __init__(self, io_rounds, io_ms, file_rounds, files, untar_rounds,
                 mmap_rounds, loads):
        self.io_rounds = io_rounds
        self.io_ms = io_ms
        self.file_rounds = file_rounds
        self.files = files
        self.untar_rounds = untar_rounds
        self.mmap_rounds = mmap_rounds
        self.loads = loads

    def warm_up(self):
        return Scale(1, 300, 1, self.files // 10, 1, 1, self.loads // 10)


FULL = Scale(io_rounds=9, io_ms=600, file_rounds=5, files=20000,
             untar_rounds=5, mmap_rounds=7, loads=20000000)
QUICK = Scale(io_rounds=3, io_ms=300, file_rounds=3, files=4000,
              untar_rounds=1, mmap_rounds=3, loads=10000000)


class Sample:
    """One run of one row on one peer."""

    def __init__(self, ops, wall_ns, client_ns, server_ns):
        self.ops = ops
        self.wall_ns = wall_ns
        self.client_ns = client_ns
        self.server_ns = server_ns

    def cpu_us(self):
        return (self.client_ns + self.server_ns) / 1e3 / self.ops

    def wall_us(self):
        return self.wall_ns / 1e3 / self.ops

    def to_json(self):
        return {"ops": self.ops, "wall_ns": self.wall_ns,
                "client_cpu_ns": self.client_ns,
                "server_cpu_ns": self.server_ns}


def run_load(context, peer, *argv):
    """The load generator's own timing, and the server's CPU meanwhile: from
    when it is ready until it has answered."""
    with subprocess.Popen([context.load, *map(str, argv)], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as load:
        watchdog = threading.Timer(LOAD_SECONDS, load.kill)
        watchdog.start()
        try:
            load.stdout.readline()
            before = peer.cpu_ns()
            load.stdin.write("go\n")
            load.stdin.flush()
            line = load.stdout.readline()
            server = peer.cpu_ns() - before
            _, complaint = load.communicate()
        except BrokenPipeError:
            complaint = load.stderr.read()
        finally:
            load.kill()
            watchdog.cancel()
    if load.returncode:
        raise BenchError(f"{peer.name}: {complaint.strip() or 'load failed'}")
    out = json.loads(line)
    return Sample(out["ops"], out["wall_ns"], out["cpu_ns"], server)


class Confined:
    """Client and server on one CPU, for the length of a turn. Whether a
    request wakes its server on this CPU or on another, perhaps idle one, is
    the scheduler's luck and worth more than what is measured."""

    def __init__(self, peer):
        self.peer = peer
        self.before = os.sched_getaffinity(0)

    def move(self, cpus):
        os.sched_setaffinity(0, cpus)
        for thread in self.peer.threads():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cpus)

    def __enter__(self):
        self.move({max(self.before)})

    def __exit__(self, *_):
        self.move(self.before)


class Group:
    """Rows that are measured together. turn() gives a sample for each."""

    one_cpu = True

    def __init__(self, *rows):
        self.rows = rows

    def rounds(self, scale):
        raise NotImplementedError

    def run(self, context, peer, scale):
        raise NotImplementedError

    def turn(self, context, peer, scale):
        with Confined(peer) if self.one_cpu else contextlib.nullcontext():
            return self.run(context, peer, scale)


class Io(Group):
    def __init__(self, row, mode, block_bytes, jobs, one_cpu=True):
        super().__init__(row)
        self.mode = mode
        self.block_bytes = block_bytes
        self.jobs = jobs
        self.one_cpu = one_cpu

    def rounds(self, scale):
        return scale.io_rounds

    def run(self, context, peer, scale):
        size = FILE_BYTES if self.jobs == 1 else SHARE_BYTES
        return [run_load(context, peer, self.mode, peer.root, self.jobs, size,
                         self.block_bytes, scale.io_ms)]


class Mmap(Group):
    def rounds(self, scale):
        return scale.mmap_rounds

    def run(self, context, peer, scale):
        return [run_load(context, peer, "mmap", os.path.join(peer.root, "f0"),
                         MMAP_BYTES, scale.loads)]


class Files(Group):
    def rounds(self, scale):
        return scale.file_rounds

    def run(self, context, peer, scale):
        where = os.path.join(peer.root, "files")
        os.makedirs(where, exist_ok=True)
        return [run_load(context, peer, verb, where, scale.files)
                for verb in self.rows]


class Untar(Group):
    """Each entry of the archive is an operation; tar's whole life counts."""

    def rounds(self, scale):
        return scale.untar_rounds

    def run(self, context, peer, scale):
        where = os.path.join(peer.root, "tree")
        os.mkdir(where)
        before = peer.cpu_ns()
        start = time.monotonic_ns()
        tar = subprocess.Popen(["tar", "-xf", context.archive, "-C", where],
                               stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(tar.pid, 0)
        tar.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic_ns() - start
        server = peer.cpu_ns() - before
        if tar.returncode:
            raise BenchError(f"{peer.name}: tar: status {tar.returncode}")
        client = int((usage.ru_utime + usage.ru_stime) * 1e9)
        shutil.rmtree(where)
        return [Sample(context.archive_entries, wall, client, server)]


GROUPS = [
    Io("randread-4k-1", "randread", 4096, 1),
    Io("randread-4k-1-free", "randread", 4096, 1, one_cpu=False),
    Io("randread-4k-4-free", "randread", 4096, 4, one_cpu=False),
    Io("randwrite-4k-1", "randwrite", 4096, 1),
    Io("randwrite-4k-1-free", "randwrite", 4096, 1, one_cpu=False),
    Io("randwrite-4k-4-free", "randwrite", 4096, 4, one_cpu=False),
    Io("read-1m", "read", 1 << 20, 1),
    Io("read-1m-4-free", "read", 1 << 20, 4, one_cpu=False),
    Io("write-1m", "write", 1 << 20, 1),
    Io("write-1m-4-free", "write", 1 << 20, 4, one_cpu=False),
    Mmap("mmap-load"),
    Files("create", "stat", "rename", "unlink"),
    Untar("untar"),
]

ALL_ROWS = [row for group in GROUPS for row in group.rows]


def lay_out(peer):
    """The files that are read, written and mapped: real bytes, allocated."""
    if peer.has_files:
        return
    block = os.urandom(1 << 20)
    for index in range(SHARES):
        size = FILE_BYTES if index == 0 else SHARE_BYTES
        path = os.path.join(peer.root, f"f{index}")
        with open(path, "wb", buffering=0) as file:
            for _ in range(size // len(block)):
                file.write(block)


class Context:
    """What the rows need besides a peer."""

    def __init__(self, work, build):
        self.load = os.path.join(build, "tests/bench/load")
        self.archive = os.path.join(work, "tree.tar")
        self.archive_entries = 0

    def make_archive(self):
        parent, name = os.path.split(TREE)
        done = subprocess.run(["tar", "-cf", self.archive, "-C", parent, name],
                              capture_output=True, text=True, timeout=120,
                              check=False)
        if done.returncode:
            raise BenchError(f"tar: {done.stderr.strip()}")
        listed = subprocess.run(["tar", "-tf", self.archive], text=True,
                                capture_output=True, timeout=60, check=True)
        self.archive_entries = len(listed.stdout.splitlines())
