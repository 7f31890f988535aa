#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""textrel.py script OBJECT LOADER PAGES | judge SCRIPT FRAMES OBJECT

script: have OBJECT loaded (one of 32 bits: here, by the book), write its pages of code to PAGES,
and a script for mklog: each page runs where it is, then once with each ninth byte changed, then
a page off. judge: of the frames, those and only those that run unchanged in their place are known.
"""
import json
import struct
import subprocess
import sys

PAGE = 4096


def segments(data):
    """(type, offset, vaddr, filesz, flags) of each program header, and is it of 64 bits?"""
    wide = data[4] == 2
    at, size, n = (*struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)) if wide else \
        (*struct.unpack_from("<I", data, 28), *struct.unpack_from("<HH", data, 42))
    for i in range(n):
        h = struct.unpack_from("<IIQQQQ" if wide else "<IIIIIII", data, at + i * size)
        yield (h[0], h[2], h[3], h[5], h[1]) if wide else (h[0], h[1], h[2], h[4], h[6])


def by_the_book(data, base):
    """The whole image as ld.so leaves it: REL, relative ones."""
    image = bytearray(data)
    tags = {}
    for kind, offset, _, size, _ in segments(data):
        if kind == 2:
            tags = dict(struct.iter_unpack("<II", data[offset:offset + size // 8 * 8]))
    for i in range(tags[18] // 8):
        where, info = struct.unpack_from("<II", data, tags[17] + 8 * i)
        assert info == 8
        if where < len(image) - 4:
            value, = struct.unpack_from("<I", image, where)
            struct.pack_into("<I", image, where, (value + base) & 0xffffffff)
    return image


def loaded(obj, loader):
    """(base, {address: page}) of a process that has it loaded."""
    p = subprocess.Popen([loader, obj], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    line = p.stdout.readline()
    assert line == b"here\n", line
    pages, base = {}, None
    with open(f"/proc/{p.pid}/maps") as maps, open(f"/proc/{p.pid}/mem", "rb") as mem:
        for line in maps:
            f = line.split()
            if f[-1] != obj:
                continue
            start, end = (int(x, 16) for x in f[0].split("-"))
            base = start if base is None else base
            if "x" in f[1]:
                mem.seek(start)
                pages.update((at, mem.read(PAGE)) for at in range(start, end, PAGE))
    p.stdin.close()
    return base, pages


def script(obj, loader, out):
    data = open(obj, "rb").read()
    if data[4] == 2:
        _, pages = loaded(obj, loader)
    else:
        base = 0xf7d00000
        image = by_the_book(data, base)
        kind, offset, vaddr, size, flags = [s for s in segments(data) if s[0] == 1 and s[4] & 1][0]
        pages = {base + vaddr + i: bytes(image[offset + i:offset + i + PAGE]) for i in range(0, size, PAGE)}
    with open(out, "wb") as f:
        f.writelines(pages.values())
    # What is compared must have been relocated.
    assert all(page not in data for page in pages.values()) and len(pages) > 1
    print("vm 1 qemu 100")
    for i, at in enumerate(pages):
        print(f"exec 1000 {at + 16:x} {out} {i}")
        for byte in range(i, PAGE, 9):
            print(f"exec 1000 {at + 16:x} {out} {i} {byte}")
        print(f"exec 3000 {at + PAGE + 16:x} {out} {i}")
        print(f"exec 4000 {at + 0x10010:x} {out} {i}")


def judge(text, frames, obj):
    lines = [line.split() for line in open(text)][1:]
    frames = [json.loads(line) for line in open(frames)]
    assert len(lines) == len(frames)
    known = [f for f in frames if f["verdict"] in ("known", "ambiguous")]
    right = [f for line, f in zip(lines, frames) if line[1] == "1000" and len(line) == 5]
    assert all(f["path"] == obj and f["patched"] and f["verdict"] == "known" for f in right), right[:2]
    assert len({f["base"] for f in right}) == 1
    assert known == right, [f for f in known if f not in right][:2]
    print(f"{len(right)} pages of code are known, of {len(frames) - len(right)} near misses none")


{"script": script, "judge": judge}[sys.argv[1]](*sys.argv[2:])
