#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""pages.py VERSION - functions that return their argument, each a page unlike any other"""
import hashlib
import sys

version = sys.argv[1]
print('\t.section .note.GNU-stack,"",@progbits\n\t.text')
for stage in range(4):
    noise = b"".join(hashlib.sha256(b"%s %d %d" % (version.encode(), stage, i)).digest() for i in range(120))
    print("\t.balign 4096, 0xcc\n\t.globl fzd_stage%d\nfzd_stage%d:" % (stage, stage))
    print("\tmovl %edi, %eax\n\tjmp 1f")
    for i in range(0, len(noise), 32):
        print("\t.byte " + ",".join(map(str, noise[i:i + 32])))
    print("1:\tret")
print("\t.balign 4096, 0xcc")
