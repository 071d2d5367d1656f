# Certifiers: a whole life by command, judged by openssl, and every refusal with its sentence.
. "$(dirname "$0")/lib.sh"
need jq openssl
umask 077
cd "$W" || exit 1
echo 'nine purple otters juggle' >password
echo 'wrong' >wrong
echo 'twelve brave hedgehogs' >user-password
pw='--password-file password'
cpw='--certifier-password-file password'
kdf='--kdf-mem 1'
easy='is too easy to guess (5 of 16, at least 12 is needed); take a longer one, a few unrelated words for example'

# openssl's verdict in its exit status; purposes and strictness are always set.
verify() {
	openssl verify -x509_strict -no-CApath -no-CAstore "$@" >/dev/null 2>&1
}
# A Name and a key in no file of ours: a request as another program writes it.
request() {
	openssl req -new -utf8 -key "$1.key" -subj "$2" -addext "$3" -out "$4" 2>/dev/null
}
fingerprint() {
	openssl x509 -in "$1" -outform DER | sha256sum | cut -d ' ' -f 1
}
block() {
	awk -v n="$2" '/BEGIN/ { i++ } i == n' "$1"
}

# new
says 1 'postern: the name "VS" is refused: an organisation is missing; two letters at the end are a country' -- certifier new VS $pw $kdf
says 1 'postern: the name "O=VS" is refused: an organisation has three or more characters' \
	-- certifier new O=VS $pw $kdf
says 1 'postern: "NN/VSD" is a unit, which does not certify itself; say --certifier FILE, the certifier directly above it' \
	-- certifier new NN/VSD $pw $kdf
says 1 "postern: the password of the certifier VSD $easy" \
	-- certifier new VSD --password-file wrong $kdf
says 4 'postern: none: cannot be read: No such file or directory' \
	-- certifier new VSD --password-file none $kdf
is 'nothing was made' [ ! -e vsd.id ] && [ ! -e vsd.pem ]
says 0 '' -- certifier new VSD $pw $kdf
is 'modes' [ "$(stat -c %a vsd.id) $(stat -c %a vsd.pem)" = '600 644' ]
is 'a hundred years' grep -q "^Made the certifier VSD, valid to $(date -u -d '+100 years' +%Y)-" out
before=$(cksum vsd.id vsd.pem)
says 4 'postern: vsd.id: exists already; move it away or choose another name' -- certifier new VSD $pw $kdf
says 4 'postern: ./vsd.pem: exists already; move it away or choose another name' \
	-- certifier new VSD $pw $kdf -o ./vsd
is 'nothing was changed' [ "$before" = "$(cksum vsd.id vsd.pem)" ] && [ ! -e ./vsd ]

says 0 '' -- certifier new QN --certifier vsd.id $cpw $pw $kdf --years 20
is 'its name' grep -q '^Made the certifier QN/VSD, valid to' out
says 1 'postern: "QN/ACME" is not directly below VSD, the certifier in vsd.id; take that name'"'"'s own certifier, or change the name' \
	-- certifier new QN/ACME --certifier vsd.id $cpw $pw $kdf
says 1 'postern: the name "a,b" is refused: a component holds no / = * + , and no control character' \
	-- certifier new a,b --certifier vsd.id $cpw $pw $kdf
says 4 'postern: vsd.id: the password is wrong; try again' \
	-- certifier new UX --certifier vsd.id --certifier-password-file wrong $pw $kdf
says 4 'postern: vsd.pem: others may read this secret; chmod go-rwx it' \
	-- certifier new UX --certifier vsd.pem $cpw $pw $kdf
above=qn
for unit in A B C; do
	says 0 '' -- certifier new $unit --certifier $above.id $cpw $pw $kdf
	above=$(echo $unit | tr A-Z a-z)
done
says 1 'postern: the name "D" is refused: a name has at most four organisational units' \
	-- certifier new D --certifier c.id $cpw $pw $kdf
