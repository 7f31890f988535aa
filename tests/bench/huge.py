# SPDX-License-Identifier: GPL-2.0-only
"""huge.py KVER BARE WATCHED FRAMES - how much of a guest stays mapped by 2 MiB; lines as in run"""
import json
import sys

WHAT = {"up": "after the boot", "ran": "after gcc, nginx, Python, LuaJIT", "churned": "after the churn"}


def samples(path, mode):
    found = {}
    for line in open(path):
        w = line.split()
        if len(w) == 6 and w[:2] == ["pages", mode]:
            found[w[2]] = (float(w[3]), int(w[4]), int(w[5]))
    return found


kver = sys.argv[1]
bare, watched = samples(sys.argv[2], "bare"), samples(sys.argv[3], "watched")
# When each 2 MiB of the guest first had code that ran.
code = {}
for line in open(sys.argv[4]):
    f = json.loads(line)
    at = int(f["gfn"], 16) >> 9
    code[at] = min(code.get(at, f["time"]), f["time"])
for name, what in WHAT.items():
    if name not in bare or name not in watched:
        sys.exit("huge.py: no %s: %s, %s" % (name, bare, watched))
    time, big, small = watched[name]
    ran = sum(1 for t in code.values() if t <= time * 1e9)
    alone = bare[name][1]
    if alone <= ran:
        sys.exit("huge.py: %d pages of 2 MiB, code in %d" % (alone, ran))
    print("amd-%s/huge_%s" % (kver, name), "%.4f" % (big / alone), "share", "",
          "of what is mapped by 2 MiB without the monitor, %s: %d of %d pages" % (what, big, alone), sep="\t")
    print("amd-%s/huge_%s_data" % (kver, name), "%.4f" % (big / (alone - ran)), "share", "",
          "the same without the %d regions of 2 MiB in which code has run" % ran, sep="\t")
