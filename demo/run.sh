#!/bin/bash
# The main job, for real: posternd and its client, an sshd behind a closed port, a stranger who sees
# nothing. Three machines in private network namespaces; nothing outside them is touched, nothing is left.
set -u
bin=${1:?usage: demo/run.sh FOLDER (the build folder, or the one with the programs)}
[ ! -d "$bin/src/cmd" ] || bin=$bin/src/cmd
bin=$(cd "$bin" && pwd) || exit 4
[ "$(id -u)" = 0 ] || { echo "demo: needs root for network namespaces; run: sudo make demo" >&2; exit 4; }
export PATH=$bin:/usr/sbin:/sbin:$PATH

for program in postern posternd posternctl ip nft sshd ssh nmap nc tcpdump python3; do
	command -v "$program" >/dev/null ||
		{ echo "demo: $program is missing; run: sudo make demo" >&2; exit 4; }
done

tag=pd$$
tmp=$(mktemp -d /tmp/postern-demo-XXXXXX)
chmod 755 "$tmp"
server=10.77.0.1 client=10.77.0.2 stranger=10.77.0.3
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'; else bold= dim= green= red= plain=; fi
failed=0

clean() {
	for who in server client stranger hub; do
		ip netns pids "$tag-$who" 2>/dev/null | xargs -r kill -9 2>/dev/null
		ip netns del "$tag-$who" 2>/dev/null
	done
	rm -rf "$tmp"
}
trap clean EXIT
trap 'exit 130' INT TERM

on() { local who=$1; shift; ip netns exec "$tag-$who" env POSTERN_HOME="$tmp/home" XDG_STATE_HOME="$tmp/state" "$@"; }
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
shown() { printf '%s  %-8s $ %s%s\n' "$dim" "$1" "$2" "$plain"; }
quote() { fold -s -w 77 | sed 's/^/  /'; }
good() { printf '  %s✓%s %s\n' "$green" "$plain" "$*"; }
bad() { printf '  %s✗ %s%s\n' "$red" "$*" "$plain"; failed=1; }
expect() { # expect "what" command...: the command must succeed
	local what=$1; shift
	if "$@" >/dev/null 2>&1; then good "$what"; else bad "$what"; fi
}
never() { local what=$1; shift; if "$@" >/dev/null 2>&1; then bad "$what"; else good "$what"; fi; }
reachable() { on "$1" nc -z -w 1 "$server" 22; }
ctl() { on server posternctl --socket "$tmp/control" --store "$tmp/store/postern.db" "$@"; }

# Three machines on one wire.
for who in hub server client stranger; do
	ip netns add "$tag-$who" && ip -n "$tag-$who" link set lo up || exit 4
done
ip -n "$tag-hub" link add br0 type bridge && ip -n "$tag-hub" link set br0 up
for who in server client stranger; do
	ip -n "$tag-hub" link add "$who" type veth peer name eth0 netns "$tag-$who"
	ip -n "$tag-hub" link set "$who" master br0 up
	ip -n "$tag-$who" addr add "${!who}/24" dev eth0
	ip -n "$tag-$who" link set eth0 up
done

# A real sshd, with keys of its own.
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$tmp/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$tmp/login_key"
install -m 600 "$tmp/login_key.pub" "$tmp/authorized_keys"
cat > "$tmp/sshd_config" <<EOF
HostKey $tmp/host_key
AuthorizedKeysFile $tmp/authorized_keys
PidFile $tmp/sshd.pid
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
EOF
on server "$(command -v sshd)" -f "$tmp/sshd_config" -E "$tmp/sshd.log"
expect "three machines: server $server, client $client, stranger $stranger" \
	timeout 5 bash -c "until ip netns exec $tag-stranger nc -z -w 1 $server 22; do :; done"

step '1. Set up: a certifier, a server, a person, and a configuration'
printf 'open sesame 99 caves\nali baba 40 thieves\n' > "$tmp/passwords"
printf 'ali baba 40 thieves\n' > "$tmp/password"
chmod 600 "$tmp/passwords" "$tmp/password"
shown server 'postern setup --org VSD --server Mail --guard tcp/22=ssh'
on server postern setup --org VSD --server Mail --guard tcp/22=ssh --interface eth0 \
	--dir "$tmp/etc" --password-file "$tmp/passwords" > "$tmp/setup.out" 2>&1 || { cat "$tmp/setup.out"; exit 1; }
sed "s|$tmp/etc|/etc/postern|g; /^ *$/d" "$tmp/setup.out" | quote
sed -i "s|^server {|&\n\tstore = \"$tmp/store/postern.db\"\n\tcontrol = \"$tmp/control\"|" "$tmp/etc/postern.conf"
mkdir -p "$tmp/home"
cp "$tmp/etc/admin.id" "$tmp/home/default.id"
cp "$tmp/etc/server.card" "$tmp/home/$server.card"

