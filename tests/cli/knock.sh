# Knocking: what is missing, what goes out, and how each answer is told.
. "$(dirname "$0")/lib.sh"
need jq faketime
make_server
cd "$W" || exit 1
files="--card $W/pg/server.card --id $W/pg/admin.id --password-file $W/admin-password"
[ "$(id -u)" = 0 ] && or_root=', nor /etc/postern/server.card' && or_id=' or /etc/postern/admin.id' ||
	or_root= or_id=

# What is missing.
if [ ! -e /etc/postern ]; then
	says 4 "postern: no server card for gw: neither W/home/gw.card nor another card there that names it$or_root; copy the server's server.card there, or name it with --card" \
		-- knock gw
	says 4 "postern: no ID file: W/home/default.id$or_id is not there; copy your ID file there, or name it with --id" \
		-- knock gw --card pg/server.card
fi
says 4 'postern: none.card: cannot be read: No such file or directory' \
	-- knock gw --card none.card --id pg/admin.id
says 4 'postern: none.id: cannot be read: No such file or directory' \
	-- knock 127.0.0.1 --card pg/server.card --id none.id --password-file admin-password
says 4 'postern: there is no terminal to ask for the password on; name a file with --password-file' \
	-- knock 127.0.0.1 --card pg/server.card --id pg/admin.id
(umask 077 && echo wrong >wrong)
run knock 127.0.0.1 --card pg/server.card --id pg/admin.id --password-file wrong
is 'wrong password: code' [ "$code" = 4 ]
is 'wrong password: sentence' grep -q '^postern: pg/admin.id: the password is wrong; try again$' err
chmod 640 pg/admin.id
run knock 127.0.0.1 $files
is 'an ID others may read' [ "$code" = 4 ]
is 'an ID others may read: sentence' grep -q 'others may read this secret; chmod go-rwx it' err
chmod 600 pg/admin.id
run knock nowhere.invalid $files --card pg/server.card --dry-run
is 'an unknown host uses the one its card names' [ "$code" = 0 ]

# Dry run, and where cards are found.
mkdir home
cp pg/server.card home/office.card
cp pg/admin.id home/default.id
says 0 '' -- knock office --dry-run --password-file admin-password
printed 'would send 320 bytes to office (127.0.0.1, udp/62201); nothing was sent
  to       open ssh for the address it sees
  for      as long as the service gives
  as       Admin/VSD (W/home/default.id)
  server   gw/VSD (W/home/office.card)'
says 0 '' -- send office reboot-web --message 'two
lines' --dry-run --password-file admin-password
printed 'would send 1232 bytes to office (127.0.0.1, udp/62201); nothing was sent
  to       run reboot-web, with a message of 9 bytes
  as       Admin/VSD (W/home/default.id)
  server   gw/VSD (W/home/office.card)'
says 4 'postern: the message has the control character U+0009 (tab) at byte 2; leave it out' \
	-- send office x --message "a	b" --dry-run --password-file admin-password
says 4 'postern: the message has a byte that is not UTF-8 at byte 3; leave it out' \
	-- send office x --message "$(printf 'ab\377')" --dry-run --password-file admin-password
says 2 'postern: --message: longer than 900 bytes; shorten it' \
	-- send office x --message "$(printf '%0901d' 0)" --dry-run --password-file admin-password
printf '%0900d\n' 0 >long
"$postern" send office x --message - --dry-run --password-file admin-password <long >out
is 'a message from standard input' grep -q 'message of 900 bytes' out
mv home/office.card home/x.card
says 0 '' -- knock 127.0.0.1 tcp/443 --for 5m --address 192.0.2.9 --dry-run --port 7 \
	--password-file admin-password
printed 'would send 320 bytes to 127.0.0.1 (udp/7); nothing was sent
  to       open tcp/443 for 192.0.2.9
  for      5m
  as       Admin/VSD (W/home/default.id)
  server   gw/VSD (W/home/x.card)'
cp home/x.card home/y.card
run knock 127.0.0.1 --dry-run --password-file admin-password
is 'two cards of one host' [ "$code" = 4 ]
is 'two cards: sentence' grep -q '^postern: two cards name 127.0.0.1: .*; say which with --card$' err
echo broken >home/z.card
run knock z --dry-run --password-file admin-password
is 'a broken card' [ "$code" = 4 ]
rm -r home
# A card that names no host leaves only the name given.
(umask 077 && echo "$certifier_password" >cert-password)
"$postern" id new bare --server --certifier pg/certifier.id --certifier-password-file cert-password \
	--out bare.id >/dev/null
run knock nowhere.invalid ssh $files --card bare.card --dry-run
is 'an unknown host: code' [ "$code" = 4 ]
is 'an unknown host: sentence' grep -qx 'postern: nowhere.invalid cannot be looked up: .*; use its address or correct the name' err
says 2 'postern: bare.card: this card names no default service; say which SERVICE' \
	-- knock 127.0.0.1 $files --card bare.card

