# SPDX-License-Identifier: GPL-2.0-only
# tap.awk - a kernel's KTAP as flat TAP: a line for each test, and one for the run
#
#	awk -v arch=um -v rc=0 -v want=7 -f tap.awk LOG
#
# rc is how kunit.py ended, want how many suites there are. A KTAP line is indented by its depth.
# What the kernel says before the tests is not theirs: UML warns of the PCI bus that it has not.
{
	# Without the time that printk may put before it.
	sub(/^\[ *[0-9]+\.[0-9]+\] /, "")
	match($0, /^ */)
	depth = RLENGTH / 4
	line = substr($0, RLENGTH + 1)
}
line ~ /^KTAP version/ {
	begun = 1
}
begun && /BUG: |WARNING: |Kernel panic|Oops|runtime error|UBSAN: / && line !~ /^#|^(not )?ok / {
	complaint = complaint "# " line "\n"
}
line ~ /^# Subtest: / {
	name[depth] = substr(line, 12)
	below[depth] = 0
	next
}
line ~ /^(not )?ok [0-9]+/ {
	good = line !~ /^not/
	text = line
	sub(/^(not )?ok [0-9]+ (- )?/, "", text)
	if (depth == 0) {
		suites++
		if (!good && !bad[text])
			failed_suites = failed_suites " " text
		next
	}
	# What was made of parts is counted by its parts.
	if (below[depth + 1]) {
		below[depth + 1] = 0
		below[depth]++
		next
	}
	below[depth]++
	tests++
	if (!good)
		bad[name[1]] = 1
	full = name[1]
	for (i = 2; i <= depth; i++)
		full = full ": " name[i]
	print (good ? "ok " : "not ok ") tests " - " arch " " full ": " text
	next
}
line ~ /EXPECTATION FAILED|ASSERTION FAILED/ || (line ~ /^Expected / && depth) {
	print "# " line
	next
}
END {
	tests++
	what = arch ": " suites + 0 " suites ran, the kernel had no complaint"
	if (rc == 0 && suites == want && complaint == "" && failed_suites == "") {
		print "ok " tests " - " what
	} else {
		print "not ok " tests " - " what
		print "# kunit.py exited " rc ", " want " suites expected; failed as a whole:" failed_suites
		printf "%s", complaint
	}
	print "1.." tests
}
