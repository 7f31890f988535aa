#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# overlay.sh - scripts/overlay on a tree that is made for it: in, in again, out; TAP
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd)
overlay=$here/../../scripts/overlay
dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT
# shellcheck source=tests/e2e/command_tap.sh
. "$here/../e2e/command_tap.sh"

virt=$dir/tree/drivers/virt
mkdir -p "$virt"
printf 'menuconfig VIRT_DRIVERS\n\nif VIRT_DRIVERS\n\nif OTHER\nendif\n\nendif\n' >"$virt/Kconfig"
printf 'obj-y += coco/\n' >"$virt/Makefile"
cp -r "$dir/tree" "$dir/was"
cp -al "$dir/tree" "$dir/links"

ok 'it goes into a tree' "$overlay" "$dir/tree"
ok 'the tests and the code under test are there' \
	test -e "$virt/fitzroy/tests/kunit/.kunitconfig" -a -e "$virt/fitzroy/kmod/wx.c" -a -e "$virt/fitzroy/uapi/fitzroy.h"
ok 'one line of Kconfig, in the menu' \
	diff "$virt/Kconfig" <(sed '8i source "drivers/virt/fitzroy/tests/kunit/Kconfig"' "$dir/was/drivers/virt/Kconfig")
ok 'one line of Makefile' \
	diff "$virt/Makefile" <(cat "$dir/was/drivers/virt/Makefile" && printf 'obj-y\t\t\t\t+= fitzroy/tests/kunit/\n')
cp -r "$dir/tree" "$dir/once"
touch "$virt/fitzroy/kmod/gone.c"
ok 'a second time' "$overlay" "$dir/tree"
ok 'changes nothing, and takes away what is gone' diff -r "$dir/once" "$dir/tree"
ok 'files that other trees share are left alone' diff -r "$dir/was" "$dir/links"
ok 'it comes out again' "$overlay" --remove "$dir/tree"
ok 'and leaves the tree as it was' diff -r "$dir/was" "$dir/tree"
refuses() { ! "$overlay" "$@"; }
ok 'what is no kernel tree is refused' refuses "$dir/once/drivers"
mkdir -p "$virt/fitzroy"
touch "$virt/fitzroy/other.c"
ok 'a folder of that name that is another is refused' refuses "$dir/tree"
ok 'and left alone' test -e "$virt/fitzroy/other.c"
echo "1..$n"
exit $bad
