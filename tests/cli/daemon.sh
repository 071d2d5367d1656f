# posternd and posternctl: what is no command line, no configuration, no daemon, and what --check and --read
# say. Nothing here needs root; what does is tests/lab/test_start.py.
. "$(dirname "$0")/lib.sh"
folder=$(dirname "$postern")
posternd=$folder/posternd posternctl=$folder/posternctl

# as PROGRAM: run and says are about this one from here on.
as() {
	postern=$1
}

as "$posternd"
says 2 'posternd: there is no option --fly; see posternd --help' -- --fly
says 2 'posternd: there is no option -x; see posternd --help' -- -x
says 2 'posternd: --config needs a value; see posternd --help' -- -c
says 2 'posternd: start: one argument too many; see posternd --help' -- start
says 2 'posternd: --check and --read exclude each other; choose one; see posternd --help' \
	-- --check --read x
says 2 'posternd: --json goes with --read only; see posternd --help' -- --json
as "$posternctl"
says 2 'posternctl: no command was given; see posternctl --help' --
says 2 'posternctl: there is no command fly; see posternctl --help' -- fly
says 2 'posternctl: there is no option --fly; see posternctl --help' -- status --fly
says 2 'posternctl: --socket needs a value; see posternctl --help' -- status -s
says 2 'posternctl: x: one argument too many; see posternctl --help' -- status x
says 2 'posternctl: close takes a name, an address or a grant number, or --all; see posternctl --help' \
	-- close
says 2 'posternctl: close takes a name, an address or a grant number, or --all; see posternctl --help' \
	-- close x --all
says 2 'posternctl: revoke takes a name, or --list; see posternctl --help' -- revoke
says 2 'posternctl: revoke takes a name, or --list; see posternctl --help' -- revoke x/VSD --list
says 2 'posternctl: restore takes a name; see posternctl --help' -- restore
says 2 'posternctl: why takes a name or an address, or a name and a service; see posternctl --help' -- why
says 2 'posternctl: --config goes with a name and a service; see posternctl --help' -- why Ann/VSD -c x
says 3 'posternctl: no daemon answers, and W/none.db: cannot be examined: No such file or directory' \
	-- why Ann/VSD -s "$W/none" --store "$W/none.db"
says 3 "posternctl: W/none: no daemon answers (No such file or directory); start posternd, or name its socket with --socket" \
	-- why Ann/VSD ssh -s "$W/none"
says 2 'posternctl: trial takes a time, or --confirm, or --abort; see posternctl --help' -- trial
says 2 'posternctl: trial takes a time, or --confirm, or --abort; see posternctl --help' \
	-- trial 5m --confirm
says 2 'posternctl: trial 9s: not a time from 10s to 1d; see posternctl --help' -- trial 9s
says 2 'posternctl: trial soon: not a time from 10s to 1d; see posternctl --help' -- trial soon
says 4 'posternctl: W/none: cannot be read: No such file or directory' -- trial 5m --live "$W/none"
says 4 'posternctl: W/none: cannot be read: No such file or directory' \
	-- trial --confirm --live "$W/none"
says 2 'posternctl: y: one argument too many; see posternctl --help' -- revoke x/VSD y
says 3 "posternctl: W/none: no daemon answers (No such file or directory); start posternd, or name its socket with --socket" \
	-- revoke Ann/VSD -s "$W/none"
says 2 'posternctl: --since soon: neither a duration nor a time; see posternctl --help' \
	-- journal --since soon
says 2 'posternctl: --until soon: neither a duration nor a time; see posternctl --help' \
	-- journal --until soon
says 2 'posternctl: --event lost: there is none of this name, see posternctl(8); see posternctl --help' \
	-- journal --event lost
says 2 'posternctl: --follow, --verify and --export exclude each other; choose one; see posternctl --help' \
	-- journal --follow --verify
says 2 'posternctl: --from goes with --verify and --export only; see posternctl --help' \
	-- journal --from x
says 4 'posternctl: W/none.db: cannot be examined: No such file or directory' \
	-- journal --store "$W/none.db" --verify
says 4 'posternctl: W/none.db: cannot be examined: No such file or directory' \
	-- journal --store "$W/none.db" --follow
says 4 'posternctl: W/none: cannot be read: No such file or directory' \
	-- journal --store "$W/none.db" --verify --from "$W/none"
says 2 'posternctl: --limit 0: not a number from 1 to 1000000; see posternctl --help' \
	-- journal --limit 0
says 2 'posternctl: --address home: not an address in numbers; see posternctl --help' \
	-- journal -s "$W/none" --address home
says 3 "posternctl: W/none: no daemon answers (No such file or directory); start posternd, or name its socket with --socket" \
	-- status -s "$W/none"
says 3 'posternctl: no daemon answers, and W/none.db: cannot be examined: No such file or directory' \
	-- journal -s "$W/none" --store "$W/none.db"

