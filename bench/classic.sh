#!/bin/bash
# Classic knocks beside knockd and fwknopd, in one run, in network namespaces that are removed at the end: how
# many of 20 people with the stock knock client get in while a flood of SYNs with spoofed sources comes, what
# the flood costs, and how soon a port opens. Prints tables and asserts nothing. About 90 seconds.
#
#   bench/classic.sh BUILD-FOLDER   root; an optimised build (make bench makes one)
#   RATES='0 100000'                other rates, packets a second; max: as many as can be sent
# Prefixes, options and lists of processes are words to be split.
# shellcheck disable=SC2086,SC2046,SC2207
need='ip iptables fwknop fwknopd knock knockd taskset setpriv jq'
prefix=pc
unmake() { remove $daemons client stranger hub; }
# shellcheck source=bench/common.sh
. "$(dirname "$0")/common.sh"

rates=${RATES:-0 1000 10000 100000 max}
attempts=20
tries=20       # for the latency figures
limit_ms=1000  # a port that is not open by then after the last knock did not open
ports='7000 9000 8000'
first_uid=2001 # of the people: each has a route of his own, and so an address of his own

daemons='postern knockd fwknopd'
declare -A address=([postern]=10.77.0.1 [knockd]=10.77.0.3 [fwknopd]=10.77.0.4)
declare -A hardware figure
pids=
source=1 # the next address that nobody has used

client() { $there ip netns exec "$tag-client" "$@"; }

# -- the machines ----------------------------------------------------------------------------------

build_network() {
	local who
	for who in hub client stranger $daemons; do
		ip netns add "$tag-$who" && ip -n "$tag-$who" link set lo up || return
	done
	ip -n "$tag-hub" link add br0 type bridge && ip -n "$tag-hub" link set br0 up || return
	plug_hub client 10.77.0.2 && plug_hub stranger 10.77.0.9 &&
		ip -n "$tag-client" route add local 10.78.0.0/15 dev lo || return
	for who in $daemons; do
		plug_hub "$who" "${address[$who]}" &&
			ip -n "$tag-$who" route add 10.78.0.0/15 via 10.77.0.2 || return
		hardware[$who]=$(ip -n "$tag-$who" -json link show eth0 | jq -r '.[0].address')
	done
	for ((i = first_uid; i < first_uid + attempts; i++)); do
		ip -n "$tag-client" rule add uidrange $i-$i lookup $i || return
	done
}

# The people's next addresses, from which nobody has knocked yet.
move_people() { # move_people WHO
	local i
	for ((i = 0; i < attempts; i++, source++)); do
		echo "route replace ${address[$1]}/32 dev eth0 src 10.78.$((source >> 8)).$((source & 255)) table $((first_uid + i))"
	done >"$tmp/routes"
	ip -n "$tag-client" -batch "$tmp/routes" || fail 'routes'
}

# What the peers' manuals ask for: everything closed, what is established stays.
close_ports() {
	ip netns exec "$tag-$1" iptables -F INPUT && ip netns exec "$tag-$1" iptables -P INPUT DROP &&
		ip netns exec "$tag-$1" iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
}

# -- their files -----------------------------------------------------------------------------------

write_postern() {
	printf 'correct horse 7 battery\nadmin staple 42\n' >"$tmp/passwords"
	chmod 600 "$tmp/passwords"
	postern setup --org VSD --server Mail --admin Admin --guard tcp/22=ssh --interface eth0 --kdf-mem 8 \
		--password-file "$tmp/passwords" --dir "$tmp/etc" >"$tmp/setup.log" 2>&1 || return
	printf 'KEY_BASE64 %s\nHMAC_KEY_BASE64 %s\n' "$key" "$hmac" >"$tmp/fwknop.keys"
	chmod 600 "$tmp/fwknop.keys"
	write_door strict "sequence { ports = {${ports// /, }}  open = ssh  as = \"Admin/VSD\" }"
	write_door lax "sequence { ports = {${ports// /, }}  open = ssh  as = \"Admin/VSD\"  strict = no }"
	write_door fwknop "fwknop { key-file = \"$tmp/fwknop.keys\"  services = {ssh}  as = \"Admin/VSD\" }"
}

write_door() { # write_door NAME BLOCK
	cat >"$tmp/$1.conf" <<-END
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
			identity-gates-max = 1000
		}
		door wan {
			interface = "eth0"
			$2
		}
		service ssh { port = tcp/22  allow = {"*/VSD"}  open = once  wait = 30s  lease = 1h }
	END
}

