# Killed at each system call that touches files: the old ID file is whole or the new one is, never a mixture,
# and what lies about afterwards nobody else can read.
. "$(dirname "$0")/lib.sh"
need strace jq
make_server
cd "$W" || exit 1
umask 077
# The leak check of a sanitized build does not work under a tracer.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
echo "$certifier_password" >cert-password
echo 'twelve brave hedgehogs' >old-password
echo 'eleven calm dolphins' >new-password
by='--certifier pg/certifier.id --certifier-password-file cert-password'
calls='openat read write fchmod fsync rename unlink close'
last=9 # calls of a kind, counted from the end: the start of a program is all libraries

strace -o trace -e trace=write true 2>/dev/null || { echo 'nothing can be traced here'; exit 77; }
says 0 '' -- id new Jane $by --password-file old-password --kdf-mem 1 --out start.id
says 0 '' -- id rollover start.id $by --password-file old-password --out chain.pem
umask 000

# killed WHAT NEW-PASSWORD-FILE ARGS...: ARGS change jane.id.
killed() {
	what=$1 after=$2
	shift 2
	cp -p start.id jane.id
	strace -o trace -e trace="$(echo "$calls" | tr ' ' ,)" "$postern" "$@" >out 2>err </dev/null
	code=$?
	is "$what: goes well when it is left alone" [ "$code" = 0 ]
	cp trace whole
	old=0 new=0 bad=0
	for call in $calls; do
		count=$(grep -c "^$call(" whole)
		n=$((count > last ? count - last : 1))
		while [ "$n" -le "$count" ]; do
			one "$what" "$call" "$n" "$after" "$@"
			n=$((n + 1))
		done
	done
	code="$old old, $new new, $bad bad"
	is "$what: both outcomes, and no other" [ "$old" -gt 3 ] && [ "$new" -gt 0 ] && [ "$bad" = 0 ]
}

# One run that ends at the nth call.
one() {
	what=$1 call=$2 n=$3 after=$4
	shift 4
	rm -f jane.id*
	cp -p start.id jane.id
	strace -o trace -e inject="$call:signal=KILL:when=$n" "$postern" "$@" >out 2>err </dev/null
	code="$? after $call number $n"
	for f in jane.id*; do
		[ "$(stat -c %a "$f")" = 600 ] || { bad=$((bad + 1)); fail "$what: mode of $f"; }
	done
	if cmp -s jane.id start.id; then
		old=$((old + 1))
		return
	fi
	"$postern" id passwd jane.id --password-file "$after" --new-password-file "$after" \
		--kdf-mem 1 >out 2>err </dev/null &&
		"$postern" id show jane.id --json | jq -e '[.certificates[] | has("error")] | any | not' >out &&
		new=$((new + 1)) && return
	bad=$((bad + 1))
	fail "$what: neither the old nor the new file"
}

killed passwd new-password id passwd jane.id --password-file old-password --new-password-file new-password --kdf-mem 1
killed merge old-password id merge jane.id chain.pem --password-file old-password
killed renew old-password id renew jane.id $by --password-file old-password

done_testing
