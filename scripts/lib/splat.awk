# SPDX-License-Identifier: GPL-2.0-only
# splat.awk - what a kernel log holds against us; prints one line for each
#
#	awk -v host=1 -v notes=FILE -f splat.awk LOG
#
# With host=1 lines count from the one on that ends the host's boot, in the log and in dmesg's
# copy. A race that KCSAN reports counts if the module is on either stack; others, which are
# the kernel's own, go to FILE. So does one that KVM means to have: a fault reads the number of
# invalidations without the lock, before it looks at the host's memory, and again with it. The
# module's zaps are invalidations, so it is on the stack.
BEGIN {
	on = !host
	splat = "WARNING: |BUG: |UBSAN: |Oops|kernel BUG at|general protection fault|Kernel panic|" \
		"INFO: task .* blocked|INFO: possible|INFO: trying to register|self-detected stall|" \
		"detected stalls|possible (circular|recursive) locking|inconsistent lock state|" \
		"suspicious RCU usage|bad unlock balance|held lock freed|scheduling while atomic|" \
		"BUG [^ ]+ \\(|pagealloc: (memory corruption|single bit error)|\\[#[0-9]+\\]"
	meant = "^KCSAN: data-race in kvm_faultin_pfn \\[kvm\\] / kvm_mmu_invalidate_(begin|end) \\[kvm\\] *$"
}
{ gsub(/[^[:print:]]/, " ") }
/^--- dmesg/ { on = !host; end_race() }
/bed: begin/ { on = 1 }
!on { next }
/BUG: KCSAN: / {
	end_race()
	title = $0
	sub(/.*BUG: KCSAN: /, "KCSAN: ", title)
	race = $0
	next
}
race && /====================/ { end_race(); next }
race { race = race "\n" $0 }
/hw-vuln\// { next }
$0 ~ splat { print }
END { end_race() }

function end_race()
{
	if (race ~ /\[fitzroy\]/ && title !~ meant)
		print title
	else if (race && notes)
		print race "\n" >>notes
	race = ""
}
