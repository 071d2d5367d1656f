# Lost passwords: authorities, the list, protected IDs, shares, and a new password.
. "$(dirname "$0")/lib.sh"
need jq python3
script=$(realpath "$0")
make_server
umask 077
cd "$W" || exit 1
echo "$certifier_password" >cert-password
echo 'twelve brave hedgehogs' >jane-password
echo 'eleven calm dolphins' >ra-password
echo 'thirteen shy penguins fishing' >new-password
echo 'wrong' >wrong
certify="--certifier pg/certifier.id --certifier-password-file cert-password --kdf-mem 1"
ra='--password-file ra-password'

for n in Ann Bob Cy; do
	run id new "$n" $certify $ra
	is "ID of $n" [ "$code" = 0 ]
done
says 0 '' -- id new 'Jane Doe' $certify --password-file jane-password
says 0 '' -- id new 'John Roe' $certify --password-file jane-password
says 0 '' -- id new gate2 $certify --server --out g2.id

# ---- words that do not go together
says 2 'postern id authority: which FILE?; see postern id authority --help' -- id authority
says 2 'postern id protect: by whom? Say --recovery LIST; see postern id protect --help' -- id protect a
says 2 'postern id recover: one FILE at a time; see postern id recover --help' -- id recover a b
says 2 'postern id recover: --share-file, --new-password-file and --kdf-mem are the owner'"'"'s, who does not say --as; see postern id recover --help' \
	-- id recover a --as b --share-file c
says 2 "postern id recover: --yes, --out and --password-file go with --as, the authority's ID; see postern id recover --help" \
	-- id recover a --yes
list='certifier recovery --certifier pg/certifier.id --certifier-password-file cert-password'
says 2 'postern certifier recovery: who signs? Say --certifier FILE; see postern certifier recovery --help' \
	-- certifier recovery --authority a -m 1
says 2 'postern certifier recovery: who are they? Say --authority RECORD for each; see postern certifier recovery --help' \
	-- $list -m 1
says 2 'postern certifier recovery: how many of them are needed? Say -m M; see postern certifier recovery --help' \
	-- $list --authority a
says 2 'postern certifier recovery: -m 3: there are only 2 authorities; see postern certifier recovery --help' \
	-- $list --authority a --authority b -m 3
says 2 'postern certifier recovery: -m 1: one stolen ID would open all the others; take 2 or more, or say --i-know; see postern certifier recovery --help' \
	-- $list --authority a -m 1
says 2 'postern certifier recovery: -m 17: not a number from 1 to 16; see postern certifier recovery --help' \
	-- $list --authority a -m 17

# ---- authorities
before=$(cksum ann.id)
says 4 'postern: ann.id: the password is wrong; try again' -- id authority ann.id --password-file wrong
is 'nothing changed' [ "$before" = "$(cksum ann.id)" ]
for n in ann bob cy; do
	says 0 '' -- id authority $n.id -o $n.pem $ra
done
is 'what it says' grep -q '^Cy/VSD is a recovery authority, key id [0-9a-f]\{64\}; give its record to the certifier$' out
is 'the record' grep -q '^-----BEGIN POSTERN RECOVERY AUTHORITY-----$' cy.pem
before=$(cksum ann.id)
says 0 "Ann/VSD is a recovery authority, key id $("$postern" id show ann.id --json | jq -r .key_id); give its record to the certifier" \
	-- id authority ann.id $ra
is 'once more, to standard output' grep -q '^-----BEGIN POSTERN RECOVERY AUTHORITY-----$' out
is 'with the same key' [ "$before" = "$(cksum ann.id)" ]
says 4 'postern: ann.pem: exists already; move it away or choose another name' -- id authority ann.id -o ann.pem $ra
says 4 'postern: g2.id: it has no password: it opens with a key file only' -- id authority g2.id $ra

# ---- the list
says 1 'postern: ann.pem: Ann/VSD is in the list already; name it once' \
	-- $list --authority ann.pem --authority ann.pem -m 2
sed '2s/^\(.....\)./\1X/' ann.pem >bad.pem
run $list --authority bob.pem --authority bad.pem -m 2
is 'a changed record' [ "$code" = 1 ]
says 4 'postern: jane-doe.id: line 1: it holds POSTERN ID, not POSTERN RECOVERY AUTHORITY; name another file' \
	-- $list --authority jane-doe.id --authority bob.pem -m 2
run certifier recovery --certifier ann.id --certifier-password-file ra-password \
	--authority ann.pem --authority bob.pem -m 2
