# A first server: complete or not at all, and never twice.
. "$(dirname "$0")/lib.sh"
need openssl

says 2 'postern setup: the organisation is missing; say --org NAME; see postern setup --help' -- setup
says 2 'postern setup: VSD: what is this? The organisation goes with --org; see postern setup --help' \
	-- setup VSD
says 2 'postern setup: --guard ssh: not a port to guard; write tcp/22=ssh; see postern setup --help' \
	-- setup --org VSD --guard ssh
says 2 'postern setup: --guard tcp/23=ssh: there is a service or passthru ssh already; give it another name; see postern setup --help' \
	-- setup --org VSD --guard tcp/22=ssh --guard tcp/23=ssh
says 2 'postern setup: --guard tcp/22=shell: ssh guards that port already; see postern setup --help' \
	-- setup --org VSD --guard tcp/22=ssh --guard tcp/22=shell
says 2 'postern setup: --interface a/b: not the name of an interface; see postern setup --help' \
	-- setup --org VSD --interface a/b
says 2 'postern setup: --org "QN/VSD": write the organisation alone; a unit goes with --unit; see postern setup --help' \
	-- setup --org QN/VSD --interface lo
says 2 'postern setup: server and administrator are both named gw; see postern setup --help' \
	-- setup --org VSD --interface lo --server gw --admin gw
run setup --org AB --interface lo
is 'a short organisation' [ "$code" = 2 ]
run setup --org VSD --interface lo --admin 'a/b'
is 'a slash in a name' [ "$code" = 2 ]

common="--org VSD --server gw --host gw.example.org --interface lo --kdf-mem 1 --dir $W/pg"
says 4 'postern: there is no terminal to ask for the password on; name a file with --password-file' \
	-- setup $common
is 'nothing was made' [ ! -e "$W/pg" ]

umask 077
echo 'too short' >"$W/p"
says 1 'postern: the password of the certifier VSD is too easy to guess (11 of 16, at least 12 is needed); take a longer one, a few unrelated words for example' \
	-- setup $common --password-file "$W/p"
printf '%s\n%s\n' "$certifier_password" secret >"$W/p"
run setup $common --password-file "$W/p"
is 'a weak second password' [ "$code" = 1 ]
is 'its sentence' grep -q '^postern: the password of Admin/VSD is too easy to guess' "$W/err"
: >"$W/p"
says 4 'postern: W/p: line 1 holds no password; write it there' -- setup $common --password-file "$W/p"
echo "$certifier_password" >"$W/p"
chmod 644 "$W/p"
says 4 'postern: W/p: others may read this secret; chmod go-rwx it' \
	-- setup $common --password-file "$W/p"
chmod 600 "$W/p"
says 4 'postern: W/none: cannot be read: No such file or directory' \
	-- setup $common --password-file "$W/none"
is 'still nothing was made' [ ! -e "$W/pg" ]
says 4 'postern: W/no/where: the folder cannot be made: No such file or directory' \
	-- setup --org VSD --interface lo --kdf-mem 1 --dir "$W/no/where" --password-file "$W/p"
touch "$W/file"
says 4 'postern: W/file: the folder cannot be made: Not a directory' \
	-- setup --org VSD --interface lo --kdf-mem 1 --dir "$W/file" --password-file "$W/p"

# One line serves for both; the umask of the caller does not matter.
umask 027
says 0 '' -- setup $common --password-file "$W/p" --guard tcp/22=ssh --guard tcp/8443=wiki
printed 'Made server gw/VSD and administrator Admin/VSD in W/pg:

  certifier.id     secret: certifies; keep it offline
  admin.id         secret: the administrator'"'"'s; take it along
  server.id        the server'"'"'s keys and certificate
  relay.id         the same name with another key, for passthrus
  server.key       secret: opens server.id and relay.id
  server.card      what a client needs; give it to them
  directory        who is known here
  trust/VSD.pem    the organisation'"'"'s certificate
  postern.conf     the configuration

Whoever has this disk is this server, as server.key lies beside server.id:
if it is stolen, revoke the server and make a new one.

Move certifier.id to a place that is not on a network; it is needed only to
certify more people and servers. Nothing is guarded yet. Next:

  posternd -c W/pg/postern.conf
  postern knock gw.example.org ssh --id W/pg/admin.id \
      --card W/pg/server.card'
modes() {
	(cd "$W/pg" && find . -printf '%m %P\n' | sort)
}
is 'modes' [ "$(modes)" = "$(printf '%s\n' '600 admin.id' '600 certifier.id' '600 relay.id' '600 server.id' \
	'600 server.key' '644 directory' '644 postern.conf' '644 server.card' \
	'644 trust/VSD.pem' '755 ' '755 trust')" ]
