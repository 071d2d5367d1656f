# Files for people of a directory.
. "$(dirname "$0")/lib.sh"
need jq
make_server
umask 077
cd "$W" || exit 1
echo "$certifier_password" >cert-password
echo 'twelve brave hedgehogs' >p
echo 'wrong' >wrong
certify="--certifier pg/certifier.id --certifier-password-file cert-password --kdf-mem 1 --password-file p"
for n in Ann Bob Cy Dan; do
	run id new "$n" $certify
	is "ID of $n" [ "$code" = 0 ]
done
ann='--id ann.id --password-file p'
bob='--id bob.id --password-file p'
cy='--id cy.id --password-file p'
echo 'what Ann writes to Bob' >note

# ---- words that do not go together
says 2 'postern id encrypt: which FILE?; see postern id encrypt --help' -- id encrypt
says 2 'postern id encrypt: for whom? Say --to NAME; see postern id encrypt --help' -- id encrypt note
says 2 'postern id encrypt: where are their keys? Say --directory FILE; see postern id encrypt --help' \
	-- id encrypt note --to Bob/VSD
says 2 'postern id encrypt: whose ID? Say --id ID; see postern id encrypt --help' \
	-- id encrypt note --to Bob/VSD --directory d
says 2 'postern id encrypt: where to? Standard input has no name: say -o OUT; see postern id encrypt --help' \
	-- id encrypt - --self --id ann.id
says 2 'postern id decrypt: note: where to? Its name does not end in .postern: say -o OUT; see postern id decrypt --help' \
	-- id decrypt note --id bob.id
says 2 'postern id decrypt: standard output is a file, in which half of it could be left; name it with -o; see postern id decrypt --help' \
	-- id decrypt note.postern --id bob.id -o -

# ---- keys for files
says 0 '' -- id documents bob.id --password-file p
printed 'Bob/VSD (bob.id) has a key for files; postern directory add makes it known'
before=$(cksum bob.id)
says 0 '' -- id documents bob.id --password-file p
printed 'Bob/VSD (bob.id) has a key for files already'
is 'nothing was changed' [ "$before" = "$(cksum bob.id)" ]
is 'it is shown' grep -q '^-----BEGIN POSTERN DOCUMENT KEY-----$' bob.id
says 4 'postern: cy.id: the password is wrong; try again' -- id documents cy.id --password-file wrong
says 0 '' -- id documents cy.id --password-file p
: >d
for n in ann bob cy dan; do
	run directory add $n.id --directory d
	is "$n in the directory" [ "$code" = 0 ]
