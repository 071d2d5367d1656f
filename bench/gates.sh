#!/bin/bash
# postern's rule set beside a chain with a rule for each gate, as fwknop makes them, with more and more gates:
# what a packet costs, what it costs to open one more, how late gates end. In two network namespaces that are
# removed at the end. Prints one table and asserts nothing. Under two minutes.
#
#   bench/gates.sh BUILD-FOLDER     root; an optimised build (make bench makes one)
#   GATES='0 1000' RULES='0 100'    other sizes
# Prefixes and options are words to be split.
# shellcheck disable=SC2086
need='ip nft iptables-nft taskset'
prefix=pg
unmake() { remove server bare client; }
# shellcheck source=bench/common.sh
. "$(dirname "$0")/common.sh"

gates=${GATES:-0 1000 100000 1000000}
rules=${RULES:-0 100 1000 5000}
forks=15 # times that one more rule is added
port=22
declare -A figure

# Sender and receiver on one processor: then a packet is handled at once, and time is cost.
if [ "$(nproc)" -gt 1 ]; then on='taskset -c 1'; else on=; fi
server() { $on ip netns exec "$tag-server" "$@"; }

plug() { # plug NAME NETWORK: between the client and a machine
	ip netns add "$tag-$1" && ip -n "$tag-$1" link set lo up &&
		ip -n "$tag-$1" link add eth0 type veth peer name "$1" netns "$tag-client" &&
		ip -n "$tag-$1" addr add "$2.1/24" dev eth0 && ip -n "$tag-$1" link set eth0 up &&
		ip -n "$tag-client" addr add "$2.2/24" dev "$1" && ip -n "$tag-client" link set "$1" up &&
		ip -n "$tag-$1" route add 10.78.0.0/15 via "$2.2"
}
make() { # the machines: the client's, the one that is measured, and one that has no rules but one
	unmake 2>/dev/null
	ip netns add "$tag-client" && ip -n "$tag-client" link set lo up &&
		ip -n "$tag-client" route add local 10.78.0.0/15 dev lo && plug server 10.77.0 && plug bare 10.77.1 &&
		ip netns exec "$tag-bare" nft 'add table ip first; add chain ip first c { type filter hook prerouting priority -400; }
			add rule ip first c tcp dport 21 drop' || fail 'the network namespaces cannot be made'
}

path() { $on bench-path "$1" "/run/netns/$tag-client" "/run/netns/$tag-bare" "/run/netns/$tag-server"; }

# measure KEY: what a packet's way costs now. dropped: prints how many were dropped so far, or nothing.
measure() {
	local key=$1 line before after
	before=$(dropped)
	line=$(path strangers) || fail "$key: no figure"
	after=$(dropped)
	figure[$key.stranger]=$(value ns "$line")
	figure[sender]=$(value ns_bare "$line")
	# A packet that was not dropped by these rules, but lost on its way, would count as a fast one.
	[ $((after - before)) -ge "$(value sent "$line")" ] ||
		fail "$key: of $(value sent "$line") SYNs $((after - before)) met the rules"
	line=$(path connect) || fail "$key: no connection"
	figure[$key.connect]=$(value ns "$line")
	figure[connect]=$(value ns_bare "$line")
	line=$(path stream) || fail "$key: no connection"
	figure[$key.question]=$(value ns "$line")
	figure[question]=$(value ns_bare "$line")
	figure[$key.bytes]=$(calc "$(value kilobyte_ns_bare "$line") / ($(value kilobyte_ns_bare "$line") + $(value kilobyte_ns "$line")) * 100" 0)
}

# -- postern ---------------------------------------------------------------------------------------

measure_postern() {
	local n=$1 line
	make
	dropped() { server bench-gates dropped; }
	tell "postern, $n gates"
	server bench-gates load && line=$(server bench-gates fill "$n") || fail 'the gates cannot be opened'
	figure[p$n.fill]=$(value ns "$line")
	server bench-gates admit 10.77.0.2 || fail 'a window cannot be opened'
	line=$(server bench-gates open 1000) || fail 'a gate cannot be opened'
	figure[p$n.open]=$(value p50_us "$line")
	figure[p$n.open99]=$(value p99_us "$line")
	measure "p$n"
}

# -- a rule for each gate --------------------------------------------------------------------------

