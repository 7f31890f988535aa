# SPDX-License-Identifier: GPL-2.0-only
# faults.awk - from "RUN MODE NAME INSTRUCTIONS" to figures: name, value, unit, base, note
BEGIN {
	OFS = "\t"
	n = split("exec_first reexec write_after_exec data_fault data_fault_late steady_state chain", names, " ")
	said["exec_first"] = "first execution of a page"
	said["reexec"] = "first execution after a write; unwatched there is no fault"
	said["write_after_exec"] = "first write to an executed page; unwatched there is no fault"
	said["data_fault"] = "a watched VM's first write to a page of data, little has run"
	said["data_fault_late"] = "the same when 8,000 pages have run and been written"
	said["steady_state"] = "call of a page that has run: no fault"
	said["chain"] = "the mean of one jump into each of 10,000 new pages"
}

NF == 4 && $1 ~ /^[12]$/ && $4 ~ /^[0-9.]+$/ { t[$2, $3, $1] = $4 }

# Both runs have it, or there are no figures.
function mean(mode, name)
{
	if (!((mode, name, 1) in t) || !((mode, name, 2) in t)) {
		print "faults.awk: no " mode " " name >"/dev/stderr"
		failed = 1
		exit 1
	}
	return (t[mode, name, 1] + t[mode, name, 2]) / 2
}

function spread(mode, name,	d)
{
	d = t[mode, name, 1] - t[mode, name, 2]
	return sprintf("two runs differ by %.1f", d < 0 ? -d : d)
}

function figure(name, value, base, note)
{
	print "amd-" k "/" name "_insns", sprintf("%.1f", value), "instructions", base, note
}

END {
	if (failed)
		exit 1
	for (i = 1; i <= n; i++) {
		name = names[i]
		watched = mean("watched", name)
		bare = mean("bare", name)
		figure(name, watched - bare, sprintf("%.1f", bare),
		       "added to base; " said[name] "; " spread("watched", name))
	}
	first = mean("watched", "exec_first") - mean("bare", "exec_first")
	figure("copy", mean("bare", "copy"), "", "part of exec_first, alone: rep movsq, 4 KiB")
	figure("digest", mean("bare", "digest"), "", "part of exec_first, alone: XXH64 of 4 KiB")
	figure("exec_first_rest", first - mean("bare", "copy") - mean("bare", "digest"), "",
	       "exec_first without both: hooks, state, zap, write protection, record")
	figure("other_vm_fault", mean("other", "data_fault") - mean("bare", "data_fault"),
	       sprintf("%.1f", mean("bare", "data_fault")),
	       "added to base; a VM that is not watched, beside one that is; " spread("other", "data_fault"))
}