run id show "$W/pg/relay.id"
is 'the relay has the name of the server' grep -q '^gw/VSD, server$' "$W/out"
relay_key=$(grep -A1 'key id' "$W/out")
run id show "$W/pg/server.id"
is 'and another key' [ "$relay_key" != "$(grep -A1 'key id' "$W/out")" ]
is 'the key file is 32 bytes' [ "$(wc -c <"$W/pg/server.key")" = 32 ]
is 'one line in the directory' [ "$(grep -c '^name="Admin/VSD",kind=user,expires=' "$W/pg/directory")" = 1 ]
says 0 '' -- directory check --directory "$W/pg/directory"
printed 'W/pg/directory: 1 entry, no mistake'
grep -q 'service wiki' "$W/pg/postern.conf"
is 'both services' [ $? = 0 ]
is 'no line past 100 columns' [ "$(awk 'length > 100' "$W/pg/postern.conf" | grep -vc "$W")" = 0 ]
sed -n '/BEGIN CERT/,/END CERT/p' "$W/pg/admin.id" | openssl x509 >"$W/admin.pem" 2>/dev/null
openssl verify -x509_strict -CAfile "$W/pg/trust/VSD.pem" "$W/admin.pem" >/dev/null 2>&1
is 'openssl verifies the administrator' [ $? = 0 ]

# The key elsewhere, or as a credential of systemd.
says 2 'postern setup: --server-key tpm: it is file, credential or elsewhere=PATH; see postern setup --help' \
	-- setup $common --server-key tpm
says 2 'postern setup: --server-key elsewhere=key: name the file from / on; see postern setup --help' \
	-- setup $common --server-key elsewhere=key
mkdir "$W/stick"
base='--org VSD --server gw --host gw.example.org --interface lo --kdf-mem 1'
says 0 '' -- setup $base --dir "$W/away" --password-file "$W/p" --server-key "elsewhere=$W/stick/gw key"
is 'the key is there' [ "$(stat -c '%a %s' "$W/stick/gw key")" = '600 32' ]
is 'and not here' [ ! -e "$W/away/server.key" ]
is 'its line' [ "$(normal "$W/out" | grep -c '^  W/stick/gw key  *secret: opens server.id and relay.id$')" = 1 ]
is 'named in the configuration' grep -q "id-key = \"$W/stick/gw key\"" "$W/away/postern.conf"
is 'what it means' grep -q '^Whoever has this disk but not .*/stick/gw key is not this server' "$W/out"
says 4 'postern: W/stick/gw key: exists already; move it away or choose another name' \
	-- setup $base --dir "$W/again" --password-file "$W/p" --server-key "elsewhere=$W/stick/gw key"
says 4 'postern: W/none/k: no file can be made beside it: No such file or directory' \
	-- setup $base --dir "$W/again" --password-file "$W/p" --server-key "elsewhere=$W/none/k"
is 'nothing was made' [ ! -e "$W/again" ]
says 0 '' -- setup $base --dir "$W/cred" --password-file "$W/p" --server-key credential
is 'a file to encrypt' [ "$(stat -c '%a %s' "$W/cred/server.cred.key")" = '600 32' ]
is 'named in the configuration' grep -q 'id-key = "credential:postern-server-key"' "$W/cred/postern.conf"
is 'the command' grep -q 'systemd-creds encrypt --name=postern-server-key .*/cred/server.cred.key' "$W/out"
is 'the key is not printed' [ "$(grep -c -F "$(od -An -tx1 -N8 "$W/cred/server.cred.key" | tr -d ' ')" "$W/out")" = 0 ]

# A second time refuses and changes nothing.
before=$(cd "$W/pg" && find . -type f -exec cksum {} + | sort)
says 4 'postern: W/pg/certifier.id: exists already; move it away or choose another name' \
	-- setup $common --password-file "$W/p"
is 'nothing changed' [ "$before" = "$(cd "$W/pg" && find . -type f -exec cksum {} + | sort)" ]
# And one file of them is enough to refuse, also a dangling link.
mkdir "$W/other" "$W/other/trust"
ln -s nowhere "$W/other/trust/VSD.pem"
says 4 'postern: W/other/trust/VSD.pem: exists already; move it away or choose another name' \
	-- setup --org VSD --interface lo --kdf-mem 1 --dir "$W/other" --password-file "$W/p"
is 'nothing beside it' [ "$(ls "$W/other")" = trust ]

# With a unit, people are below the unit.
says 0 '' -- setup --org 'Very Small/CA' --unit QN --server gw --interface lo --kdf-mem 1 \
	--dir "$W/unit" --password-file "$W/p"
is 'unit.id' [ -e "$W/unit/unit.id" ]
is 'trust is the organisation' [ -e "$W/unit/trust/Very-Small.pem" ]
is 'names below the unit' grep -q '^name="Admin/QN/Very Small/CA"' "$W/unit/directory"
says 0 '' -- id show "$W/unit/admin.id"
is 'three certificates' [ "$(grep -c '^certificate ' "$W/out")" = 3 ]

done_testing