is 'no certifier' [ "$code" = 4 ] && grep -q '^postern: ann.id: not the ID file of a certifier$' err
says 0 '' -- $list --authority ann.pem --authority bob.pem --authority cy.pem -m 2 -o list.pem
sed 's/key id [0-9a-f]*/key id HEX/' out >o2
mv o2 out
printed '2 of these 3 authorities:
  Ann/VSD
    key id HEX
  Bob/VSD
    key id HEX
  Cy/VSD
    key id HEX
VSD signed the list in list.pem'
says 0 '' -- $list --authority ann.pem -m 1 --i-know -o one.pem

# ---- protected
protect='--recovery list.pem --password-file jane-password'
says 0 '' -- id protect jane-doe.id $protect
printed 'Jane Doe/VSD (jane-doe.id) can be recovered by 2 of:
  Ann/VSD
  Bob/VSD
  Cy/VSD
older copies of the file cannot, or by those they were made for'
is 'id show says so' [ "$("$postern" id show jane-doe.id | grep -c 'recovery      by 2 of 3 authorities')" = 1 ]
is 'the old password' "$postern" id passwd jane-doe.id --password-file jane-password --new-password-file jane-password --kdf-mem 1 >out
says 0 '' -- id protect john-roe.id $protect
says 0 '' -- id protect g2.id --recovery list.pem --key-file g2.key
says 0 '' -- id protect pg/certifier.id --recovery list.pem --password-file cert-password
says 4 'postern: one.id: cannot be read: No such file or directory' -- id protect one.id $protect
before=$(cksum jane-doe.id)
sed '3s/^\(.....\)./\1X/' list.pem >bad-list.pem
run id protect jane-doe.id --recovery bad-list.pem --password-file jane-password
is 'a changed list' [ "$code" = 4 ]
run setup --org OTHER --server gw --host 127.0.0.1 --interface lo --dir "$W/other" --password-file "$W/passwords" --kdf-mem 1
says 0 '' -- certifier recovery --certifier other/certifier.id --certifier-password-file cert-password \
	--authority ann.pem --authority bob.pem -m 2 -o other.pem
says 1 'postern: other.pem: it is signed by OTHER with a key that is of no certifier of this ID; get the list of one of its own' \
	-- id protect jane-doe.id --recovery other.pem --password-file jane-password
is 'the file is as it was' [ "$before" = "$(cksum jane-doe.id)" ]

# ---- shares
jane_key=$("$postern" id show jane-doe.id --json | jq -r .key_id)
says 0 "jane-doe.id is the ID file of Jane Doe/VSD
  key id $jane_key
  certified below VSD
  2 of 3 authorities open it; the list is of VSD" -- id recover jane-doe.id --as ann.id $ra --yes
is 'a share' grep -qx '\([A-Z2-7]\{5\}-\)\{11\}[A-Z2-7]\{5\}' out
is 'and nothing else' [ "$(wc -l <out)" = 1 ]
cp out ann.share
says 0 "jane-doe.id is the ID file of Jane Doe/VSD
  key id $jane_key
  certified below VSD
  2 of 3 authorities open it; the list is of VSD" -- id recover jane-doe.id --as cy.id $ra --yes -o cy.share
is 'a share is a secret' [ "$(stat -c %a cy.share)" = 600 ]
"$postern" id recover john-roe.id --as bob.id $ra --yes >john.share 2>err
run id recover jane-doe.id --as ann.id $ra
is 'without a terminal it asks nobody' [ "$code" = 4 ] && grep -q '^postern: there is no terminal to ask on$' err
run id recover jane-doe.id --as john-roe.id --password-file jane-password --yes
is 'no authority' [ "$code" = 1 ]
is 'its sentence' grep -q '^postern: john-roe.id: it is of no recovery authority: it has no key for shares$' err
run id recover jane-doe.id --as other/admin.id --password-file admin-password --yes
is 'nor one of another organisation' [ "$code" = 1 ]
is 'which knows nobody here' grep -q '^  certified below VSD, which your own ID does not know: compare the key id$' err
says 1 'postern: ann.id: it has no recovery block, so nobody can open it but its owner' \
	-- id recover ann.id --as bob.id $ra --yes

# ---- recovered
recover='id recover jane-doe.id --new-password-file new-password --kdf-mem 1'
before=$(cksum jane-doe.id)
run $recover --share-file ann.share
is 'one is too few' [ "$code" = 4 ] && grep -q '^postern: 1 of 2 shares were given, and there is no terminal to type more; name a file for each with --share-file$' err
is 'who could help' grep -q '^  Bob/VSD$' err
says 4 'postern: john.share: this share is of another file; ask for the one of this file' \
	-- $recover --share-file ann.share --share-file john.share
