# SPDX-License-Identifier: GPL-2.0-only
# scale.awk - from "MODE NAME VALUE" to figures: name, value, unit, base, note
BEGIN { OFS = "\t" }

NF == 3 && $1 ~ /^(bare|watched|refresh)$/ && $3 ~ /^-?[0-9.]+$/ { t[$1, $2] = $3 }

function get(mode, name)
{
	if (!((mode, name) in t)) {
		print "scale.awk: no " mode " " name >"/dev/stderr"
		failed = 1
		exit 1
	}
	return t[mode, name]
}

function cost(name, what)
{
	print "amd-" k "/scale_" name "_insns", sprintf("%.1f", get("watched", name) - get("bare", name)),
		"instructions", sprintf("%.1f", get("bare", name)), "added to base; " what
}

function bytes(name, value, what)
{
	print "amd-" k "/" name, sprintf("%.1f", value), "bytes", "", what
}

END {
	if (failed)
		exit 1
	split("vms_1 vms_8 vms_64 vcpus_1 vcpus_2 vcpus_4 gib_1 gib_8 gib_64", names, " ")
	said["vms"] = "watched VMs, one fault after another, in turn"
	said["vcpus"] = "vCPUs of one VM, one fault after another, in turn"
	said["gib"] = "GiB of sparse guest memory, all over it"
	for (i = 1; i <= 9; i++) {
		split(names[i], w, "_")
		cost(names[i] "_exec", "first execution of a page; " w[2] " " said[w[1]])
		cost(names[i] "_data", "first write to a page of data; " w[2] " " said[w[1]])
	}
	bytes("memory_vm_1gib", get("watched", "memory_vm_1"), "of the module, for a VM of 1 GiB of which nothing has run")
	bytes("memory_vm_64gib", get("watched", "memory_vm_64"), "the same, 64 GiB")
	bytes("memory_frame_packed", get("watched", "memory_packed"),
	      "a frame that has run, all of its 2 MiB have; as the module counts")
	bytes("slab_frame_packed", get("watched", "slab_packed") - get("bare", "slab_packed"),
	      "the same; as the kernel's slabs have it, rounded up")
	bytes("memory_frame_alone", get("watched", "memory_alone"),
	      "a frame that has run, alone in its 2 MiB; as the module counts")
	bytes("slab_frame_alone", get("watched", "slab_alone") - get("bare", "slab_alone"),
	      "the same; as the kernel's slabs have it, rounded up")
	frames = get("refresh", "refresh_frames")
	split("10000 5000 2000 1000 500 200", ms, " ")
	for (i = 1; i <= 6; i++)
		print "amd-" k "/refresh_" ms[i], sprintf("%.3f", get("refresh", "refresh_" ms[i])), "percent", "",
			"a guest that runs on, slowed down by verify_ms=" ms[i] " on its own CPU at 1 instruction a ns; " \
			frames " frames that run"
	print "amd-" k "/refresh_frame_insns", get("refresh", "refresh_1000_each"), "instructions", "",
		"to compare a frame with its capture, all included"
}
