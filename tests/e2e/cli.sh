#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# cli.sh - the fitzroy command without a module: good input, and bad input to every command
# Needs O = the build's output directory (default: out beside this tree).
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
O=${O:-$top/out}
fitzroy=$O/bin/fitzroy
mklog=$O/tests/e2e/mklog
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
dir=$tmp
# shellcheck source=tests/e2e/command_tap.sh
. "$top/tests/e2e/command_tap.sh"
shown=("$tmp/out" "$tmp/err")

run()	# run EXIT ARGS...: the exit code is EXIT
{
	local want=$1 got

	shift
	"$fitzroy" "$@" > "$tmp/out" 2> "$tmp/err" < /dev/null
	got=$?
	[ $got = "$want" ] || { echo "exit $got, not $want"; return 1; }
}

# Exit 2, nothing on stdout, one line on stderr that starts with "fitzroy: " and holds $1.
refuse()
{
	local say=$1

	shift
	run 2 "$@" || return 1
	[ ! -s "$tmp/out" ] && [ "$(wc -l < "$tmp/err")" = 1 ] &&
		grep -q '^fitzroy: ' "$tmp/err" && grep -qF -- "$say" "$tmp/err"
}

json()	# json FILE EXPRESSION: python's view of the first object, as j
{
	python3 -c 'import json, sys
j = json.JSONDecoder().raw_decode(open(sys.argv[1]).read())[0]
sys.exit(0 if eval(sys.argv[2]) else 1)' "$1" "$2"
}

[ -x "$fitzroy" ] && [ -x "$mklog" ] || { echo "1..1"; echo "not ok 1 - not built: make tools tests"; exit 1; }

# ------------------------------------------------------------------ good input
cat=$(readlink -f /bin/cat)
read -r offset vaddr < <(readelf -lW "$cat" | awk '$1 == "LOAD" && / R E / { print $2, $3; exit }')
first=$((offset / 4096))
run 0 db add --db "$tmp/db" "$cat" /bin/bash
script=$tmp/script
{
	echo "vm 3 vmm 4242"
	for i in 0 1 2; do
		printf 'exec 1000 %x %s %d\n' $((0x555500000000 + vaddr + i * 4096 + 16)) "$cat" $((first + i))
	done
	for i in 0 1 2; do
		printf 'exec 2000 %x %s %d%s\n' $((0x666600000000 + vaddr + i * 4096 + 16)) "$cat" \
			$((first + i)) "$([ $i = 1 ] && echo " 0x305")"
	done
	echo "exec 3000 401000 /bin/tar 0"
	echo "kernel ffffffff81000000 /bin/tar 1"
	echo "badhash 1000 555500000000 $cat $first"
	echo "lost 5"
	echo "died"
} > "$script"
"$mklog" "$tmp/log" < "$script" || exit 1

ok "verify: a whole log" run 0 verify "$tmp/log"
ok "verify: says so" grep -q 'whole and unbroken' "$tmp/out"
ok "verify --json" run 0 verify "$tmp/log" --json
ok "verify --json: one object" json "$tmp/out" 'j["whole"] and j["records"] == 12 and j["lost"] == 5'
ok "report: text" run 0 report "$tmp/log" --db "$tmp/db"
ok "report: the changed program is MODIFIED" grep -q "MODIFIED .*$cat" "$tmp/out"
ok "report: JSON" run 0 report "$tmp/log" --db "$tmp/db" --format json --frames "$tmp/frames"
cp "$tmp/out" "$tmp/report.json"
ok "report: the counts" json "$tmp/report.json" \
	'(lambda c: (c["frames"], c["identified"], c["ambiguous"], c["unknown"], c["modified"]))(j["vms"][0]["coverage"]) == (9, 5, 0, 4, 1)'
ok "report: the modified page" json "$tmp/report.json" \
	"[(p['path'], p['findings'][0]['page'], p['findings'][0]['blocks']) for p in j['vms'][0]['programs'] if p['verdict'] == 'modified'] == [('$cat', $((first + 1)), [3])]"
ok "report: the unknown program" json "$tmp/report.json" \
	'[u["rip"] for u in j["vms"][0]["unknown"] if u["address_space"] == "0x3000"] == ["0x401000"]'
ok "report: a broken record makes it incomplete" json "$tmp/report.json" \
	'not j["log"]["complete"] and j["log"]["broken"] == 1 and j["log"]["lost"] == 5'
