# The life of IDs: requested, certified, renewed, moved, rolled over, exported and imported.
. "$(dirname "$0")/lib.sh"
need jq openssl ssh-keygen
make_server
umask 077
cd "$W" || exit 1
echo "$certifier_password" >cert-password
echo 'twelve brave hedgehogs' >jane-password
echo 'eleven calm dolphins' >other-password
echo 'wrong' >wrong
by="--certifier pg/certifier.id --certifier-password-file cert-password"
jane='--password-file jane-password'

show() { # FILE FIELD: of id show --json
	"$postern" id show "$1" --json | jq -r "$2"
}

# ---- words that do not go together
says 2 'postern id renew: who certifies? Say --certifier FILE, or --request OUT; see postern id renew --help' \
	-- id renew jane.id
says 2 'postern id renew: either --certifier certifies now, or a --request is sent; see postern id renew --help' \
	-- id renew jane.id --certifier a --request b
says 2 "postern id renew: --years is the certifier's to say, not the --request's; see postern id renew --help" \
	-- id renew jane.id --request b --years 3
says 2 'postern id renew: --years 101: not a number from 1 to 100; see postern id renew --help' \
	-- id renew jane.id --certifier b --years 101
says 2 'postern id renew: which FILE?; see postern id renew --help' -- id renew
says 2 'postern id rollover: --name goes with postern id renew; a new key keeps the name; see postern id rollover --help' \
	-- id rollover jane.id --request b --name x
says 2 'postern id renew: --out is for what rollover --certifier writes; see postern id renew --help' \
	-- id renew jane.id --certifier b --out x
says 2 'postern id merge: two files: the ID file, and what came back; see postern id merge --help' -- id merge a
says 2 'postern id export: in which form? --pkcs8, --openssh or --pkcs12; see postern id export --help' \
	-- id export a
says 2 'postern id export: one of --pkcs8, --openssh and --pkcs12 at a time; see postern id export --help' \
	-- id export a --pkcs8 --openssh
says 2 'postern id import: import what? Say --key KEY or --pkcs12 P12; see postern id import --help' -- id import a
says 2 'postern id import: say NEW, the ID file to be, and NAME, whose it is; see postern id import --help' \
	-- id import --key a b
says 2 'postern id import: say FILE, the ID file it goes into; see postern id import --help' -- id import --pkcs12 a
says 2 'postern id new: either --certifier certifies now, or a --request is sent; see postern id new --help' \
	-- id new 'Jane Doe/VSD' --certifier a --request b
says 2 'postern id new: there is no card before there is a certificate; see postern id new --help' \
	-- id new 'g/VSD' --kind server --host h --request b
says 2 'postern id new: --kind robot: it is user or server; see postern id new --help' \
	-- id new 'g/VSD' --kind robot --request b
for part in new show passwd renew rollover merge export import; do
	run id $part --help
	is "help of $part" [ "$code" = 0 ]
done

# ---- requested, and certified by openssl with the certifier's exported key
says 1 'postern: the name "Jane Doe" is refused: an organisation is missing; two letters at the end are a country; without a certifier it is the full name' \
	-- id new 'Jane Doe' --request jane.req $jane
says 0 '' -- id new 'Jane Doe/VSD' --request jane.req --out jane.id $jane --kdf-mem 1
is 'modes' [ "$(stat -c %a jane.id jane.req | tr '\n' ' ')" = '600 644 ' ]
is 'openssl takes the request' openssl req -in jane.req -noout -verify 2>/dev/null
run id show jane.id
is 'not certified yet' grep -q '^not certified yet$' out
says 4 'postern: jane.req: exists already; move it away or choose another name' \
	-- id renew jane.id --request jane.req $jane
says 0 '' -- id renew jane.id --request again.req $jane
is 'the same key in it' [ "$(openssl req -in jane.req -noout -pubkey)" = \
	"$(openssl req -in again.req -noout -pubkey)" ]
