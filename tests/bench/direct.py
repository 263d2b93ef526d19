# SPDX-License-Identifier: BSD-3-Clause
"""Direct mappings: what a lease costs, and what taking it back costs.

Speed is measured inside one process, in turns with what the kernel does
natively; a removal's figures are the daemon's and the clients' own clocks.
Nothing fails by a figure.
"""

import json
import os
import shutil
import subprocess
from statistics import median

from peers import BenchError, Udaxfs, run, say
from removal import Removals
from rows import Confined

MIB = 1 << 20
GIB = 1 << 30
ROWS = ["direct-memory", "direct-io", "direct-fio", "direct-map",
        "direct-lazy", "direct-entries", "direct-removal"]
PROGRAM_SECONDS = 180


class Scale:
    """Sizes are the same in a quick run, but for a removal's clients."""

    def __init__(self, rounds, ops, fio_seconds, removals, client_bytes):
        self.rounds = rounds
        self.ops = ops  # of 4 KiB a turn
        self.fio_seconds = fio_seconds
        self.removals = removals
        self.client_bytes = client_bytes


FULL = Scale(rounds=9, ops=100000, fio_seconds=2, removals=7,
             client_bytes=GIB)
QUICK = Scale(rounds=7, ops=40000, fio_seconds=1, removals=3,
              client_bytes=128 * MIB)
MEMORY_BYTES = 64 * MIB
MEMORY_OPS = 10000000
IO_BYTES = [256 * MIB, GIB]
IO_AIMS = {256 * MIB: 2.0, GIB: 1.6}
MAP_ROUNDS = 49


class Figure:
    """A line of the table. A ratio's aim is a least, a time's a most."""

    def __init__(self, name, ours, beside=None, unit="", aim=None,
                 ratio=None, digits=2):
        self.name = name
        self.ours = ours
        self.beside = beside
        self.unit = unit
        self.aim = aim
        self.ratio = ratio
        self.digits = digits

    def met(self):
        if self.aim is None or (self.ours is None and self.ratio is None):
            return None
        if self.ratio is not None:
            return self.ratio >= self.aim
        return self.ours <= self.aim

    def line(self):
        def text(value):
            return "-" if value is None else f"{value:.{self.digits}f}"

        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}x"
        aim = ""
        if self.aim is not None:
            aim = (f">= {self.aim:.2f}x" if self.ratio is not None
                   else f"<= {self.aim:g} {self.unit}")
        met = {True: "met", False: "MISSED", None: ""}[self.met()]
        return (f"{self.name:44}{text(self.ours):>10}{text(self.beside):>10}"
                f" {self.unit:4}{ratio:>8}  {aim:12} {met}").rstrip()

    def to_json(self):
        return {"name": self.name, "ours": self.ours, "beside": self.beside,
                "unit": self.unit, "ratio": self.ratio, "aim": self.aim,
                "met": self.met()}


def compared(name, sides, aim, unit="ns", scale=1.0):
    """Native time over ours, round by round: more is better."""
    ratios = [native / direct for direct, native
              in zip(sides["direct"], sides["native"])]
    return Figure(name, median(sides["direct"]) * scale,
                  median(sides["native"]) * scale, unit, aim, median(ratios))


class Device(Udaxfs):
    """An emulated device of its own."""

    name = "direct"

    def __init__(self, work, build, image_bytes):
        super().__init__(work, build)
        self.image_bytes = image_bytes

    def prepare(self):
        self.device = self.root + ".pmem"
        run(os.path.join(self.build, "mkfs.udaxfs"), "-q", "-s",
            f"{self.image_bytes >> 20}M", self.device)


