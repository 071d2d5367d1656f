#!/bin/bash
# postern beside fwknopd (pcap), fwknopd (UDP server) and knockd, in one run, in network namespaces.
# Prints one table and asserts nothing. About four minutes. Everything is removed at the end, on Ctrl-C too.
#
#   bench/run.sh BUILD-FOLDER     root; an optimised build (make bench makes one)
# Prefixes, options and lists of processes are words to be split.
# shellcheck disable=SC2086,SC2046
need='ip nft iptables fwknop fwknopd knockd taskset jq'
prefix=pb
unmake() { remove $daemons client hub; }
# shellcheck source=bench/common.sh
. "$(dirname "$0")/common.sh"

tries=200     # knocks for the latency figures
under_load=20 # knocks while garbage arrives
rate=10000    # garbage packets a second
floods=16000  # knocks made for the flood, each from an address of its own
people=256
log_lines=1000000
directories='1 1000 1000000' # people in a directory
directory=()
declare -A judged # nanoseconds of CPU by case
tracked=          # what bench-track says

daemons='postern pcap udp knockd'
declare -A address=([postern]=10.77.0.1 [pcap]=10.77.0.3 [udp]=10.77.0.4 [knockd]=10.77.0.5)
declare -A port=([postern]=62201 [pcap]=62201 [udp]=62201 [knockd]=7000)
declare -A pids figure

milliseconds() { if [ "$1" = 0 ]; then echo -; else calc "$1 / 1000" 2; fi; } # 0: too few opened to say

on() { local who=$1; shift; $here ip netns exec "$tag-$who" "$@"; }
client() { exec $there ip netns exec "$tag-client" "$@"; } # the same

# -- the machines ----------------------------------------------------------------------------------

build_network() {
	local who
	for who in hub client $daemons; do
		ip netns add "$tag-$who" && ip -n "$tag-$who" link set lo up || return
	done
	ip -n "$tag-hub" link add br0 type bridge && ip -n "$tag-hub" link set br0 up || return
	plug_hub client 10.77.0.2 && ip -n "$tag-client" route add local 10.78.0.0/15 dev lo || return
	for who in $daemons; do
		plug_hub "$who" "${address[$who]}" &&
			ip -n "$tag-$who" route add 10.78.0.0/15 via 10.77.0.2 || return
	done
	return 0
}

# What the peers' manuals ask for: everything closed, what is established stays. A UDP server must be reached.
close_ports() {
	on "$1" iptables -P INPUT DROP &&
		on "$1" iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT || return
	[ "$1" != udp ] || on udp iptables -A INPUT -p udp --dport 62201 -j ACCEPT
}

# -- their files -----------------------------------------------------------------------------------

write_postern() {
	printf 'correct horse 7 battery\nadmin staple 42\n' >"$tmp/passwords"
	printf 'admin staple 42\n' >"$tmp/password"
	chmod 600 "$tmp/passwords" "$tmp/password"
	postern setup --org VSD --server Mail --admin Admin --guard tcp/22=ssh --interface eth0 --kdf-mem 8 \
		--password-file "$tmp/passwords" --dir "$tmp/etc" >"$tmp/setup.log" 2>&1 || return
	bench-people $people "$tmp/seeds" >>"$tmp/etc/directory" || return
	cat >"$tmp/postern.conf" <<-END
		server {
			id = "$tmp/etc/server.id"
			id-key = "$tmp/etc/server.key"
			trust = {"$tmp/etc/trust/VSD.pem"}
			directory = "$tmp/etc/directory"
			store = "$tmp/store/postern.db"
			control = "$tmp/control"
			user = "nobody"
			allow = {"*/VSD"}
			identity-rate = 10000
			identity-gates-max = 65536
			gates-max = 65536
		}
		door wan {
			interface = "eth0"
			spa { udp = 62201  source-rate = 10000 }
		}
		service ssh {
			port = tcp/22   allow = {"*/VSD"}   gates-max = 65536
			open = once   wait = 30s   lease = 1h
		}
	END
}

