# SPDX-License-Identifier: GPL-2.0-only
"""guests.py KVER LOG... - from what guests/host printed to figures: name, value, unit, base, note"""
import json
import sys

WHAT = {
    "boot": "a small Linux guest from its first instruction to its power-off",
    "python-first": "start of Python, when nothing of it has run yet",
    "python": "start of Python, again",
    "gcc-first": "gcc -O2 compiles a file, when nothing of it has run yet",
    "gcc": "gcc -O2 compiles a file, again",
    "nginx-first": "1,000 requests by curl to nginx, the first ones",
    "nginx": "1,000 requests by curl to nginx, again",
    "jit-first": "LuaJIT runs loops, when nothing of it has run yet",
    "jit": "LuaJIT runs loops, again",
}


def fail(text):
    sys.exit("guests.py: " + text)


def mean(values):
    return sum(values) / len(values)


def spread(values):
    if len(values) < 2:
        return "one run"
    return "runs differ by %.2f %%" % (100 * (max(values) - min(values)) / mean(values))


kver, logs = sys.argv[1], sys.argv[2:]
busy, records, states = {}, [], []
for log in logs:
    for line in open(log):
        w = line.split()
        if len(w) == 4 and w[0] == "boot":
            busy.setdefault((w[1], "boot"), []).append(int(w[2]) - int(w[3]))
        elif len(w) == 6 and w[0] == "count":
            if w[5] != "0":
                fail("%s ended with status %s" % (w[2], w[5]))
            busy.setdefault((w[1], w[2]), []).append(int(w[3]) - int(w[4]))
        elif len(w) == 3 and w[0] == "record":
            records.append(int(w[2]))
        elif w and w[0] == "status":
            states.append((w[2], json.loads(line.split(None, 3)[3])))
for kind, s in states:
    if len(s["vms"]) != 1 or s["total"]["lost"] or s["total"]["errors"]:
        fail("the log of %s is not whole: %s" % (kind, s["total"]))

# A workload's times, for each mode: all of them, or there are no figures.
for name, what in WHAT.items():
    bare, watched = busy.get(("bare", name)), busy.get(("counted", name))
    if not bare or not watched or len(bare) != len(watched):
        fail("no %s: %s, %s" % (name, bare, watched))
    print("amd-%s/guest_%s" % (kver, name.replace("-", "_")), "%.4f" % (mean(watched) / mean(bare)), "ratio", "",
          "%s; %.1f M instructions watched (%s), %.1f M not (%s)" %
          (what, mean(watched) / 1e6, spread(watched), mean(bare) / 1e6, spread(bare)), sep="\t")

# One VM after another: the sums of those before are in the total.
for kind in ("boot", "work"):
    c = [s["vms"][0]["counters"] for k, s in states if k == kind]
    if not c:
        fail("no status of %s" % kind)
    print("amd-%s/guest_%s_captures" % (kver, kind), "%d" % mean([x["grants"] for x in c]), "frames", "",
          "captured in one run: %d first, %d again, %d while written" %
          tuple(mean([x[k] for x in c]) for k in ("execs", "reexecs", "mixed")), sep="\t")
    print("amd-%s/guest_%s_memory" % (kver, kind), "%.1f" % mean([x["memory"] / x["frames"] for x in c]), "bytes", "",
          "of the module, for a frame that has run; %d KiB for a guest of 1 GiB" %
          (mean([x["memory"] for x in c]) / 1024), sep="\t")
grants = sum(s["vms"][0]["counters"]["grants"] for _, s in states)
print("amd-%s/record_insns" % kver, "%.0f" % (sum(records) / grants), "instructions", "",
      "of fitzroy record for each captured frame, on whatever CPU it runs; not in the ratios above", sep="\t")