is 'an organisation for openssl' verify -CAfile vsd.pem vsd.pem
cat qn.pem a.pem b.pem >units
is 'four units for openssl' verify -CAfile vsd.pem -untrusted units c.pem
openssl x509 -in qn.pem -noout -text >text
is 'openssl reads it' grep -q 'Subject: O = VSD, OU = QN$' text
is 'its path length' grep -q 'CA:TRUE, pathlen:3$' text
is 'its subtree' grep -q 'DirName:O = VSD, OU = QN$' text
says 0 '' -- certifier new ACME $pw $kdf --years 3
says 0 '' -- certifier new UB/ACME --certifier acme.id $cpw $pw $kdf -o ub.id
is 'cut at the end of the one above' [ "$(openssl x509 -in ub.pem -noout -enddate)" = \
	"$(openssl x509 -in acme.pem -noout -enddate)" ]

# sign: requests of another program
for k in joe gw dept; do openssl genpkey -algorithm ed25519 -out $k.key; done
request joe '/O=VSD/OU=QN/CN=Joe Doe' extendedKeyUsage=clientAuth joe.req
request gw '/O=VSD/OU=QN/CN=gw' extendedKeyUsage=critical,serverAuth gw.req
request dept '/O=VSD/OU=QN/OU=Dept' basicConstraints=critical,CA:TRUE dept.req
request joe '/O=VSD/OU=QN/CN=Joe Doe' keyUsage=digitalSignature plain.req
request joe '/O=VSD/OU=QN/CN=Joe*' extendedKeyUsage=clientAuth star.req
is 'openssl knows its own' openssl req -in joe.req -verify -noout 2>/dev/null
again='have it made again by its owner'
says 1 "postern: plain.req:1: the certification request is refused: it does not ask for extKeyUsage or basicConstraints alone; $again" \
	-- certifier sign plain.req --certifier qn.id $pw
says 1 "postern: star.req:1: the certification request is refused: a component holds no / = * + , and no control character; $again" \
	-- certifier sign star.req --certifier qn.id $pw
openssl req -in joe.req -outform DER -out joe.der
size=$(stat -c %s joe.der)
{ head -c $((size - 1)) joe.der; printf '\377'; } | openssl base64 | sed -e '1i -----BEGIN CERTIFICATE REQUEST-----' \
	-e '$a -----END CERTIFICATE REQUEST-----' >forged.req
is 'openssl refuses it too' sh -c '! openssl req -in forged.req -verify -noout 2>/dev/null | grep -q OK'
says 1 "postern: forged.req:1: the certification request is refused: its own key did not sign it; $again" \
	-- certifier sign forged.req --certifier qn.id $pw
says 1 'postern: vsd.pem: neither a certification request nor an ID file' -- certifier sign vsd.pem --certifier qn.id $pw
says 1 'postern: password:1: text outside a block; name a certification request or an ID file' \
	-- certifier sign password --certifier qn.id $pw
says 1 'postern: "Joe Doe/QN/VSD" is not directly below VSD, the certifier in vsd.id; take that name'"'"'s own certifier, or change the name' \
	-- certifier sign joe.req --certifier vsd.id $pw
says 1 'postern: the name "Joe,Doe" is refused: a component holds no / = * + , and no control character' \
	-- certifier sign joe.req --certifier vsd.id $pw --name Joe,Doe
says 4 'postern: qn.id: the password is wrong; try again' \
	-- certifier sign joe.req --certifier qn.id --password-file wrong