for p in "$posternd" "$posternctl"; do
	as "$p"
	name=$(basename "$p")
	says 0 '' -- --version
	is "$name: version" grep -qx "$name [0-9.]*" "$W/out"
	says 0 '' -- --help
	is "$name: a usage line" grep -q "^usage: $name" "$W/out"
	is "$name: exit codes" grep -q '^Exit codes:' "$W/out"
	is "$name: 80 columns" [ "$(awk 'length > 80' "$W/out")" = '' ]
	if [ -e /dev/full ]; then
		"$p" --help >/dev/full 2>"$W/err"
		code=$?
		: >"$W/out"
		is "$name: a full standard output" [ "$code:$(cat "$W/err")" = \
			"4:$name: standard output: not everything could be written" ]
	fi
done

# The configuration and the files it names.
as "$folder/postern"
make_server
config=$W/pg/postern.conf
as "$posternd"
check='--check -c'
says 0 'W/pg/postern.conf is good; doors: 1, services: 1, people: 1' -- $check "$config"
cp "$W/out" "$W/effective"
run $check "$W/effective"
is 'what it prints is a configuration' [ "$code" = 0 ]
says 4 'W/none: cannot be read: No such file or directory; "postern setup" makes one, -c names another' \
	-- $check "$W/none"
says 4 'W/pg: not a regular file; name one' -- $check "$W/pg"

# with FILE CHANGE UNDO SENTENCE: the one mistake, and good again afterwards.
with() {
	eval "$1"
	says 4 "$3" -- $check "$config"
	eval "$2"
}
cd "$W/pg" || exit 1
with 'chmod 666 postern.conf' 'chmod 644 postern.conf' \
	'W/pg/postern.conf: others may write it; chmod go-w it'
with 'chmod 640 server.key' 'chmod 600 server.key' \
	'W/pg/server.key: others may read this secret; chmod go-rwx it'
with 'chmod 640 server.id' 'chmod 600 server.id' \
	'W/pg/server.id: others may read this secret; chmod go-rwx it'
with 'chmod 664 directory' 'chmod 644 directory' 'W/pg/directory: others may write it; chmod go-w it'
with 'mv directory d' 'mv d directory' 'W/pg/directory: cannot be read: No such file or directory'
with 'mv server.key d' 'mv d server.key' 'W/pg/server.key: cannot be read: No such file or directory'
with 'cp -p server.key d; head -c 32 /dev/zero >server.key' 'mv d server.key' \
	'W/pg/server.id: is not opened by the key file id-key names; name the right one'
with 'cp -p server.key d; head -c 31 /dev/zero >server.key' 'mv d server.key' \
	'W/pg/server.key: holds 31 bytes, a key file holds 32; make the server ID anew'
with 'cp -p postern.conf d; sed -i "s|id-key = .*|id-key = \"credential:gw\"|" postern.conf' 'mv d postern.conf' \
	'W/pg/server.id: id-key is the credential gw, but nothing was passed on; start posternd by systemd, with LoadCredentialEncrypted=gw:FILE in its unit'
cp -p postern.conf keep
sed -i 's|id-key = .*|id-key = "credential:gw"|' postern.conf
mkdir passed
export CREDENTIALS_DIRECTORY="$W/pg/passed"
says 4 'W/pg/server.id: id-key is the credential gw, but systemd did not pass on that one; put LoadCredentialEncrypted=gw:FILE into the unit' \
	-- $check "$config"
cp -p server.key passed/gw
chmod 400 passed/gw
says 0 'W/pg/postern.conf is good; doors: 1, services: 1, people: 1' -- $check "$config"
chmod 600 passed/gw
head -c 31 /dev/zero >passed/gw
says 4 'W/pg/passed/gw: holds 31 bytes, a key file holds 32; encrypt the right file' -- $check "$config"
unset CREDENTIALS_DIRECTORY
rm -r passed
mv keep postern.conf
with 'cp -p server.id d; cp admin.id server.id' 'mv d server.id' \
	'W/pg/server.id: cannot be opened by a key file; make it anew with postern setup'
with 'mv trust/VSD.pem d' 'mv d trust/VSD.pem' \
	"W/pg/postern.conf:$(grep -n 'trust = ' postern.conf | cut -d: -f1): trust: W/pg/trust/VSD.pem: cannot be read: No such file or directory"
with 'cp -p postern.conf d; sed -i "s/wait = 30s/wait = soon/" postern.conf' 'mv d postern.conf' \
	"W/pg/postern.conf:$(grep -n 'wait = ' postern.conf | cut -d: -f1): wait: \"soon\" is not a time; write 30s, 5m, 8h or 2d"
if [ "$(id -u)" != 0 ]; then
	with 'chmod 0 postern.conf' 'chmod 644 postern.conf' \
		'W/pg/postern.conf: cannot be read: Permission denied'
fi
says 0 'W/pg/postern.conf is good; doors: 1, services: 1, people: 1' -- $check "$config"

