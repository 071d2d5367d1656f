# ID files: made, shown, and their passwords changed.
. "$(dirname "$0")/lib.sh"
need jq
make_server
umask 077
cd "$W" || exit 1
echo "$certifier_password" >cert-password
echo 'twelve brave hedgehogs' >jane-password
echo 'wrong' >wrong
certify="--certifier $W/pg/certifier.id --certifier-password-file $W/cert-password --kdf-mem 1"

says 1 'postern: "Jane Doe/Sales/VSD" is not directly below VSD, the certifier in W/pg/certifier.id; take that name'"'"'s own certifier, or change the name' \
	-- id new 'Jane Doe/Sales/VSD' $certify --password-file jane-password
says 4 'postern: W/pg/admin.id: not the ID file of a certifier' \
	-- id new 'Jane Doe' --certifier "$W/pg/admin.id" --password-file jane-password
says 4 'postern: W/pg/certifier.id: the password is wrong; try again' \
	-- id new 'Jane Doe' --certifier "$W/pg/certifier.id" --certifier-password-file wrong \
	--password-file jane-password
says 1 'postern: the password of Jane Doe/VSD is too easy to guess (5 of 16, at least 8 is needed); take a longer one, a few unrelated words for example' \
	-- id new 'Jane Doe' $certify --password-file wrong
run id new 'a,b' $certify --password-file jane-password
is 'a comma in a name' [ "$code" = 1 ]
is 'nothing was left' [ "$(ls)" = "$(printf '%s\n' admin-password cert-password err jane-password \
	out passwords pg wrong | sort)" ]

says 0 '' -- id new 'Jane Doe' $certify --password-file jane-password
is 'the default file' [ "$(stat -c %a jane-doe.id)" = 600 ]
is 'the report' grep -q '^Made Jane Doe/VSD, valid to 20' out
is 'the directory line' grep -q '^name="Jane Doe/VSD",kind=user,expires=20.*,certified-equivalent ssh-ed25519 AAAA' out
says 4 'postern: jane-doe.id: exists already; move it away or choose another name' \
	-- id new 'Jane Doe' $certify --password-file jane-password
says 0 '' -- id new 'Joe/VSD' $certify --password-file jane-password --out joe --for 90d
is 'a life of days' grep -q "valid to $(date -u -d '+90 days' +%F)" out
says 0 '' -- id new gate2 $certify --server --host gate2.example.org --service ssh --out g2.id
is 'three files' [ -e g2.id ] && [ -e g2.key ] && [ -e g2.card ]
is 'a server of the directory' grep -q '^name="gate2/VSD",kind=server,' out
run id show g2.id
is 'a key file slot' grep -q '^  opens with    a key file$' out
says 4 'postern: g2.id: it has no password: it opens with a key file only' \
	-- id passwd g2.id --password-file wrong --new-password-file jane-password
says 4 'postern: jane-doe.id: no key file opens it, only its password' \
	-- id passwd jane-doe.id --key-file g2.key --new-password-file jane-password
head -c 32 /dev/zero >not.key
says 4 'postern: g2.id: the key file does not open it; name the right one' \
	-- id passwd g2.id --key-file not.key --new-password-file jane-password
says 4 'postern: wrong: holds 6 bytes, a key file holds 32; name the right file' \
	-- id passwd g2.id --key-file wrong --new-password-file jane-password
says 1 'postern: the password of gate2/VSD is too easy to guess (5 of 16, at least 8 is needed); take a longer one, a few unrelated words for example' \
	-- id passwd g2.id --key-file g2.key --new-password-file wrong
says 0 '' -- id passwd g2.id --key-file g2.key --new-password-file jane-password --kdf-mem 1
is 'a server opens with both' [ "$(run id show g2.id; grep -c 'opens with' out)" = 2 ]
says 0 '' -- id passwd g2.id --password-file jane-password --new-password-file jane-password --kdf-mem 1

says 0 '' -- id show jane-doe.id
sed -e 's/2[01][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/DATE/g' -e 's/T[0-9:]*Z/TZ/' \
	-e 's/[0-9a-f]\{32\}/HEX/' -e 's/\([0-9a-f]\{4\} \)\{7\}[0-9a-f]\{4\}/PRINT/' out >o2
mv o2 out
printed 'Jane Doe/VSD, user
  key id        HEX
                HEX
  created       DATETZ
  opens with    a password (a try costs 1 MiB, 3 passes)
  password      quality 8 of 16 at least

certificate 1: Jane Doe/VSD, user
  issued by     VSD
  valid         DATE to DATE
  fingerprint   PRINT
                PRINT

certificate 2: VSD, certifier
  issued by     VSD
  valid         DATE to DATE
  fingerprint   PRINT
                PRINT'
says 0 '' -- id show jane-doe.id --json
is 'JSON' grep -q '"name": "Jane Doe/VSD"' out
is 'JSON fields' [ "$(jq -r '[.kind, .opens_with[0].kind, .certificates[1].issuer] | join(" ")' out)" = \
	'user password VSD' ]
says 4 'postern: none.id: cannot be read: No such file or directory' -- id show none.id
run id show wrong
is 'not an ID file' [ "$code" = 4 ]
is 'its sentence' grep -q '^postern: wrong: not an ID file: line 1: ' err

# passwd
before=$(cksum jane-doe.id)
says 4 'postern: jane-doe.id: the password is wrong; try again' \
	-- id passwd jane-doe.id --password-file wrong --new-password-file jane-password
says 1 'postern: the password of Jane Doe/VSD is too easy to guess (5 of 16, at least 8 is needed); take a longer one, a few unrelated words for example' \
	-- id passwd jane-doe.id --password-file jane-password --new-password-file wrong
is 'the file is as it was' [ "$before" = "$(cksum jane-doe.id)" ]
echo 'eleven calm dolphins' >new-password
says 0 '' -- id passwd jane-doe.id --password-file jane-password --new-password-file new-password --kdf-mem 1
printed 'the password of Jane Doe/VSD (jane-doe.id) is changed; copies of the old file still open with the old one'
is 'mode and neighbours' [ "$(stat -c %a jane-doe.id)" = 600 ] && [ -z "$(ls | grep new-X)" ]
says 4 'postern: jane-doe.id: the password is wrong; try again' \
	-- id passwd jane-doe.id --password-file jane-password --new-password-file new-password --kdf-mem 1
says 0 '' -- id passwd jane-doe.id --password-file new-password --new-password-file jane-password --kdf-mem 1
chmod 644 jane-doe.id
says 4 'postern: jane-doe.id: others may read this secret; chmod go-rwx it' \
	-- id passwd jane-doe.id --password-file jane-password --new-password-file new-password

done_testing