ok "report: the frames, one a line" [ "$(wc -l < "$tmp/frames")" = 9 ]
"$fitzroy" report "$tmp/log" --db "$tmp/db" --format json --reference "$cat" > "$tmp/with.json" 2> "$tmp/err"
ok "report --reference: the byte that differs" json "$tmp/with.json" \
	"(lambda f, page: (f['differing_bytes'], [(d['offset'], d['expected']) for d in f['differences']]) ==
		(1, [(0x305, '%02x' % page[0x305])]) and f['bytes'] == '0x300-0x33f')(
		[p for p in j['vms'][0]['programs'] if p['verdict'] == 'modified'][0]['findings'][0],
		open('$cat', 'rb').read()[$((first + 1)) * 4096:])"
ok "report --reference: not there" run 2 report "$tmp/log" --db "$tmp/db" --reference "$tmp/nothing"
printf '# made\n\n%s  # by its name\n' cat > "$tmp/generators"
ok "report --generators" run 0 report "$tmp/log" --db "$tmp/db" --generators "$tmp/generators"
ok "report --max-frames" run 0 report "$tmp/log" --db "$tmp/db" --max-frames 20000
ok "report --max-frames: too few" run 2 report "$tmp/log" --db "$tmp/db" --max-frames 10
ok "report --generators: not there" run 2 report "$tmp/log" --db "$tmp/db" --generators "$tmp/nothing"
head -c 3000 /dev/zero | tr '\0' a > "$tmp/generators"
ok "report --generators: a line that never ends" run 2 report "$tmp/log" --db "$tmp/db" --generators "$tmp/generators"
ok "dump" run 0 dump "$tmp/log" --db "$tmp/db" -o "$tmp/dump"
ok "dump: what is not identified, by its SHA-256" python3 -c '
import hashlib, json, os, sys
j = json.load(open(sys.argv[1] + "/index.json"))
files = {f["file"] for f in j["frames"] if f["file"]}
good = all(hashlib.sha256(open(f"{sys.argv[1]}/{f}", "rb").read()).hexdigest() + ".page" == f for f in files)
if not good or len(j["frames"]) != 4 or {"index.json", *files} != set(os.listdir(sys.argv[1])) or \
        sorted(f["kind"] for f in j["frames"]) != ["broken", "kernel", "modified", "user"]:
    sys.exit(j)' "$tmp/dump"
ok "dump: not over what is there" run 2 dump "$tmp/log" --db "$tmp/db" -o "$tmp/dump"
ok "dump: where to is needed" run 2 dump "$tmp/log" --db "$tmp/db"
run 0 report "$tmp/log" --db "$tmp/db" --format json
ok "report: the same bytes again" cmp "$tmp/out" "$tmp/report.json"
# The same records, elsewhere, in other blocks, at another time: the same report to the byte.
cp "$tmp/frames" "$tmp/frames.first"
run 0 report "$tmp/log" --db "$tmp/db"
cp "$tmp/out" "$tmp/report.txt"
same_report()	# same_report LOG [VARIABLE=VALUE...]
{
	local log=$1 format

	shift
	for format in text json frames; do
		env "$@" "$fitzroy" report "$log" --db "$tmp/db" --format $format --frames "$tmp/frames" \
			> "$tmp/out.$format" 2> "$tmp/err" || return 1
	done
	sed -i '/^  "head": /d' "$tmp/out.json"
	cmp "$tmp/out.text" "$tmp/report.txt" && cmp "$tmp/out.frames" "$tmp/frames.first" &&
		cmp "$tmp/frames" "$tmp/frames.first" &&
		cmp "$tmp/out.json" <(sed '/^  "head": /d' "$tmp/report.json")
}
ok "report: the same in other time zones" same_report "$tmp/log" TZ=Asia/Kolkata
ok "report: ... and without one" same_report "$tmp/log" -u TZ
ok "report: ... and locales" same_report "$tmp/log" LC_ALL=de_DE.UTF-8 LANG=tr_TR.UTF-8 TZ=:/nonexistent
ok "report: ... and memory layouts" same_report "$tmp/log" MALLOC_PERTURB_=165 MALLOC_ARENA_MAX=1
openssl genpkey -algorithm ed25519 -out "$tmp/key" 2> "$tmp/err" && chmod 600 "$tmp/key" &&
	openssl pkey -in "$tmp/key" -pubout -out "$tmp/key.pub" 2>> "$tmp/err"