is 'nothing was signed' [ -z "$(ls | grep chain)" ]
says 0 '' -- certifier sign joe.req --certifier qn.id $pw
is 'two years' grep -q "^Certified Joe Doe/QN/VSD, user, valid to $(date -u -d '+2 years' +%Y)-" out
is 'the key id' grep -q "^  key id        $(openssl pkey -in joe.key -pubout -outform DER | sha256sum | cut -c 1-32)\$" out
is 'what comes next' grep -q '^The owner takes it in with: postern id merge ID-FILE joe-doe-chain.pem$' out
is 'leaf and two above' [ "$(grep -c BEGIN joe-doe-chain.pem)" = 3 ]
is 'openssl agrees' verify -purpose sslclient -CAfile vsd.pem -untrusted joe-doe-chain.pem joe-doe-chain.pem
is 'not for a server' sh -c '! openssl verify -purpose sslserver -CAfile vsd.pem -untrusted joe-doe-chain.pem joe-doe-chain.pem >/dev/null 2>&1'
before=$(cksum joe-doe-chain.pem)
says 4 'postern: joe-doe-chain.pem: exists already; move it away or choose another name' \
	-- certifier sign joe.req --certifier qn.id $pw
is 'it is as it was' [ "$before" = "$(cksum joe-doe-chain.pem)" ]
says 0 '' -- certifier sign gw.req --certifier qn.id $pw -o gw.pem --years 15
is 'fifteen years' grep -q "^Certified gw/QN/VSD, server, valid to $(date -u -d '+15 years' +%Y)-" out
is 'a server for openssl' verify -purpose sslserver -CAfile vsd.pem -untrusted gw.pem gw.pem
says 0 '' -- certifier sign dept.req --certifier qn.id $pw -o dept.pem
is 'said when cut' grep -q "^It ends when the certifier's own certificate does; renew that one first for more.$" out
is 'a certifier for openssl' verify -CAfile vsd.pem -untrusted dept.pem dept.pem
says 0 '' -- certifier sign joe.req --certifier vsd.id $pw --name 'Joseph Doe' -o moved.pem
is 'the new name' grep -q '^Certified Joseph Doe/VSD, user, ' out
is 'the old name' grep -q '^The name was Joe Doe/QN/VSD\.$' out
is 'moved' verify -CAfile vsd.pem moved.pem

# sign: an ID file's own certificate, whose password nobody asks for
says 0 '' -- id new 'Jane Doe' --certifier qn.id $cpw --password-file user-password $kdf
says 0 '' -- certifier sign jane-doe.id --certifier qn.id $pw --years 5
is 'renewed' grep -q "^Certified Jane Doe/QN/VSD, user, valid to $(date -u -d '+5 years' +%Y)-" out
is 'the same key' [ "$("$postern" id show jane-doe.id --json | jq -r .key_id)" = \
	"$("$postern" certifier show jane-doe-chain.pem --json | jq -r '.[0].key_id')" ]
says 1 'postern: qn.id: this is the certifier'"'"'s own key; a new one is made with postern certifier rollover' \
	-- certifier sign qn.id --certifier qn.id $pw
says 4 'postern: jane-doe.id: not the ID file of a certifier' -- certifier sign joe.req --certifier jane-doe.id $pw

# cross
says 0 '' -- certifier sign joe.req --certifier ub.id $pw --name Joe -o foreign.pem
says 4 'postern: there is no terminal to ask on; have the owner read the fingerprint and say --fingerprint HEX' \
	-- certifier cross acme.pem --certifier vsd.id $pw
is 'what to compare' grep -q "^  fingerprint   $(fingerprint acme.pem | sed 's/..../& /g' | cut -c 1-39)\$" out
says 1 'postern: acme.pem: the fingerprint is not the one given; somebody may have put another certificate in its place' \
	-- certifier cross acme.pem --certifier vsd.id $pw --fingerprint "$(fingerprint ub.pem)" --yes
says 1 'postern: QN/VSD is of our own organisation VSD: its people trust each other without a cross-certificate' \
	-- certifier cross qn.pem --certifier vsd.id $pw --yes
says 1 'postern: VSD is of our own organisation VSD: its people trust each other without a cross-certificate' \
	-- certifier cross vsd.pem --certifier qn.id $pw --yes
