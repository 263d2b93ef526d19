# SPDX-License-Identifier: BSD-3-Clause
"""Tables out of samples: medians, and the ratios of one run."""

from statistics import median

SUBJECT = "udaxfs"
NANOSECOND_ROWS = ("mmap-load",)
# Against the same requests answered from plain memory.
METADATA_AIMS = dict.fromkeys(
    ("create", "stat", "rename", "unlink", "untar"), 1.5)


def middle(samples, figure):
    return median(figure(sample) for sample in samples)


def ratio(samples, peer, figure):
    """Of the subject to a peer, round by round: what disturbs a round
    disturbs both. None where one of them has no such row."""
    if SUBJECT not in samples or peer not in samples:
        return None
    pairs = zip(samples[SUBJECT], samples[peer])
    return median(figure(ours) / figure(theirs) for ours, theirs in pairs)


def cell(samples, peer, figure, row):
    if peer not in samples:
        return "-"
    value = middle(samples[peer], figure)
    if row in NANOSECOND_ROWS:
        return f"{value * 1e3:.1f}ns"
    return f"{value:.2f}" if value < 1000 else f"{value:.0f}"


def table(results, peers, title, figure):
    others = [peer for peer in peers if peer != SUBJECT]
    head = [f"{'':20}"] + [f"{peer:>9}" for peer in peers]
    if SUBJECT in peers:
        head += ["  |"] + [f"{'/' + peer:>8}" for peer in others]
    lines = [title, "".join(head)]
    for row, samples in results.items():
        line = [f"{row:20}"]
        line += [f"{cell(samples, peer, figure, row):>9}" for peer in peers]
        if SUBJECT in peers:
            line.append("  |")
            for peer in others:
                value = ratio(samples, peer, figure)
                text = "-" if value is None else f"{value:.2f}x"
                line.append(f"{text:>8}")
        lines.append("".join(line))
    return "\n".join(lines)


def tables(results, peers):
    return "\n\n".join([
        table(results, peers,
              "CPU microseconds an operation, client and server; "
              f"{SUBJECT} / peer", lambda sample: sample.cpu_us()),
        table(results, peers,
              f"Wall microseconds an operation; {SUBJECT} / peer",
              lambda sample: sample.wall_us()),
    ])


def aims(results):
    """What the project wants, and where it stands. Nothing fails by it."""
    lines = []

    def judge(text, met):
        lines.append(f"  {'met   ' if met else 'MISSED'}  {text}")

    for row, samples in results.items():
        for what, figure in (("CPU", lambda s: s.cpu_us()),
                             ("wall", lambda s: s.wall_us())):
            null = ratio(samples, "null", figure)
            aim = 1.25 if "4k" in row else METADATA_AIMS.get(row)
            if aim and what == "CPU" and null is not None:
                judge(f"{row} CPU {null:.2f}x null, aim {aim}x", null <= aim)
            native = ratio(samples, "tmpfs", figure)
            if row == "mmap-load" and native is not None:
                judge(f"{row} {what} {native:.2f}x tmpfs, aim 1.00x +- 0.10",
                      abs(native - 1) <= 0.10)
                continue
            for peer in ("bindfs", "fuse2fs"):
                value = ratio(samples, peer, figure)
                if value is not None:
                    judge(f"{row} {what} {value:.2f}x {peer}", value < 1)
    return "\n".join(["Aims"] + lines) if lines else ""


def as_json(results):
    return {row: {peer: {"cpu_us": middle(runs, lambda s: s.cpu_us()),
                         "wall_us": middle(runs, lambda s: s.wall_us()),
                         "samples": [sample.to_json() for sample in runs]}
                  for peer, runs in samples.items()}
            for row, samples in results.items()}
