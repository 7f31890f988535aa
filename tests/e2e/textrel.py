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


def dynamic(data):
    """{tag: value} of the dynamic section."""
    wide = data[4] == 2
    for kind, offset, _, size, _ in segments(data):
        if kind == 2:
            return dict(struct.iter_unpack("<QQ" if wide else "<II", data[offset:offset + size // 16 * 16]))


def relocations(data):
    """(where, type, symbol's value or None, addend or None) of each relocation."""
    wide, tags = data[4] == 2, dynamic(data)
    at, size, one = (tags[7], tags[8], 24) if wide else (tags[17], tags[18], 8)
    for i in range(0, size, one):
        if wide:
            where, info, addend = struct.unpack_from("<QQq", data, at + i)
            symbol, kind = info >> 32, info & 0xffffffff
            _, _, shndx, value = struct.unpack_from("<IHHQ", data, tags[6] + 24 * symbol)
        else:
            where, info = struct.unpack_from("<II", data, at + i)
            symbol, kind, addend = info >> 8, info & 0xff, None
            _, value, _, _, shndx = struct.unpack_from("<IIIHH", data, tags[6] + 16 * symbol)
        yield where, kind, (value if shndx else None) if symbol else 0, addend


def by_the_book(data, base, elsewhere):
    """The whole image as ld.so leaves it. What it does not have itself is at @elsewhere."""
    image = bytearray(data)
    for where, kind, value, _ in relocations(data):
        if where >= len(image) - 4:
            continue
        add = base + value if value is not None else elsewhere
        add -= base + where if kind == 2 else 0
        assert kind in (1, 2, 8)
        struct.pack_into("<I", image, where, (struct.unpack_from("<I", image, where)[0] + add) & 0xffffffff)
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
        image = by_the_book(data, base, 0xf7a12340)
        kind, offset, vaddr, size, flags = [s for s in segments(data) if s[0] == 1 and s[4] & 1][0]
        pages = {base + vaddr + i: bytes(image[offset + i:offset + i + PAGE]) for i in range(0, size, PAGE)}
    with open(out, "wb") as f:
        f.writelines(pages.values())
    print("vm 1 qemu 100")
    for i, at in enumerate(pages):
        # What is compared must have been relocated: the end may have nothing of that kind.
        if pages[at] in data:
            assert i and i == len(pages) - 1
            continue
        print(f"exec 1000 {at + 16:x} {out} {i}")
        for byte in range(i, PAGE, 9):
            print(f"exec 1000 {at + 16:x} {out} {i} {byte}")
        print(f"exec 3000 {at + PAGE + 16:x} {out} {i}")
        print(f"exec 4000 {at + 0x10010:x} {out} {i}")


def judge(text, frames, obj):
    data = open(obj, "rb").read()
    lines = [line.split() for line in open(text)][1:]
    frames = [json.loads(line) for line in open(frames)]
    assert len(lines) == len(frames)
    wide = data[4] == 2
    # Pages with a field that another file gives, and all bytes of fields that symbols give.
    foreign, fields = set(), set()
    for where, kind, value, _ in relocations(data):
        end = where + (8 if wide else 4)
        if kind != 8:
            fields.update(range(where, end))
        if value is None:
            foreign.update((where // PAGE, (end - 1) // PAGE))
    vaddr = [v for kind, _, v, _, flags in segments(data) if kind == 1 and flags & 1][0]
    known = [f for f in frames if f["verdict"] in ("known", "ambiguous")]
    whole = [(line, f) for line, f in zip(lines, frames) if line[1] == "1000" and len(line) == 5]
    right = [f for line, f in whole if vaddr // PAGE + int(line[4]) not in foreign]
    assert 1 < len(right) < len(whole), (len(right), len(whole))
    assert all(f["path"] == obj and f["patched"] and f["verdict"] == "known" for f in right), right[:2]
    assert len({f["base"] for f in right}) == 1
    assert known == right, [f for f in known if f not in right][:2]
    symbols = [f for f in frames if f["kind"] == "symbols"]
    assert all(f in symbols for _, f in whole if f not in right)
    # In its place and changed in no other field: that, and nothing else, is said to be but for its symbols.
    for line, f in zip(lines, frames):
        page = vaddr // PAGE + int(line[4])
        changed = page * PAGE + int(line[5]) in fields if len(line) > 5 else page in foreign
        assert (f in symbols) == (line[1] == "1000" and changed), (line, f)
    print(f"{len(right)} pages of code are known, of {len(frames) - len(whole)} near misses none; "
          f"{len(symbols)} with a symbol that leads elsewhere are said to be that")


{"script": script, "judge": judge}[sys.argv[1]](*sys.argv[2:])