openssl genpkey -algorithm ed25519 2>> "$tmp/err" | openssl pkey -pubout > "$tmp/other.pub" 2>> "$tmp/err"
for each in 1 3 1000; do
	"$mklog" "$tmp/log.$each" $each "$tmp/key" < "$script"
	ok "report: the same from blocks of $each records, sealed" same_report "$tmp/log.$each"
done
ok "report: --frames are for their owner" [ "$(stat -c %a "$tmp/frames")" = 600 ]
ok "list: works without a module" run 0 list --json
ok "--help" run 0 --help
ok "--version" run 0 --version
for c in list watch record report verify status audit; do
	ok "$c --help" run 0 $c --help
done

# ------------------------------------------------------------------------ seals
{ head -n 4 "$script"; echo seal; sed -n '5,7p' "$script"; echo seal; sed -n '8,$p' "$script"; } > "$tmp/seals"
"$mklog" "$tmp/sealed" 2 "$tmp/key" < "$tmp/seals"
ok "verify: a sealed log, and its key" run 0 verify "$tmp/sealed" --pubkey "$tmp/key.pub"
ok "verify: ... up to where, closed" grep -q '^sealed up to record 12, .* by seal 2, which closes the log' "$tmp/out"
ok "verify: ... by the given key" grep -q '^sealed by key [0-9a-f]*, the given one' "$tmp/out"
ok "verify: without the key it says that nothing was compared" run 0 verify "$tmp/sealed"
ok "verify: ... in words" grep -q 'see --pubkey' "$tmp/out"
ok "verify: another key is a finding" run 1 verify "$tmp/sealed" --pubkey "$tmp/other.pub"
ok "verify: ... in words" grep -q 'NOT THE GIVEN ONE' "$tmp/out"
ok "verify: no seal by the key is a finding" run 1 verify "$tmp/log" --pubkey "$tmp/key.pub"
ok "verify: ... in words" grep -q 'NOT SEALED' "$tmp/out"
ok "verify --json: the seals" run 0 verify "$tmp/sealed" --pubkey "$tmp/key.pub" --json
ok "verify --json: one object" json "$tmp/out" \
	'(lambda s: (s["key_is_given"], s["seals"], s["records"], s["closed"], s["tail_records"]))(j["sealed"]) == (True, 3, 12, True, 0)'
(head -n -1 "$tmp/seals"; echo noend) | "$mklog" "$tmp/tail" 2 "$tmp/key"
ok "verify: a tail behind the last seal" run 1 verify "$tmp/tail" --pubkey "$tmp/key.pub"
ok "verify: ... how much" eval 'grep -q "^sealed up to record 7, " "$tmp/out" &&
	grep -q "^unsealed tail: [1-9] records in [0-9]* bytes" "$tmp/out" && grep -q "without a closing seal" "$tmp/out"'
ok "verify: a private key is no --pubkey" refuse "not an Ed25519 public key" verify "$tmp/log" --pubkey "$tmp/key"
ok "verify: no such --pubkey" refuse "No such file" verify "$tmp/log" --pubkey "$tmp/none"
chmod 644 "$tmp/key"
ok "record: a key that others can read is refused" refuse "is open to others" record --all -o "$tmp/new" --key "$tmp/key"
chmod 600 "$tmp/key"
ok "record: a public key cannot sign" refuse "not an Ed25519 private key" record --all -o "$tmp/new" --key <(cat "$tmp/key.pub")

# -------------------------------------------------------------------- bad logs
size=$(stat -c %s "$tmp/log")
head -c $((size / 2)) "$tmp/log" > "$tmp/cut"
ok "verify: a log cut in the middle is a finding" run 1 verify "$tmp/cut"
ok "verify: names the block" grep -q 'first bad block: [0-9]*; the file ends within block' "$tmp/out"
ok "verify: ... and the first record that is not there" grep -q '^first bad record: 0, at byte [0-9]* (it says: CPU 0, number 0, ' "$tmp/out"
ok "verify: ... and the bytes" grep -q '^[0-9]* bytes behind byte 376 are not believed' "$tmp/out"
ok "report: a cut log is read" run 0 report "$tmp/cut" --db "$tmp/db" --format json
ok "report: ... and incomplete" json "$tmp/out" \
	'not j["log"]["complete"] and "ends within block" in j["log"]["missing"]'
