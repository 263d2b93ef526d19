# SPDX-License-Identifier: BSD-3-Clause
"""Removal of a device that clients map directly: rounds of mounting, mapping,
taking away."""

import contextlib
import glob
import json
import os
import signal
import socket
import subprocess
import time
from statistics import median

from peers import BenchError, run, say

CLIENTS = 8
RECALL_MS = 200
ANSWER_SECONDS = 60
MIB = 1 << 20
SPARE_BYTES = 512 * MIB


def available_bytes():
    with open("/proc/meminfo", encoding="ascii") as info:
        for line in info:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return 0


def control(pid, request):
    """One question to the daemon: its answer, and when it was asked. (By
    udaxctl a process would start between the clock and the command.)"""
    paths = [path for folder in
             ("/run/udaxfs", os.environ.get("XDG_RUNTIME_DIR", "") + "/udaxfs",
              f"/tmp/udaxfs-{os.geteuid()}")
             for path in glob.glob(f"{folder}/{pid}.control")]
    if not paths:
        raise BenchError(f"no control socket of daemon {pid}")
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(ANSWER_SECONDS)
        door.connect(paths[0])
        line = json.dumps({"version": 1, **request}).encode() + b"\n"
        asked_ns = time.monotonic_ns()
        door.sendall(line)
        text = b""
        while chunk := door.recv(65536):
            text += chunk
    answer = json.loads(text)
    if answer["status"]:
        raise BenchError(f"{request['verb']}: {answer['error']}")
    return answer["answer"], asked_ns


class Client:
    """A process of bench_direct that is ready and waits for a line."""

    def __init__(self, *argv):
        self.process = subprocess.Popen(
            list(map(str, argv)), text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_ready(self):
        if self.process.stdout.readline() != "ready\n":
            raise BenchError(self.process.stderr.read().strip() or
                             "bench_direct: not ready")

    def signal(self, number):
        self.process.send_signal(number)

    def finish(self):
        """What it says at the end; it has survived what was done to it."""
        try:
            out, complaint = self.process.communicate("go\n", 30)
        except BrokenPipeError:
            out, complaint = "", "gone"
        if self.process.returncode:
            raise BenchError(f"bench_direct: {complaint.strip()} (status "
                             f"{self.process.returncode})")
        return json.loads(out)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.communicate()


class Removals:
    """Each round: mounted, clients ready, removed, unmounted."""

    def __init__(self, work, build, scale, device_class):
        self.program = os.path.join(build, "tests/bench/bench_direct")
        self.rounds = scale.removals
        self.bytes = scale.client_bytes
        self.device = device_class(work, build,
                                   CLIENTS * self.bytes + SPARE_BYTES)
        self.figures = {}

    def file(self, number):
        return os.path.join(self.device.root, f"client{number}")

    def prepare(self):
        """Formatted once, and every page there; mounted by every round."""
        self.device.start()
        for number in range(CLIENTS):
            with open(self.file(number), "wb", buffering=0) as file:
                for _ in range(self.bytes // MIB):
                    file.write(bytes(MIB))
        self.device.stop()
        os.rmdir(self.device.root)
        self.device.prepare = lambda: None

    def holders(self, clients, how):
        holding = []
        try:
            for number in range(clients):
                holding.append(Client(self.program, "hold", self.file(number),
                                      self.bytes, how))
            for client in holding:
                client.wait_ready()
        except BaseException:
            for client in holding:
                client.kill()
            raise
        return holding

    def note(self, name, value):
        self.figures.setdefault(name, []).append(value)

    def remove(self, **more):
        return control(self.device.process.pid,
                       {"verb": "remove-device", "device": "0", **more})

    def cooperating(self, how):
        holding = self.holders(CLIENTS, how)
        probe = Client(self.program, "probe", self.file(0))
        try:
            with contextlib.suppress(PermissionError):
                os.setpriority(os.PRIO_PROCESS, probe.process.pid, -20)
            probe.wait_ready()
            time.sleep(0.05)
            answer, asked_ns = self.remove()
            refused = json.loads(probe.process.communicate(timeout=30)[0])
            if answer["state"] != "dead" or refused["grants"] < 1:
                raise BenchError(f"removal: {answer}, probe: {refused}")
            self.note(f"refused {how}",
                      (refused["refused_ns"] - asked_ns) / 1e6)
            self.note(f"confirmed {how}", answer["first_refusal_us"] / 1e3)
            self.note(f"drained {how}", answer["elapsed_us"] / 1e3)
            returned = [client.finish()["revoked_ns"] for client in holding]
            self.note(f"returned {how}", (max(returned) - asked_ns) / 1e6)
        finally:
            for client in holding + [probe]:
                client.kill()

    def stopped(self, how):
        holding = self.holders(1, how)
        try:
            holding[0].signal(signal.SIGSTOP)
            answer, _ = self.remove(recall_ms=RECALL_MS)
            if answer["state"] != "dead" or holding[0].process.poll():
                raise BenchError(f"stopped client: {answer}")
            self.note(f"zapped {how}", answer["elapsed_us"] / 1e3 - RECALL_MS)
            holding[0].signal(signal.SIGCONT)
            holding[0].finish()  # alive still
        finally:
            for client in holding:
                client.kill()

    def floor(self, how):
        for processes in CLIENTS, 1:
            out = json.loads(run(self.program, "swap", self.device.device,
                                 str(self.bytes), str(processes), how))
            self.note(f"floor {processes} {how}", out["swap_ns"] / 1e6)

    def mounted(self, act, how):
        self.device.start()
        try:
            act(how)
        finally:
            self.device.stop()
            if os.path.isdir(self.device.root):
                os.rmdir(self.device.root)

    def measure(self):
        need = CLIENTS * self.bytes + 2 * SPARE_BYTES
        if available_bytes() < need:
            say(f"direct-removal: left out, {need >> 30} GiB of memory are "
                "needed")
            return []
        try:
            self.prepare()
            for number in range(self.rounds + 1):
                if number == 1:
                    self.figures.clear()  # that was the warm-up
                say(f"direct-removal {number}/{self.rounds}")
                for how in "touched", "untouched":
                    self.mounted(self.cooperating, how)
                    self.mounted(self.stopped, how)
                    self.floor(how)
        finally:
            self.device.stop()
        return self.lines()

    def lines(self):
        size = f"{CLIENTS} x {self.bytes // MIB} MiB"
        middle = {name: median(values)
                  for name, values in self.figures.items()}
        lines = []
        for how, aim in ("touched", 150), ("untouched", 20):
            lines += [
                (f"removal, {size} {how}: probe refused",
                 middle[f"refused {how}"], middle[f"confirmed {how}"], "ms",
                 1),
                ("  all given back by the clients (beside: floor)",
                 middle[f"returned {how}"],
                 middle[f"floor {CLIENTS} {how}"], "ms"),
                ("  dead (beside: floor)", middle[f"drained {how}"],
                 middle[f"floor {CLIENTS} {how}"], "ms", aim),
                ("  one stopped client, zapped (beside: floor)",
                 middle[f"zapped {how}"], middle[f"floor 1 {how}"], "ms",
                 20)]
        return lines
