# shellcheck shell=bash
# What the benchmarks share; sourced with the caller's arguments. Before it, in the caller:
#   need     programs that must be there
#   prefix   two letters for the names of its network namespaces
#   unmake   a function that removes these namespaces and what runs in them
# Prefixes and options are words to be split.
# shellcheck disable=SC2086,SC2034,SC2154
set -u
build=${1:?usage: $0 BUILD-FOLDER}
build=$(cd "$build" && pwd) || exit 4
[ "$(id -u)" = 0 ] || { echo "bench: needs root for network namespaces; run: sudo make bench" >&2; exit 4; }
export PATH=$build/bench:$build/src/cmd:/usr/sbin:/sbin:$PATH
for program in $need; do
	command -v "$program" >/dev/null || { echo "bench: $program is missing; run: make deps" >&2; exit 4; }
done
ninja -C "$build" bench-tools >/dev/null || exit 4

tag=$prefix$$
tmp=$(mktemp -d /tmp/postern-bench-XXXXXX)
chmod 755 "$tmp"
began=$SECONDS

clean() {
	trap '' INT TERM
	[ -t 2 ] && printf '\r\e[K' >&2
	exec 2>/dev/null # the shell would tell of each job that is killed here
	jobs -p | xargs -r kill
	unmake
	rm -rf "$tmp"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

remove() { # remove NAME...: these namespaces, and what runs in them
	local ns
	for ns in "$@"; do
		ip netns pids "$tag-$ns" | xargs -r kill -9
		ip netns del "$tag-$ns"
	done
}

tell() { if [ -t 2 ]; then printf '\r\e[K%3d s  %s' $((SECONDS - began)) "$*" >&2; fi; }
fail() { [ -t 2 ] && echo >&2; echo "bench: $*" >&2; exit 1; }
until_true() { # until_true WHAT COMMAND...: at most 10 seconds
	local what=$1 end=$((SECONDS + 10))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "$what: did not happen; see below$(printf '\n'; tail -n 5 "$tmp"/*.log)"
		sleep 0.05
	done
}
value() { # value KEY TEXT: of "key=value key=value"
	local word
	for word in $2; do
		[ "${word%%=*}" = "$1" ] && { echo "${word#*=}"; return; }
	done
	echo 0
}
calc() { awk "BEGIN { printf \"%.${2:-2}f\", $1 }"; }

# The daemons have one core, whoever sends the other. With one core they share it.
if [ "$(nproc)" -gt 1 ]; then here='taskset -c 0' there='taskset -c 1'; else here='' there=''; fi
daemon() { local who=$1; shift; exec $here ip netns exec "$tag-$who" "$@"; } # with &: $! is the program itself

plug_hub() { # plug_hub NAME ADDRESS: onto the bridge of the namespace hub
	ip -n "$tag-hub" link add "$1" type veth peer name eth0 netns "$tag-$1" &&
		ip -n "$tag-hub" link set "$1" master br0 up &&
		ip -n "$tag-$1" addr add "$2/24" dev eth0 &&
		ip -n "$tag-$1" link set eth0 up
}