says 1 'postern: acme.pem: no certificate of a unit stands in it; ask for the whole chain' \
	-- certifier cross acme.pem --certifier vsd.id $pw --yes --for unit
says 1 'postern: ub.pem: no certificate of the organisation stands in it; ask for the whole chain' \
	-- certifier cross ub.pem --certifier vsd.id $pw --yes --for organisation
says 1 'postern: joe.req: there is no certificate in it' -- certifier cross joe.req --certifier vsd.id $pw --yes
says 1 'postern: password:1: text outside a block; name a file of PEM blocks' \
	-- certifier cross password --certifier vsd.id $pw --yes
openssl x509 -in acme.pem -outform DER -out acme.der
size=$(stat -c %s acme.der)
{ head -c $((size - 1)) acme.der; printf '\377'; } | openssl base64 | sed -e '1i -----BEGIN CERTIFICATE-----' \
	-e '$a -----END CERTIFICATE-----' >forged.pem
says 1 'postern: forged.pem:1: the certificate is damaged: its own key did not sign it; take it from a backup' \
	-- certifier cross forged.pem --certifier vsd.id $pw --yes
is 'nothing was certified' [ -z "$(ls | grep cross)" ]
says 0 '' -- certifier cross acme.pem --certifier vsd.id $pw --fingerprint "$(fingerprint acme.pem | sed 's/..../& /g')"
is 'who trusts whom' grep -q "^Everybody below VSD trusts ACME to $(date -u -d '+10 years' +%Y)-.* by:$" out
says 0 '' -- certifier cross foreign.pem --certifier qn.id $pw --for unit --years 4 \
	--fingerprint "$(fingerprint ub.pem | tr a-f A-F | sed 's/../&:/g')"
is 'the unit' grep -q "^Everybody below QN/VSD trusts UB/ACME to $(date -u -d '+4 years' +%Y)-.* by:$" out
says 0 '' -- certifier cross foreign.pem --certifier vsd.id $pw --yes
is 'the name alone' grep -q '^Everybody below VSD trusts Joe/UB/ACME to ' out
says 0 '' -- certifier cross foreign.pem --certifier vsd.id $pw --yes --for organisation -o again.pem
is 'the same as from its own file' [ "$(openssl x509 -in again.pem -noout -pubkey)" = \
	"$(openssl x509 -in acme.pem -noout -pubkey)" ]
says 0 '' -- certifier cross acme.id --certifier jane-doe.id --password-file user-password --yes -o own.pem
is 'a person alone' grep -q '^Jane Doe/QN/VSD trusts ACME to .* by:$' out
is 'for the own client' grep -q '^Put it among the trust files of your own client\.$' out
cat acme-cross.pem ub.pem >through
block foreign.pem 1 >leaf.pem
is 'openssl goes through it' verify -CAfile vsd.pem -untrusted through leaf.pem
is 'and not without' sh -c '! openssl verify -CAfile vsd.pem -untrusted ub.pem leaf.pem >/dev/null 2>&1'
is 'and not for our names' sh -c '! openssl verify -CAfile vsd.pem -untrusted through joe-doe-chain.pem >/dev/null 2>&1'
# The subtree of QN itself, were it the anchor, would end it in openssl's eyes.
is 'the unit alone' verify -partial_chain -CAfile ub-cross.pem leaf.pem
is 'the name itself' verify -CAfile vsd.pem joe-cross.pem

