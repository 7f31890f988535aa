# SPDX-License-Identifier: GPL-2.0-only
"""merge.py OUT KMOD NAME=DIR... - add up what gcov says of kmod/, whichever build it comes from.

Every DIR holds .gcda files with their .gcno. A source file is known by its path below kmod/.
Prints a table; OUT/lines.json has the counts by line, OUT/missed.txt the lines that never ran.
"""
import json
import os
import subprocess
import sys


def gcov(path):
    """The lines of the kmod/ files that one .gcda counts: {file: {line: count}}."""
    run = subprocess.run(["gcov", "--json-format", "--stdout", os.path.basename(path)],
                         cwd=os.path.dirname(path), capture_output=True, check=True)
    lines = {}
    for text in run.stdout.splitlines():
        for source in json.loads(text)["files"]:
            name = source["file"].replace("/../", "/")
            if "kmod/" not in name:
                continue
            name = name[name.rindex("kmod/") + 5:]
            counts = lines.setdefault(name, {})
            for line in source["lines"]:
                number = line["line_number"]
                counts[number] = counts.get(number, 0) + line["count"]
    return lines


def main():
    out, kmod, parts = sys.argv[1], sys.argv[2], sys.argv[3:]
    names, total = [], {}
    for part in parts:
        name, folder = part.split("=", 1)
        if name not in names:
            names.append(name)
        found = [os.path.join(base, f) for base, _, files in os.walk(folder) for f in files if f.endswith(".gcda")]
        if not found:
            sys.exit(f"merge.py: nothing was counted in {folder}")
        for path in sorted(found):
            for source, counts in gcov(path).items():
                # What is generated, and what only counts, is no source.
                if not os.path.exists(os.path.join(kmod, source)) or source.startswith("coverage."):
                    continue
                for line, count in counts.items():
                    by = total.setdefault(source, {}).setdefault(line, {})
                    by[name] = by.get(name, 0) + count

    def share(lines, name=None):
        ran = sum(1 for by in lines if (by.get(name, 0) if name else any(by.values())))
        return f"{ran:5}/{len(lines):<5}{100 * ran / max(1, len(lines)):6.1f} %"

    print(f"{'file':20}{'all':>19}" + "".join(f"{n:>19}" for n in names))
    every = []
    with open(os.path.join(out, "missed.txt"), "w", encoding="ascii") as missed:
        for source in sorted(total):
            lines = total[source]
            every += lines.values()
            print(f"{source:20}{share(lines.values()):>19}" +
                  "".join(f"{share(lines.values(), n):>19}" for n in names))
            with open(os.path.join(kmod, source), encoding="utf-8") as text:
                text = text.read().splitlines()
            for number in sorted(lines):
                if not any(lines[number].values()) and number <= len(text):
                    missed.write(f"{source}:{number}: {text[number - 1].strip()}\n")
    print(f"{'kmod/':20}{share(every):>19}" + "".join(f"{share(every, n):>19}" for n in names))
    with open(os.path.join(out, "lines.json"), "w", encoding="ascii") as file:
        json.dump(total, file, indent=1, sort_keys=True)


main()
