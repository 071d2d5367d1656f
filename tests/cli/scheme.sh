# Classic knocks: what would be sent, what is used up, what is wrong, and profiles.
. "$(dirname "$0")/lib.sh"
need jq faketime
cd "$W" || exit 1
umask 077
sid=0000000000000000000000000000000000000000000000000000000000000005
last='the knock was lost or not understood, or this key may not open it'

# Vectors: published ones, and frames made by hand.
echo knock >K
cipher="--scheme cipher --key-file K --iv 01234567 --ports 745-1000 --allow 142.103.205.1 --port 22"
says 0 '' -- knock $cipher --minutes 15 --dry-run gw
printed '966 914 795 964 831 862 807 932'
says 0 '' -- knock $cipher --iv 0x3031323334353637 --minutes 15 --dry-run gw
printed '966 914 795 964 831 862 807 932'
says 0 '' -- knock --scheme sequence --sequence 102,100,100:udp,103 --dry-run gw
printed '102 100 100:udp 103'
says 0 '' -- knock --scheme structured --base 100 --port 22 --minutes 20 --dry-run gw
printed '103 101 107 100 100 102 102 102 106 107 101 103'
says 0 '' -- knock --scheme structured --base 7000 gw tcp/8443 --dry-run
printed '7003 7001 7007 7008 7004 7004 7003 7001 7000 7007 7001 7003'
says 0 '' -- close --scheme structured --port 22 gw --dry-run
printed '103 101 107 100 100 102 102 109 103 107 101 103'
says 0 '' -- knock --scheme structured --port 22 --minutes close gw --dry-run
printed '103 101 107 100 100 102 102 109 103 107 101 103'

# Enciphered: the forms have their lengths.
knocks() {
	run knock "$@" --dry-run
	is "$*: $n knocks" [ "$code:$(wc -w <out)" = "0:$n" ]
}
n=8 knocks $cipher --close gw

random="--scheme cipher --key-file K --random-iv --port 22 --allow"
n=16 knocks $random 192.0.2.1 gw
n=24 knocks $random 192.0.2.1 --wide gw
n=32 knocks $random 2001:db8::1 --wide gw
says 2 'postern knock: --iv and --random-iv are two; choose one; see postern knock --help' \
	-- knock $cipher --random-iv gw
says 2 'postern knock: such a sequence can say IPv4 addresses only; --wide says IPv6 too, if the server has it; see postern knock --help' \
	-- knock $random 2001:db8::1 gw
says 2 'postern knock: port 8443: such a sequence can say ports up to 255; --wide says all, if the server has it too; see postern knock --help' \
	-- knock --scheme cipher --key-file K --random-iv --port 8443 gw
says 2 'postern knock: which IV? say --iv, the server'\''s, or --random-iv; see postern knock --help' \
	-- knock --scheme cipher --key-file K --port 22 gw
says 2 'postern knock: --iv 123: not eight characters, nor 0x and sixteen hexadecimal digits; see postern knock --help' \
	-- knock $cipher --iv 123 gw
says 2 'postern knock: --ports 745-999: not 256 ports; write FIRST-LAST, such as 745-1000; see postern knock --help' \
	-- knock $cipher --ports 745-999 gw
says 2 'postern knock: --minutes 255: not what an enciphered sequence can say; write 0 to 254 or close; see postern knock --help' \
	-- knock $cipher --minutes 255 gw
says 2 'postern knock: --allow observed: not an address in numbers; see postern knock --help' \
	-- knock $cipher --allow observed gw
printf 'knock\r\n' >K
says 0 '' -- knock $cipher --minutes 15 --dry-run gw
printed '966 914 795 964 831 862 807 932'
chmod 644 K
says 4 'postern: K: others may read this secret; chmod go-rwx it' -- knock $cipher --dry-run gw
chmod 600 K
printf 'one\ntwo\n' >two
says 4 'postern: two: not a passphrase; write it as the only line' \
	-- knock $cipher --key-file two --dry-run gw

# A pad is used up message by message, never by a dry run.
says 0 '' -- id pad --messages 2
printed 'wrote ./server.pad, to be moved to the server, and ./client.pad for the client: 2 knocks'
run id pad --messages 2
is 'a pad is not written over' [ "$code" = 4 ]
pad="--scheme cipher --pad client.pad --port 8443"
says 2 'postern knock: to show a knock is to use up its part of the pad; leave --dry-run out; see postern knock --help' \
	-- knock $pad --dry-run 127.0.0.1