def fill(path, size):
    block = os.urandom(MIB)
    with open(path, "wb", buffering=0) as file:
        for _ in range(size // MIB):
            file.write(block)


class Speed:
    """Rows that compare with native memory and native tmpfs."""

    def __init__(self, work, build, scale):
        self.scale = scale
        self.build = build
        self.program = os.path.join(build, "tests/bench/bench_direct")
        self.native = os.path.join(work, "native")
        self.file = os.path.join(work, "direct", "file")

    def ask(self, *argv):
        done = subprocess.run([self.program, *map(str, argv)], text=True,
                              capture_output=True, timeout=PROGRAM_SECONDS,
                              check=False)
        if done.returncode:
            raise BenchError(done.stderr.strip() or
                             f"bench_direct {argv[0]}: {done.returncode}")
        return json.loads(done.stdout)

    def memory(self):
        sides = self.ask("memory", self.file, MEMORY_BYTES, MEMORY_OPS,
                         self.scale.rounds)
        return [compared(f"{what}, 8 bytes at random in 64 MiB",
                         sides[what], 0.98) for what in ("load", "store")]

    def io(self):
        figures = []
        for size in IO_BYTES:
            sides = self.ask("io", self.file, self.native, size,
                             self.scale.ops, self.scale.rounds)
            figures += [compared(f"udax_{what}, 4 KiB at random in "
                                 f"{size // MIB} MiB", sides[what],
                                 IO_AIMS[size], "us", 1e-3)
                        for what in ("pread", "pwrite")]
        return figures

    def fio_us(self, mode, path, *prefix):
        """Microseconds an operation."""
        out = run(*prefix, "fio", "--name=x", f"--filename={path}",
                  f"--rw={mode}", "--bs=4k", "--ioengine=psync",
                  "--size=256m", "--time_based", "--gtod_reduce=1",
                  f"--runtime={self.scale.fio_seconds}", "--norandommap",
                  "--randrepeat=1", "--output-format=json")
        job = json.loads(out[out.index("{"):])["jobs"][0]
        side = job["read" if "read" in mode else "write"]
        return 1e6 / side["iops"]

    def fio(self):
        if not shutil.which("fio"):
            say("direct-fio: left out, fio is not there")
            return []
        runner = os.path.join(self.build, "udax-run")
        figures = []
        for mode in "randread", "randwrite":
            sides = {"direct": [], "native": []}
            for _ in range(self.scale.rounds + 1):
                sides["direct"].append(self.fio_us(mode, self.file, runner))
                sides["native"].append(self.fio_us(mode, self.native))
            sides = {side: values[1:] for side, values in sides.items()}
            figures.append(compared(f"fio psync {mode} 4 KiB, udax-run",
                                    sides, 1.3, "us"))
        return figures

    def map(self):
        sides = self.ask("map", self.file, self.native, GIB, MAP_ROUNDS)["map"]
        return [Figure("map and unmap 1 GiB, untouched",
                       median(sides["direct"]) / 1e6,
                       median(sides["native"]) / 1e6, "ms", 0.3, digits=3)]

    def lazy(self):
        sides = self.ask("lazy", self.file, GIB, self.scale.rounds)["fault"]
        return [Figure("lazy fault, 2 MiB around (beside: touch)",
                       median(sides["direct"]) / 1e3,
                       median(sides["native"]) / 1e3, "us", 30)]

    def entries(self):
        program = os.path.join(self.build, "tests/bench/bench_entries")
        flags = [] if self.scale is FULL else ["--quick"]
        out = json.loads(run(program, *flags))
        return [
            Figure("10^6 lease entries inserted", median(out["insert_ms"]),
                   None, "ms"),
            Figure("10^6 lease entries deleted", median(out["delete_ms"]),
                   None, "ms", 100),
            Figure("references looked up, 1 thread",
                   median(out["lookups_1"]), None, "M/s"),
            Figure("  2 threads, a file each", median(out["lookups_2"]),
                   None, "M/s"),
            Figure("  2 threads, one file", median(out["lookups_2_shared"]),
                   None, "M/s")]

    def lay_out(self):
        for path in self.file, self.native:
            fill(path, max(IO_BYTES))

    def row(self, name, device):
        """On one CPU with the daemon, as other rows with one client."""
        measure_row = getattr(self, name)
        if device.process is None or name == "entries":
            return measure_row()
        with Confined(device):
            return measure_row()


def measure(work, build, quick, rows):
    """The figures of these rows, in ROWS' order."""
    scale = QUICK if quick else FULL
    speed = Speed(work, build, scale)
    figures = []
    mounted = [row for row in rows
               if row not in ("direct-entries", "direct-removal")]
    os.mkdir(work)
    device = Device(work, build, max(IO_BYTES) + 512 * MIB)
    try:
        if mounted:
            device.start()
            say("direct: laying out")
            speed.lay_out()
        for row in ROWS:
            if row in rows and row != "direct-removal":
                say(row)
                figures += speed.row(row.removeprefix("direct-"), device)
        device.stop()
        if mounted:
            os.unlink(device.device)
            os.unlink(speed.native)
            os.rmdir(device.root)
        if "direct-removal" in rows:
            figures += [Figure(*values) for values in
                        Removals(work, build, scale, Device).measure()]
    finally:
        device.stop()
        shutil.rmtree(work, ignore_errors=True)
    return figures


def table(title, figures):
    head = f"{title:44}{'ours':>10}{'beside':>10}"
    return "\n".join([head] + [figure.line() for figure in figures])
