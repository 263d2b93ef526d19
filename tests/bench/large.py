# SPDX-License-Identifier: BSD-3-Clause
"""A million files: how long until they are there, and what they cost.

They are made without a mount (tests/lib/many_files), by a process that ends
as in a crash. Nothing fails by a figure.
"""

import json
import os
import shutil
import signal
import subprocess
import time

from direct import Figure
from peers import BenchError, is_mounted, run, say

ROWS = ["mount-crash", "mount-clean", "fsck", "memory-idle"]
FILES = 1000000
IN_A_FOLDER = 1000
DEVICE_BYTES = 4 << 30  # sparse
MOUNTS = 5
MAKE_SECONDS = 180
WALK_SECONDS = 180
END_SECONDS = 20


class Million:
    """The device and its mounts, one after the other."""

    def __init__(self, work, build):
        self.build = build
        self.device = os.path.join(work, "device")
        self.mountpoint = os.path.join(work, "mnt")
        self.pid = None

    def program(self, name):
        return os.path.join(self.build, name)

    def make(self):
        os.mkdir(self.mountpoint)
        with open(self.device, "wb") as file:
            file.truncate(DEVICE_BYTES)
        run(self.program("mkfs.udaxfs"), "-q", self.device)
        # Whoever fills it is not measured: no msync for each of two million.
        run("env", "PMEM2_FORCE_GRANULARITY=BYTE",
            self.program("tests/lib/many_files"), "-x", "-d",
            str(IN_A_FOLDER), str(FILES), self.device, timeout=MAKE_SECONDS)

    def mount(self):
        """Seconds until the daemon's command has returned."""
        start = time.monotonic()
        run(self.program("udaxfs"), self.device, self.mountpoint)
        seconds = time.monotonic() - start
        listed = json.loads(run(self.program("udaxctl"), "list",
                                self.mountpoint, "--json"))
        self.pid = listed["mounts"][0]["pid"]
        return seconds

    def check(self):
        """Seconds of a full check that finds nothing."""
        start = time.monotonic()
        run(self.program("fsck.udaxfs"), "-n", self.device)
        return time.monotonic() - start

    def wait_for_the_end(self):
        end = time.monotonic() + END_SECONDS
        while os.path.exists(f"/proc/{self.pid}"):
            if time.monotonic() > end:
                raise BenchError(f"udaxfs {self.pid}: lives on unmounted")
            time.sleep(0.01)
        self.pid = None

    def unmount(self):
        run("umount", self.mountpoint)
        self.wait_for_the_end()

    def crash(self):
        os.kill(self.pid, signal.SIGKILL)
        run("umount", "-l", self.mountpoint)
        self.wait_for_the_end()

    def stop(self):
        if is_mounted(self.mountpoint):
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)
            run("umount", "-l", self.mountpoint)

    def memory(self):
        """Bytes of its own: not the device, which it maps."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) << 10
        raise BenchError(f"/proc/{self.pid}/status: no RssAnon")

    def memory_each(self, folders):
        """Of a file that has been looked at and is known since."""
        before = self.memory()
        paths = [os.path.join(self.mountpoint, f"d{number}")
                 for number in range(folders)]
        for first in range(0, folders, 100):
            # No file is: so each is asked for its size.
            subprocess.run(["find", *paths[first:first + 100], "-size",
                            "+999999999G"], check=True,
                           stdout=subprocess.DEVNULL, timeout=WALK_SECONDS)
        return (self.memory() - before) / (folders * IN_A_FOLDER)


def measure(work, build, quick, rows):
    """The figures of these rows, in ROWS' order."""
    million = Million(work, build)
    figures = []
    os.mkdir(work)
    try:
        say("a million files")
        million.make()
        seconds = []
        for number in range(MOUNTS if "mount-crash" in rows else 1):
            if number > 0:
                million.crash()
            seconds.append(million.mount())
        if "mount-crash" in rows:
            say("mount-crash")
            figures.append(Figure("mount after a crash, the slowest of "
                                  f"{MOUNTS}", max(seconds), unit="s",
                                  aim=2.0))
        million.unmount()
        if "mount-clean" in rows:
            say("mount-clean")
            seconds = []
            for _ in range(MOUNTS):
                seconds.append(million.mount())
                million.unmount()
            figures.append(Figure("mount after an unmount, the slowest of "
                                  f"{MOUNTS}", max(seconds), unit="s",
                                  aim=0.2, digits=3))
        if "fsck" in rows:
            say("fsck")
            figures.append(Figure(f"fsck.udaxfs -n, the slowest of {MOUNTS}",
                                  max(million.check() for _ in range(MOUNTS)),
                                  unit="s", aim=10.0))
        if "memory-idle" in rows:
            say("memory-idle")
            folders = FILES // IN_A_FOLDER // (10 if quick else 1)
            million.mount()
            figures.append(Figure("memory of a file that is known, idle",
                                  million.memory_each(folders), unit="B",
                                  aim=200, digits=0))
            million.unmount()
    finally:
        million.stop()
        shutil.rmtree(work, ignore_errors=True)
    return figures