(head -n -1 "$script"; echo noend) | "$mklog" "$tmp/noend"
ok "verify: no end mark is a finding" run 1 verify "$tmp/noend"
ok "verify: ... named" grep -q 'no end mark' "$tmp/out"
cp "$tmp/log" "$tmp/changed"
printf X | dd of="$tmp/changed" bs=1 seek=$((size / 2)) conv=notrunc 2> /dev/null
ok "verify: a changed byte is a finding" run 1 verify "$tmp/changed"
ok "verify: ... named" grep -q 'was changed' "$tmp/out"
ok "verify: ... with its record" grep -q '^first bad record: [1-9][0-9]*, at byte [0-9]* (it says: CPU 0, number [1-9][0-9]*, 2025-' "$tmp/out"
cp "$tmp/sealed" "$tmp/changed2"
printf X | dd of="$tmp/changed2" bs=1 seek=$((size / 2)) conv=notrunc 2> /dev/null
ok "verify: what is missing is named" run 1 verify "$tmp/changed2" --pubkey "$tmp/key.pub"
ok "verify: ... by CPU, number and time" grep -q '^missing: CPU 0, [1-9]* records from number [1-9]*, between 2025-.* and 2025-' "$tmp/out"
ok "verify --json: the same" run 1 verify "$tmp/changed2" --json
ok "verify --json: one object" json "$tmp/out" \
	'j["fault"] == "changed" and j["first_bad"]["seq"] > 1 and j["missing_numbers"][0]["count"] > 0 and j["behind_blocks"] > 2'
ok "report: a changed log is not complete" run 0 report "$tmp/changed" --db "$tmp/db" --format json
ok "report: ... and says why" json "$tmp/out" '"was changed" in j["log"]["missing"]'
(echo "vm 1 v 1"; echo "gap 3"; echo died) | "$mklog" "$tmp/gap"
ok "verify: a gap is a finding" run 1 verify "$tmp/gap"
for c in "verify" "report --db $tmp/db"; do
	ok "$c: a foreign file" refuse "not a FitzRoy log" $c /bin/true
	ok "$c: an empty file" refuse "not a FitzRoy log" $c /dev/null
	ok "$c: no such file" refuse "No such file" $c "$tmp/none"
	ok "$c: a folder" refuse "directory" $c "$tmp"
	head -c 100 "$tmp/log" > "$tmp/short"
	ok "$c: cut in the header" refuse "header" $c "$tmp/short"
done
ok "report: no database" refuse "$tmp/none" report "$tmp/log" --db "$tmp/none"
ok "report: a foreign database" refuse "" report "$tmp/log" --db /bin/true
chmod g+w "$tmp/db"
ok "report: a database that its group may write" refuse "may write" report "$tmp/log" --db "$tmp/db"
chmod g-w,o+w "$tmp/db"
ok "report: a database that anyone may write" refuse "may write" report "$tmp/log" --db "$tmp/db"
chmod 444 "$tmp/db"
if [ "$(id -u)" = 0 ]; then
	chown 65534 "$tmp/db"
	ok "report: a read-only database of another user" refuse "belongs to user 65534" report "$tmp/log" --db "$tmp/db"
	chown 0 "$tmp/db"
	ok "report: as another user" run 0 report "$tmp/log" --db "$tmp/db" --user nobody --frames "$tmp/frames2"
	ok "report: ... the same, and not its file" eval 'cmp "$tmp/out" "$tmp/report.txt" && [ "$(stat -c %u "$tmp/frames2")" = 0 ]'
	ok "verify: as another user" run 0 verify "$tmp/log" --user nobody
else
	for i in 1 2 3 4; do
		n=$((n + 1))
		echo "ok $n # SKIP needs root"
	done
fi
ok "verify: as no such user" refuse "no user no-such" verify "$tmp/log" --user no-such
ok "report: --frames where nothing can be written" refuse "$tmp/none/x" \
	report "$tmp/log" --db "$tmp/db" --frames "$tmp/none/x"

# --------------------------------------------------------------- bad arguments
ok "no command" refuse "see fitzroy --help"
ok "an unknown command" refuse "no command 'frobnicate'" frobnicate
for c in list watch record report verify status audit; do
	ok "$c: an unknown option" refuse "unknown option --bogus" $c --bogus