cp client.pad before
says 0 '' -- knock $pad --delay 0 --verbose 127.0.0.1
printed 'sent 16 knocks to 127.0.0.1; scheme cipher has no answer, so whether the door opened is not known
1 are left for later knocks'
is 'a message is gone' sh -c '! cmp -s client.pad before'
says 0 '' -- close $pad --delay 0 127.0.0.1
printed 'sent 16 knocks to 127.0.0.1; scheme cipher has no answer, so whether the door closed is not known'
run knock $pad --delay 0 127.0.0.1
is 'an empty pad' [ "$code:$(wc -l <err)" = 4:1 ]

# One-time sequences: shown without being used, then used in turn, then none.
says 0 '' -- id sequences --count 2 --length 4 -o seq
is 'a file of two' [ "$(grep -vc '^#' seq)" = 2 ]
is 'of four ports each' [ "$(grep -v '^#' seq | tr -dc ',\n' | sort -u)" = ,,, ]
first=$(grep -v '^#' seq | head -n 1)
once="--scheme sequence --one-time seq --delay 0"
says 0 '' -- knock $once --dry-run gw
printed "$(echo "$first" | tr , ' ')"
says 0 '' -- knock $once 127.0.0.1 --quiet
printed ''
is 'the first is marked' grep -qx "#$(echo "$first" | cut -c 2-)" seq
run knock $once --json ::1
is 'the second' [ "$code:$(jq -r '.status + " " + .scheme + " " + .address + " \(.knocks) \(.left)"' out)" = '0:SENT sequence ::1 4 0' ]
says 4 'postern: seq: every sequence is used; ask the server'\''s administrator for a new file' \
	-- knock $once 127.0.0.1
echo 'seven' >seq
run knock $once 127.0.0.1
is 'a line that is none' [ "$code:$(cut -c 1-20 err)" = '4:postern: seq: line 1' ]

# Tagged: for the same time, key and server the same knocks; each on the port of its place.
says 0 '' -- id tag-key Ops/VSD --slot 7
is 'both ends have the same line' cmp -s out ops.tag
printf '7 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= Ops/VSD\n' >tag
tagged="--scheme tagged --key-file tag --server $sid --service-slot 3 --dry-run"
faked() {
	faketime -f '@2026-11-22 10:00:00' "$postern" "$@" >out 2>err
	code=$?
}
faked knock $tagged --allow observed gw
is 'sixteen, slot, time and service' [ "$code:$(cut -d ' ' -f 1-6 out)" = "0:$(
	t=$(date -d '2026-11-22 10:00:00' +%s)
	echo $((40000 + 7)) $((40256 + t / 16777216)) $((40512 + t / 65536 % 256)) \
		$((40768 + t / 256 % 256)) $((41024 + t % 256)) $((41280 + 3)))" ]
is 'the code' [ "$(cut -d ' ' -f 7-16 out)" = "$(python3 - <<P
import hashlib, hmac, calendar, struct
t = calendar.timegm((2026, 11, 22, 10, 0, 0))
body = bytes([7]) + struct.pack('>I', t) + bytes([3])
tag = hmac.new(bytes(range(32)), b'postern tag v1' + bytes.fromhex('$sid') + body + bytes(16), hashlib.sha256)
print(*(40000 + 256 * (6 + i) + b for i, b in enumerate(tag.digest()[:10])))
P
)" ]
cp out observed
faked knock $tagged --allow 192.0.2.7 gw
is 'another address, another code' sh -c '! cmp -s out observed'
faked knock $tagged --allow observed --close gw
is 'close is service 255' [ "$code:$(cut -d ' ' -f 6 out)" = 0:41535 ]
for h in blake2b md5; do
	faked knock $tagged --allow observed --hash $h gw
	is "$h" [ "$code:$(wc -w <out)" = 0:16 ]
	is "$h is another code" sh -c '! cmp -s out observed'
done
says 0 '' -- knock $tagged --allow observed --counter count gw
is 'a dry run counts nothing' [ "$(cut -d ' ' -f 2-5 out):$(ls count 2>/dev/null)" = '40256 40512 40768 41025:' ]
real="--scheme tagged --key-file tag --server $sid --service-slot 3 --allow observed"
says 0 '' -- knock $real --counter count 127.0.0.1 --quiet
says 0 '' -- knock $real --counter count 127.0.0.1 --quiet
is 'the counter counts' [ "$(cat count)" = 2 ]
echo many >count
says 4 'postern: count: not a counter; it holds one number below 4294967295' \
	-- knock $real --counter count 127.0.0.1