says 1 'postern: the password of cert.pem is too easy to guess (5 of 16, at least 8 is needed); take a longer one, a few unrelated words for example' \
	-- id export pg/certifier.id --pkcs8 -o cert.pem --password-file cert-password --new-password-file wrong
says 0 '' -- id export pg/certifier.id --pkcs8 -o cert.pem --password-file cert-password \
	--new-password-file other-password
printed '  cert.pem             secret: the key, under the new password'
is 'mode of the key' [ "$(stat -c %a cert.pem)" = 600 ]
openssl asn1parse -in cert.pem >parsed
is 'scrypt' grep -q scrypt parsed
cat >ext <<'END'
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth
subjectKeyIdentifier=none
authorityKeyIdentifier=keyid
END
sign() { # REQUEST OUT DAYS
	openssl x509 -req -in "$1" -CA pg/trust/VSD.pem -CAkey cert.pem -passin file:other-password \
		-set_serial 0x4123456789abcdef -days "$3" -extfile ext -out leaf.pem 2>/dev/null &&
		cat leaf.pem pg/trust/VSD.pem >"$2"
}
sign jane.req chain.pem 100
is 'openssl signed' [ -s chain.pem ]
before=$(cksum jane.id)
says 1 'postern: jane.id: is to be below VSD, which is new to it; compare the fingerprint, then say --yes' \
	-- id merge jane.id chain.pem $jane
says 1 'postern: leaf.pem: the certificate that signed that of Jane Doe/VSD is missing; ask the certifier for the whole chain' \
	-- id merge jane.id leaf.pem $jane
says 4 'postern: jane.id: the password is wrong; try again' -- id merge jane.id chain.pem --password-file wrong
says 4 'postern: jane-password:1: text outside a block; name the file the certifier sent back' \
	-- id merge jane.id jane-password $jane
says 4 'postern: jane.req:1: not a certificate; name the file the certifier sent back' \
	-- id merge jane.id jane.req $jane
: >empty
says 4 'postern: empty: holds no certificate; name the file the certifier sent back' -- id merge jane.id empty $jane
sed -n '/BEGIN CERT/,/END CERT/p' pg/admin.id | sed '/END CERT/q' >admin.pem
says 1 'postern: admin.pem: the certificate of Admin/VSD is neither for a key of jane.id, nor above it, nor issued by it; leave it out' \
	-- id merge jane.id admin.pem $jane
is 'the file is as it was' [ "$before" = "$(cksum jane.id)" ]
says 0 '' -- id merge jane.id chain.pem $jane --yes
is 'what changes' grep -q '^valid  to never becomes 20' out
is 'the directory line' grep -q '^name="Jane Doe/VSD",kind=user,expires=' out
is 'certified' [ "$(show jane.id '.certificates[0].subject')" = 'Jane Doe/VSD' ]
is 'the mode' [ "$(stat -c %a jane.id)" = 600 ]

# ---- renewed: the same key, the same organisation, no question
key=$(show jane.id .key_id)
says 0 '' -- id renew jane.id $by $jane --years 3
is 'three years' [ "$(show jane.id '.certificates[0].not_after[:10]')" = "$(date -u -d '+3 years' +%F)" ]
is 'the same key' [ "$(show jane.id .key_id)" = "$key" ]
sign jane.req chain.pem 200
says 0 '' -- id merge jane.id chain.pem $jane
sed -i '/^name=/d' out
printed "name   Jane Doe/VSD
valid  to $(date -u -d '+3 years' +%F) becomes $(date -u -d '+200 days' +%F)
key    stays

put into jane.id

The line for the directory of a server (postern directory add adds it):"
sign jane.req ended.pem -1
if [ -s ended.pem ]; then
	run id merge jane.id ended.pem $jane
	is 'an ended certificate' [ "$code" != 0 ]
fi
says 4 'postern: pg/admin.id: not the ID file of a certifier' -- id renew jane.id --certifier pg/admin.id $jane
says 1 'postern: "Jane Doe/Sales/VSD" is not directly below VSD, the certifier in pg/certifier.id; take that name'"'"'s own certifier, or change the name' \
	-- id renew jane.id $by $jane --name 'Jane Doe/Sales/VSD'
