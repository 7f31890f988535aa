# SPDX-License-Identifier: GPL-2.0-only
"""latency.py KVER FILE - from a first execution to the line of fitzroy watch; lines as in run

FILE: "TIME JSON", the time being when the line came out.
"""
import datetime
import json
import sys


def seconds(text):
    whole, _, rest = text.rstrip("Z").partition(".")
    t = datetime.datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return t.timestamp() + float("0." + (rest or "0"))


def at(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


kver = sys.argv[1]
first, final = {}, {}
for line in open(sys.argv[2]):
    came, _, text = line.partition(" ")
    j = json.loads(text)
    if j["event"] != "program":
        continue
    p = j["program"]
    took = float(came.replace(",", ".")) - seconds(j["time"])
    first.setdefault(p["path"], took)
    if p["verdict"] == "known":
        final.setdefault(p["path"], took)
if len(first) < 20 or len(final) < 20:
    sys.exit("latency.py: %d programs, %d known" % (len(first), len(final)))
for name, took, what in (("first", first, "its first line, whatever the verdict"),
                         ("known", final, "the line that says known")):
    for share, as_text in ((0.5, "median"), (0.95, "p95")):
        print("amd-%s/watch_%s_%s" % (kver, name, as_text), "%.3f" % at(list(took.values()), share), "s", "",
              "from a program's first execution to %s, %d programs; emulated, one CPU for guest and watch" %
              (what, len(took)), sep="\t")