says 4 'postern: tag: has no key in slot 9' -- knock $real --slot 9 127.0.0.1
says 4 "postern: the server's id is needed: name its card, or the id in hexadecimal, with --server" \
	-- knock --scheme tagged --key-file tag --service-slot 0 --allow observed --dry-run gw
says 2 "postern knock: which service? say --service-slot N, its place in the server's list, from 0; see postern knock --help" \
	-- knock --scheme tagged --key-file tag gw
says 2 'postern knock: --slot 256: not a slot; write a number from 0 to 255; see postern knock --help' \
	-- knock --scheme tagged --key-file tag --slot 256 gw

# fwknop: a text of the right shape; what it says is read back by openssl.
says 0 '' -- id fwknop-key Ops/VSD
is 'the block for the server' grep -q '^        hmac-key-base64 = "' out
cat >fk <<F
KEY_BASE64 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
HMAC_KEY_BASE64 QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9gYWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+fw==
F
fwknop="--scheme fwknop --key-file fk --access tcp/22,udp/1194 --allow 192.0.2.10 --user alice"
faked knock $fwknop --for 90s --dry-run gw
is 'fwknop' python3 - <<'P'
import base64, calendar, hashlib, hmac, subprocess
text = open('out').read().strip()
body, tag = text[:-43], text[-43:]
mac = hmac.new(bytes(range(0x40, 0x80)), b'U2FsdGVkX1' + body.encode(), hashlib.sha256).digest()
assert base64.b64encode(mac).decode().rstrip('=') == tag
blob = base64.b64decode('U2FsdGVkX1' + body + '=' * (-len('U2FsdGVkX1' + body) % 4))
key, d = b'', b''
while len(key) < 48:
    d = hashlib.md5(d + bytes(range(32)) + blob[8:16]).digest()
    key += d
plain = subprocess.run(['openssl', 'enc', '-d', '-aes-256-cbc', '-K', key[:32].hex(), '-iv', key[32:48].hex()],
                       input=blob[16:], stdout=subprocess.PIPE, check=True).stdout.decode().split(':')
b = lambda s: base64.b64encode(s.encode()).decode().rstrip('=')
t = str(calendar.timegm((2026, 11, 22, 10, 0, 0)))
assert plain[1:7] == [b('alice'), t, '3.0.0', '3', b('192.0.2.10,tcp/22,udp/1194'), '90'], plain
P
run knock $fwknop --nat 10.1.1.2:55000 --mode ctr --hmac sha512 --dry-run --json gw
is 'fwknop in JSON' [ "$code:$(jq -r '.status + " \(.text | length > 140)"' out)" = '0:DRY_RUN true' ]
says 2 'postern close: scheme fwknop cannot close; what it opened closes by itself; see postern close --help' \
	-- close --scheme fwknop --key-file fk gw
says 2 'postern knock: --access tcp/0: not ports; write tcp/22 or tcp/22,udp/1194; see postern knock --help' \
	-- knock $fwknop --access tcp/0 gw
says 2 'postern knock: --nat 10.0.0.1: not an inner host; write HOST:PORT; see postern knock --help' \
	-- knock $fwknop --nat 10.0.0.1 gw
says 4 'postern: 127.0.0.1: no connection to tcp/9; something must listen there for the carriers tcp and http, or choose --carrier udp' \
	-- knock $fwknop --carrier tcp --port 9 127.0.0.1

# A packet of each carrier, as it arrives.
cat >listen.py <<'P'
import socket, sys
tcp = socket.create_server(("127.0.0.1", 0))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", tcp.getsockname()[1]))
print(tcp.getsockname()[1], flush=True)
print("udp", len(udp.recv(2000)), flush=True)
for _ in range(2):
    c, _ = tcp.accept()
    data = b""
    while part := c.recv(4096):
        data += part
    print("tcp", data.split(b" ")[0].decode() if data.startswith(b"GET") else len(data), flush=True)
P
python3 listen.py >heard &
children="$children $!"
for _ in $(seq 200); do
	listener=$(head -n 1 heard 2>/dev/null)
	[ -n "$listener" ] && break
	sleep 0.1