write_fwknop() {
	local mode
	key=$(head -c 32 /dev/urandom | base64 -w 0)
	hmac=$(head -c 64 /dev/urandom | base64 -w 0)
	for mode in pcap udp; do
		mkdir -p "$tmp/$mode"
		cat >"$tmp/$mode/fwknopd.conf" <<-END
			PCAP_INTF eth0;
			ENABLE_UDP_SERVER $([ $mode = udp ] && echo Y || echo N);
			FWKNOP_RUN_DIR $tmp/$mode;
		END
		cat >"$tmp/$mode/access.conf" <<-END
			SOURCE ANY
			KEY_BASE64 $key
			HMAC_KEY_BASE64 $hmac
			OPEN_PORTS tcp/22
			FW_ACCESS_TIMEOUT 30
		END
		chmod 600 "$tmp/$mode"/*.conf
	done
}

# The command of its sample configuration, on the path where Debian has iptables.
write_knockd() {
	cat >"$tmp/knockd.conf" <<-END
		[options]
			logfile = $tmp/knockd.messages
		[openSSH]
			sequence = 7000,8000,9000
			seq_timeout = 5
			command = $(command -v iptables) -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
			tcpflags = syn
	END
}

# make_packets FIRST COUNT: one fwknop packet a line, each for an address of its own. They age: make them late.
make_packets() {
	local i
	rm -f "$tmp/packets"
	for ((i = $1; i < $1 + $2; i++)); do
		HOME=$tmp fwknop -T -A tcp/22 -a "10.78.$((i >> 8)).$((i & 255))" -D 10.77.0.1 --use-hmac \
			--key-base64-rijndael "$key" --key-base64-hmac "$hmac" \
			--save-packet "$tmp/packets" --save-packet-append >/dev/null 2>&1 || fail "fwknop makes no packet"
	done
}

# -- their processes -------------------------------------------------------------------------------

watches() { [ "$(ip netns exec "$tag-$1" cat /proc/net/packet | wc -l)" -gt 1 ]; }
listens_udp() { ip netns exec "$tag-$1" ss -Hlun | grep -q :62201; }
answers() { postern_status '.version'; }
postern_status() { posternctl --socket "$tmp/control" --json status | jq -ser ".[0] | $1"; }

start() {
	local who=$1 main
	case $who in
	postern)
		daemon postern posternd -c "$tmp/postern.conf" >"$tmp/postern.log" 2>&1 &
		main=$!
		until_true 'posternd answers' answers
		;;
	pcap | udp)
		daemon "$who" fwknopd -f -c "$tmp/$who/fwknopd.conf" -a "$tmp/$who/access.conf" >"$tmp/$who.log" 2>&1 &
		main=$!
		if [ "$who" = udp ]; then until_true 'fwknopd listens' listens_udp udp; else until_true 'fwknopd watches' watches pcap; fi
		;;
	knockd)
		daemon knockd knockd -i eth0 -c "$tmp/knockd.conf" >"$tmp/knockd.log" 2>&1 &
		main=$!
		until_true 'knockd watches' watches knockd
		;;
	esac
	pids[$who]=$(echo $main $(pgrep -P $main) | tr ' ' ,)
}

stop() {
	local main=${pids[$1]%%,*}
	kill "$main" 2>/dev/null
	timeout 10 tail --pid="$main" -f /dev/null || kill -9 "$main" 2>/dev/null
	wait "$main" 2>/dev/null
	pids[$1]=
}

# -- what is measured ------------------------------------------------------------------------------

# knocks WHO FIRST COUNT OPTIONS...: COUNT knocks from addresses FIRST and up; the lines of latency and cost
knocks() {
	local who=$1 first=$2 count=$3
	shift 3
	local kind=(syn '7000,8000,9000')
	case $who in
	postern) kind=(postern "$tmp/etc/server.card" "$tmp/etc/admin.id" "$tmp/password" ssh) ;;
	pcap | udp)
		make_packets "$first" "$count"
		kind=(file "$tmp/packets")
		;;
	esac
	bench-cost "${pids[$who]}" -- $there ip netns exec "$tag-client" bench-latency -f "$first" -n "$count" "$@" \
		"${address[$who]}" 22 "${port[$who]}" "${kind[@]}" || fail "$who: no latency"
}

measure_rest() {
	local who line
	tell 'all four, ten seconds of rest'
	for who in $daemons; do start "$who"; done
	sleep 10
	tell 'all four, ten more, measured'
	for who in $daemons; do
		bench-cost "${pids[$who]}" -- sleep 10 >"$tmp/rest-$who" &
	done
	wait $(jobs -p | tail -n 4)
	for who in $daemons; do
		line=$(cat "$tmp/rest-$who")
		figure[$who.rest_cpu]=$(calc "$(value cpu_us "$line") / $(value wall_us "$line") * 1e6" 0)
		figure[$who.rss]=$(calc "$(value rss_kib "$line") / 1024" 1)
		figure[$who.pss]=$(calc "$(value pss_kib "$line") / 1024" 1)
		stop "$who"
	done
}

measure_latency() { # the pause hides no phase: fwknopd looks ten times a second
	local who=$1 p line pause=20
	[ "$who" = pcap ] && pause=100
	tell "${name[$who]}: $tries knocks, one after the other"
	line=$(knocks "$who" 200 5 -p 20) || exit # neighbours, caches, first use of the rule set
	[ "$(value opened "$line")" -gt 0 ] || fail "${name[$who]}: no knock opens anything$(printf '\n'; tail "$tmp/$who.log")"
	line=$(knocks "$who" 300 $tries -p $pause -c 10) || exit
	for p in p50 p90 p99; do
		figure[$who.$p]=$(milliseconds "$(value ${p}_us "$line")")
	done
	figure[$who.opened]=$(value opened "$line")
}

seen() { postern_status '([.ignored[]] | add) // 0'; }

# garbage_cost WHO COUNT RATE KIND...: CPU microseconds for one packet, above what the daemon needs at rest
garbage_cost() {
	local who=$1 count=$2 rate=$3 line before=0 got
	shift 3
	[ "$who" = postern ] && before=$(seen)
	line=$(bench-cost "${pids[$who]}" -- $there ip netns exec "$tag-client" bench-garbage -n "$count" \
		-r "$rate" "${address[$who]}" "${port[$who]}" "$@") || fail "$who: no garbage"
	got=$(value sent "$line")
	[ "$who" = postern ] && got=$(($(seen) - before))
	awk -v used="$(value cpu_us "$line")" -v rest="$(calc "${figure[$who.rest_cpu]} * $(value wall_us "$line") / 1e6")" \
		-v n="$got" 'BEGIN { v = n > 0 ? (used - rest) / n : 0; if (v < 0.1) print "<0.1"; else printf "%.1f", v }'
}

# At a rate that each can follow: fwknopd with pcap takes a hundred packets ten times a second and no more.
measure_garbage() {
	local who=$1 rate=20000
	tell "${name[$who]}: garbage"
	case $who in pcap | udp) rate=800 ;; esac
	figure[$who.random]=$(garbage_cost "$who" $((rate * 4)) $rate random)
	figure[$who.shape]=$(garbage_cost "$who" $((rate * 4)) $rate "${shape[$who]}")
	if [ "$who" = postern ]; then
		figure[postern.card]=$(garbage_cost postern 20000 5000 card "$tmp/etc/server.card")
	fi
}

measure_under_load() {
	local who=$1 line garbage
	tell "${name[$who]}: knocks among $rate garbage packets a second"
	client bench-garbage -n 100000000 -r $rate "${address[$who]}" "${port[$who]}" "${shape[$who]}" >/dev/null &
	garbage=$!
	sleep 0.5
	line=$(knocks "$who" 600 $under_load -p 100 -c 5) || exit
	kill $garbage
	wait $garbage 2>/dev/null
	figure[$who.load]=$(value opened "$line")
	figure[$who.load_p50]=$(milliseconds "$(value p50_us "$line")")
}

# Peers give no answer that could be counted: a grant is a connection. As many knocks are under way as in
# postern's flood.
measure_grants() {
	local who=$1 line count=300
	tell "${name[$who]}: as many grants as it can"
	line=$(knocks "$who" 700 $count -w 64 -i 10000 -l 10000) || exit
	figure[$who.grants]=$(calc "$(value opened "$line") / ($(value total_us "$line") / 1e6 + 1e-9)" 0)
	figure[$who.grant_cpu]=$(calc "$(value cpu_us "$line") / ($(value opened "$line") + 1e-9)" 0)
}

measure_flood() {
	local line n
	tell 'postern: as many grants as it can'
	line=$(bench-cost "${pids[postern]}" -- $there ip netns exec "$tag-client" bench-flood -n $floods -f 1000 \
		"${address[postern]}" 62201 "$tmp/etc/server.card" "$tmp/seeds" ssh) || fail 'postern: no flood'
	n=$(value granted "$line")
	figure[postern.grants]=$(calc "$n / $(value took_us "$line") * 1e6" 0)
	figure[postern.grant_cpu]=$(calc "$(value cpu_us "$line") / $n" 0)
	figure[flood]="$n granted, $(value refused "$line") refused, $(value lost "$line") lost"
	figure[split]=$(for p in ${pids[postern]//,/ }; do
		i=$((${i:--1} + 1))
		printf '%s %s, ' "$(sed 's/.*: //' "/proc/$p/comm")" "$(calc "$(value cpu${i}_us "$line") / $n" 0)"
	done)
}

# How a lookup and the memory grow with the people that are known; no daemon, so nothing beside it.
measure_directory() {
	local n line word
	for n in $directories; do
		tell "postern: a directory of $n"
		line=$(bench-directory "$n") || fail "bench-directory $n"
		for word in $($here bench-judge "$n"); do
			judged[${word%%=*}]=${word#*=}
		done
		directory+=("$(printf '  %-32s %9s %9s %9s %9s %9s %9s %9s' "$n" \
			"$(calc "$(value load_us "$line") / 1e6" 3)" "$(calc "$(value held_kib "$line") / 1024" 1)" \
			"$(calc "$(value peak_kib "$line") / 1024" 1)" "$(value find_ns "$line")" \
			"$(value miss_ns "$line")" "$(value name_ns "$line")" \
			"$(calc "${judged[unknown_ns]:-0} / 1000" 1)")")
	done
}

measure_track() {
	tell 'postern: classic knocks in a flood'
	tracked=$($here bench-track) || fail 'bench-track'
}

# A log door beside what watches logs elsewhere, regular expressions; each on one core, the file in memory.
measure_log() {
	local file=$tmp/kernel.log line began
	local pattern='kernel: .*IN=([^ ]+) OUT=.* SRC=([0-9a-f:.]+) DST=([0-9a-f:.]+) .*PROTO=TCP SPT=([0-9]+) DPT=([0-9]+) .* SYN '
	tell "lines of a log"
	bench-logline make "$file" $log_lines || fail bench-logline
	line=$($here bench-logline read "$file") || fail bench-logline
	figure[log]=$(value a_second "$line")
	began=$(date +%s%N)
	$here grep -cE "$pattern" "$file" >/dev/null
	figure[log_grep]=$(calc "$log_lines / (($(date +%s%N) - $began) / 1e9)" 0)
	began=$(date +%s%N)
	$here python3 -c 'import re, sys
pattern = re.compile(sys.argv[1])
print(sum(pattern.search(line) is not None for line in open(sys.argv[2])))' "$pattern" "$file" >/dev/null
	figure[log_python]=$(calc "$log_lines / (($(date +%s%N) - $began) / 1e9)" 0)
	rm -f "$file"
}

# judge_row LABEL CASE: CPU for one, how many a second that makes, and how many times that of a key id
judge_row() {
	local ns=${judged[$2_ns]:-0}
	printf '  %-44s %9s %9s %9s\n' "$1" "$(calc "$ns / 1000" 1)" "$(calc "1e9 / ($ns + 1e-9)" 0)" \
		"$(calc "$ns / (${judged[key_ns]:-0} + 1e-9)" 2)"
}

# read_row LABEL CASE: one certificate, read by postern's reader and by OpenSSL
read_row() {
	local own=${judged[read_$2_ns]:-0} openssl=${judged[openssl_$2_ns]:-0}
	printf '  %-44s %9s %9s %9s\n' "$1" "$(calc "$own / 1000" 2)" "$(calc "$openssl / 1000" 1)" \
		"$(ratio "$openssl" "$own")"
}

# track_row LABEL CASE: sequences that are whole, of 100
track_row() {
	printf '  %-44s %9s %9s\n' "$1" "$(value "survive_100k_$2" "$tracked")" "$(value "survive_1000k_$2" "$tracked")"
}

print_track() {
	printf '%-46s %9s %9s %9s\n' "classic knocks, postern's table" 'of one' 'spoofed' 'twice'
	printf '  %-44s %9s %9s %9s\n' 'a second, on one core' "$(value one_source "$tracked")" \
		"$(value spoofed_once "$tracked")" "$(value spoofed_twice "$tracked")"
	printf '%-46s %9s %9s\n' 'whole sequences of 100, among spoofed packets' '100,000/s' '1,000k/s'
	track_row '50 ms between knocks' 50ms_by_1
	track_row '500 ms' 500ms_by_1
	track_row '50 ms, each source twice' 50ms_by_2
	track_row '500 ms, each source twice' 500ms_by_2
}

print_judge() {
	printf '%-46s %9s %9s %9s\n' 'postern judges one knock' 'CPU, us' 'a second' 'x key id'
	judge_row 'listed, by key id' key
	judge_row 'certificates below 1 unit, none known' template1_cold
	judge_row "the unit's known, the person's new" template1
	judge_row 'all known' template1_cached
	judge_row 'below 2 units, none known' template2_cold
	judge_row "the units' known" template2
	judge_row 'all known' template2_cached
	judge_row 'below 4 units, none known' template4_cold
	judge_row "the units' known" template4
	judge_row 'all known' template4_cached
	judge_row 'as DER, below 1 unit, none known' der1_cold
	judge_row "the unit's known" der1
	judge_row 'all known' der1_cached
	judge_row "bogus: somebody's key id, wrong signature" stolen_key
	judge_row "somebody's certificates, 4 units, the same" stolen4
	judge_row 'a certificate of its own making, 1 unit' invented1
	judge_row 'the same, 4 units' invented4
	printf '%-46s %9s %9s %9s\n' 'one certificate is read, us' postern d2i_X509 times
	read_row "a person's" leaf
	read_row "a unit's" unit
}

# -- the table -------------------------------------------------------------------------------------

rule() { printf '%.0s-' {1..90}; echo; }
line() { printf '%-34s %9s %9s %9s %9s %13s\n' "$@" | sed 's/ *$//'; }

# row LABEL KEY [more|none]: what each daemon needs; how many times less postern needs than fwknopd with
# pcap (more: how many times more it does; none: no ratio).
row() {
	local who last=
	local -a v=()
	for who in $daemons; do v+=("${figure[$who.$2]--}"); done
	case ${3-} in
	none) ;;
	more) last=$(ratio "${v[0]}" "${v[1]}") ;;
	*) last=$(ratio "${v[1]}" "${v[0]}") ;;
	esac
	line "  $1" "${v[@]}" "$last"
}

ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (a + 0 > 0 && b + 0 > 0) printf a < 10 * b ? "%.1f" : "%.0f", a / b; else print "-" }'
}

print_table() {
	local cpu
	cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
	echo "$(posternd --version), fwknopd $(fwknopd --version | sed -n 's/^fwknopd server \([0-9.]*[0-9]\).*/\1/p'), $(knockd --version | head -n 1)"
	echo "$(date -u +%Y-%m-%d), $(nproc) cores${cpu:+ ($cpu)}, Linux $(uname -r | sed 's/-.*//'), $((SECONDS - began)) s"
	rule
	line '' postern fwknopd fwknopd knockd 'times better'
	line '' '' pcap UDP '' 'than pcap'
	rule
	echo "Knock to first accepted connection, ms ($tries knocks)"
	row p50 p50
	row p90 p90
	row p99 p99
	row "opened, of $tries" opened none
	echo 'Grants'
	row 'a second, on one core' grants more
	row 'daemon CPU for one, us' grant_cpu
	echo 'At rest, over ten seconds'
	row 'daemon CPU, us a second' rest_cpu
	row 'resident memory, MiB' rss
	row 'the same, shared pages once, MiB' pss
	echo 'One garbage packet: daemon CPU, us'
	row 'random bytes' random
	row 'in the right shape' shape
	row 'from a holder of the server card' card
	echo "Knocks among $rate garbage packets a second"
	row "opened within 1 s, of $under_load" load none
	row 'p50, ms' load_p50
	rule
	printf '%-34s %9s %9s %9s %9s %9s %9s %9s\n' "postern's directory, people" 'load, s' MiB 'peak MiB' \
		'key, ns' 'none, ns' 'name, ns' 'bogus, us'
	printf '%s\n' "${directory[@]}"
	rule
	print_judge
	rule
	print_track
	rule
	printf '%-34s %11s %11s %11s\n' 'Lines of a log read, one core' postern 'grep -E' 'python re'
	printf '%-34s %11s %11s %11s\n' '  a second' "${figure[log]}" "${figure[log_grep]}" "${figure[log_python]}"
	rule
	echo "postern's grants: ${figure[flood]}. CPU us for one: ${figure[split]%, }."
	echo 'A machine shared with others: read ratios. How it is measured: doc/benchmarks.md'
}

declare -A name=([postern]=postern [pcap]='fwknopd, pcap' [udp]='fwknopd, UDP server' [knockd]=knockd)
declare -A shape=([postern]=shape [pcap]=text [udp]=text [knockd]=syn)

tell 'network namespaces, keys'
build_network 2>"$tmp/network.log" || fail "the network cannot be built: $(cat "$tmp/network.log")"
write_postern || fail "postern setup: $(cat "$tmp/setup.log")"
write_fwknop
write_knockd
for who in pcap udp knockd; do close_ports $who || fail 'iptables does not work here'; done
for who in $daemons; do daemon "$who" bench-listener 22 & disown; done

measure_directory
measure_track
measure_log
measure_rest
for who in $daemons; do
	start $who
	measure_garbage $who
	measure_latency $who
	if [ $who = postern ]; then measure_flood; else measure_grants $who; fi
	measure_under_load $who
	stop $who
done
[ -t 2 ] && printf '\r\e[K' >&2
print_table
