#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# overlay.sh - scripts/overlay on a tree that is made for it: in, in again, out; TAP
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
overlay=$here/../../scripts/overlay
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
n=0

# check NAME COMMAND...: a test that succeeds.
check()
{
	local name=$1

	shift
	n=$((n + 1))
	if "$@" >"$dir/log" 2>&1; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		sed 's/^/# /' "$dir/log"
	fi
}

virt=$dir/tree/drivers/virt
mkdir -p "$virt"
printf 'menuconfig VIRT_DRIVERS\n\nif VIRT_DRIVERS\n\nif OTHER\nendif\n\nendif\n' >"$virt/Kconfig"
printf 'obj-y += coco/\n' >"$virt/Makefile"
cp -r "$dir/tree" "$dir/was"
cp -al "$dir/tree" "$dir/links"

check 'it goes into a tree' "$overlay" "$dir/tree"
check 'the tests and the code under test are there' \
	test -e "$virt/fitzroy/tests/kunit/.kunitconfig" -a -e "$virt/fitzroy/kmod/wx.c" -a -e "$virt/fitzroy/uapi/fitzroy.h"
check 'one line of Kconfig, in the menu' \
	diff "$virt/Kconfig" <(sed '8i source "drivers/virt/fitzroy/tests/kunit/Kconfig"' "$dir/was/drivers/virt/Kconfig")
check 'one line of Makefile' \
	diff "$virt/Makefile" <(cat "$dir/was/drivers/virt/Makefile" && printf 'obj-y\t\t\t\t+= fitzroy/tests/kunit/\n')
cp -r "$dir/tree" "$dir/once"
touch "$virt/fitzroy/kmod/gone.c"
check 'a second time' "$overlay" "$dir/tree"
check 'changes nothing, and takes away what is gone' diff -r "$dir/once" "$dir/tree"
check 'files that other trees share are left alone' diff -r "$dir/was" "$dir/links"
check 'it comes out again' "$overlay" --remove "$dir/tree"
check 'and leaves the tree as it was' diff -r "$dir/was" "$dir/tree"
refuses() { ! "$overlay" "$@"; }
check 'what is no kernel tree is refused' refuses "$dir/once/drivers"
mkdir -p "$virt/fitzroy"
touch "$virt/fitzroy/other.c"
check 'a folder of that name that is another is refused' refuses "$dir/tree"
check 'and left alone' test -e "$virt/fitzroy/other.c"
echo "1..$n"