done
for carrier in udp tcp http; do
	says 0 '' -- knock --scheme fwknop --key-file fk --access tcp/22 --allow source --carrier $carrier \
		--port "$listener" 127.0.0.1
	printed 'sent one packet to 127.0.0.1; scheme fwknop has no answer, so whether the door opened is not known'
done
wait $!
is 'carriers' [ "$(tail -n 3 heard | tr '\n' ' ' | sed 's/[0-9]\{3\}/N/g')" = 'udp N tcp N tcp GET ' ]

# Waiting: tried until it opens. What is not there is said, with a code of its own.
cat >late.py <<'P'
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
time.sleep(0.6)
s.listen()
while True:
    c, _ = s.accept()
    data = b""
    while part := c.recv(4096):
        data += part
    c.sendall(data[::-1])
    c.close()
P
late() {
	: >late
	python3 late.py >late &
	children="$children $!"
	for _ in $(seq 200); do
		late=$(cat late)
		[ -n "$late" ] && break
		sleep 0.1
	done
}
late
says 0 '' -- knock --scheme sequence --sequence 1,2,3 --delay 0 127.0.0.1 "tcp/$late" --wait
printed "sent 3 knocks to 127.0.0.1: tcp/$late is open"
says 3 "postern: 127.0.0.1: tcp/9 did not open within 3 seconds; $last" \
	-- knock --scheme structured --delay 0 127.0.0.1 tcp/9 --wait
says 2 'postern knock: tcp/22: scheme sequence does not say it by its port; leave it out, or say --wait to try it; see postern knock --help' \
	-- knock --scheme sequence --sequence 1,2,3 gw tcp/22
says 2 'postern knock: ssh: scheme sequence knows no names of services; write tcp/PORT; see postern knock --help' \
	-- knock --scheme sequence --sequence 1,2,3 gw ssh

# What does not belong together.
says 2 'postern knock: --base is for scheme structured or tagged, not for spa; see postern knock --help' \
	-- knock --base 7000 gw
says 2 'postern knock: --id is for scheme spa, not for sequence; see postern knock --help' \
	-- knock --scheme sequence --sequence 1,2 --id x gw
says 2 'postern knock: which sequence? say --sequence PORTS or --one-time FILE; see postern knock --help' \
	-- knock --scheme sequence gw
says 2 'postern knock: --port says which service; leave tcp/22 out; see postern knock --help' \
	-- knock --scheme structured --port 22 gw tcp/22
says 2 'postern knock: --ipv4 and --ipv6 are two; choose one; see postern knock --help' \
	-- knock --scheme sequence --sequence 1,2 -4 -6 gw
says 2 'postern knock: --base 65527: not where 10 ports can begin; write a number from 1 to 65526; see postern knock --help' \
	-- knock --scheme structured --base 65527 --port 22 gw
says 4 'postern: --sequence: a port is not 1 to 65535; write ports as 102,100,100:udp,103' \
	-- knock --scheme sequence --sequence 0,1,2 --dry-run gw
run knock --scheme sequence --sequence 1,2,3 nowhere.invalid
is 'no such host: code' [ "$code" = 4 ]
is 'no such host: sentence' grep -q '^postern: nowhere.invalid cannot be looked up: ' err

# Profiles: made, used, overruled, shown, taken out.
says 0 '' -- profile list
printed ''
says 0 '' -- profile add gw 127.0.0.1 --scheme structured --base 200 --port 22 --minutes 30 --delay 0
says 0 '' -- knock --scheme cipher --key-file K --iv 01234567 --allow 142.103.205.1 --port 22 --minutes 15 \
	--save vault --dry-run vault.example.org
printed '966 914 795 964 831 862 807 932'
says 0 '' -- profile list
printed 'gw               structured 127.0.0.1
vault            cipher     vault.example.org'
says 0 '' -- profile show vault
printed 'profile vault {
	host = "vault.example.org"
	scheme = "cipher"
	port = "22"
	minutes = "15"
	key-file = "W/K"
	iv = "01234567"
	allow = "142.103.205.1"
}'
is 'only the owner may read them' [ "$(stat -c %a home/profiles)" = 600 ]
says 0 '' -- knock gw --dry-run
printed '203 201 207 200 200 202 202 203 207 207 201 203'
says 0 '' -- knock gw --minutes 10 --dry-run
printed '203 201 207 200 200 202 202 201 205 207 201 203'
says 0 '' -- knock gw tcp/443 --dry-run
printed '203 201 207 200 204 204 203 203 204 207 201 203'
says 0 '' -- close gw --dry-run
printed '203 201 207 200 200 202 202 209 203 207 201 203'
says 0 '' -- knock gw --scheme sequence --sequence 1,2,3 --dry-run
printed '1 2 3'
cd /
says 0 '' -- knock vault --dry-run
printed '966 914 795 964 831 862 807 932'
cd "$W" || exit 1
says 4 'postern: there is a profile gw already; postern profile remove gw takes it away' \
	-- profile add gw 127.0.0.1 --scheme structured --port 22