done
is 'two have keys' [ "$(grep -c 'document-key="\{0,1\}x25519:' d)" = 2 ]
sed 's/^name="Cy/disabled,name="Cy/' d >d-disabled

# ---- who is refused
enc="id encrypt note --directory d $ann"
says 1 'postern: Eve/VSD is not in d; nothing was encrypted' -- $enc --to Eve/VSD
says 1 'postern: Dan/VSD has no key for files (postern id documents makes one) in d; nothing was encrypted' \
	-- $enc --to Bob/VSD --to Dan/VSD
says 1 'postern: Cy/VSD is disabled, locked or expired in d-disabled; nothing was encrypted' \
	-- id encrypt note --directory d-disabled $ann --to Cy/VSD
says 1 'postern: --to "Friends": an organisation is missing; two letters at the end are a country' -- $enc --to Friends
says 4 'postern: none: cannot be read: No such file or directory' -- id encrypt note --directory none $ann --to Bob/VSD
is 'nothing was written' [ ! -e note.postern ]
is 'nor to her ID' [ "$(grep -c 'DOCUMENT KEY' ann.id)" = 0 ]

# ---- there and back
says 0 'Ann/VSD (ann.id) has a key for files now; postern directory add makes it known' -- $enc --to Bob/VSD --to 'cn=cy/o=vsd'
printed 'note.postern is encrypted for 2 readers; note itself is as it was'
says 4 'postern: note.postern: exists already; move it away or choose another name' -- $enc --to Bob/VSD
is 'it is not readable' [ "$(grep -c 'writes to' note.postern)" = 0 ]
says 0 '' -- id decrypt note.postern $bob --directory d -o note.bob
ann_key=$("$postern" id show ann.id --json | jq -r .key_id)
printed "encrypted by Ann/VSD, listed
  key id $ann_key"
is 'the same' cmp note note.bob
is 'mode' [ "$(stat -c %a note.bob)" = 600 ]
says 0 '' -- id decrypt note.postern $cy --directory d -o note.cy
is 'for Cy too' cmp note note.cy
says 4 'postern: note: exists already; move it away or choose another name' -- id decrypt note.postern $bob --directory d
mv note note.plain
says 0 '' -- id decrypt note.postern $bob --directory d
is 'the default name' cmp note note.plain
says 1 'postern: note.postern: it is not for this ID; ask its sender for one that is' \
	-- id decrypt note.postern --id dan.id --password-file p -o x
says 1 'postern: note.postern: it is not for this ID; ask its sender for one that is' \
	-- id decrypt note.postern $ann -o x
says 1 'postern: note.plain: it is no file for named people, or was changed' -- id decrypt note.plain $bob -o x
says 1 'postern: /dev/null: it is cut off; get the whole file' -- id decrypt /dev/null $bob -o x
is 'nothing was left' [ -z "$(ls | grep -x -e x -e '.*new-.*')" ]

# ---- who it is from
doubt='and anybody can write any name into a file; compare the key id with the sender'"'"'s'
grep -v Ann d >d-no-ann
sed 's/^name="Ann/disabled,name="Ann/' d >d-ann
sed 's/name="Dan/name="Dave/; s/name="Ann/name="Dan/; s/name="Dave/name="Ann/' d >d-swapped
says 0 "warning: no --directory was given, $doubt" -- id decrypt note.postern $bob -o n1
says 0 "warning: nobody of this name is in the directory, $doubt" -- id decrypt note.postern $bob -o n2 --directory d-no-ann
says 0 "warning: in the directory this name has another key, $doubt" -- id decrypt note.postern $bob -o n3 --directory d-swapped
says 0 "warning: this entry of the directory is disabled, $doubt" -- id decrypt note.postern $bob -o n4 --directory d-ann

# ---- sizes, and damage
for size in 0 1 65536 65537 1000000; do
	head -c $size /dev/urandom >big
	rm -f big.postern
	says 0 '' -- id encrypt big --directory d $ann --to Bob/VSD
	says 0 '' -- id decrypt big.postern $bob --directory d -o back
	is "$size bytes" cmp big back
	rm back
done
head -c 600000 big.postern >cut.postern
says 1 'postern: cut.postern: it is cut off: its end is missing; get it again' -- id decrypt cut.postern $bob
(cat big.postern && echo) >longer.postern
says 1 'postern: longer.postern: something follows its end; get it again' -- id decrypt longer.postern $bob
(head -c 500000 big.postern && printf '\377\001\376' && tail -c +500004 big.postern) >changed.postern
says 1 'postern: changed.postern: it was changed after it was encrypted; get it again' -- id decrypt changed.postern $bob
is 'no half files' [ ! -e cut ] && [ ! -e longer ] && [ ! -e changed ] && [ -z "$(ls | grep new-)" ]

# ---- pipes
"$postern" id encrypt - --directory d $ann --to Bob/VSD -o - <big 2>err | cat >piped.postern
is 'piped' [ ! -s err ]
"$postern" id decrypt - $bob --directory d -o - <piped.postern 2>err | cmp - big
is 'and back' [ $? = 0 ] && grep -q '^encrypted by Ann/VSD, listed$' err
("$postern" id decrypt cut.postern $bob --directory d -o - 2>err; echo $? >code) | cat >half
is 'a cut file through a pipe ends with an error' [ "$(cat code)" = 1 ] && grep -q 'its end is missing' err
says 0 '' -- id encrypt note --self $ann -o self
says 0 '' -- id decrypt self $ann --directory d -o self.plain
is 'to herself' cmp note self.plain

# ---- a newer key, and older files
says 0 '' -- id documents bob.id --password-file p --new
says 0 '' -- id decrypt note.postern $bob --directory d -o old
is 'the older key still opens' cmp note old
for _ in 3 4 5 6 7 8; do
	run id documents bob.id --password-file p --new
done
is 'eight' [ "$code" = 0 ]
says 1 'postern: bob.id: it has 8 document keys, the most there can be; --drop-oldest gives up the oldest, and all files that only it opens' \
	-- id documents bob.id --password-file p --new
says 0 '' -- id decrypt note.postern $bob --directory d -o old2
says 0 '' -- id documents bob.id --password-file p --drop-oldest
says 1 'postern: note.postern: it is not for this ID; ask its sender for one that is' -- id decrypt note.postern $bob -o old3

# ---- after a rollover the key for files is shown under the new key
says 0 '' -- id rollover cy.id --certifier pg/certifier.id --certifier-password-file cert-password --password-file p --out cy.chain
says 0 '' -- id merge cy.id cy.chain --password-file p
grep -v '"Cy/' d >d2
says 0 '' -- directory add cy.id --directory d2
is 'known with it' [ "$(grep '"Cy/' d2 | grep -c document-key)" = 1 ]
before=$(cksum cy.id)
says 0 '' -- id documents cy.id --password-file p
is 'nothing to do' [ "$before" = "$(cksum cy.id)" ]
says 0 '' -- id decrypt note.postern $cy --directory d -o cy2

done_testing
