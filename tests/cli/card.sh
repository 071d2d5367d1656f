# Server cards: made anew for a server that changed, shown, and judged by an ID.
. "$(dirname "$0")/lib.sh"
need jq
make_server
umask 077
cd "$W" || exit 1
echo "$certifier_password" >cert-password
by="--certifier pg/certifier.id --certifier-password-file cert-password"
key='--key-file pg/server.key'
admin='--id pg/admin.id --password-file admin-password'
fact() { # FILE FILTER: of id show --json
	"$postern" id show "$1" --json | jq -r "$2"
}

# ---- words
says 2 "postern id card: whose card? Say SERVER.id, its ID file; see postern id card --help" -- id card
says 2 'postern id card: one ID file at a time; see postern id card --help' -- id card a b
says 2 'postern id card: --port 0: not a number from 1 to 65535; see postern id card --help' \
	-- id card pg/server.id --port 0
run id card --help
is 'help' [ "$code" = 0 ]
is 'help fits a terminal' [ -z "$(grep -E '.{81}' out)" ]
says 2 'postern id show: --id goes with a server card; see postern id show --help' \
	-- id show pg/admin.id --id pg/admin.id

# ---- nobody else's, and nothing is replaced unasked
before=$(cksum pg/server.card)
says 4 'postern: pg/server.card: exists already; --force replaces it' -- id card pg/server.id $key
says 1 'postern: pg/admin.id: is not of a server; only servers have cards' \
	-- id card pg/admin.id --password-file admin-password
says 4 "postern: pg/server.id: it has no password: it opens with a key file only" \
	-- id card pg/server.id -o x.card
head -c 32 /dev/zero >wrong.key
says 4 'postern: pg/server.id: the key file does not open it; name the right one' \
	-- id card pg/server.id --key-file wrong.key -o x.card
says 0 '' -- id new bare/VSD --kind server --request bare.req --out bare.id
says 1 'postern: bare.id: is not certified yet; see postern id renew' -- id card bare.id --key-file bare.key
says 0 '' -- id new Other $by --server --host other --out other.id
says 1 'postern: other.card: is the card of Other/VSD, which never had the name or a key of pg/server.id; name a card of this server, or say --host, --service, --port and --stealth' \
	-- id card pg/server.id $key --like other.card -o x.card
sed 's/^[A-Za-z0-9]/=/' pg/server.card >broken.card
run id card pg/server.id $key --like broken.card -o x.card
is 'a broken card' [ "$code" = 4 ] && is 'named' grep -q '^postern: broken.card: ' err
chmod 666 other.card
run id card other.id --key-file other.key --like other.card -o x.card
is 'a card that others may write' grep -q '^postern: other.card: ' err
is 'nothing was written' [ ! -e x.card ] && [ "$before" = "$(cksum pg/server.card)" ]

# ---- after a renewal: the same key, another certificate
print=$(fact pg/server.card '.certificates[0].fingerprint')
says 0 '' -- id renew pg/server.id $by $key --years 3
is 'what is next' grep -q '^  postern id card pg/server.id --like OLD.card -o NEW.card$' out
says 0 '' -- id card pg/server.id $key --like pg/server.card -o new.card
printed "wrote new.card, the card of gw/VSD, certified to $(date -u -d '+3 years' +%F)

Give it to the clients, who put it into ~/.config/postern as HOST.card."
is 'mode' [ "$(stat -c %a new.card)" = 644 ]
is 'host, port, service' [ "$(fact new.card '"\(.host) \(.port) \(.service)"')" = '127.0.0.1 62201 ssh' ]
is 'the same server' [ "$(fact new.card .sid)" = "$(fact pg/server.card .sid)" ]
is 'another certificate' [ "$(fact new.card '.certificates[0].fingerprint')" != "$print" ]
respond OK
says 0 '' -- knock 127.0.0.1 --card new.card $admin --port "$port" --quiet

# ---- after a rollover: another key, and the old card is of no use
says 0 '' -- id rollover pg/server.id $by $key -o next.pem
is 'it says so' grep -q '^Clients know a server by its key' out
says 0 '' -- id merge pg/server.id next.pem $key
is 'and again' grep -q '^All clients need a new card: once posternd runs' out
says 0 '' -- id card pg/server.id $key --like new.card --force -o new.card
is 'all must have it' grep -q "^The old card holds the server's old key" out
is 'another server id' [ "$(fact new.card .sid)" != "$(fact pg/server.card .sid)" ]
is 'of the key in the ID' [ "$(fact new.card .sid)" = "$(fact pg/server.id .key_id)" ]
respond OK
says 0 '' -- knock 127.0.0.1 --card new.card $admin --port "$port" --quiet
run knock 127.0.0.1 --card pg/server.card $admin --port "$port" --quiet
is 'the old card is not answered' [ "$code" = 3 ]

