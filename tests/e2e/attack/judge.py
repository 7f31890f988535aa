#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""judge.py - what FitzRoy said of the attack guest against the guest's own account

	judge.py --truth FILE --frames FILE --report FILE --root DIR --packed FILE

truth:	lines of JSON from attack/account.c and hook.c
frames:	fitzroy report --format frames
report:	fitzroy report --format json
root:	the guest's root directory, to read the files' pages from
packed:	the program that UPX packed; with .orig behind its name, what it was packed from

A page is told by its frame and its XXH64, computed here from the account's bytes.
Prints a line for each test, "ok NAME" or "not ok NAME: WHY", then the figures after "#".
"""
import argparse
import collections
import ctypes
import ctypes.util
import json
import os
import struct
import sys

PAGE = 4096
ATTACK, CAT, UPX = "attack", "cat", "upx-good"

# What the report must say of an attack's pages: the frame's verdict, a word of its reason,
# and the program that it names beside the unknown code.
USER = {
    "libc-byte": ("modified unknown", "", None),
    "libc-disk": ("modified", "", None),
    "inject": ("unknown", "user mode", CAT),
    "wx": ("unknown", "user mode", ATTACK),
    "memfd": ("unknown", "user mode", None),
    "deleted": ("unknown", "user mode", None),
    "packed": ("unknown", "user mode", None),
    "upx": ("unknown", "user mode", None),
    "hollow": ("unknown", "user mode", CAT),
    "forged": ("unknown", "XXH64", None),
}
# Twins, and whose the code is that they ran.
TWINS = {
    "libc-byte": "libc.so.6", "libc-disk": "libc.so.6", "inject": "libz.so.1.2.13", "wx": None,
    "memfd": "cat", "deleted": "cat", "packed": None, "upx": UPX, "hollow": "cat", "forged": "good",
    "watcher": None,
}
# Attacks on the kernel, and whether they change code of it that runs.
KERNEL = {"hide-ftrace": False, "hide-pointer": False, "hook-inline": True, "hook-site": True,
          "hook-table": False}
CONTROLS = {"static-key", "bpf"}
KERNEL_TEXT = 0xffffffff80000000


def code(path):
    """The pages of an ELF file's code, with what UPX's stub leaves behind it."""
    with open(path, "rb") as f:
        elf = f.read()
    phoff, = struct.unpack_from("<Q", elf, 32)
    for at in range(phoff, phoff + 56 * struct.unpack_from("<H", elf, 56)[0], 56):
        kind, flags, offset, _, _, size = struct.unpack_from("<IIQQQQ", elf, at)
        if kind == 1 and flags & 1:
            text = elf[offset:offset + size] + (b"\x0f\x05\x5a\xc3" if size % PAGE else b"")
            yield from (text[i:i + PAGE].ljust(PAGE, b"\0") for i in range(0, len(text), PAGE))


class Judge:
    def __init__(self, truth, frames, report):
        lib = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
        self.xxh64 = lib.XXH64
        self.xxh64.restype = ctypes.c_uint64
        self.xxh64.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)
        self.problems = []  # of the test that runs
        self.n = collections.Counter()
        with open(truth, "rb") as f:
            text = f.read().split(b"\0", 1)[0].decode()
        self.truth = [json.loads(line) for line in text.splitlines()]
        with open(frames) as f:
            self.frames = [json.loads(line) for line in f]
        with open(report) as f:
            self.vm, = json.load(f)["vms"]
        # Is the kernel's text told, as far as it has not been changed?
        self.kernel_known = any(f["verdict"] == "known" and int(f["rip"], 16) >= KERNEL_TEXT and
                                "vmlinuz" in f["path"] for f in self.frames)
        self.at = collections.defaultdict(list)
        self.by_hash = collections.defaultdict(list)
        for f in self.frames:
            self.at[f["gfn"], f["hash"]].append(f)
            self.by_hash[f["hash"]].append(f)
        for t in self.truth:
            if "bytes" in t:
                page = bytes.fromhex(t["bytes"])
                t["xxh64"] = f"{self.xxh64(page, len(page), 0):016x}"

    def wrong(self, what):
        self.problems.append(what)

    def lines(self, role, step=None, twin=None):
        return [t for t in self.truth if t["role"] == role and step in (None, t.get("step")) and
                twin in (None, t.get("twin"))]

    def captured(self, t):
        return self.at[t["gfn"], t["xxh64"]]

    def account(self):
        """It is whole, and each step did what it should."""
        done = self.lines("done")
        if not done or done[0]["failed"]:
            self.wrong(f"the guest's account is not whole: {done}")
        ended = {(t["step"], t["twin"]): t["status"] for t in self.lines("end")}
        want = {(s, 0) for s in (*USER, *KERNEL, *CONTROLS)} | {(s, 1) for s in TWINS}
        if set(ended) != want or any(ended.values()):
            self.wrong(f"steps missing or failed: {want ^ set(ended)} {ended}")

    def attack(self, step):
        verdicts, reason, beside = USER[step]
        ran = self.lines("ran", step, 0)
        if not ran:
            self.wrong(f"{step}: nothing in the account")
        for t in ran:
            frames = [f for f in self.captured(t) if f["cpl"] == 3]
            self.n["attack_pages"] += 1
            if not frames:
                self.wrong(f"{step}: ran and was not captured: {t['gfn']} {t['addr']}")
            for f in frames:
                if f["verdict"] not in verdicts or reason not in (f["reason"] or ""):
                    self.wrong(f"{step}: {f} should be {verdicts} {reason}")
                elif f["verdict"] == "unknown":
                    self.beside(step, f, beside)
        if step == "wx":
            self.layers(ran)
        # Of pages that ran before elsewhere no file is placed in this address space: unknown.
        for t in self.lines("changed", step, 0):
            if "modified" in verdicts and "unknown" not in verdicts or any(
                    f["verdict"] == "modified" for r in ran for f in self.captured(r)):
                self.changed(step, t)

    def layers(self, ran):
        """What was written over code and ran is a finding, each page of it."""
        first, second = ran[:len(ran) // 2], ran[len(ran) // 2:]
        found = {(x["gfn"], x["hash"]) for x in self.findings() if x["kind"] == "layer"}
        want = {(t["gfn"], t["xxh64"]) for t in second}
        if len(first) != 4 or found != want:
            self.wrong(f"wx: written and run: {sorted(found)}, should be {sorted(want)}")

    def beside(self, step, f, program):
        """The report names the program whose address space it is, if it saw it run there.

        What ran before in another address space is not logged again.
        """
        seen = {g["path"] for g in self.frames if g["cr3"] == f["cr3"] and g["verdict"] == "known"}
        for u in self.vm["unknown"]:
            if u["address_space"] != f["cr3"] or u["reason"] != f["reason"]:
                continue
            ran = [path for path in seen if os.path.basename(path) == program]
            if not set(u["beside"]) <= seen or (len(u["beside"]) < 4 and not set(ran) <= set(u["beside"])):
                self.wrong(f"{step}: {u} should be beside {sorted(seen)}")
            self.n["beside"] += bool(ran)
            return
        self.wrong(f"{step}: {f} is in no group of unknown code")

    def changed(self, step, t):
        """One finding for the byte, of the file that has it, at its place."""
        gfns = {r["gfn"] for r in self.lines("ran", step, 0)}
        found = [x for x in self.findings() if x["kind"] == "modified" and x["gfn"] in gfns]
        page, offset = divmod(t["offset"], PAGE)
        if len(found) != 1 or os.path.basename(found[0]["path"]) != os.path.basename(t["file"]) or \
                found[0]["page"] != page or offset // 256 not in found[0]["blocks"]:
            self.wrong(f"{step}: byte {t['offset']} of {t['file']} is not the one finding: {found}")
            return
        exact = found[0].get("differences")
        if exact and exact != [{"offset": offset, "expected": t["old"], "found": t["new"]}]:
            self.wrong(f"{step}: {exact} is not {t['old']} -> {t['new']} at {offset}")

    def twin(self, step):
        """All that ran of it is known, and known as what it is."""
        lines = self.lines("ran", step, 1) + self.lines("mapped", step, 1)
        frames = [f for t in lines for f in self.captured(t) if f["cpl"] == 3]
        name = TWINS[step]
        if (name is None) != (not lines) or (lines and not frames):
            self.wrong(f"{step} twin: {len(lines)} pages, {len(frames)} of them captured")
        for f in frames:
            self.n["twin_frames"] += 1
            if f["verdict"] != "known" or os.path.basename(f["path"]) != name:
                self.wrong(f"{step} twin: {f} should be {name}")

    def kernel(self, step):
        handlers = self.lines("handler", step)
        if not handlers:
            self.wrong(f"{step}: nothing in the account")
        for t in handlers:
            frames = [f for f in self.captured(t) if f["cpl"] == 0]
            self.n["handler_pages"] += 1
            if not frames:
                self.wrong(f"{step}: the module's code ran and was not captured: {t}")
            for f in frames:
                if f["verdict"] != "unknown":
                    self.wrong(f"{step}: {f} should be unknown")
        for t in self.lines("kernel", step):
            frames = [f for f in self.captured(t) if f["cpl"] == 0]
            if bool(frames) != KERNEL[step]:
                self.wrong(f"{step}: {t['symbol']}: captured {len(frames)} times")
            for f in frames:
                self.n["kernel_pages"] += 1
                # Known is the kernel only if the database has it.
                if f["verdict"] != ("modified" if self.kernel_known else "unknown"):
                    self.wrong(f"{step}: {f} should be modified")
            if frames and self.kernel_known:
                self.patched(step, t)

    def patched(self, step, t):
        """The finding tells the bytes that were written over, and no others than hooks'."""
        places = {}
        for k in self.truth:
            if k["role"] == "kernel" and int(k["addr"], 16) // PAGE == int(t["addr"], 16) // PAGE:
                new = bytes.fromhex(k["new"])
                for i, b in enumerate(new):
                    places[int(k["addr"], 16) % PAGE + i] = b
        begin = int(t["addr"], 16) % PAGE
        own = set(range(begin, begin + len(t["new"]) // 2))
        found = [x for x in self.findings()
                 if x["kind"] == "modified" and (x["gfn"], x["hash"]) == (t["gfn"], t["xxh64"])]
        if len(found) != 1 or "vmlinuz" not in found[0]["path"]:
            self.wrong(f"{step}: {t['symbol']} is not the one finding: {found}")
            return
        told = {d["offset"] + i: b for d in found[0]["differences"]
                for i, b in enumerate(bytes.fromhex(d["found"]))}
        if not told or not own & set(told) or any(places.get(at) != b for at, b in told.items()):
            self.wrong(f"{step}: {found[0]['differences']} is not what was written over")

    def malicious(self):
        """(gfn, hash) and hash of all that is an attack's."""
        out = set()
        for t in self.truth:
            if "xxh64" in t and not t["twin"]:
                out.add((t["gfn"], t["xxh64"]))
        return out

    def misidentified(self):
        forged = {t["xxh64"] for t in self.lines("ran", "forged", 0)}
        for gfn, digest in sorted(self.malicious()):
            frames = self.at[gfn, digest] if digest in forged else self.by_hash[digest]
            for f in frames:
                if f["verdict"] in ("known", "ambiguous"):
                    self.wrong(f"code of an attack is said to be {f['path']}: {f}")

    def findings(self):
        for p in self.vm["programs"]:
            yield from p["findings"]
        yield from self.vm["findings"]

    def accused(self):
        """Each finding is about a page of an attack."""
        malicious = self.malicious()
        for x in self.findings():
            self.n["findings"] += 1
            if (x.get("gfn"), x.get("hash")) not in malicious:
                self.wrong(f"a finding about what is no attack: {x}")

    def upx(self, packed):
        """It is known by its package and its name, unpacked too; all else there is its stub's."""
        programs = [p for p in self.vm["programs"] if os.path.basename(p["path"]) == UPX]
        if not programs or any((p["verdict"], p["package"], p["version"]) != ("known", "fz-packed", "1.0-1")
                               for p in programs):
            self.wrong(f"upx: {[(p['path'], p['package'], p['verdict']) for p in programs]}")
        unpacked = {f"{self.xxh64(page, PAGE, 0):016x}" for page in code(packed + ".orig")}
        ran = self.lines("ran", "upx", 1)
        if not ran or not {t["xxh64"] for t in ran} <= unpacked:
            self.wrong("upx: what the stub unpacked is not what was packed")
        for twin in (1, 0):
            stub = self.stub(twin)
            self.n["stub_pages"] += len(stub)
            if not 1 <= len(stub) <= 4:
                self.wrong(f"upx: {len(stub)} pages of its stub ran, twin {twin}")
            # At most four programs are named.
            for u in self.vm["unknown"]:
                if twin and stub and u["address_space"] == stub[0]["cr3"] and u["kind"] == "user" and \
                        len(u["beside"]) < 4 and UPX not in map(os.path.basename, u["beside"]):
                    self.wrong(f"upx: {u} should be beside {UPX}")

    def stub(self, twin):
        """What ran just before what UPX's stub unpacked, in its address space: known to nobody."""
        own = {(t["gfn"], t["xxh64"]) for t in self.lines("ran", "upx", twin)}
        other = {(t["gfn"], t["xxh64"]) for t in self.truth if "xxh64" in t} - own
        at = [(f["gfn"], f["hash"]) for f in self.frames]
        end = min((i for i, key in enumerate(at) if key in own), default=0)
        begin = max((i for i in range(end) if at[i] in other), default=0)
        return [f for f in self.frames[begin:end] if f["cr3"] == self.frames[end]["cr3"] and f["cpl"] == 3 and
                f["verdict"] == "unknown" and f["kind"] == "user"]

    def identified(self, root, packed):
        """What is said to be a page of a file is that page."""
        pages = {}
        unpacked = {f"{self.xxh64(page, PAGE, 0):016x}" for page in code(packed + ".orig")}
        for f in self.frames:
            # The vDSO is no file of its own, and the kernel patches it.
            if f["cpl"] != 3 or f["verdict"] != "known" or ": linux-" in f["path"]:
                continue
            self.n["known"] += 1
            key = (f["path"], f["page"])
            upx = os.path.basename(f["path"]) == UPX
            if upx and f["hash"] in unpacked:
                self.n["unpacked"] += 1
                continue
            if key not in pages:
                name = packed if upx else root + f["path"]
                with open(name if os.path.exists(name) else f["path"], "rb") as file:
                    file.seek(f["page"] * PAGE)
                    page = file.read(PAGE).ljust(PAGE, b"\0")
                pages[key] = f"{self.xxh64(page, PAGE, 0):016x}"
            if pages[key] != f["hash"]:
                self.wrong(f"this is no page of that file: {f}")

    def unexplained(self):
        """All else that ran in user mode: the vDSO, and what libffi and PCRE made."""
        malicious = self.malicious() | {(f["gfn"], f["hash"]) for t in (0, 1) for f in self.stub(t)}
        for f in self.frames:
            if f["cpl"] == 3 and f["verdict"] in ("unknown", "modified") and \
                    (f["gfn"], f["hash"]) not in malicious:
                self.n["other_unknown"] += 1
                print(f"# unknown: {f['rip']} cr3 {f['cr3']} gfn {f['gfn']} {f['reason']}")
        if self.n["other_unknown"] > 3:
            self.wrong(f"{self.n['other_unknown']} frames")

    def test(self, name, check, *arg):
        self.problems = []
        check(*arg)
        print(f"not ok {name}: {'; '.join(self.problems[:5])}" if self.problems else f"ok {name}")

    def all(self, root, packed):
        self.test("the guest's account is whole, each step worked", self.account)
        for step in USER:
            self.test(f"{step} is found", self.attack, step)
        for step in TWINS:
            self.test(f"the clean twin of {step} is known", self.twin, step)
        for step in KERNEL:
            self.test(f"{step} is found", self.kernel, step)
        self.test("no code of an attack is identified", self.misidentified)
        self.test("no finding about anything else", self.accused)
        self.test("each page said to be known is of that file", self.identified, root, packed)
        self.test("what UPX packed is known by its package", self.upx, packed)
        self.test("all else in user mode is known, or generated", self.unexplained)
        print("#", json.dumps(dict(self.n)))


def main():
    opt = argparse.ArgumentParser()
    for name in ("truth", "frames", "report", "root", "packed"):
        opt.add_argument("--" + name, required=True)
    opt = opt.parse_args()
    Judge(opt.truth, opt.frames, opt.report).all(opt.root, opt.packed)


main()