# revoke and crl
says 0 '' -- certifier crl --certifier qn.id $pw
printed "qn.crl: list 1 of QN/VSD, 0 revoked, the next is due on $(date -u -d '+30 days' +%F)
Copy it to the servers whose crl-files names it, then: posternctl reload"
is 'its mode' [ "$(stat -c %a qn.crl)" = 644 ]
crl_is_good() {
	openssl crl -in "$1" -CAfile "$2" -verify -noout 2>&1 | grep -q 'verify OK'
}
is 'openssl verifies it' crl_is_good qn.crl qn.pem
is 'openssl refuses it for another' sh -c '! openssl crl -in qn.crl -CAfile acme.pem -verify -noout 2>&1 | grep -q OK'
checked() {
	verify -crl_check -partial_chain -CAfile qn.pem -CRLfile qn.crl "$@"
}
is 'not revoked yet' checked joe-doe-chain.pem
serial=$(openssl x509 -in joe-doe-chain.pem -noout -serial | sed 's/.*=//' | tr A-F a-f)
says 0 '' -- certifier revoke --certifier qn.id $pw --certificate joe-doe-chain.pem --days 7
printed "revoked $serial
qn.crl: list 2 of QN/VSD, 1 revoked, the next is due on $(date -u -d '+7 days' +%F)
Copy it to the servers whose crl-files names it, then: posternctl reload"
is 'revoked for openssl' sh -c '! openssl verify -crl_check -partial_chain -CAfile qn.pem -CRLfile qn.crl joe-doe-chain.pem >/dev/null 2>&1'
is 'others are not' checked gw.pem
is 'openssl still verifies it' crl_is_good qn.crl qn.pem
says 0 '' -- certifier revoke --certifier qn.id $pw --certificate joe-doe-chain.pem --serial '01 23 45 67 89 AB CD EF' \
	--serial 7f:00:00:00:00:00:00:00
printed "$serial was revoked already, on $(date -u +%F)
revoked 0123456789abcdef
revoked 7f00000000000000
qn.crl: list 3 of QN/VSD, 3 revoked, the next is due on $(date -u -d '+30 days' +%F)
Copy it to the servers whose crl-files names it, then: posternctl reload"
says 0 '' -- certifier crl --certifier qn.id $pw --days 60
is 'renewed with its entries' grep -q '^qn.crl: list 4 of QN/VSD, 3 revoked' out
before=$(cksum qn.crl)
says 1 'postern: moved.pem: QN/VSD did not issue it with this key; name the ID file that did' \
	-- certifier revoke --certifier qn.id $pw --certificate moved.pem
says 1 "postern: $(openssl x509 -in vsd.pem -noout -serial | sed 's/.*=//' | tr A-F a-f): that is the certifier itself, which no list of its own can end" \
	-- certifier revoke --certifier vsd.id $pw --certificate vsd.pem
says 1 'postern: 8000000000000000: no certificate has this serial; its first digits are 01 to 7f' \
	-- certifier revoke --certifier qn.id $pw --serial 8000000000000000
says 4 'postern: none.pem: cannot be read: No such file or directory' \
	-- certifier revoke --certifier qn.id $pw --certificate none.pem
says 4 'postern: qn.id: the password is wrong; try again' -- certifier crl --certifier qn.id --password-file wrong
says 1 'postern: qn.crl: the list of another certifier; name another file with --crl' \
	-- certifier crl --certifier vsd.id $pw --crl qn.crl
says 1 'postern: vsd.pem: not a file with one revocation list; name another file with --crl' \
	-- certifier crl --certifier vsd.id $pw --crl vsd.pem
cat qn.crl qn.crl >two.crl
says 1 'postern: two.crl: not a file with one revocation list; name another file with --crl' \
	-- certifier crl --certifier qn.id $pw --crl two.crl
chmod 666 two.crl
says 4 'postern: two.crl: others may write it; chmod go-w it' -- certifier crl --certifier qn.id $pw --crl two.crl
openssl crl -in qn.crl -outform DER -out crl.der
size=$(stat -c %s crl.der)
{ head -c $((size - 1)) crl.der; printf '\377'; } | openssl base64 | sed -e '1i -----BEGIN X509 CRL-----' \
	-e '$a -----END X509 CRL-----' >forged.crl
