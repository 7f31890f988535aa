# SPDX-License-Identifier: GPL-2.0-only
"""table.py LINES JSON - figures as a table, and as a list in a file"""
import json
import os
import sys


def number(text):
    return float(text) if "." in text else int(text)


figures = []
for line in open(sys.argv[1]):
    name, value, unit, base, note = line.rstrip("\n").split("\t")
    figures.append({"name": name, "value": number(value), "unit": unit,
                    "base": number(base) if base else None, "note": note})
print("%-34s %14s  %-13s %12s  %s" % ("figure", "value", "unit", "base", "note"))
for f in figures:
    print("%-34s %14s  %-13s %12s  %s" % (f["name"], f["value"], f["unit"],
                                          "-" if f["base"] is None else f["base"], f["note"]))
with open(sys.argv[2] + ".tmp", "w") as out:
    json.dump(figures, out, indent=1)
    out.write("\n")
os.replace(sys.argv[2] + ".tmp", sys.argv[2])
