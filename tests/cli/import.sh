# posternctl import: what knockd and fwknop were told, as blocks that posternd --check takes beside those
# that postern setup makes; each line that is not carried over is named.
. "$(dirname "$0")/lib.sh"
folder=$(dirname "$postern")
posternd=$folder/posternd posternctl=$folder/posternctl
vectors=$(realpath "$(dirname "$0")/../vectors/import")
umask 022
make_server --guard tcp/8444=wiki

as() {
	postern=$1
}

# has FILE TEXT: one of its lines is this, but for blanks in front.
has() {
	sed 's/^[ \t]*//' "$1" | grep -qxF -- "$2"
}

# noted FILE:LINE TEXT: the last run said so on stderr, TEXT being a part of it.
noted() {
	is "$1: $2" sh -c 'grep -F "posternctl: $1: " "$3" | grep -qF -- "$2"' - "$vectors/$1" "$2" "$W/err"
}

# checks DIRECTORY CONF: posternd takes the configuration with what was imported.
checks() {
	cp "$W/pg/postern.conf" "$W/postern.conf.before"
	cp "$W/pg/directory" "$W/directory.before"
	cat "$1" >>"$W/pg/directory"
	echo "include(\"$2\")" >>"$W/pg/postern.conf"
	as "$posternd"
	run --check -c "$W/pg/postern.conf"
	is "posternd --check with $2" [ "$code" = 0 ]
	as "$posternctl"
	cat "$W/postern.conf.before" >"$W/pg/postern.conf"
	cat "$W/directory.before" >"$W/pg/directory"
}

as "$posternctl"
says 0 '' -- import --help
is '80 columns' [ "$(awk 'length > 80' "$W/out")" = '' ]
says 2 'posternctl import: name knockd or fwknop first; see posternctl import --help' -- import
says 2 'posternctl import: name knockd or fwknop first; see posternctl import --help' -- import ufw x
says 2 'posternctl import: no file was named; see posternctl import --help' -- import knockd --org VSD
says 2 'posternctl import: the organisation is missing; say --org NAME; see posternctl import --help' \
	-- import knockd x
says 2 'posternctl import: --org "AB": an organisation is missing; two letters at the end are a country; see posternctl import --help' \
	-- import knockd x --org AB
says 2 'posternctl import: --interface a/b: not the name of an interface; see posternctl import --help' \
	-- import knockd x --org VSD --interface a/b
says 2 'posternctl import: there is no option --fly; see posternctl import --help' -- import --fly
says 4 'posternctl: W/none: cannot be read: No such file or directory' \
	-- import knockd --org VSD "$W/none"
says 4 'posternctl: W/none: cannot be read: No such file or directory; "postern setup" makes one, -c names another' \
	-- import knockd --org VSD -c "$W/none" "$vectors/knockd.conf"
run import --help
is 'help' [ "$code" = 0 ]

# Everything that knockd.conf may say.
run import knockd --org VSD --output "$W/knockd" "$vectors/knockd.conf"
is 'everything of knockd' [ "$code" = 0 ]
printed 'Made W/knockd/knockd.conf and W/knockd/knockd.directory.'
conf=$W/knockd/knockd.conf
is 'the mode' [ "$(stat -c %a "$conf")" = 600 ]
is 'the list of the server' grep -q '^#	allow = {"Knockd openSSH/VSD", ' "$conf"
for line in 'interface = "ens3"' 'name = "openssh"' 'ports = {7000, 8000, 9000}' 'accept-weak = yes' \
	'open = "ssh"' 'close = "ssh"' 'ports = {9000, 8000, 7000}' 'as = "Knockd openSSH/VSD"' 'within = 5s' \
	'ports = {"2222/udp", 3333, "1444/udp", 5001}' 'name = "web-server"' 'open = "https"' 'wait = 20s' \
	'one-time = "/etc/knockd/vpn.sequences"' 'open = "openvpn"' 'port = "udp/1194"' \
	'port = "tcp/8100-8110"' 'wait = 1m' 'allow = {"Knockd Web Server/VSD"}'; do
	is "knockd: $line" has "$conf" "$line"
done
is 'no door of a mail' sh -c '! grep -q "name = \"mail\"" "$1"' - "$conf"
noted knockd.conf:3 'not carried over: posternd has a journal'
noted knockd.conf:7 'not carried over: knockd has no such option'
noted knockd.conf:28 'SYN and without ACK'
noted knockd.conf:33 'all addresses of its interface'
noted knockd.conf:37 '--zone public'
noted knockd.conf:43 'more than one command, or needs a shell; what "postern send" may run is an action block'
noted knockd.conf:47 'changes no firewall rule we know'
noted knockd.conf:49 'has no sequence'
noted knockd.conf:53 'a port is not 1 to 65535'
noted knockd.conf:56 'closes what no door opens'
noted knockd.conf:60 'knocks on port 22, which service ssh guards'
noted knockd.conf:64 'makes another sequence on the way'
noted knockd.conf:68 'at least two knocks'
is 'nor of what goes with them' sh -c '! grep -q "tcp/2[678]" "$1"' - "$conf"
is 'nor their names' sh -c '! grep -q "guarded\|longer\|single" "$1"' - "$W/knockd/knockd.directory"
noted knockd.conf:9 'assumed: nothing closes the port after a time'
is 'the notes are comments too' grep -q '^# .*knockd.conf:43: not carried over: ' "$conf"
printf '102,1000,107\n' >"$W/vpn.sequences"
chmod 600 "$W/vpn.sequences"
sed -i "s|/etc/knockd/vpn.sequences|$W/vpn.sequences|" "$conf"
checks "$W/knockd/knockd.directory" "$conf"
run import knockd --org VSD --output "$W/knockd" "$vectors/knockd.conf"
is 'its sentence' grep -q '^posternctl: .*/knockd/knockd.conf' "$W/err"
is 'never over a file' [ "$code" = 4 ]