done
ok "report: no log" refuse "name a log" report
ok "report: a log and --live" refuse "not both" report --live "$tmp/log"
ok "report: two logs" refuse "one log" report "$tmp/log" "$tmp/cut"
ok "report: no such format" refuse "no format 'html'" report "$tmp/log" --format html
ok "report: an option without its value" refuse "needs a value" report --format
ok "verify: no log" refuse "name one log" verify
ok "record: no -o" refuse "name the log" record --all
ok "record: a bad --timeout" refuse "number of seconds" record --all -o "$tmp/x" --timeout soon
ok "record: a bad --sync" refuse "number of seconds" record --all -o "$tmp/x" --sync -1
ok "record: an existing log stays" refuse "exists" record --all -o "$tmp/log"
ok "audit: a bad id" refuse "not a VM's id" audit --vm 12x
for c in list status audit watch; do
	ok "$c: a stray argument" refuse "takes no 'stray'" $c stray
done
"$fitzroy" list > /dev/full 2> "$tmp/err"
ok "a full disk behind stdout" [ $? = 2 ]

# ------------------------------------------------------- no device, no permission
if [ -e /dev/fitzroy ]; then
	for i in 1 2 3 4 5 6; do
		n=$((n + 1))
		echo "ok $n # SKIP /dev/fitzroy is there"
	done
else
	ok "status: no module" refuse "load fitzroy.ko" status
	ok "audit: no module" refuse "load fitzroy.ko" audit
	ok "record: no module" refuse "load fitzroy.ko" record --all -o "$tmp/new"
	ok "record: ... and no file" [ ! -e "$tmp/new" ]
	ok "watch: no module" refuse "load fitzroy.ko" watch --all --db "$tmp/db"
	ok "report --live: no module" refuse "load fitzroy.ko" report --live --db "$tmp/db"
fi

# A log that the tool of an earlier format wrote, and one of a format to come.
old=$top/tests/e2e/logs/version-1.fz
ok "verify: a log of the format before" refuse "has log version 1, this tool reads 2" verify "$old"
ok "report: a log of the format before" refuse "has log version 1" report "$old" --db "$tmp/db"
ok "dump: a log of the format before" refuse "has log version 1" dump "$old" --db "$tmp/db" -o "$tmp/dumped"
{ head -c 8 "$tmp/log"; printf '\3'; tail -c +10 "$tmp/log"; } >"$tmp/later"
ok "verify: a log of a later format" refuse "has log version 3" verify "$tmp/later"
ok "report: a log of a later format" refuse "has log version 3" report "$tmp/later" --db "$tmp/db"

# ------------------------------------------------------------- a made-up device
with()	# with FAKE EXIT ARGS...: run against the fake device
{
	local fake=$1

	shift
	FAKE=$fake FAKE_FILE=$cat FAKE_CALLS=1 LD_PRELOAD=$O/tests/e2e/fakedev.so run "$@"
}
if nm "$fitzroy" | grep -q __asan_init; then
	for i in {1..42}; do
		n=$((n + 1))
		echo "ok $n # SKIP a sanitizer cannot be preloaded over"
	done
else
	ok "device: another ABI" with abi 2 status
	ok "device: ... says which" grep -q "speaks ABI 2, this tool 1" "$tmp/err"
	ok "device: a module of the first layout, with shorter structures" with old 0 status --json
	ok "device: ... what it does not know is zero" json "$tmp/out" \
		'j["module"]["abi"] == 1 and j["module"]["verify_ns"] == 0 and j["total"]["drifts"] == 0'
	ok "device: ... it is recorded" with old 0 record -o "$tmp/old" --timeout 0.1
	ok "device: ... a whole log" run 0 verify "$tmp/old"
	ok "device: ... and audited" with old 0 audit --json
	ok "device: ... without entries, which it cannot name" json "$tmp/out" 'not j["violations"]'
	ok "device: a later module that wants other sizes" with later 2 status
	ok "device: ... one line says what to do" eval '[ "$(wc -l <"$tmp/err")" = 1 ] &&
		grep -q "load the fitzroy.ko that belongs to this tool" "$tmp/err"'
	ok "device: no permission" with perm 2 status
	ok "device: ... says what to do" grep -q "run as root" "$tmp/err"
	ok "device: another reader" with busy 2 record --all -o "$tmp/rec"
	ok "device: ... nothing was attached, no file" eval '! grep -q ttach "$tmp/err" && [ ! -e "$tmp/rec" ]'
	ok "audit: clean" with "" 0 audit --json
	ok "audit: a violation is a finding" with violation 1 audit --json
	ok "audit: in text too" with violation 1 audit
	ok "audit: ... it names frame, level, entry and state" grep -q \
		'gfn 0x1234 level 2 entry 0xabc007 is not allowed: the frame is executable' "$tmp/out"
	ok "status --json" with "" 0 status --json
	ok "status: what is compared, and how often" json "$tmp/out" 'j["module"]["verify_ns"] == 0'
	ok "status: one object" json "$tmp/out" 'j["total"]["grants"] == 0 and j["vms"][0]["id"] == 1'
	ok "record: until the VMs died" with dies 0 record --all -o "$tmp/rec" --exit-when-died
	ok "record: what it attached it detached" \
		eval '[ "$(cat "$tmp/err")" = "attach 10000
