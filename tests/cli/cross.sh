# Trust across organisations: whose cards are refused, how a person trusts one all the same, and how a
# server is told who knocks.
. "$(dirname "$0")/lib.sh"
need openssl faketime
make_server
cd "$W" || exit 1
run setup --org ACME --unit West --server door --host 127.0.0.1 --interface lo --dir "$W/acme" \
	--password-file "$W/passwords" --kdf-mem 1
is 'another organisation' [ "$code" = 0 ]
mkdir home
cp pg/admin.id home/default.id
(umask 077 && echo "$certifier_password" >cert-password)
with="--password-file $W/admin-password"
to_door="127.0.0.1 --card acme/server.card $with"
to_gw="127.0.0.1 --card pg/server.card $with"
refused='postern: acme/server.card: door/West/ACME is certified by West/ACME, whom your ID does not trust; ask for the right card, or, if you mean to go there, compare its fingerprint and trust it with "postern id cross"'
# fingerprint N: that of the Nth certificate of the door's card.
fingerprint() {
	awk -v n="$1" '/BEGIN CERT/ { i++ } i == n { print } /END CERT/ && i == n { exit }' acme/server.card |
		openssl x509 -noout -fingerprint -sha256 | cut -d= -f2
}

# A card of strangers: nothing is sent.
says 1 "$refused" -- knock $to_door --dry-run
says 1 "$refused" -- close $to_door --dry-run
says 1 "$refused" -- connect 127.0.0.1 22 --card acme/server.card $with
says 0 '' -- knock $to_gw --dry-run

# What is not signed.
says 4 'postern: there is no terminal to ask on; have the owner read the fingerprint and say --fingerprint HEX' \
	-- id cross acme/server.card $with
is 'nothing was written' [ ! -e home/trust ]
says 1 'postern: acme/server.card: the fingerprint is not the one given; somebody may have put another certificate in its place' \
	-- id cross acme/server.card $with --fingerprint "$(fingerprint 2)"
is 'nothing was written' [ ! -e home/trust ]
says 1 'postern: gw/VSD is of our own organisation VSD: its people trust each other without a cross-certificate' \
	-- id cross pg/server.card $with --yes
says 4 'postern: none.card: cannot be read: No such file or directory' -- id cross none.card $with --yes
says 4 'postern: no.id: cannot be read: No such file or directory' \
	-- id cross acme/server.card $with --yes --id no.id

# One server.
says 0 '' -- id cross acme/server.card $with --fingerprint "$(fingerprint 1)"
is 'what is trusted' grep -q '^Admin/VSD trusts door/West/ACME to ' out
is 'where it is' [ -f home/trust/door-cross.pem ]
is 'who signed it' [ "$(openssl x509 -in home/trust/door-cross.pem -noout -issuer -subject -nameopt oneline,-space_eq)" = \
	'issuer=O=VSD, CN=Admin
subject=O=ACME, OU=West, CN=door' ]
says 0 '' -- knock $to_door --dry-run
respond OK acme
says 0 '' -- knock $to_door --port "$port" --quiet
kill "$responder_pid"
says 4 'postern: W/home/trust/door-cross.pem: exists already; move it away or choose another name' \
	-- id cross acme/server.card $with --yes
rm -r home/trust

# Its unit, its organisation; and another name for the file.
says 0 '' -- id cross acme/server.card $with --yes --for unit
says 0 '' -- knock $to_door --dry-run
rm home/trust/west-cross.pem
says 1 "$refused" -- knock $to_door --dry-run
says 0 '' -- id cross acme/server.card $with --yes --for organisation --out elsewhere.pem
says 1 "$refused" -- knock $to_door --dry-run
mv elsewhere.pem home/trust
says 0 '' -- knock $to_door --dry-run

# By the certifier, for everybody below it.
rm home/trust/elsewhere.pem
says 0 '' -- certifier cross acme/server.card --certifier pg/certifier.id --for organisation --yes \
	--password-file cert-password --out home/trust/acme.pem
says 0 '' -- knock $to_door --dry-run
rm home/trust/acme.pem

# Another person's trust is nothing to us, and is said only to who asks.
says 0 '' -- id cross acme/server.card $with --yes
"$postern" id new Jane --certifier pg/certifier.id --certifier-password-file cert-password \
	--password-file admin-password --out jane.id --kdf-mem 1 >/dev/null
says 1 "$refused" -- knock $to_door --id jane.id --dry-run
says 0 '' -- knock $to_gw --id jane.id --dry-run
run knock $to_gw --id jane.id --dry-run --verbose
is 'verbose tells' grep -q 'home/trust/door-cross.pem:1: .*; ignoring it$' err
# A file that is none is said to everybody, and changes nothing.
echo nonsense >home/trust/x.pem
says 0 'postern: W/home/trust/x.pem:1: text outside a block; ask for the file again; ignoring it' \
	-- knock $to_door --dry-run
rm home/trust/x.pem

# Not by dates: the clock may be the one that is wrong.
faketime -f +11y "$postern" knock $to_door --dry-run >out 2>err </dev/null
code=$?
is 'an ended certificate of a server: code' [ "$code" = 0 ]
is 'an ended certificate of a server: warning' \
	grep -q "warning: acme/server.card: the certificate of door/West/ACME ended on .* by this machine's clock" err

# Key id or certificates.
says 0 '' -- knock $to_gw --dry-run
is 'the key id first' grep -q '^would send 320 bytes' out
says 0 '' -- knock $to_gw --dry-run --identity key
is 'the key id' grep -q '^would send 320 bytes' out
says 0 '' -- knock $to_gw --dry-run --identity chain
is 'certificates' grep -q '^would send 1232 bytes' out
respond OK
says 0 '' -- knock $to_gw --port "$port" --quiet --identity chain
kill "$responder_pid"
is 'the answer is remembered' grep -qx 'identity chain' "$(grep -l 'gw/VSD' state/postern/*)"
says 0 '' -- knock $to_gw --dry-run
is 'certificates first, then' grep -q '^would send 1232 bytes' out

done_testing