# Why, from the configuration alone. The store is not there: then nobody is known to be locked out.
as "$posternctl"
sed -i "s|^server {|&\n\tstore = \"$W/none.db\"|" postern.conf
says 0 '' -- why Admin/VSD ssh -c "$config"
is 'why: granted' grep -q '^Admin/VSD, ssh through [a-z0-9-]*: granted for ' "$W/out"
is 'why: the entry' grep -q '^  by        service ssh allow: ' "$W/out"
is 'why: assumes' grep -q 'is not locked out by posternctl revoke: the store cannot be read$' "$W/out"
says 0 '' -- why Nobody/VSD ssh -c "$config"
is 'why: refused' grep -q '^Nobody/VSD, ssh through [a-z0-9-]*: refused, the directory does not list' "$W/out"
is 'why: what to change' grep -q '^  to change key-check: list the name with its key in ' "$W/out"
sed -i 's/^name=/locked,disabled,name=/' directory
says 0 '' -- why ADMIN/VSD ssh -c "$config" --json
is 'why: everything against it' grep -q '"reason":"locked".*"reason":"disabled"' "$W/out"
sed -i 's/^locked,disabled,//' directory
says 0 '' -- why Admin/VSD web -c "$config"
is 'why: no such service' grep -q 'refused, there is no such service$' "$W/out"
says 1 'posternctl: "VSD" is no person'"'"'s or server'"'"'s name: an organisation is missing; two letters at the end are a country; write it whole' \
	-- why VSD ssh -c "$config"
says 1 'posternctl: there is no such door; posternctl status lists them' \
	-- why Admin/VSD ssh -c "$config" --door back
says 1 'posternctl: the address is none; write it in numbers' \
	-- why Admin/VSD ssh -c "$config" --address home
says 4 'posternctl: W/none.conf: cannot be read: No such file or directory; "postern setup" makes one, -c names another' \
	-- why Admin/VSD ssh -c "$W/none.conf"
sed -i '/none.db/d' postern.conf
as "$posternd"

# Classic knocks: the examples of setup are right once they are on, and what they are worth is said.
cp -p postern.conf keep
sed -i 's/^\t# *\(sequence\|cipher\|tagged\|fwknop\|as = \|wide = \)/\t\1/' postern.conf
printf 'correct horse battery\n' >cipher.key
printf '0 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= Admin/VSD\n' >tagged.keys
printf 'KEY_BASE64 AAECAwQF\nHMAC_KEY_BASE64 QEFCQ0RF\n' >fwknop.keys
chmod 600 cipher.key tagged.keys fwknop.keys
run $check "$config"
is 'the examples are right' [ "$code" = 0 ]
is 'what a sequence is worth' grep -q '^#   a blind stranger has 64 bits to guess' "$W/out"
is 'what an enciphered one is worth' grep -q '^#   a replayer       nothing: what was taken once' "$W/out"
cp "$W/out" "$W/effective"
run $check "$W/effective"
is 'what it prints is a configuration' [ "$code" = 0 ]
sed -i 's|^\tsequence.*|&\n\t# |; s|^\tas = .*|\tas = "Ops/VSD" }|' postern.conf
run $check "$config"
is 'a name that is not listed: code' [ "$code" = 0 ]
is 'a name that is not listed: sentence' grep -q \
	'^warning: .*postern.conf:[0-9]*: as: the directory does not list Ops/VSD, so these knocks are' "$W/err"
sed -i 's|^\tas = .*|\tas = "Ops/*" }|' postern.conf
run $check "$config"
is 'no name: code' [ "$code" = 4 ]
sed -i 's|^\tas = .*|\tas = "Admin/VSD" }|; s|fwknop { key-file = [^ ]*|fwknop { key-base64 = "AAEC" hmac-key-base64 = "QEFC"|' postern.conf
chmod 644 postern.conf
run $check "$config"
is 'a key that others read: code' [ "$code" = 4 ]
is 'a key that others read: sentence' grep -q ': key-base64: others can read this file; chmod 0600 it' "$W/err"
chmod 600 postern.conf
run $check "$config"
is 'a key that nobody reads: code' [ "$code" = 0 ]
is 'a key is not shown' [ "$(grep -c 'AAEC\|QEFC' "$W/out")" = 0 ]
is 'a key is named' grep -q '# key-base64 is set and not shown' "$W/out"
chmod 644 cipher.key
run $check "$config"
is 'a passphrase that others read' grep -q 'postern.conf:[0-9]*: .*cipher.key: .*chmod' "$W/err"
chmod 600 cipher.key
printf '0 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= Admin\n' >tagged.keys
run $check "$config"
is 'a slot that names nobody' grep -q 'tagged.keys: slot 0: "Admin": ' "$W/err"
mv keep postern.conf

# A capture that is none, or not there.
sed -i "s|^server {|&\n\tstore = \"$W/none.db\"|" postern.conf
run --read "$W/none" -c "$config"
is 'no capture: code' [ "$code" = 4 ]
is 'no capture: sentence' grep -q 'none: cannot be read: No such file or directory$' "$W/err"
run --read postern.conf -c "$config"
is 'not a capture: code' [ "$code" = 4 ]
is 'not a capture: sentence' grep -q 'postern.conf: not a saved capture: unknown file format$' "$W/err"

done_testing
