# What every test of the command line begins with:  . "$(dirname "$0")/lib.sh"
# $1 is the postern program, $2 the responder, $3 the software token. $W is a folder of the test's own; in expected texts and
# in what was printed it is written W.

set -u
postern=$(realpath "$1") || exit 1
responder=$(realpath "${2:-/}") || exit 1
token=$(realpath "${3:-/}") || exit 1
W=$(mktemp -d "${TMPDIR:-/tmp}/postern-cli.XXXXXX") || exit 1
export POSTERN_HOME="$W/home" XDG_STATE_HOME="$W/state" HOME="$W" TZ=UTC LC_ALL=C
failed=0
passed=0
children=

cleanup() {
	for p in $children; do
		kill "$p" 2>/dev/null
	done
	cleanup_more
	rm -rf "$W"
}
cleanup_more() { :; }
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# need TOOL...: without one of them the whole test counts as skipped, never as passed.
need() {
	for tool in "$@"; do
		command -v "$tool" >/dev/null || { echo "$tool is needed"; exit 77; }
	done
}

# One word for the folder, whatever it is called today.
normal() {
	sed "s|$W|W|g" "$1"
}

# run ARGS...: the program without a terminal; fills $code, $W/out and $W/err.
run() {
	setsid -w "$postern" "$@" >"$W/out" 2>"$W/err" </dev/null
	code=$?
}

fail() {
	failed=$((failed + 1))
	echo "FAILED: $1"
	echo "  code $code"
	sed 's/^/  out: /' "$W/out"
	sed 's/^/  err: /' "$W/err"
}

# says CODE ERROR -- ARGS...: exit code, and stderr exactly (one line, or none for "").
says() {
	want_code=$1 want_err=$2
	shift 3
	run "$@"
	got=$(normal "$W/err")
	if [ "$code" = "$want_code" ] && [ "$got" = "$want_err" ]; then
		passed=$((passed + 1))
	else
		fail "postern $*"
		echo "  wanted: $want_code $want_err"
	fi
}

# printed TEXT: what the last run put on stdout, exactly.
printed() {
	if [ "$(normal "$W/out")" = "$1" ]; then
		passed=$((passed + 1))
	else
		fail "stdout"
		printf '%s\n' "$1" | sed 's/^/  wanted: /'
	fi
}

# is WHAT COMMAND...: the command succeeds.
is() {
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		fail "$what"
	fi
}

done_testing() {
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
	exit
}

# A small server in $W/pg, and its passwords. Cheap Argon2id: what it costs is not tested here.
certifier_password='nine purple otters juggle'
admin_password='seven green lizards'
make_server() {
	(umask 077 && printf '%s\n%s\n' "$certifier_password" "$admin_password" >"$W/passwords" &&
		printf '%s\n' "$admin_password" >"$W/admin-password")
	run setup --org VSD --server gw --host 127.0.0.1 --interface lo --dir "$W/pg" \
		--password-file "$W/passwords" --kdf-mem 1 "$@"
	[ "$code" = 0 ] || { fail "setup"; exit 1; }
}

# respond STATUS[,STATUS] [FOLDER]: start the responder, as the server of FOLDER (pg); fills $port.
respond() {
	rm -f "$W/requests"
	"$responder" "$W/${2:-pg}/server.id" "$W/${2:-pg}/server.key" "$1" >"$W/requests" &
	responder_pid=$!
	children="$children $!"
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		port=$(head -n 1 "$W/requests" 2>/dev/null)
		[ -n "$port" ] && return
		sleep 0.1
	done
	echo "the responder does not start"
	exit 1
}
