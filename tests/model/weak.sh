#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# weak.sh - test_ring under ThreadSanitizer fails when an order is taken away; TAP
#
# The same sources, kmod/ring.c and the orders of both sides, each with one of them less than it
# has to be. E and F order a clock: no data race shows that they are missing, ring.pml does.
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
dir=$FZ_OUTDIR/check/weak
export TSAN_OPTIONS=halt_on_error=1
n=0 failed=0
rm -rf -- "$dir"
mkdir -p "$dir" || exit 1

# weak NAME WHAT -DOPTION: built like tests/check builds test_ring, but for the option.
weak()
{
	local report='no report'

	n=$((n + 1))
	if ! gcc -std=gnu11 -D_GNU_SOURCE -O1 -g -w -fsanitize=thread -pthread -I"$FZ_TOP/uapi" "$3" \
		-o "$dir/$1" "$FZ_TOP/tests/unit/test_ring.c" 2>"$dir/$1.log"; then
		report='does not build'
	# ThreadSanitizer needs the address space that it knows.
	elif ! timeout 60 setarch -R "$dir/$1" >"$dir/$1.log" 2>&1 &&
		grep -q 'WARNING: ThreadSanitizer: data race' "$dir/$1.log"; then
		echo "ok $n - $1: $2 is reported"
		return
	fi
	echo "not ok $n - $1: $2 is reported: $report"
	tail -n 5 "$dir/$1.log" | sed 's/^/# /'
	failed=1
}

weak A "consumer.pos without acquire" '-Dfz_load_consumer(p)=__atomic_load_n(p, __ATOMIC_RELAXED)'
weak B "producer.pos without release" '-Dfz_store_producer(p, v)=__atomic_store_n(p, v, __ATOMIC_RELAXED)'
weak C "producer.pos without acquire" -DFZ_ORDER_C=__ATOMIC_RELAXED
weak D "consumer.pos without release" -DFZ_ORDER_D=__ATOMIC_RELAXED
weak G "the mark's end without release" '-Dfz_clear_mark(p, v)=__atomic_store_n(p, v, __ATOMIC_RELAXED)'
weak H "the look at the mark without acquire" '-Dfz_load_mark(p)=__atomic_load_n(p, __ATOMIC_RELAXED)'
echo "1..$n"
exit "$failed"
