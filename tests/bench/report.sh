#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# report.sh LOG DB [EVENTS] - time and memory of a report on a long log; lines as in tests/bench/run
#
# EVENTS captures (default 10000000), LOG over and over, through a pipe: the same frames again,
# and (a tenth as many) as of ever new processes, and of ever new code. The writer's time is not counted.
set -eu
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
[ $# -ge 2 ] || die "usage: tests/bench/report.sh LOG DB [EVENTS]"
log=$1 db=$2 events=${3:-10000000}
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT

libs=$(sed -n 's/^LIBS[[:space:]]*:= //p' "$FZ_TOP/userspace/Makefile")
# shellcheck disable=SC2086
"${CC:-cc}" -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$FZ_TOP/uapi" -I"$FZ_TOP/userspace/lib" \
	-o "$tmp/longlog" "$here/longlog.c" "$FZ_OUTDIR/lib/libfitzroy.a" $libs

# one NAME MODE EVENTS NOTE
one()
{
	mkfifo "$tmp/log"
	"$tmp/longlog" "$log" "$tmp/log" "$3" "$2" &
	python3 - "$FZ_OUTDIR/bin/fitzroy" "$db" "$tmp/log" "$1" "$3" "$4" <<'PY'
import json, resource, subprocess, sys
tool, db, log, name, events, note = sys.argv[1:]
out = subprocess.run([tool, "report", "--db", db, "--format", "json", log], stdout=subprocess.PIPE)
if out.returncode > 1:
    sys.exit("report.sh: fitzroy report failed")
used = resource.getrusage(resource.RUSAGE_CHILDREN)
frames = sum(vm["coverage"]["frames"] for vm in json.loads(out.stdout)["vms"])
note = "%s captures, %d frames, %s" % (events, frames, note)
print("report_%s_time" % name, "%.1f" % (used.ru_utime + used.ru_stime), "s", "", note, sep="\t")
print("report_%s_memory" % name, "%.0f" % (used.ru_maxrss / 1024), "MiB", "", note, sep="\t")
PY
	wait $!
	rm -f -- "$tmp/log"
}

one once again 10000 "a log as short as it was"
one again again "$events" "the same frames again"
one processes processes $((events / 10)) "ever new processes"
one pages pages $((events / 10)) "ever new code in user mode"