says 1 'postern: forged.crl: damaged: the certifier did not sign this list; name another file with --crl' \
	-- certifier crl --certifier qn.id $pw --crl forged.crl
printf -- '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n' >bad.crl
run certifier crl --certifier qn.id $pw --crl bad.crl
is 'no list at all' [ "$code" = 1 ] && grep -q '^postern: bad.crl: not a revocation list: ' err
is 'the list is as it was' [ "$before" = "$(cksum qn.crl)" ]
# A disk that is full, as far as this process can tell.
full() {
	(ulimit -f 0 && trap '' XFSZ && exec setsid -w "$postern" "$@" >/dev/null 2>"$W/err" </dev/null)
	code=$?
}
full certifier crl --certifier qn.id $pw
is 'a full disk' [ "$code" = 4 ]
is 'the list survives it' [ "$before" = "$(cksum qn.crl)" ]
before=$(cksum vsd.id)
files=$(ls)
full certifier rollover vsd.id $pw $kdf
is 'a full disk at rollover' [ "$code" = 4 ]
is 'the ID file survives it' [ "$before" = "$(cksum vsd.id)" ]
is 'and nothing is left' [ "$files" = "$(ls)" ]

# show
says 0 '' -- certifier show qn.crl
sed -e 's/2[01][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/DATE/g' -e 's/T[0-9:]*Z/TZ/' -e "s/$serial/SERIAL/" \
	-e 's/[0-9a-f]\{40\}/KEY/' out >o2
mv o2 out
is 'a list' [ "$(sort out)" = "$(sort <<-'T'
	revocation list of QN/VSD
	  issuer's key  KEY
	  number        4
	  made          DATETZ
	  next due      DATETZ
	  revoked       3
	    0123456789abcdef  DATE
	    SERIAL  DATE
	    7f00000000000000  DATE
	T
)" ]
says 0 '' -- certifier show acme-cross.pem
sed -e 's/2[01][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/DATE/g' -e 's/[0-9a-f]\{32\}/HEX/' \
	-e 's/\([0-9a-f]\{4\} \)\{7\}[0-9a-f]\{4\}/PRINT/' -e 's/[0-9a-f]\{16\}/SERIAL/' out >o2
mv o2 out
printed 'certificate of ACME, certifier
  issued by     VSD (cross-certificate)
  key id        HEX
                HEX
  serial        SERIAL
  valid         DATE to DATE
  fingerprint   PRINT
                PRINT'
says 0 '' -- certifier show joe.req
is 'a request' grep -q '^certification request of Joe Doe/QN/VSD, user$' out
says 0 '' -- certifier show vsd.id --json
is 'an ID file' [ "$(jq -r '[.[].type] | join(" ")' out)" = 'id certificate' ]
is 'self-signed' [ "$(jq -r '.[1].relation' out)" = self-signed ]
says 0 '' -- certifier show qn.crl --json
is 'a list in JSON' [ "$(jq -r '.[0] | [.type, .issuer, .number, (.revoked | length)] | join(" ")' out)" = 'crl QN/VSD 4 3' ]
says 0 '' -- certifier show acme-cross.pem --json
is 'a cross-certificate in JSON' [ "$(jq -r '.[0].fingerprint' out | tr -d ' ')" = "$(fingerprint acme-cross.pem)" ]
says 0 '' -- certifier show gw.req --json
is 'a request in JSON' [ "$(jq -r '.[0] | [.type, .subject, .kind] | join(" ")' out)" = 'request gw/QN/VSD server' ]
says 4 'postern: password:1: text outside a block; name a file of PEM blocks' -- certifier show password
says 4 'postern: forged.pem:1: the certificate is damaged: its own key did not sign it; take it from a backup' \
	-- certifier show forged.pem
says 4 'postern: joe.key: neither an ID, a card, a certificate, a revocation list nor a request' -- certifier show joe.key
run certifier show bad.crl
is 'a bad list' [ "$code" = 4 ] && grep -q '^postern: bad.crl:1: the revocation list is not of the profile: ' err