says 4 'postern: ann.share: this share was given already; the share of another is needed' \
	-- $recover --share-file ann.share --share-file ann.share
sed 's/^\(...\)./\17/' cy.share >typo.share
grep -q '^...7' cy.share && sed 's/^\(...\)./\16/' cy.share >typo.share
says 4 'postern: typo.share: a character is wrong or two groups are swapped; read it again' \
	-- $recover --share-file ann.share --share-file typo.share
says 1 'postern: the password of Jane Doe/VSD is too easy to guess (5 of 16, at least 8 is needed); take a longer one, a few unrelated words for example' \
	-- id recover jane-doe.id --new-password-file wrong --share-file ann.share --share-file cy.share
is 'the file is as it was' [ "$before" = "$(cksum jane-doe.id)" ]
cp jane-doe.id old-copy.id
tr A-Z a-z <ann.share | tr -d '-' >typed.share
says 0 '' -- $recover --share-file cy.share --share-file typed.share
printed 'Jane Doe/VSD (jane-doe.id) has a new password; copies of the old file keep the old one'
is 'mode and neighbours' [ "$(stat -c %a jane-doe.id)" = 600 ] && [ -z "$(ls | grep new-X)" ]
says 4 'postern: jane-doe.id: the password is wrong; try again' -- id protect jane-doe.id $protect
says 0 '' -- id protect jane-doe.id --recovery list.pem --password-file new-password
says 0 '' -- id protect old-copy.id $protect

# ---- typed on a terminal
"$postern" id recover old-copy.id --as ann.id $ra --yes -o ann2.share 2>err
"$postern" id recover old-copy.id --as cy.id $ra --yes -o cy2.share 2>err
is 'typed' python3 "$(dirname "$script")/recover.py" "$postern" old-copy.id ann2.share cy2.share bob.id ra-password

# ---- a certifier, and a server that opens with a key file
for f in pg/certifier.id g2.id; do
	"$postern" id recover $f --as ann.id $ra --yes -o a.share 2>err
	"$postern" id recover $f --as bob.id $ra --yes -o b.share 2>err
	says 0 '' -- id recover $f --new-password-file new-password --kdf-mem 1 --share-file a.share --share-file b.share
	says 0 '' -- id protect $f --recovery list.pem --password-file new-password
	rm a.share b.share
done
says 0 '' -- id protect g2.id --recovery list.pem --key-file g2.key

# ---- an authority whose key rolled over still helps
says 0 '' -- id rollover ann.id --certifier pg/certifier.id --certifier-password-file new-password $ra --out ann.chain
says 0 '' -- id merge ann.id ann.chain $ra
run id recover jane-doe.id --as ann.id $ra --yes
is 'after a rollover' [ "$code" = 0 ]
# ---- and one who is protected stays so
says 0 '' -- id rollover jane-doe.id --certifier pg/certifier.id --certifier-password-file new-password \
	--password-file new-password --out jane.chain
says 0 '' -- id merge jane-doe.id jane.chain --password-file new-password
run id recover jane-doe.id --as ann.id $ra --yes
is 'under the new key' [ "$code" = 0 ]

# ---- and one below a unit whose own key rolled over, with the word of the old one among the certificates
unit='--password-file cert-password --kdf-mem 1'
above='--certifier pg/certifier.id --certifier-password-file new-password'
says 0 '' -- certifier new QN/VSD $above $unit -o qn.id
says 0 '' -- id new Kim/QN/VSD --certifier qn.id --certifier-password-file cert-password --kdf-mem 1 \
	--password-file jane-password --out kim.id
says 0 '' -- certifier rollover qn.id $above $unit
says 0 '' -- id renew kim.id --request kim.req --password-file jane-password
says 0 '' -- certifier sign kim.req --certifier qn.id --password-file cert-password -o kim.chain
sed '/^-----END/q' qn-*-rollover.pem | cat kim.chain - >kim.both
says 0 '' -- id merge kim.id kim.both --password-file jane-password --yes
is 'has that word too' [ "$(grep -c 'BEGIN CERT' kim.id)" = 4 ]
says 0 '' -- id protect kim.id --recovery list.pem --password-file jane-password
run id recover kim.id --as ann.id $ra --yes
is 'below a unit with a new key' [ "$code" = 0 ]

# A certifier's own recovery is bound to its key as well, and whoever changes that is told.
says 0 '' -- certifier rollover pg/certifier.id --password-file new-password --kdf-mem 1
is 'its recovery' grep -q '^      postern id protect pg/certifier.id --recovery LIST$' "$W/out"

done_testing