# What fwknopd makes of its defaults: a chain of its own, at the first place of INPUT, with a rule for each
# address. Established connections pass behind it, since the manual's rule for them stands there already.
write_rules() {
	local i
	printf '%s\n' '*filter' ':INPUT DROP [0:0]' ':FWKNOP_INPUT - [0:0]' '-A INPUT -j FWKNOP_INPUT' \
		'-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT'
	for ((i = 0; i < $1; i++)); do
		echo "-A FWKNOP_INPUT -p tcp -s 11.0.$((i >> 8)).$((i & 255)) --dport $port -m comment --comment _exp_1700000000 -j ACCEPT"
	done
	echo "-A FWKNOP_INPUT -p tcp -s 10.77.0.2 --dport $port -m comment --comment _exp_1700000000 -j ACCEPT"
	echo COMMIT
}

measure_rules() { # measure_rules legacy|nft N
	local kind=$1 n=$2 i at between rule
	make
	tell "iptables-$kind, $n rules"
	write_rules "$n" | server "iptables-$kind-restore" || return
	dropped() { server "iptables-$kind" -L INPUT -vnx 2>/dev/null | sed -n 's/.*policy DROP \([0-9]*\) packets.*/\1/p'; }
	rule="FWKNOP_INPUT -p tcp -s 12.0.0.1 --dport $port -m comment --comment _exp_1700000000 -j ACCEPT"
	# The fastest of each, since a busy machine only adds; what taskset and ip need, the benchmark alone, goes off.
	for ((i = 0; i < forks; i++)); do
		at=$EPOCHREALTIME
		server true
		between=$EPOCHREALTIME
		server "iptables-$kind" -A $rule || return
		calc "($between - $at) * 1e6" 0
		printf ' '
		calc "($EPOCHREALTIME - $between) * 1e6" 0
		echo
		server "iptables-$kind" -D $rule || return
	done >"$tmp/forks"
	figure[$kind$n.open]=$(awk 'NR == 1 || $1 < a { a = $1 } NR == 1 || $2 < b { b = $2 } END { print b - a }' "$tmp/forks")
	measure "$kind$n"
}

measure_ends() {
	tell 'the ends of 10,000 gates'
	make
	figure[ends]=$(server bench-gates expire "/run/netns/$tag-client" 10.77.0.1 | tr '\n' ' ') || fail 'no ends'
}

# -- the table -------------------------------------------------------------------------------------

rule() { printf '%.0s-' {1..98}; echo; }
line() { printf '%-30s %9s %9s %9s %9s %9s %9s %9s\n' "$@" | sed 's/ *$//'; }

row() { # row LABEL KEY
	local k=$2
	line "  $1" "${figure[$k.stranger]}" "$(calc "1e9 / (${figure[$k.stranger]} + ${figure[sender]})" 0)" "${figure[$k.connect]}" \
		"${figure[$k.question]}" "${figure[$k.bytes]}" "${figure[$k.open]}" "${figure[$k.open99]-}"
}

print_table() {
	local n kind
	echo "$(date -u +%Y-%m-%d), $(nproc) cores, Linux $(uname -r | sed 's/-.*//'), $(iptables-nft --version), $((SECONDS - began)) s"
	rule
	line '' "stranger's" 'with its' 'new con-' question, 'bytes a' 'one more' 'at p99,'
	line '' 'SYN,' 'sending,' 'nection,' answer, 'second, %' 'gate,' ''
	line '' 'ns more' 'a second' 'ns more' 'ns more' 'of none' us us
	rule
	for n in $gates; do row "postern, $n gates" "p$n"; done
	for kind in legacy nft; do
		for n in $rules; do
			[ -z "${figure[$kind$n.bytes]-}" ] || row "iptables-$kind, $n rules" "$kind$n"
		done
	done
	rule
	echo "Without rules: ${figure[sender]} ns for a SYN, ${figure[connect]} for a connection, ${figure[question]} for a question and its answer."
	echo "Ends of 10,000 gates, every 100th tried: the last let in $(value p50_ms "${figure[ends]}") ms after the end at p50," \
		"$(value min_ms "${figure[ends]}") at least, $(value max_ms "${figure[ends]}") at most;" \
		"$(value never "${figure[ends]}") never open. Room given back after $(value collected_ms "${figure[ends]}") ms."
	echo 'A machine shared with others: read ratios. How it is measured: doc/benchmarks.md'
}

for n in $gates; do measure_postern "$n"; done
for kind in legacy nft; do
	command -v "iptables-$kind" >/dev/null || continue
	for n in $rules; do
		measure_rules $kind "$n" 2>"$tmp/trouble" || { cat "$tmp/trouble" >&2; break; }
	done
done
measure_ends
[ -t 2 ] && printf '\r\e[K' >&2
print_table