says 2 'postern profile add: -x: not a name; write 1 to 63 of letters, digits, . _ and -; see postern profile add --help' \
	-- profile add -x gw
says 2 'postern send: gw is a profile of scheme structured, in which nothing can be sent; name the host itself; see postern send --help' \
	-- send gw reboot
late
printf 'carried' >in
says 0 '' -- profile add seq 127.0.0.1 --scheme sequence --sequence 1,2,3 --delay 0
says 2 'postern close: which sequence closes? that of a profile opens; say --sequence, or knock a profile of its own for closing; see postern close --help' \
	-- close seq
says 0 '' -- close seq --sequence 3,2,1 --dry-run
printed '3 2 1'
"$postern" connect seq "$late" <in >out 2>err
is 'connect knocks and carries' [ "$?:$(cat out):$(cat err)" = '0:deirrac:' ]
says 3 "postern: 127.0.0.1: tcp/9 did not open within 5 seconds; $last" -- connect gw 9

# A file that people write: comments stay, mistakes are named with their lines.
cat >home/profiles <<'P'
# Mine.
profile gw {			# the gateway
	host = 127.0.0.1   scheme = structured
	port = 22
}

profile "lab" { host = "::1" scheme = sequence sequence = "5,6,7" }	# and this
# The end.
P
says 0 '' -- knock lab --dry-run
printed '5 6 7'
says 0 '' -- profile remove gw
is 'the rest stays' [ "$(cat home/profiles)" = '# Mine.

profile "lab" { host = "::1" scheme = sequence sequence = "5,6,7" }	# and this
# The end.' ]
says 1 'postern: there is no profile gw; postern profile list shows what there is' -- profile remove gw
says 1 'postern: there is no profile gw; postern profile list shows what there is' -- profile show gw
chmod 644 home/profiles
says 4 'postern: W/home/profiles: others may read this secret; chmod go-rwx it' -- knock lab --dry-run
wrong() {
	printf '%b' "$1" >home/profiles
	chmod 600 home/profiles
}
wrong 'profile gw {\n\thost = x\n\tport = 99999\n\tscheme = structured\n}\n'
says 4 'postern: W/home/profiles:3: port 99999: not a port; write a number from 1 to 65535' -- knock gw
wrong 'profile gw {\n\thots = x\n}\n'
says 4 'postern: W/home/profiles:2: hots: not a key of a profile; see "Profiles" in postern(1)' \
	-- knock other
wrong 'profile gw {\n\tscheme = spa\n\tbase = 100\n}\n'
says 4 'postern: W/home/profiles:3: base is for scheme structured or tagged, not for spa' -- knock gw
wrong 'profile gw {\n\tscheme = cipher\n\twide = perhaps\n}\n'
says 4 'postern: W/home/profiles:3: wide: perhaps: neither yes nor no' -- knock gw
wrong 'profile gw {\n\tport = 22\n\tport = 23\n}\n'
says 4 'postern: W/home/profiles:3: port: stands here twice; keep one' -- knock gw
wrong 'profile gw { port = 22'
says 4 'postern: W/home/profiles:1: the file ends inside a block; a } is missing' -- knock gw
wrong 'profile gw { port = 22 }\n/* for now\nprofile x { port = 23 }'
says 4 'postern: W/home/profiles:2: this comment does not end; close it with */' -- knock gw
wrong 'profile gw { host = "x }\n'
says 4 'postern: W/home/profiles:1: \"x }: does not end on its line; close the quote' -- knock gw
wrong 'profile gw { scheme = sequence } profile x { sequence = "1,2" }\n'
says 4 'postern: profile gw cannot be cut out by whole lines; take it out with an editor' -- profile remove gw

done_testing
