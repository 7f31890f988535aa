#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""compare.py - what FitzRoy said of each frame against the guest's own account

	compare.py --truth FILE --frames FILE --files FILE --root DIR [--early PROGRAM]

truth:	demo-guest/truth.c's lines: which file's which page lay in which frame
frames:	fitzroy report --format frames
files:	fitzroy db list
root:	the guest's root directory, to read the files' pages from

A frame holds several pages in turn. The one that FitzRoy captured is the one whose
XXH64, computed here from the file, is the captured one; so a binding does not depend
on clocks, nor on the database. --early: the program of the guest's initramfs, which
ran before the guest's account began; it must be in the database, as all else.

Prints the figures as one JSON object, and on stderr what is not as it should be.
"""
import argparse
import collections
import ctypes
import ctypes.util
import json
import os
import sys

PAGE = 4096
SHOW = 20


class Pages:
    """Digests of pages of the guest's files."""

    def __init__(self, root):
        self.root = root
        self.cache = {}
        lib = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
        self.xxh64 = lib.XXH64
        self.xxh64.restype = ctypes.c_uint64
        self.xxh64.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)

    def host_path(self, path):
        """Of merged /usr: /bin is a link to usr/bin in the guest."""
        head, _, rest = path.lstrip("/").partition("/")
        top = os.path.join(self.root, head)
        if os.path.islink(top):
            head = os.readlink(top).lstrip("/")
        return os.path.join(self.root, head, rest)

    def name(self, path):
        """One name for all names of a file."""
        try:
            st = os.lstat(self.host_path(path))
        except OSError:
            return path
        return (st.st_dev, st.st_ino)

    def digest(self, path, page, real=None):
        """XXH64 of a page as the page cache has it, or None: no such page."""
        key = (path, page)
        if key not in self.cache:
            data = b""
            try:
                with open(real or self.host_path(path), "rb") as f:
                    f.seek(page * PAGE)
                    data = f.read(PAGE)
            except OSError:
                pass
            self.cache[key] = (self.xxh64(data.ljust(PAGE, b"\0"), PAGE, 0)
                               if data else None)
        return self.cache[key]


def read_truth(name):
    """{gfn: {(path, page)}}; the disk's rest is zeros."""
    truth = collections.defaultdict(set)
    lines, end = 0, None
    with open(name, "rb") as f:
        text = f.read().split(b"\0", 1)[0].decode()
    for line in text.splitlines():
        word = line.split(" ", 7)
        if word[0] == "P":
            truth[int(word[2], 16)].add((word[7], int(word[3])))
            lines += 1
        elif line.startswith("# end "):
            end = int(word[2])
    if not lines or end != lines:
        sys.exit(f"compare.py: the guest's account is not whole: {lines} lines, end says {end}")
    return truth


def main():
    opt = argparse.ArgumentParser()
    for name in ("truth", "frames", "files", "root"):
        opt.add_argument("--" + name, required=True)
    opt.add_argument("--early")
    opt.add_argument("--kernel", help="the package of the guest's kernel")
    opt = opt.parse_args()

    pages = Pages(opt.root)
    truth = read_truth(opt.truth)
    with open(opt.files) as f:
        known_files = {pages.name(line.split("\t")[0]) for line in f}
    with open(opt.frames) as f:
        frames = [json.loads(line) for line in f]

    early = collections.defaultdict(set)
    early_name = "/" + os.path.basename(opt.early or "")
    if opt.early:
        for i in range((os.path.getsize(opt.early) + PAGE - 1) // PAGE):
            early[pages.digest("\0early", i, opt.early)].add(i)

    n = collections.Counter()
    missed = collections.defaultdict(collections.Counter)
    wrong = []
    witnessed_from = min((f["time"] for f in frames if f["cpl"] == 3 and any(
        pages.digest(*t) == int(f["hash"], 16) for t in truth.get(int(f["gfn"], 16), ()))),
        default=0)

    for f in frames:
        if f["cpl"] != 3:
            n["other_modes"] += 1
            # Of what runs there, the database has the kernel that was booted, no other.
            said = f["verdict"] != "unknown"
            if said and f["package"] != opt.kernel:
                n["other_modes_wrong"] += 1
            if int(f["rip"], 16) >= 0xffffffff80000000:
                n["kernel"] += 1
                n["kernel_identified"] += f["verdict"] == "known"
            continue
        n["user"] += 1
        digest = int(f["hash"], 16)
        here = truth.get(int(f["gfn"], 16), set())
        match = [t for t in here if pages.digest(*t) == digest]
        said = f["verdict"] == "known"

        if said and ": linux-" in f["path"]:
            # The vDSO is no file of the guest's: it is the kernel's, and nobody maps a file there.
            n["vdso"] += 1
            if here or f["package"] != opt.kernel:
                wrong.append((f, f"no vDSO: the guest had {sorted(here)}"))
            continue
        if not match and f["time"] < witnessed_from:
            n["before_account"] += 1
            if digest in early:
                n["in_database"] += 1
            if said and f["page"] in early.get(digest, ()) and f["path"].endswith(early_name):
                n["identified"] += 1
            elif said:
                wrong.append((f, "ran before the guest's account, and is no page of --early"))
            elif digest in early:
                missed[early_name][f["verdict"]] += 1
            continue
        if not match and not here:
            n["not_in_account"] += 1
            if said:
                # The file has the page; whether it was mapped nobody saw.
                n["not_in_account_identified"] += 1
                if pages.digest(f["path"], f["page"]) != digest:
                    wrong.append((f, "not in the guest's account, and no page of that file"))
            continue
        if not match:
            # The frame's only file pages have other content: a program that the
            # guest made itself cannot be read here, all others can.
            made = [t for t in here if pages.digest(*t) is None]
            if said:
                wrong.append((f, f"the guest had {sorted(here)}"))
            elif made:
                n["made_in_guest"] += 1
            else:
                n["in_database"] += 1
                missed[min(here)[0]]["changed or " + f["verdict"]] += 1
            continue
        in_db = [t for t in match if pages.name(t[0]) in known_files]
        if not in_db:
            n["not_in_database"] += 1
            if said:
                wrong.append((f, f"the guest had {sorted(match)}, which no package has"))
            continue
        n["in_database"] += 1
        if not said:
            missed[in_db[0][0]][f["verdict"]] += 1
        elif (pages.name(f["path"]), f["page"]) in {(pages.name(p), i) for p, i in match}:
            n["identified"] += 1
        else:
            wrong.append((f, f"the guest had {sorted(match)}"))

    n["missed"] = sum(sum(c.values()) for c in missed.values())
    n["wrong"] = len(wrong)
    figures = {k: n[k] for k in (
        "user", "in_database", "identified", "missed", "wrong", "before_account", "not_in_account",
        "not_in_account_identified", "not_in_database", "made_in_guest", "other_modes",
        "other_modes_wrong", "kernel", "kernel_identified", "vdso")}
    figures["share"] = round(n["identified"] / n["in_database"], 5) if n["in_database"] else 0
    figures["truth_frames"] = len(truth)
    json.dump(figures, sys.stdout)
    print()
    for path, why in sorted(missed.items()):
        print(f"missed: {path}: {dict(why)}", file=sys.stderr)
    for f, why in wrong[:SHOW]:
        print(f"wrong: gfn {f['gfn']} said to be {f['path']} page {f['page']}: {why}",
              file=sys.stderr)


main()
