#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# ring.sh - the model of the ring, and that it fails when anything is taken away; TAP
# ring.sh deep - the model alone, with more of everything
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$here/../../scripts/lib/common.sh"
dir=$FZ_OUTDIR/check/model
n=0
rm -rf -- "$dir"
mkdir -p "$dir" || exit 1

ok() # STATUS NAME
{
	n=$((n + 1))
	[ "$1" = 0 ] || printf 'not '
	echo "ok $n - $2"
	[ "$1" = 0 ] || failed=1
}
failed=0

# search NAME -DOPTION...: look at every state of the model; the log is NAME/log.
search()
{
	local d=$dir/$1

	shift
	mkdir -p "$d" && cd "$d" || return
	spin -a "$@" "$here/ring.pml" >log 2>&1 &&
		gcc -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=8000 -o pan pan.c >>log 2>&1 &&
		./pan -m1000000 >>log 2>&1
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' log)
}

# holds NAME WHAT -DOPTION...: no state is bad, and no line of the model is dead.
holds()
{
	local name=$1 what=$2

	shift 2
	search "$name" "$@" && grep -q 'errors: 0$' "$dir/$name/log" &&
		! grep -qE 'max search depth too small|out of memory|search was not completed' "$dir/$name/log" &&
		[ "$(grep -c '(0 of [0-9]* states)' "$dir/$name/log")" = 2 ]
	ok $? "$what, in all ${states:-0} states"
	[ "$failed" = 0 ] || tail -n 20 "$dir/$name/log" | sed 's/^/# /'
}

# fails WHAT -DOPTION...: a state is found in which the promise is broken.
fails()
{
	local what=$1 name

	shift
	name=$(printf '%s' "$*" | tr -d ' ')
	search "$name" "$@"
	grep -q 'assertion violated' "$dir/$name/log"
	ok $? "it breaks $what"
}

small=(-DCELLS=2 -DEVENTS=4 -DROUNDS=2 -DTICKS=3)
liar=(-DHOSTILE -DCELLS=2 -DEVENTS=3 -DTICKS=1)
if [ "${1-}" = deep ]; then
	holds cells "the same with 4 cells" -DCELLS=4 -DEVENTS=6 -DROUNDS=2 -DTICKS=2
	holds events "the same with 6 events, 3 rounds" -DCELLS=2 -DEVENTS=6 -DROUNDS=3 -DTICKS=4
	holds liar "a liar, 4 cells" -DHOSTILE -DCELLS=4 -DEVENTS=5 -DTICKS=1
	echo "1..$n"
	exit "$failed"
fi
holds ring "each record whole, in place, once, or in a LOST record; the barrier's promise kept" "${small[@]}"
holds hostile "a reader that lies gets nothing written, and all adds up" "${liar[@]}"
fails "without A: the consumer's position may be loaded late" -DNO_A "${small[@]}"
fails "without B: the producer's position may be seen before the record" -DNO_B "${small[@]}"
fails "without C: the record may be read before the producer's position" -DNO_C "${small[@]}"
fails "without D: room may be given back before the record is read" -DNO_D "${small[@]}"
fails "without E: the producer's clock may be read before its mark is seen" -DNO_E "${small[@]}"
fails "without F: the mark may be read before the barrier's clock" -DNO_F "${small[@]}"
fails "without G: the mark may go before the record is there" -DNO_G "${small[@]}"
fails "without H: the position may be read before the mark" -DNO_H "${small[@]}"
fails "when the barrier promises its own time, too" -DNO_TIME "${small[@]}"
fails "when the barrier does not wait" -DNO_WAIT "${small[@]}"
fails "when a LOST record asks for no room" -DNO_ROOM "${small[@]}"
fails "when losses are said twice" -DNO_CLEAR "${small[@]}"
fails "when a position that cannot be is believed" -DNO_LIE "${liar[@]}"
echo "1..$n"
exit "$failed"
