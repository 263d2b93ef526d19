#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench.py BUILD: udaxfs beside its peers, in one run, as ratios.

All peers are mounted at once and take turns: A B C D E, A B C D E, ... after a
warm-up; every figure is a median. doc/BENCHMARKS.md says what is measured.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time

import direct
import large
from peers import PEERS, BenchError, Fleet, say
from report import as_json, aims, tables
from rows import ALL_ROWS, FULL, GROUPS, QUICK, Context, lay_out

SHM = "/dev/shm"
SPACE_BYTES = 5 << 30
TMPFS_MAGIC = "tmpfs"
ROWS = ALL_ROWS + ["refs"] + direct.ROWS + large.ROWS


def arguments():
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__)
    parser.add_argument("build", help="where the programs were built")
    parser.add_argument("--json", metavar="FILE", help="every sample, too")
    parser.add_argument("--quick", action="store_true",
                        help="less of everything, to try it out")
    parser.add_argument("--only", metavar="ROW", action="append",
                        choices=ROWS,
                        help="this row (repeats): " + ", ".join(ROWS))
    parser.add_argument("--peers", metavar="LIST",
                        default=",".join(cls.name for cls in PEERS),
                        help="of %(default)s")
    options = parser.parse_args()
    unknown = set(options.peers.split(",")) - {cls.name for cls in PEERS}
    if unknown:
        parser.error(f"no such peer: {' '.join(sorted(unknown))}")
    return options


def check_machine():
    kind = subprocess.run(["stat", "-f", "-c", "%T", SHM], text=True,
                          capture_output=True, check=False).stdout.strip()
    if kind != TMPFS_MAGIC:
        raise BenchError(f"{SHM}: {kind or 'missing'}, but tmpfs is needed")
    space = os.statvfs(SHM)
    if space.f_bavail * space.f_frsize < SPACE_BYTES:
        raise BenchError(f"{SHM}: {SPACE_BYTES >> 30} GiB free are needed")
    if not os.path.exists("/dev/fuse"):
        raise BenchError("/dev/fuse: missing")


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def facts_of(peers):
    facts = {"kernel": platform.release(), "cpus": os.cpu_count(),
             "cpu": cpu_model(), "load_average": os.getloadavg()[0]}
    for peer in peers:
        facts.update(peer.facts())
    return facts


def measure(context, peers, groups, scale):
    """{row: {peer: [sample, ...]}}, the rounds of a group interleaved."""
    results = {row: {} for group in groups for row in group.rows}
    for group in groups:
        for peer in peers:
            group.turn(context, peer, scale.warm_up())
        rounds = group.rounds(scale)
        for number in range(rounds):
            for peer in peers:
                samples = group.turn(context, peer, scale)
                for row, sample in zip(group.rows, samples):
                    results[row].setdefault(peer.name, []).append(sample)
                    say(f"{row} {number + 1}/{rounds} {peer.name}: "
                        f"{sample.ops} operations, "
                        f"{sample.cpu_us():.3f} us CPU, "
                        f"{sample.wall_us():.3f} us wall each")
    return results


def reference_costs(build, *flags):
    """Entry and reference costs, from a program that needs no mount."""
    program = os.path.join(build, "tests/bench/bench_refs")
    say("entries and references")
    done = subprocess.run([program, *flags], text=True, capture_output=True,
                          timeout=120, check=False)
    if done.returncode:
        raise BenchError(f"bench_refs: {done.stderr.strip()}")
    return done.stdout.strip()


def measure_figures(module, options, work, build):
    """What a module of rows of its own has of those that are wanted."""
    rows = [row for row in module.ROWS
            if not options.only or row in options.only]
    return module.measure(work, build, options.quick, rows) if rows else []


def report(options, facts, results, refs, figures, seconds):
    names = [cls.name for cls in PEERS
             if any(cls.name in samples for samples in results.values())]
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    if results:
        print(f"\n{tables(results, names)}")
    if refs:
        print(f"\n{refs}")
    for title, lines in figures.items():
        if lines:
            print(f"\n{direct.table(title, lines)}")
    if results and aims(results):
        print(f"\n{aims(results)}")
    print(f"\n{seconds:.0f} seconds{', --quick' if options.quick else ''}")


def bench(options):
    check_machine()
    start = time.monotonic()
    build = os.path.abspath(options.build)
    scale = QUICK if options.quick else FULL
    groups = [group for group in GROUPS
              if not options.only or set(group.rows) & set(options.only)]
    work = os.path.join(SHM, f"udaxfs-bench.{os.getpid()}")
    results, facts = {}, facts_of([])
    if groups:
        with Fleet(work, build, options.peers.split(",")) as peers:
            context = Context(work, build)
            context.make_archive()
            facts = facts_of(peers)
            for peer in peers:
                say(f"{peer.name}: laying out")
                lay_out(peer)
            results = measure(context, peers, groups, scale)
    refs, refs_json = "", None
    if not options.only or "refs" in options.only:
        refs = reference_costs(build)
        if options.json:
            refs_json = json.loads(reference_costs(build, "--json"))
    figures = {
        "Direct mappings": measure_figures(direct, options, work + ".direct",
                                           build),
        "A million files": measure_figures(large, options, work + ".large",
                                           build)}
    seconds = time.monotonic() - start
    report(options, facts, results, refs, figures, seconds)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "quick": options.quick,
                       "seconds": seconds, "facts": facts,
                       "rows": as_json(results), "refs": refs_json,
                       "direct": [figure.to_json() for lines
                                  in figures.values() for figure in lines]},
                      file, indent=1)
            file.write("\n")


def interrupted(number, _):
    raise SystemExit(128 + number)


def main():
    options = arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        bench(options)
    except (BenchError, OSError, subprocess.TimeoutExpired) as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