# ---- after a change of the name, below a unit; what is named goes before the old card
says 0 '' -- certifier new Sales/VSD --certifier pg/certifier.id --certifier-password-file cert-password \
	--password-file cert-password --kdf-mem 1 -o sales.id
says 0 '' -- id renew pg/server.id --certifier sales.id --certifier-password-file cert-password $key --name gate
says 0 '' -- id card pg/server.id $key --like new.card --host gate.example.org --service wiki --port 99 -o gate.card
is 'what was said' [ "$(fact gate.card '"\(.name) \(.host) \(.port) \(.service)"')" = \
	'gate/Sales/VSD gate.example.org 99 wiki' ]
is 'its chain' [ "$(fact gate.card '[.certificates[].subject] | join(" ")')" = 'gate/Sales/VSD Sales/VSD VSD' ]
says 0 '' -- id card pg/server.id $key --like pg/server.card -o back.card
is 'a card of a retired key and another name will do' [ "$(fact back.card .name)" = gate/Sales/VSD ]
says 1 'postern: a b: no server card can be made of this host name and service' \
	-- id card pg/server.id $key --host 'a b' -o x.card

# ---- stealth
head -c 32 /dev/urandom >stealth
says 0 '' -- id card pg/server.id $key --host h --stealth stealth -o secret.card
is 'it says so' grep -q '^It holds the stealth secret' out
is 'mode' [ "$(stat -c %a secret.card)" = 600 ]
says 0 '' -- id card pg/server.id $key --like secret.card -o again.card
is 'taken over' [ "$(fact again.card '.stealth')$(stat -c %a again.card)" = true600 ]
says 0 '' -- id card pg/server.id $key --host h -o secret.card --force
is 'and gone' [ "$(fact secret.card '.stealth')$(stat -c %a secret.card)" = false644 ]
hex=$(od -An -tx1 stealth | tr -d ' \n')
for part in 'id show' 'id show --json' 'certifier show' 'certifier show --json'; do
	run $part again.card
	is "$part does not print it" [ "$code" = 0 ] && is 'no secret' [ -z "$(tr -d ' \n' <out | grep -F "$hex")" ]
done
says 4 'postern: cert-password: holds 26 bytes, a stealth secret holds 32; name the file that stealth names in postern.conf' \
	-- id card pg/server.id $key --stealth cert-password -o x.card
chmod 644 stealth
run id card pg/server.id $key --stealth stealth -o x.card
is 'a secret that others can read' [ "$code" = 4 ] && is 'named' grep -q '^postern: stealth: ' err
chmod 600 stealth
says 0 '' -- id new second $by --server --host s --stealth stealth --out second.id
is 'in a new card too' [ "$(fact second.card .stealth)$(stat -c %a second.card)" = true600 ]
says 2 'postern id new: --host, --service, --port and --stealth are for the card of a --server; see postern id new --help' \
	-- id new 'Jane Doe' $by --stealth stealth

# ---- shown
run id show gate.card
sed -i -e '/^  server id/,/^ /d' -e '/fingerprint/,/^ /d' -e 's/2[0-9-]* to 2[0-9-]*/DATES/' out
printed 'card of gate/Sales/VSD, server
  host          gate.example.org
  port          udp/99
  service       wiki
  stealth       no
  prekey 0      DATES

certificate 1: gate/Sales/VSD, server
  issued by     Sales/VSD
  valid         DATES

certificate 2: Sales/VSD, certifier
  issued by     VSD
  valid         DATES

certificate 3: VSD, certifier
  issued by     VSD
  valid         DATES'
run certifier show gate.card --json
is 'certifier show' [ "$(jq -r '[.[].type] | join(" ")' out)" = 'card certificate certificate certificate' ]
run id show cert-password
is 'neither' [ "$code" = 4 ] && is 'named' grep -q '^postern: cert-password: not an ID file: line 1: ' err

# ---- trusted or not
says 0 '' -- id show gate.card $admin
is 'trusted' [ "$(tail -n 1 out)" = 'pg/admin.id trusts it' ]
run setup --org Else --server gw --host gw --interface lo --dir "$W/else" --password-file "$W/passwords" --kdf-mem 1
says 1 '' -- id show else/server.card $admin
is 'not trusted' grep -q '^pg/admin.id does not trust it: gw/Else is certified by Else, whom your ID does not trust' out
says 1 '' -- id show else/server.card $admin --json
is 'in JSON too' [ "$(jq .trust.trusted out)" = false ]
says 4 'postern: pg/admin.id: the password is wrong; try again' \
	-- id show gate.card --id pg/admin.id --password-file cert-password
done_testing