says 1 'postern: pg/certifier.id: an organisation certifies itself; see postern certifier rollover' \
	-- id renew pg/certifier.id $by --password-file cert-password
says 0 '' -- id renew jane.id $by $jane --name 'Jane Roe'
is 'renamed' [ "$(show jane.id .name)" = 'Jane Roe/VSD' ]
says 0 '' -- id renew jane.id $by $jane --name 'Jane Doe/VSD'

# ---- moved to another organisation
run setup --org Other --server gw --host gw --interface lo --dir "$W/other" --password-file "$W/passwords" --kdf-mem 1
cp jane.id moving.id
says 0 '' -- id renew moving.id --certifier other/certifier.id --certifier-password-file cert-password \
	--name 'Jane Doe' $jane
is 'moved at once' [ "$(show moving.id '.name + " " + .certificates[1].subject')" = 'Jane Doe/Other Other' ]
is 'nothing left of the old one' [ "$(show moving.id '.certificates | length')" = 2 ]
says 1 'postern: moving.id: is to be below VSD, which is new to it; compare the fingerprint, then say --yes' \
	-- id merge moving.id chain.pem $jane
says 0 '' -- id merge moving.id chain.pem $jane --yes
is 'says so' grep -q '^moving.id is below another organisation from now on: VSD' out
is 'and back' [ "$(show moving.id .name)" = 'Jane Doe/VSD' ]