write_fwknop() {
	key=$(head -c 32 /dev/urandom | base64 -w 0)
	hmac=$(head -c 64 /dev/urandom | base64 -w 0)
	mkdir -p "$tmp/fwknopd"
	printf 'PCAP_INTF eth0;\nFWKNOP_RUN_DIR %s;\n' "$tmp/fwknopd" >"$tmp/fwknopd/fwknopd.conf"
	printf 'SOURCE ANY\nKEY_BASE64 %s\nHMAC_KEY_BASE64 %s\nOPEN_PORTS tcp/22\nFW_ACCESS_TIMEOUT 30\n' \
		"$key" "$hmac" >"$tmp/fwknopd/access.conf"
	chmod 600 "$tmp/fwknopd"/*.conf
}

# The command of its sample configuration, on the path where Debian has iptables.
write_knockd() {
	cat >"$tmp/knockd.conf" <<-END
		[options]
			logfile = $tmp/knockd.messages
		[openSSH]
			sequence = ${ports// /,}
			seq_timeout = 5
			command = $(command -v iptables) -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
			tcpflags = syn
	END
}

# One fwknop packet a line, each for an address of its own. They age: make them late.
make_packets() { # make_packets FIRST COUNT
	local i
	rm -f "$tmp/packets"
	for ((i = $1; i < $1 + $2; i++)); do
		HOME=$tmp fwknop -T -A tcp/22 -a "10.78.$((i >> 8)).$((i & 255))" -D 10.77.0.1 --use-hmac \
			--no-rc-file --no-save-args --key-base64-rijndael "$key" --key-base64-hmac "$hmac" \
			--save-packet "$tmp/packets" --save-packet-append >/dev/null 2>&1 || fail "fwknop makes no packet"
	done
}

# -- their processes -------------------------------------------------------------------------------

watches() { [ "$(ip netns exec "$tag-$1" cat /proc/net/packet | wc -l)" -gt 1 ]; }
status() { posternctl --socket "$tmp/control" --json status | jq -ser ".[0] | $1"; }

start() { # start WHO [CONFIGURATION]
	local who=$1
	case $who in
	postern) daemon postern posternd -c "$tmp/$2.conf" >"$tmp/postern.log" 2>&1 & ;;
	knockd)
		close_ports knockd || fail 'iptables does not work here'
		: >"$tmp/knockd.messages"
		daemon knockd knockd -i eth0 -c "$tmp/knockd.conf" >"$tmp/knockd.log" 2>&1 &
		;;
	fwknopd)
		close_ports fwknopd || fail 'iptables does not work here'
		daemon fwknopd fwknopd -f -c "$tmp/fwknopd/fwknopd.conf" -a "$tmp/fwknopd/access.conf" \
			>"$tmp/fwknopd.log" 2>&1 &
		;;
	esac
	pids=$!
	if [ $who = postern ]; then
		until_true 'posternd answers' status .version
		until_true 'posternd watches' status '.doors[0].watching'
	else
		until_true "$who watches" watches $who
	fi
	pids=$(echo $pids $(pgrep -P $pids) | tr ' ' ,)
}

stop() {
	local main=${pids%%,*}
	kill "$main" 2>/dev/null
	timeout 10 tail --pid="$main" -f /dev/null || kill -9 "$main" 2>/dev/null
	wait "$main" 2>/dev/null
}

# -- among a flood ---------------------------------------------------------------------------------

# One begins after the other and knocks as its user would. Prints the number that got in.
cat >"$tmp/people" <<'PEOPLE'
for ((i = 0; i < $2; i++)); do
	setpriv --reuid $(($3 + i)) --clear-groups bash -c \
		'knock -d 50 '"$4 $5"' && "${0%/*}/connect" '"$4"' 22 '"$6" "$1" >"$1.$i" 2>&1 &
	sleep $7
done
wait
cat "$1".[0-9]* | grep -c open_us
rm -f "$1".[0-9]*
PEOPLE

seen() { # seen WHO: packets taken, packets lost; of knockd, what its log says of first knocks, and not what it lost
	case $1 in
	postern) status '.doors[0] | "\(.packets) \(.dropped)"' || echo '0 0' ;;
	knockd) echo "$(grep -c 'Stage 1$' "$tmp/knockd.messages") 0" ;;
	esac
}

# One cell of the table: LABEL is its key, CONFIGURATION only postern's. Nobody knocks while another does, unless
# PORT is "crowd": then a new one begins every 30 ms.
measure() { # measure LABEL WHO CONFIGURATION RATE PORT
	local label=$1 who=$2 rate=$4 port=$5 flood='' gap=0.13 line before after sent
	[ $port = crowd ] && gap=0.03
	tell "$label, $rate packets a second on port $port"
	start $who $3
	move_people $who
	if [ "$rate" != 0 ]; then
		$there ip netns exec "$tag-stranger" bench-spoof $([ $rate = max ] || echo -r $rate) eth0 \
			"${hardware[$who]}" "${address[$who]}" $port >"$tmp/flood" &
		flood=$!
		sleep 0.5
	fi
	before=($(seen $who))
	line=$(bench-cost $pids -- $there ip netns exec "$tag-client" bash "$tmp/people" "$tmp/person" $attempts \
		$first_uid "${address[$who]}" "$ports" $limit_ms $gap) || fail "$label: not measured"
	after=($(seen $who))
	figure[$label.$rate.$port]=${line%%$'\n'*}
	[ -n "$flood" ] || { stop; return; }
	kill $flood
	wait $flood
	sent=$(cat "$tmp/flood")
	figure[sent.$label.$rate.$port]=$(calc "$(value sent "$sent") / $(value took_us "$sent") * 1e3" 1)
	figure[taken.$label.$rate.$port]=$(calc "(${after[0]} - ${before[0]}) / $(value wall_us "$line") * 1e3" 1)
	[ $who = knockd ] || figure[lost.$label.$rate.$port]=$((after[1] - before[1]))
	figure[cpu.$label.$rate.$port]=$(calc "$(value cpu_us "$line") / (${after[0]} - ${before[0]} + 1e-9)" 2)
	figure[load.$label.$rate.$port]=$(calc "$(value cpu_us "$line") / $(value wall_us "$line") * 100" 0)
	figure[rss.$label.$rate.$port]=$(calc "$(value rss_kib "$line") / 1024" 0)
	stop
}

# -- from the last knock to the first connection -----------------------------------------------------

latency() { # latency LABEL WHO CONFIGURATION PORT KIND
	local line first=$((4000 + source)) kind=(syn "${ports// /,}")
	tell "$1: $tries knocks, one after the other"
	start $2 $3
	[ $5 = file ] && { make_packets $first $tries; kind=(file "$tmp/packets"); }
	line=$(client bench-latency -f $first -n $tries -c 5 -p 100 "${address[$2]}" 22 $4 "${kind[@]}") ||
		fail "$1: no latency"
	figure[p50.$1]=$(calc "$(value p50_us "$line") / 1000" 2)
	figure[opened.$1]=$(value opened "$line")
	source=$((source + tries))
	stop
}

# -- the tables ------------------------------------------------------------------------------------

rule() { printf '%.0s-' {1..98}; echo; }
row() { # row LABEL KEY...: one for each rate, on the first port, then at the highest two on any
	local label=$1 cell
	shift
	printf '  %-26s' "$label"
	for cell in "$@"; do printf ' %9s' "${figure[$cell]--}"; done
	echo
}
cells() { # cells PREFIX: its keys, one for each column
	local rate
	for rate in $rates; do echo "$1$rate.7000"; done
	for rate in $some; do echo "$1$rate.random"; done
}

print_tables() {
	local who what rate
	echo "$(posternd --version), $(knockd --version | head -n 1), fwknopd $(fwknopd --version | sed -n 's/^fwknopd server \([0-9.]*[0-9]\).*/\1/p')"
	echo "$(date -u +%Y-%m-%d), $(nproc) cores, Linux $(uname -r | sed 's/-.*//'), $((SECONDS - began)) s"
	rule
	printf '%-28s' 'Spoofed SYNs a second'
	for rate in $rates; do printf ' %9s' "$rate"; done
	for rate in $some; do printf ' %9s' "$rate*"; done
	printf '\n'
	for what in ":People who got in, of $attempts" 'sent.:SYNs that were sent, thousands a second' 'taken.:Packets taken, thousands a second' 'lost.:Packets lost' \
		'cpu.:Daemon CPU for one, us' 'load.:Daemon CPU, % of a core' 'rss.:Resident memory, MiB'; do
		echo "${what#*:}"
		for who in strict lax knockd; do row "${name[$who]}" $(cells "${what%%:*}$who."); done
	done
	echo "  On the sequence's first port; * on any port, where knockd looks at its own only"
	echo "  Without a flood, a new one every 30 ms: postern ${figure[strict.0.crowd]}, knockd ${figure[knockd.0.crowd]} of $attempts"
	rule
	printf '%-40s %9s %9s\n' 'Last knock to first connection' 'p50, ms' opened
	for who in 'postern, sequence' knockd 'postern, fwknop door' fwknopd; do
		printf '  %-38s %9s %9s\n' "$who" "${figure[p50.$who]--}" "${figure[opened.$who]--}"
	done
	rule
	echo 'A machine shared with others: read ratios. How it is measured: doc/benchmarks.md'
}

declare -A name=([strict]='postern' [lax]='postern, strict = no' [knockd]='knockd')
some=$(for rate in $rates; do case $rate in 100000 | max) echo $rate ;; esac; done)

tell 'network namespaces, keys'
build_network 2>"$tmp/network.log" || fail "the network cannot be built: $(cat "$tmp/network.log")"
write_fwknop
write_postern || fail "postern setup: $(cat "$tmp/setup.log")"
write_knockd
cp "$(command -v bench-connect)" "$tmp/connect" && chmod 755 "$tmp/connect" # for people who may not look elsewhere
for who in $daemons; do daemon "$who" bench-listener 22 & disown; done

measure strict postern strict 0 crowd
measure knockd knockd - 0 crowd
for rate in $rates; do
	measure strict postern strict $rate 7000
	measure knockd knockd - $rate 7000
done
for rate in $some; do
	measure lax postern lax $rate 7000
	measure strict postern strict $rate random
done
latency 'postern, sequence' postern strict 7000 syn
latency knockd knockd - 7000 syn
latency 'postern, fwknop door' postern fwknop 62201 file
latency fwknopd fwknopd - 62201 file
[ -t 2 ] && printf '\r\e[K' >&2
print_tables
