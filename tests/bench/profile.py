# SPDX-License-Identifier: GPL-2.0-only
"""profile.py KVER COUNTS KALLSYMS DIR FIGURE - instructions a page, watched minus bare, by function and by part"""
import bisect
import collections
import re
import sys

# As in faults.c: mark = 1 + 8 * mode + figure
MODES = ["bare", "other", "watched"]
FIGURES = {"exec_first": (0, 8000), "reexec": (1, 8000), "write_after_exec": (2, 8000),
           "data_fault": (3, 2000), "data_fault_late": (4, 2000)}

# What a function is part of: the first that matches.
PARTS = [
    ("hooks", r"ftrace_trampoline|by_(kvm|vcpu|fetch)$|always$|act$|on_|fz_mmu_use_nx|__rcu_read_"),
    ("digest", r"xxh64"),
    ("record", r"fz_capture|fz_log|fill$|fz_regs|mode_bits|fz_ring|start$|ktime_get|read_tsc|say_lost"),
    ("zap", r"fz_mmu_zap|maps$|is_mapped|interval_tree|drop_entries|step_range|fz_fault_unmap|"
            r".*(write_lock|write_unlock)|fz_region_next"),
    ("host", r"fz_host_|take_write|walk$|protect$|flush_cpu|unexplained|smp_call|on_each_cpu|"
             r"find_vma|mt_find|(down|up)_read|_find_first|fz_kvm_has_device|look_at_vma"),
    ("state", r"fz_|enter_|grant$|set_state|log_step|pfn_valid|writer_tag|is_small|xa_|xas_|"
              r"_raw_spin|needs_both|flips_too"),
]


def main():
    kver, counts, kallsyms, where, figure = sys.argv[1:]
    symbols = []
    for line in open(kallsyms):
        address, kind, name, *module = line.split()
        if kind in "tTwW":
            symbols.append((int(address, 16), name, module[0] if module else ""))
    symbols.sort()
    starts = [s[0] for s in symbols]
    index, pages = FIGURES[figure]
    marks = {1 + 8 * MODES.index("watched") + index: 1, 1 + 8 * MODES.index("bare") + index: -1}
    sums = collections.Counter()
    seen = set()
    for line in open(counts):
        address, mark, count = line.split()
        sign = marks.get(int(mark))
        if sign:
            _, name, module = symbols[bisect.bisect_right(starts, int(address, 16)) - 1]
            sums[name, module] += sign * int(count) / pages
            seen.add(sign)
    if len(seen) != 2:
        sys.exit("profile.py: no counts of %s" % figure)

    parts = collections.Counter()
    with open("%s/%s.txt" % (where, figure), "w") as out:
        for (name, module), count in sorted(sums.items(), key=lambda s: -abs(s[1])):
            part = next((p for p, names in PARTS if re.match(names, name)), "kvm")
            if module.startswith("[kvm"):
                part = "kvm"
            if abs(count) >= 0.05:
                out.write("%9.1f  %-8s %s %s\n" % (count, part, name, module))
            parts[part] += count
    for part in ["hooks", "state", "zap", "host", "record", "digest", "kvm"]:
        print("amd-%s/%s_%s_insns" % (kver, figure, part), "%.1f" % parts[part], "instructions", "",
              "part of %s, by function; see profile.py" % figure, sep="\t")


main()
