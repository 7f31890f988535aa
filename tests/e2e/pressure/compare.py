#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""compare.py - what the guest ran, by its own record, against what FitzRoy captured, and when

	compare.py --log FILE --offset N --events FILE --clocks FILE --source NAME:FIRST:COUNT...

log:	pressure.c's record: from begin to end these pages lay in these frames, and ran
events:	events.c's lines
clocks:	its --clocks, from the host: the guest's times are the host's real time, the log's are not

A capture of a frame holds from its time to the next record of that frame. An execution
is seen if a capture of that page in that frame held at some time between its begin and
end, and, save for races, if the snapshot is the page to the byte. Else it is

gap:	at some time between the frame was MIXED, which says that it is not covered;
lost:	since the frame's last capture a LOST record says that there were more;
late:	the frame's next capture is of that page, but came after the end;
missed:	anything else.

Without any clock: the pages that ran in a frame, in the guest's order, must be a
subsequence of the frame's captures, if nothing was lost. Each change of a frame's page is a transition.

Prints the figures as one JSON object, and on stderr what is not as it should be.
Exit 1: a miss, a late capture, or no order.
"""
import argparse
import bisect
import collections
import ctypes
import ctypes.util
import json
import struct
import sys

from programs import LABEL, PAGE, PAGES, content

HEAD = struct.Struct("<11Q")
ENTRY = struct.Struct("<QQQII16I")
MAGIC = 0x47524C4F47525A46
HOWS = ("locked", "called", "execve", "race")
RACE = 3
F_LATE = 2
SHOW = 20


def read_log(name, offset):
    """The guest's head, by name, and its entries."""
    with open(name, "rb") as f:
        f.seek(offset)
        head = dict(zip(("magic", "count", "dropped", "wrong", "moved", "failed", "drops", "sectors",
                         "begin", "end", "entry_size"), HEAD.unpack(f.read(HEAD.size))))
        if head["magic"] != MAGIC or head["entry_size"] != ENTRY.size or not head["count"]:
            sys.exit(f"compare.py: {name}: the guest left no record")
        data = f.read(head["count"] * ENTRY.size)
    entries = [(e[0], e[1], e[2], e[3], e[5:5 + e[4]]) for e in ENTRY.iter_unpack(data)]
    return head, sorted(entries)


def read_events(name):
    """Per frame its records in order; counts by type; reasons; times of losses."""
    frames = collections.defaultdict(list)
    types = collections.Counter(dict.fromkeys(("exec", "reexec", "mixed", "changed", "write", "drift"), 0))
    reasons, losses, end = set(), [], ""
    with open(name) as f:
        for line in f:
            word = line.split()
            if word[0] == "#":
                end = " ".join(word[2:])
                continue
            kind, time, gfn, value = word[0], int(word[3]), int(word[4], 16), int(word[5], 16)
            types[kind] += 1
            if kind in ("coverage", "vm-attach"):
                reasons.add(value)
            if kind == "lost":
                losses.append((value, int(word[6], 16)))
            if kind in ("exec", "reexec", "mixed", "mixed-end", "write", "drift"):
                frames[gfn].append((time, kind, int(word[1], 16), value, int(word[6], 16)))
    if end != "whole":
        sys.exit(f"compare.py: {name}: the log is not whole: {end}")
    for records in frames.values():
        records.sort(key=lambda r: r[0])
    return frames, types, reasons, losses


class Pages:
    """Digests of programs' pages."""

    def __init__(self):
        lib = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
        self.xxh64 = lib.XXH64
        self.xxh64.restype = ctypes.c_uint64
        self.xxh64.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)
        self.known = {}

    def is_whole(self, label, digest):
        if label not in self.known:
            self.known[label] = self.xxh64(content(label & 0xffffffff), PAGE, 0)
        return self.known[label] == digest