# rollover
cp vsd.id old.id
says 1 'postern: QN/VSD is a unit; say --certifier FILE, the certifier directly above it' -- certifier rollover qn.id $pw $kdf
says 1 'postern: VSD is an organisation, which certifies itself; leave --certifier out' \
	-- certifier rollover vsd.id $pw $kdf --certifier acme.id
says 1 'postern: QN/VSD is not directly below ACME, the certifier in acme.id' \
	-- certifier rollover qn.id $pw $kdf --certifier acme.id
says 4 'postern: vsd.id: the password is wrong; try again' -- certifier rollover vsd.id --password-file wrong $kdf
says 4 'postern: jane-doe.id: not the ID file of a certifier' -- certifier rollover jane-doe.id $pw $kdf
says 4 'postern: qn.id: exists already; move it away or choose another name' \
	-- certifier rollover vsd.id $pw $kdf -o qn.id
is 'as it was' cmp -s vsd.id old.id
day=$(date -u +%F)
says 0 '' -- certifier rollover vsd.id $pw $kdf
is 'what to do next' grep -q "^  put vsd-$day-rollover.pem among the trust files of every server and client$" out
is 'modes' [ "$(stat -c %a vsd.id vsd-$day.pem vsd-$day-rollover.pem | tr '\n' ' ')" = '600 644 644 ' ]
is 'another key' [ "$("$postern" id show vsd.id --json | jq -r .key_id)" != \
	"$("$postern" id show old.id --json | jq -r .key_id)" ]
is 'both vouch' [ "$("$postern" certifier show vsd-$day-rollover.pem --json | jq -r '[.[].relation] | join(" ")')" = \
	'rollover rollover' ]
block vsd-$day-rollover.pem 1 >new-by-old.pem
block vsd-$day-rollover.pem 2 >old-by-new.pem
is 'new by old' verify -CAfile vsd.pem new-by-old.pem
is 'old by new' verify -CAfile vsd-$day.pem old-by-new.pem
says 0 '' -- certifier sign joe.req --certifier vsd.id $pw --name Joe -o new-joe.pem
is 'under the new key' verify -CAfile vsd-$day.pem new-joe.pem
is 'through the new key' verify -CAfile vsd.pem -untrusted new-by-old.pem new-joe.pem
is 'the chain brings it along' [ "$("$postern" certifier show new-joe.pem --json | jq -r '[.[].relation] | join(" ")')" = \
	'certified self-signed rollover' ]
is 'an old one through the old key' verify -CAfile vsd-$day.pem -untrusted old-by-new.pem moved.pem
says 0 '' -- certifier crl --certifier old.id $pw --crl vsd.crl
says 1 'postern: vsd.crl: the list that an older or newer key of it signed; name another file with --crl' \
	-- certifier crl --certifier vsd.id $pw
before=$(cksum qn.id)
says 0 '' -- certifier rollover qn.id --certifier vsd.id $cpw $pw $kdf -o qn2.id
is 'the old file stays' [ "$before" = "$(cksum qn.id)" ]
is 'a unit of the new key' verify -CAfile vsd-$day.pem qn2.pem
says 0 '' -- certifier sign joe.req --certifier qn2.id $pw -o qn2-joe.pem
block qn2-rollover.pem 1 >qn-new-by-old.pem
is 'who knows the old unit alone' verify -partial_chain -CAfile qn.pem -untrusted qn-new-by-old.pem qn2-joe.pem
# The file still opens, and once more: two retired keys.
says 0 '' -- certifier rollover qn2.id --certifier vsd.id $cpw $pw $kdf -o qn3.id
says 0 '' -- certifier sign gw.req --certifier qn3.id $pw -o gw3.pem
is 'no neighbours' [ -z "$(ls | grep new-X)" ]

done_testing