# ---- rolled over
says 0 '' -- id rollover jane.id $by $jane
next=$(sed -n 's/^  key-next=sha256:\(.*\)/\1/p' out)
is 'a next key' [ ${#next} = 64 ]
is 'the old one is still active' [ "$(show jane.id .key_id)" = "$key" ]
is 'the chain is public' [ "$(stat -c %a jane.chain.pem)" = 644 ]
says 0 '' -- id rollover jane.id --request next.req $jane
is 'the same next key' grep -q "key-next=sha256:$next" out
sign next.req next.pem 300
cp jane.id before.id
says 4 'postern: jane.chain.pem: exists already; move it away or choose another name' \
	-- id rollover jane.id $by $jane
says 0 '' -- id merge jane.id next.pem $jane
is 'it is active' [ "$(show jane.id .key_id)" = "$next" ]
is 'the password is the same' [ "$(show jane.id '.opens_with[0].memory_kib')" = 1024 ]
says 1 'postern: chain.pem: the certificate of Jane Doe/VSD is neither for a key of jane.id, nor above it, nor issued by it; leave it out' \
	-- id merge jane.id chain.pem $jane
says 0 '' -- id passwd jane.id $jane --new-password-file jane-password --kdf-mem 1
says 0 '' -- id rollover jane.id --request after.req $jane
is 'another next key' [ "$(sed -n 's/^  key-next=sha256:\(.*\)/\1/p' out)" != "$next" ]

# ---- with postern's own certifier: signed, cross-certified, and a new key of the organisation
says 0 '' -- certifier sign after.req --certifier pg/certifier.id --password-file cert-password -o signed.pem
says 0 '' -- id merge jane.id signed.pem $jane
is 'another key' [ "$(show jane.id .key_id)" != "$next" ]
sed -n '/BEGIN CERT/,/END CERT/p' other/admin.id | sed '/END CERT/q' >foreign.pem
says 0 '' -- certifier cross foreign.pem --certifier jane.id $jane --yes -o cross.pem
says 0 '' -- id merge jane.id cross.pem $jane
is 'it is there' [ "$(show jane.id '.certificates[2] | .issuer + " " + .subject')" = \
	'Jane Doe/VSD Admin/Other' ]
says 1 'postern: cross.pem: nothing in it is new for jane.id' -- id merge jane.id cross.pem $jane
rm jane.chain.pem
says 0 '' -- id rollover jane.id $by $jane
says 0 '' -- id merge jane.id jane.chain.pem $jane
serial=$(show jane.id '.certificates[2].serial')
is 'issued anew by the new key' [ "$(show jane.id '.certificates[2].subject')" = 'Admin/Other' ]
says 1 'postern: cross.pem: the certificate of Admin/Other is neither for a key of jane.id, nor above it, nor issued by it; leave it out' \
	-- id merge jane.id cross.pem $jane
says 0 '' -- id renew jane.id $by $jane
is 'it stays' [ "$(show jane.id '.certificates[2].serial')" = "$serial" ]
cp pg/certifier.id rolled.id
run certifier rollover rolled.id --password-file cert-password --kdf-mem 1
is 'the organisation has a new key' [ "$code" = 0 ]
says 0 '' -- certifier sign jane.id --certifier rolled.id --password-file cert-password -o by-new.pem
cp jane.id followed.id
says 0 '' -- id merge followed.id by-new.pem $jane
is 'the voucher is in it' [ "$(show followed.id '[.certificates[] | select(.subject == "VSD")] | length')" -ge 2 ]

# ---- servers: the key file opens the new key too, and so does a password that was given
says 0 '' -- id new gate/VSD --kind server --request gate.req --out gate.id
is 'three files' [ -e gate.id ] && [ -e gate.key ] && [ ! -e gate.card ]
says 0 '' -- id renew gate.id $by --key-file gate.key
is 'ten years' [ "$(show gate.id '.certificates[0].not_after[:10]')" = "$(date -u -d '+10 years' +%F)" ]
says 1 'postern: chain.pem: the certificate of Jane Doe/VSD is neither for a key of gate.id, nor above it, nor issued by it; leave it out' \
	-- id merge gate.id chain.pem --key-file gate.key
says 0 '' -- id rollover gate.id $by --key-file gate.key
says 0 '' -- id merge gate.id gate.chain.pem --key-file gate.key
is 'restart' grep -q '^Then restart posternd' out
says 0 '' -- id passwd gate.id --key-file gate.key --new-password-file jane-password --kdf-mem 1
rm gate.chain.pem
says 0 '' -- id rollover gate.id $by --key-file gate.key
says 4 'postern: gate.id: opens with a key file too, and so shall the new key; name it with --key-file' \
	-- id merge gate.id gate.chain.pem $jane
says 0 '' -- id merge gate.id gate.chain.pem $jane --key-file gate.key
is 'both slots' [ "$(show gate.id '[.opens_with[].kind] | sort | join(" ")')" = 'key-file password' ]
says 0 '' -- id passwd gate.id $jane --new-password-file jane-password --kdf-mem 1
says 0 '' -- id passwd gate.id --key-file gate.key --new-password-file jane-password --kdf-mem 1

# ---- exported: ssh and openssl read the same key
says 0 '' -- id export jane.id --openssh $jane
is 'modes' [ "$(stat -c %a jane.key-ssh jane.key-ssh.pub | tr '\n' ' ')" = '600 644 ' ]
is 'ssh-keygen reads it' [ "$(ssh-keygen -y -P '' -f jane.key-ssh)" = "$(cat jane.key-ssh.pub)" ]
is 'the comment is the name' [ "$(cut -d' ' -f3- jane.key-ssh.pub)" = 'Jane Doe/VSD' ]
says 4 'postern: jane.key-ssh: exists already; move it away or choose another name' \
	-- id export jane.id --openssh $jane
says 0 '' -- id export jane.id --pkcs8 $jane --new-password-file other-password
is 'openssl reads it' openssl pkey -in jane.pem -passin file:other-password -noout
is 'the key of the certificate' [ "$(openssl pkey -in jane.pem -passin file:other-password -pubout)" = \
	"$(sed -n '/BEGIN CERT/,/END CERT/p' jane.id | openssl x509 -noout -pubkey)" ]
is 'not without the password' [ -z "$(openssl pkey -in jane.pem -passin pass:no -noout 2>/dev/null && echo open)" ]
says 4 'postern: jane.id: holds no internet certificate; postern id import --pkcs12 puts one in' \
	-- id export jane.id --pkcs12 $jane --new-password-file other-password

# ---- imported: the same key again
line=$(show jane.id .key_id)
for form in 'jane.pem --from-password-file other-password' jane.key-ssh; do
	rm -f back.id
	says 0 '' -- id import --key $form back.id 'Jane Doe/VSD' $jane --kdf-mem 1
	is "the key of $form" [ "$(show back.id .key_id)" = "$line" ]
	is 'not certified yet' [ "$(show back.id '.certificates | length')" = 0 ]
done
says 0 '' -- id renew back.id $by $jane
is 'and certified' [ "$(show back.id '.certificates | length')" = 2 ]
openssl genpkey -algorithm ed25519 -out plain.pem 2>/dev/null
says 0 '' -- id import --key plain.pem plain.id 'Joe/VSD' --kind server
is 'a server' [ "$(show plain.id .kind)" = server ] && [ -e plain.key ]
says 0 '' -- id renew plain.id $by --key-file plain.key
rm -f x.id
says 4 'postern: jane.pem: the password is wrong; try again' \
	-- id import --key jane.pem --from-password-file wrong x.id 'Jane Doe/VSD' $jane
ssh-keygen -q -p -P '' -N 'some phrase' -f jane.key-ssh >/dev/null
says 4 "postern: jane.key-ssh: it is locked with a passphrase; take it off a copy first: ssh-keygen -p -N '' -f COPY" \
	-- id import --key jane.key-ssh x.id 'Jane Doe/VSD' $jane
ssh-keygen -q -t ecdsa -N '' -C '' -f ecdsa
says 4 'postern: ecdsa: its key is not of kind Ed25519' -- id import --key ecdsa x.id 'Jane Doe/VSD' $jane
says 4 'postern: pg/trust/VSD.pem: others may read this secret; chmod go-rwx it' \
	-- id import --key pg/trust/VSD.pem x.id 'Jane Doe/VSD' $jane
says 4 'postern: ext: it is not a private key in a form known here' -- id import --key ext x.id 'Jane Doe/VSD' $jane
says 4 'postern: jane.id: exists already; move it away or choose another name' \
	-- id import --key plain.pem jane.id 'Jane Doe/VSD' $jane
says 1 'postern: the name "Jane" is refused: an organisation is missing; two letters at the end are a country' -- id import --key plain.pem x.id Jane $jane
is 'nothing was left' [ ! -e x.id ]

# ---- internet certificates
openssl req -x509 -newkey rsa:2048 -nodes -keyout web.key -out web.crt -subj /CN=jane -days 30 2>/dev/null
openssl pkcs12 -export -in web.crt -inkey web.key -out web.p12 -passout file:other-password 2>/dev/null
says 4 'postern: web.p12: the password is wrong; try again' \
	-- id import --pkcs12 web.p12 jane.id --from-password-file wrong $jane
says 4 'postern: ext: it is not a private key in a form known here' \
	-- id import --pkcs12 ext jane.id --from-password-file wrong $jane
says 0 '' -- id import --pkcs12 web.p12 jane.id --from-password-file other-password $jane
printed 'jane.id holds the internet certificate of web.p12 now'
says 0 '' -- id import --pkcs12 web.p12 jane.id --from-password-file other-password $jane
printed 'jane.id holds the internet certificate of web.p12 now, in place of the one it had'
says 0 '' -- id export jane.id --pkcs12 $jane --new-password-file jane-password
is 'mode' [ "$(stat -c %a jane.p12)" = 600 ]
openssl pkcs12 -in jane.p12 -passin file:jane-password -nodes -out back.pem 2>/dev/null
is 'openssl reads the certificate' [ "$(openssl x509 -in back.pem -noout -fingerprint)" = \
	"$(openssl x509 -in web.crt -noout -fingerprint)" ]
is 'and the key' [ "$(openssl pkey -in back.pem -pubout 2>/dev/null)" = "$(openssl pkey -in web.key -pubout)" ]
says 0 '' -- id passwd jane.id $jane --new-password-file jane-password --kdf-mem 1
is 'no temporary file is left' [ -z "$(ls | grep 'new-')" ]

done_testing