step '2. Before: sshd answers anybody. Then posternd starts.'
shown stranger "nc $server 22"
on stranger bash -c "exec 3<>/dev/tcp/$server/22; head -1 <&3" | quote
shown server 'posternd -c /etc/postern/postern.conf'
on server posternd -c "$tmp/etc/postern.conf" > "$tmp/posternd.log" 2>&1 &
timeout 20 bash -c "until [ -S $tmp/control ] && grep -q watching $tmp/posternd.log; do
	kill -0 $! || exit 1; done" || { cat "$tmp/posternd.log"; exit 1; }
tail -1 "$tmp/posternd.log" | cut -d' ' -f2- | quote

step '3. A stranger scans, TCP and UDP, and finds nothing'
shown stranger "nmap -Pn -sS -p 20-25 $server"
on stranger nmap -n -Pn -sS -p 20-25 --max-retries 1 "$server" 2>&1 | grep -E '^[0-9]+/|scanned' > "$tmp/tcp"
quote < "$tmp/tcp"
shown stranger "nmap -Pn -sU -p 22,62201 $server"
on stranger nmap -n -Pn -sU -p 22,62201 --max-retries 1 "$server" 2>&1 | grep -E '^[0-9]+/' > "$tmp/udp"
quote < "$tmp/udp"
never 'no answer from the guarded port: not open, not closed, nothing' grep -qE '^22/tcp +(open|closed)' "$tmp/tcp"
never 'no answer from the knock port either' grep -qE '^62201/udp +(open|closed) ' "$tmp/udp"

step '4. The owner knocks: a sealed packet there, a sealed answer back'
on client tcpdump -i eth0 -U -w "$tmp/knock.pcap" "udp dst port 62201" 2> "$tmp/tcpdump.log" &
timeout 5 bash -c "until grep -q listening $tmp/tcpdump.log; do :; done"
shown client "postern knock $server ssh"
on client postern knock "$server" ssh --password-file "$tmp/password" 2>&1 | tee "$tmp/knock.out" | quote
expect 'the gate is open for one source' grep -q opened "$tmp/knock.out"
shown server 'posternctl gates'
ctl gates | quote
never 'the stranger still sees nothing' reachable stranger

step '5. ssh through it, with ProxyCommand: knock and connect in one'
shown client "ssh -o ProxyCommand='postern connect %h %p' root@$server"
on client ssh -F none -i "$tmp/login_key" -o StrictHostKeyChecking=no -o UserKnownHostsFile="$tmp/known" \
	-o LogLevel=ERROR -o ProxyCommand="postern connect %h %p --password-file $tmp/password" \
	"root@$server" 'echo "logged in from ${SSH_CONNECTION%% *}"; exec cat' < <(sleep 300) > "$tmp/ssh.out" 2>&1 &
ssh=$!
timeout 15 bash -c "until grep -q 'logged in' $tmp/ssh.out; do kill -0 $ssh || exit 1; done"
quote < "$tmp/ssh.out"
expect 'logged in, and the session lives on' grep -q 'logged in' "$tmp/ssh.out"

step '6. One knock, one connection: a second one is shut out'
shown client "nc $server 22"
never 'the same client, the same port: closed again' reachable client

step '7. The same packet again, from its owner and from the stranger'
pkill -INT -f "$tmp/knock.pcap"; wait %2 2>/dev/null
python3 - "$tmp/knock.pcap" "$tmp/packet" <<'EOF'
import sys
data, at, last = open(sys.argv[1], "rb").read(), 24, b""
while at + 16 <= len(data):
    n = int.from_bytes(data[at + 8:at + 12], "little")
    last = data[at + 16:at + 16 + n][42:]
    at += 16 + n
open(sys.argv[2], "wb").write(last)
EOF
printf '  %s bytes recorded on the wire, sent again by both\n' "$(stat -c %s "$tmp/packet")"
on client nc -u -w 1 "$server" 62201 < "$tmp/packet" > "$tmp/again1"
on stranger nc -u -w 1 "$server" 62201 < "$tmp/packet" > "$tmp/again2"
never 'the stranger got no answer' test -s "$tmp/again2"
never 'nothing opened for the client' reachable client
never 'nothing opened for the stranger' reachable stranger

step '8. kill -9, everything'
shown server 'pkill -9 posternd'
pids=$(ip netns pids "$tag-server")
for pid in $pids; do
	grep -q '^posternd' "/proc/$pid/comm" 2>/dev/null && kill -9 "$pid" 2>/dev/null
done
expect 'no postern process lives' timeout 5 bash -c "until ! grep -qs ^posternd $(printf '/proc/%s/comm ' $pids); do :; done"
never 'and the port is still closed: the kernel keeps it' reachable client
expect 'the ssh session goes on' kill -0 $ssh

step '9. What was decided, and why'
shown server 'posternctl journal'
ctl journal | quote
kill $ssh 2>/dev/null
echo
if [ $failed = 0 ]; then good 'everything above happened in private namespaces, which are gone now'; else
	bad 'something above did not happen as it must'; echo; cat "$tmp/posternd.log"; fi
exit $failed