def judge(records, times, label, begin, end, race, pages, losses):
    """What FitzRoy knew of the frame while this page ran there."""
    mixed = False
    i = max(bisect.bisect_right(times, begin) - 1, 0)
    while i < len(records) and times[i] <= end:
        _, kind, flags, value, digest = records[i]
        if kind in ("exec", "reexec") and value == label and not flags & F_LATE:
            if race or pages.is_whole(label, digest):
                return "seen"
        mixed = mixed or (kind == "mixed" and (i + 1 == len(records) or times[i + 1] > begin))
        i += 1
    if mixed:
        return "gap"
    before = bisect.bisect_right(times, begin)
    since = times[before - 1] if before else 0
    if any(first <= end and last >= since for first, last in losses):
        return "lost"
    while i < len(records) and records[i][1] not in ("exec", "reexec"):
        i += 1
    return "late" if i < len(records) and records[i][3] == label else "missed"


def ordered(records, labels):
    """Is labels a subsequence of what was captured?"""
    captured = (r[3] for r in records if r[1] in ("exec", "reexec", "mixed"))
    return all(label in captured for label in labels)


def main():
    opt = argparse.ArgumentParser()
    opt.add_argument("--log", required=True)
    opt.add_argument("--offset", type=int, default=0)
    opt.add_argument("--events", required=True)
    opt.add_argument("--clocks", required=True)
    opt.add_argument("--source", action="append", default=[])
    opt = opt.parse_args()

    sources = [(int(first), int(first) + int(n), name)
               for name, first, n in (s.rsplit(":", 2) for s in opt.source)]
    head, entries = read_log(opt.log, opt.offset)
    frames, types, reasons, losses = read_events(opt.events)
    with open(opt.clocks) as f:
        base, unsure = map(int, f.read().split())
    times = {gfn: [r[0] for r in records] for gfn, records in frames.items()}
    pages = Pages()
    total = collections.Counter()
    by_source = collections.defaultdict(collections.Counter)
    order = collections.defaultdict(list)
    complaints = []

    for begin, end, first, how, pfns in entries:
        begin, end = begin - base - unsure, end - base
        race = how == RACE
        program = (first & 0xffffffff) // PAGES
        source = next((name for a, b, name in sources if a <= program < b), "?") + (" race" if race else "")
        for i, pfn in enumerate(pfns):
            label = first + i
            said = judge(frames.get(pfn, ()), times.get(pfn, ()), label, begin, end, race, pages, losses)
            total[said] += 1
            by_source[source][said] += 1
            if said in ("missed", "late"):
                complaints.append(f"{said}: page {label:x} of {source} in frame {pfn:x}, {HOWS[how]}, "
                                  f"{begin} to {end}")
            if not race and (not order[pfn] or order[pfn][-1] != label):
                if order[pfn]:
                    by_source[source]["transitions"] += 1
                order[pfn].append(label)

    disorder = [] if losses else [pfn for pfn, labels in order.items() if not ordered(frames.get(pfn, ()), labels)]
    complaints += [f"no order: frame {pfn:x}" for pfn in disorder]
    mib = head["sectors"] / 2048
    print(json.dumps({
        "clocks_unsure_ns": unsure,
        "seconds": round((head["end"] - head["begin"]) / 1e9, 1),
        "runs": head["count"], "executions": sum(total[k] for k in ("seen", "gap", "lost", "late", "missed")),
        "seen": total["seen"], "gap": total["gap"], "lost": total["lost"], "late": total["late"], "missed": total["missed"],
        "frames": len(order), "transitions": sum(len(o) - 1 for o in order.values()),
        "disorder": len(disorder),
        "guest": {k: head[k] for k in ("dropped", "wrong", "moved", "failed", "drops")},
        "mib_read": round(mib), "events": types,
        "changed_per_mib": round(types["changed"] / mib, 1) if mib else None,
        "not_covered": [f"{r:#x}" for r in sorted(reasons) if r],
        "sources": by_source,
    }))
    for line in complaints[:SHOW]:
        print(line, file=sys.stderr)
    if len(complaints) > SHOW:
        print(f"... {len(complaints)} in all", file=sys.stderr)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