detach 10000" ]'
	ok "record: a whole log" run 0 verify "$tmp/rec"
	ok "record: until a time" with "" 0 record -o "$tmp/rec" --force --timeout 0.3
	ok "report --live" with flip 0 report --live --db "$tmp/db" --format json
	ok "report --live: the changed page" json "$tmp/out" \
		'[f["page"] for p in j["vms"][0]["programs"] for f in p["findings"]] == [5]'
	cp "$tmp/out" "$tmp/live"
	ok "record: a log of the same rings" with flip 0 record -o "$tmp/rec2" --timeout 0.1
	run 0 report "$tmp/rec2" --db "$tmp/db" --format json
	ok "report: as the live one, but for the clock" python3 -c '
import json, sys
def plain(x):
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items() if k not in ("first_seen", "last_seen", "attached", "time", "gone")}
    return [plain(v) for v in x] if isinstance(x, list) else x
a, b = (plain(json.load(open(f))["vms"]) for f in sys.argv[1:])
sys.exit(a != b or not a)' "$tmp/live" "$tmp/out"
	ok "record: sealed" with "" 0 record -o "$tmp/rec3" --key "$tmp/key" --timeout 0.3 --sync 0.1
	ok "record: ... by its key" run 0 verify "$tmp/rec3" --pubkey "$tmp/key.pub"
	ok "record: ... with the key from a pipe" \
		with "" 0 record -o "$tmp/rec3" --force --key <(cat "$tmp/key") --timeout 0.1
	ok "record: a log is for its owner" [ "$(stat -c %a "$tmp/rec3")" = 600 ]
	ln -s "$tmp/log" "$tmp/link"
	ok "record: a symbolic link is not followed" with "" 2 record -o "$tmp/link" --force --timeout 0.1
	ok "record: ... and nothing stays attached" grep -q "is a symbolic link" "$tmp/err"

	# A crash of the recorder: what it had written is there, and it says what may be missing.
	FAKE=stream FAKE_FILE=$cat LD_PRELOAD=$O/tests/e2e/fakedev.so \
		"$fitzroy" record -o "$tmp/killed" --key "$tmp/key" --sync 0.2 > "$tmp/out" 2> "$tmp/err" &
	sleep 2
	kill -KILL $!
	wait $! 2> /dev/null
	ok "record: killed" run 1 verify "$tmp/killed" --pubkey "$tmp/key.pub" --json
	ok "record: ... all but the last moment is sealed" json "$tmp/out" \
		'j["fault"] == "no-end" and not j["broken"] and j["bytes_behind"] == 0 and j["gaps"] == 0 and j["sealed"]["seals"] > 3 and j["records"] >= j["sealed"]["records"] > 80'
	ok "report: of a recording that was killed" run 0 report "$tmp/killed" --db "$tmp/db" --format json
	ok "report: ... says so" json "$tmp/out" '"cut off" in j["log"]["missing"] and not j["log"]["complete"]'
	# What a hostile record might make the reader do ends it at once, and nothing of it is told.
	for c in "record -o $tmp/escaped --timeout 5" "watch --db $tmp/db"; do
		ok "${c%% *}: a system call that is not its" with escape 159 $c
	done
	ok "--vm: no such VM" with "" 2 watch --vm 7 --db "$tmp/db"
fi

if [ "$(id -u)" = 0 ]; then
	chmod 755 "$tmp"
	chmod 600 "$tmp/log"
	install -m 755 "$fitzroy" "$tmp/fitzroy"
	unprivileged()
	{
		setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/fitzroy" "$@" \
			> "$tmp/out" 2> "$tmp/err"
		[ $? = 2 ] && grep -q "^fitzroy: .*Permission denied" "$tmp/err"
	}
	ok "verify: no permission" unprivileged verify "$tmp/log"
else
	n=$((n + 1))
	echo "ok $n # SKIP needs root to drop privileges"
fi
echo "1..$n"
exit $bad