# Answers.
state() {
	cat state/postern/* 2>/dev/null
}
respond OK
says 0 '' -- knock 127.0.0.1 $files --port "$port"
sed 's/until ..:..:../until TIME/' out >o2 && mv o2 out
printed 'opened ssh (port 22) on 127.0.0.1 for 127.0.0.1 until TIME (30s)'
is 'what was asked' [ "$(tail -n 1 requests)" = 'op 0 service ssh seconds 0 source-port 0 address observed' ]
is 'what is remembered' [ "$(state | grep -c -e '^instance 0123456789abcdef$' -e '^address 127.0.0.1$')" = 2 ]
is 'its mode' [ "$(stat -c %a state/postern/*)" = 600 ]
says 0 '' -- close 127.0.0.1 tcp/22 $files --port "$port"
printed 'closed tcp/22 on 127.0.0.1'
is 'close asks to close' [ "$(tail -n 1 requests)" = 'op 2 proto 6 port 22 seconds 0 source-port 0 address observed' ]
says 0 '' -- knock --quiet 127.0.0.1 --for 2m ssh --address 127.0.0.1 $files --port "$port" --source-port 1022
printed ''
is 'options get there' [ "$(tail -n 1 requests)" = 'op 0 service ssh seconds 120 source-port 1022 address 127.0.0.1' ]
says 0 '' -- knock --quiet 127.0.0.1 tcp/6000-6010 --address 127.0.0.1 --prefix 24 $files --port "$port"
is 'a range and a network get there' [ "$(tail -n 1 requests)" = \
	'op 0 proto 6 port 6000-6010 prefix 120 seconds 0 source-port 0 address 127.0.0.0' ]
says 0 '' -- knock 127.0.0.1 --probe $files --port "$port"
sed 's/port [0-9]*$/port N/' out >o2 && mv o2 out
printed '127.0.0.1 (gw/VSD) answers and sees you as 127.0.0.1 port N'
says 0 '' -- knock 127.0.0.1 --json $files --port "$port"
is 'JSON' [ "$(jq -r '[.status, .service, .granted_seconds, .granted_port, .observed, .server] | join(" ")' out)" = \
	'OK ssh 30 22 127.0.0.1 gw/VSD' ]
is 'grant in JSON' grep -q '"grant": 1234605616436508552' out
# A broken memory costs a warning, and is good again afterwards.
echo nonsense >"$(echo state/postern/*)"
run knock 127.0.0.1 $files --port "$port"
is 'broken memory: code' [ "$code" = 0 ]
is 'broken memory: warning' grep -q '^postern: W/state/postern/[0-9a-f]*: not a memory file; ignoring it$' "$(normal err >e2; echo e2)"
says 0 '' -- knock 127.0.0.1 $files --port "$port" --quiet
sed -i 's/^address .*/address 198.51.100.3/' "$(echo state/postern/*)"
says 0 '' -- knock 127.0.0.1 $files --port "$port" --verbose
is 'its cost is told' grep -qE '^one round trip, [0-9.]+ ms$' out
is 'another address is told' grep -qx 'your address as 127.0.0.1 sees it was 198.51.100.3 the last time, now it is 127.0.0.1' out
kill "$responder_pid"

respond STALE,OK
says 0 '' -- knock 127.0.0.1 $files --port "$port" --verbose
is 'a clock that is off: two knocks' grep -q '^2 round trips, .*; the first answer said what to correct$' out
is 'a clock that is off is told' grep -qE '^the clock of 127.0.0.1 is (94|95)s ahead of this one; allowed for$' out
kill "$responder_pid"
rm -r state

for s in DENIED EXPIRED BUSY UNKNOWN_SERVICE LIMIT; do
	respond $s
	run knock 127.0.0.1 $files --port "$port"
	is "$s: code" [ "$code" = 1 ]
	is "$s: one sentence" [ "$(grep -c '^postern: 127.0.0.1 did not open ssh: ' err):$(wc -l <err):$(wc -c <out)" = 1:1:0 ]
	kill "$responder_pid"
done
respond BUSY
run knock 127.0.0.1 $files --port "$port"
is 'how long to wait' grep -q '(wait 2m)$' err
run knock 127.0.0.1 $files --port "$port" --json
is 'a refusal as JSON' grep -q '"status": "BUSY"' out
is 'how long to wait as JSON' grep -q '"retry_after_seconds": 120' out
kill "$responder_pid"

# Silence: a port nobody listens on sends ICMP, which proves nothing and is not believed.
run knock 127.0.0.1 $files --port 9 --json
is 'silence: code' [ "$code" = 3 ]
is 'silence: sentence' grep -q '^postern: 127.0.0.1 (udp/9) did not answer: perhaps ' err
is 'silence as JSON' grep -q '"status": "SILENT"' out

# An ID whose certificate has ended is warned about and used all the same.
respond OK
faketime -f +3y "$postern" knock 127.0.0.1 $files --port "$port" >out 2>err </dev/null
is 'an ended certificate' grep -q 'warning: the certificate in .* ended on ' err

done_testing