# A service that is there is used, not written again.
printf '[web]\nsequence = 9,3,7\ncommand = iptables -I INPUT 1 -s %%IP%% -p tcp --dport 8444 -j ACCEPT\n' >"$W/web.conf"
run import knockd --org VSD -c "$W/pg/postern.conf" "$W/web.conf"
is 'a service that is there' [ "$code" = 0 ]
is 'opens it' has "$W/out" 'open = "wiki"'
is 'by the interface that is there' has "$W/out" 'interface = "lo"'
is 'does not write it' sh -c '! grep -q "^service" "$1"' - "$W/out"
is 'says so' grep -q 'to be done by hand: service wiki is in the configuration' "$W/err"
is 'with a line of the directory' grep -q '^# name="Knockd web/VSD",kind=user postern-key sha256:[0-9a-f]\{64\}$' "$W/out"

# What Debian ships, where it is as it was shipped.
if grep -qs '^\[openHTTPS\]$' /etc/knockd.conf; then
	run import knockd --org VSD --output "$W/stock" /etc/knockd.conf
	is 'the stock knockd.conf' [ "$code" = 0 ]
	is 'its door' has "$W/stock/knockd.conf" 'ports = {7000, 8000, 9000}'
	is 'its helper is no rule' grep -q '/etc/knockd.conf:.*changes no firewall rule we know' "$W/err"
	checks "$W/stock/knockd.directory" "$W/stock/knockd.conf"
fi
if grep -qs '^KEY_BASE64 *__CHANGEME__$' /etc/fwknop/access.conf; then
	run import fwknop --org VSD /etc/fwknop/access.conf
	is 'the stock access.conf has no key' [ "$code" = 1 ]
	is 'and says so' grep -q 'access.conf:[0-9]*: not carried over: .*no key was ever set' "$W/err"
fi

# Everything that access.conf may say, with files in files.
cp "$vectors/access.conf" "$W/access.conf"
mkdir "$W/more.d"
printf 'SOURCE ANY\nOPEN_PORTS tcp/993\n%%include_keys keys\n' >"$W/more.d/a.conf"
printf 'KEY_BASE64 AQID\nHMAC_KEY_BASE64 BAUG\nOPEN_PORTS tcp/1\n' >"$W/more.d/keys"
printf 'SOURCE ANY\n' >"$W/more.d/b.txt"
printf 'PCAP_INTF ens4;\nPCAP_FILTER udp port 4000;\nMAX_SPA_PACKET_AGE 60;\nENABLE_SPA_OVER_HTTP Y;\nTCPSERV_PORT 8080;\nLOCALE C;\n' >"$W/fwknopd.conf"
printf '%%include_folder more.d\n%%include access.conf\n%%include none\n' >"$W/loop.conf"
echo '%include access.conf' >>"$W/access.conf"
run import fwknop --org VSD --output "$W/fwknop" "$W/loop.conf" "$W/fwknopd.conf"
is 'everything of fwknop' [ "$code" = 0 ]
conf=$W/fwknop/fwknop.conf
for line in 'interface = "ens4"' 'udp = 4000' 'tcp = 8080' 'max-age = 1m' 'hmac = sha512' 'mode = ctr' \
	'user = "alice"' 'as = "alice/VSD"' 'services = {"ssh", "openvpn"}' 'key-base64 = "Y29ycmVjdCBob3JzZQ=="' \
	'key-base64 = "AQID"' 'hmac-key-base64 = "BAUG"' 'services = {"imaps"}' 'forward = {"10.1.1.2:443"}' \
	'masquerade = yes' 'wait = 1m' 'third-party = no'; do
	is "fwknop: $line" has "$conf" "$line"
done
names=$W/fwknop/fwknop.directory
is 'networks and end' grep -q '^name="alice/VSD",kind=user,expires=2027-12-30,from="192.0.2.0/24,198.51.100.7/32" postern-key' "$names"
is 'folders hold more than .conf' sh -c '! grep -q b.txt "$1"' - "$W/err"
is 'a file of keys' grep -q 'keys:3: not carried over: a file of keys holds keys alone' "$W/err"
is 'an end to files in files' grep -q 'access.conf:41: not carried over: the file was read before' "$W/err"
is 'a file that is not there' grep -q 'loop.conf:3: not carried over: .*none: cannot be read' "$W/err"
is 'a line of the daemon' grep -q 'fwknopd.conf:6: not carried over' "$W/err"
is 'no HMAC' grep -q 'access.conf:33: not carried over: the stanza has no HMAC_KEY' "$W/err"
is 'GPG' grep -q 'access.conf:30: not carried over: packets made with OpenPGP' "$W/err"
is 'commands' grep -q 'access.conf:14: not carried over: commands out of packets are never run' "$W/err"
is 'legacy' grep -q 'access.conf:40: not carried over: .*this mode is not offered' "$W/err"
is 'no key on stderr' sh -c '! grep -q "AQID\|Y29y\|correct" "$1"' - "$W/err"
checks "$names" "$conf"

# The same secret is the same person each time.
run import fwknop --org VSD "$vectors/access.conf"
cp "$W/out" "$W/first"
run import fwknop --org VSD "$vectors/access.conf"
is 'the same twice' cmp -s "$W/first" "$W/out"
done_testing
