# SPDX-License-Identifier: GPL-2.0-only
"""programs.py - programs of which no two pages are alike, each page of which names itself

	programs.py DIR FIRST COUNT	write programs FIRST ... FIRST + COUNT - 1, DIR/NUMBER

A program is a static ELF executable of PAGES pages, the first one with the headers, all
executable. At ENTRY of each page stands a function that returns the page's label, so what
ran says what it was; the rest of the page is noise made of the label. Run as a program, it
calls all its pages and exits 0 if each returned its own label.
"""
import hashlib
import os
import struct
import sys

PAGE = 4096
PAGES = 16
ENTRY = 0x200
START = 0x80
BASE = 0x400000
LABEL = 0x465A5052 << 32


def label(page):
    """Of page number PROGRAM * PAGES + its place."""
    return LABEL | page


def content(page):
    """The page, to the byte."""
    noise = bytearray(hashlib.shake_128(struct.pack("<Q", label(page))).digest(PAGE))
    # movabs $label, %rax; ret
    noise[ENTRY:ENTRY + 11] = b"\x48\xb8" + struct.pack("<Q", label(page)) + b"\xc3"
    if page % PAGES == 0:
        size = PAGES * PAGE
        head = b"\x7fELF\x02\x01\x01" + bytes(9)
        head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, BASE + START, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        head += struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, PAGE)
        noise[:len(head)] = head
        start = (b"\x48\xbd" + struct.pack("<Q", label(page)) +	# movabs $label, %rbp
                 b"\x49\xc7\xc4" + struct.pack("<I", BASE + ENTRY) +	# mov $first, %r12
                 b"\x41\xbd" + struct.pack("<I", PAGES) +		# mov $PAGES, %r13d
                 b"\x31\xff"						# xor %edi, %edi
                 b"\x41\xff\xd4"					# 1: call *%r12
                 b"\x48\x39\xe8"					# cmp %rbp, %rax
                 b"\x75\x11"						# jne 2f
                 b"\x48\xff\xc5"					# inc %rbp
                 b"\x49\x81\xc4\x00\x10\x00\x00"			# add $PAGE, %r12
                 b"\x41\xff\xcd"					# dec %r13d
                 b"\x75\xe9"						# jne 1b
                 b"\xeb\x02"						# jmp 3f
                 b"\xff\xc7"						# 2: inc %edi
                 b"\xb8\x3c\x00\x00\x00"				# 3: mov $SYS_exit, %eax
                 b"\x0f\x05")						# syscall
        noise[START:START + len(start)] = start
    return bytes(noise)


def main():
    where, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.makedirs(where, exist_ok=True)
    for program in range(first, first + count):
        path = os.path.join(where, "%06d" % program)
        with open(path, "wb") as f:
            for page in range(PAGES):
                f.write(content(program * PAGES + page))
        os.chmod(path, 0o755)


if __name__ == "__main__":
    main()
