#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""upx.py PROGRAM PAGES - run PROGRAM until it prints a line; what code lies in its memory?

Writes the pages to PAGES, and a script for mklog to stdout that runs each of them, and the
last once more with a byte changed.
"""
import subprocess
import sys

PAGE = 4096
program, pages = sys.argv[1:]
p = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
assert p.stdout.readline() == b"here\n"
print("vm 1 qemu 100")
n = 0
with open(f"/proc/{p.pid}/maps") as maps, open(f"/proc/{p.pid}/mem", "rb") as mem, open(pages, "wb") as out:
    for line in maps:
        f = line.split()
        if "x" not in f[1] or f[4] != "0" or len(f) > 5:
            continue
        start, end = (int(x, 16) for x in f[0].split("-"))
        mem.seek(start)
        for at in range(start, end, PAGE):
            page = mem.read(PAGE)
            if page.count(page[:1]) == PAGE:
                continue
            out.write(page)
            print(f"exec 1000 {at + 16:x} {pages} {n}")
            n += 1
            last = at
p.stdin.close()
assert n and p.wait() == 0
print(f"exec 1000 {last + 16:x} {pages} {n - 1} 256")
