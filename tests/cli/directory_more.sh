# The directory in numbers: entries changed in place, lists imported, an edge server's part exported.
. "$(dirname "$0")/lib.sh"
need jq openssl xxd
make_server
umask 077
cd "$W" || exit 1
d="--directory $W/dir"
key1='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea'
key2='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM'
key3='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPxRzY5iGKGjjaR+0AIw8FgIFu0TujMDrF3rkRVIkIAl'
sk='sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIBfLefsrQSDysexl5BmNbgiyjoE/6wHkpACDm4XhgIDOAAAABHNzaDo='
id1=313caffd0edb20236f7ae9b2ea265148afa8e44d3c9c1c6f5634b4b20a3ec8d2
id2=c6c1c9a9c8543f1e4cd980064cf1625eeb61a90703b2464fff039f21682508b3
doc=de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f

# -- one entry, in its place -----------------------------------------------------------------------

printf '# ours\n name=Ann/VSD,from=10.0.0.0/8\t%s  ann@laptop\n\nname="Gate/VSD",kind=server,key-next=sha256:%s postern-key sha256:%s # the gate\n# end' \
	"$key1" $id2 $id1 >dir
chmod 640 dir
says 0 '' -- directory lock Ann/VSD $d
printed 'locked Ann/VSD in W/dir; run posternctl reload, which closes the gates it has'
says 0 '' -- directory lock ann/vsd $d
printed 'ann/vsd is locked already in W/dir'
says 0 '' -- directory disable Ann/VSD $d
printed 'disabled Ann/VSD in W/dir; run posternctl reload, which closes the gates it has'
cp dir out
printed "# ours
name=\"Ann/VSD\",kind=user,from=\"10.0.0.0/8\",disabled,locked $key1 ann@laptop

name=\"Gate/VSD\",kind=server,key-next=sha256:$id2 postern-key sha256:$id1 # the gate
# end"
is 'mode stays' [ "$(stat -c %a dir)" = 640 ]
says 0 '' -- directory list $d
sed 's/  *$//' out >o2 && mv o2 out
printed "NAME      KIND    KEY ID            LAST DAY    STATE
Ann/VSD   user    06e3fd8fda29bb60  never       locked disabled from-limited
Gate/VSD  server  313caffd0edb2023  never       next:c6c1c9a9c8543f1e"
says 0 '' -- directory list --json $d
is 'both keys as JSON' [ "$(jq -r '.[1].key_id + .[1].key_next' out)" = $id1$id2 ]
says 0 '' -- directory unlock Ann/VSD $d
printed 'unlocked Ann/VSD in W/dir; run posternctl reload'
says 0 '' -- directory enable Ann/VSD $d
printed 'enabled Ann/VSD in W/dir; run posternctl reload'
is 'as it was' grep -q '^name="Ann/VSD",kind=user,from="10.0.0.0/8" ssh-ed25519 .* ann@laptop$' dir
says 1 'postern: W/dir: nobody is named Eve/VSD there' -- directory lock Eve/VSD $d

says 1 'postern: W/dir: the line has no key-next, so there is no key to move on to' -- directory roll Ann/VSD $d
says 0 '' -- directory roll Gate/VSD $d
printed 'rolled Gate/VSD in W/dir; the old key counts no more after posternctl reload'
is 'key-next is the key' grep -q "^name=\"Gate/VSD\",kind=server postern-key sha256:$id2 # the gate\$" dir
printf 'name=Bob/VSD,key-next=sha256:%s %s\n' $id1 "$key2" >dir
says 1 'postern: W/dir: the line holds a public key, and key-next only names one; give the new key with postern directory add FILE --replace' \
	-- directory roll Bob/VSD $d

# Replaced: the key is new, what limits the entry stays.
echo "$key3 bob@new" >bob.pub
printf 'name=Bob/VSD,locked,from=10.0.0.0/8,expires=2028-11-22,document-key=x25519:%s %s old\n%s\n' $doc "$key2" \
	"name=Ann/VSD $key1" >dir
says 0 '' -- directory add bob.pub --name bob/vsd --replace $d
printed 'replaced bob/vsd in W/dir; run posternctl reload'
is 'restrictions stay' [ "$(head -n 1 dir)" = \
	"name=\"bob/vsd\",kind=user,expires=2028-11-22,from=\"10.0.0.0/8\",locked,document-key=x25519:$doc $key3 bob@new" ]
says 1 'postern: W/dir: nobody is named Eve/VSD there' -- directory add bob.pub --name Eve/VSD --replace $d
echo "$key1" >ann.pub
run directory add ann.pub --name Bob/VSD --replace $d
is 'a key of another is refused' [ "$code" = 1 ]
is 'with its line' grep -q 'line 2 would have a mistake: key sha256:06e3' err

# Of an ID only its key id.
: >dir
says 0 '' -- directory add "$W/pg/admin.id" --key-id $d
is 'name and key id only' grep -qx 'name="Admin/VSD",kind=user postern-key sha256:[0-9a-f]*' dir
says 2 'postern directory: bob.pub: --key-id is for ID files; a public key brings no certificates; see postern directory --help' \
	-- directory add bob.pub --name Bob/VSD --key-id $d
says 0 '' -- directory add "$W/pg/admin.id" --replace $d
is 'and the whole key again' grep -q '^name="Admin/VSD",kind=user,expires=[0-9-]*,certified-equivalent ssh-ed25519 ' dir

# The document key of an ID, when the ID signed it. openssl signs it as the owner's program would.
echo 'eleven brown kettles hum' >new-password
says 0 '' -- id export "$W/pg/admin.id" --pkcs8 --out admin.pem --password-file "$W/admin-password" \
	--new-password-file new-password
run directory list --json $d
body=$(jq -r '.[0].key_id' out)0000019c1c38a400$doc
{ printf 'postern document key v1\0' && echo "$body" | xxd -r -p; } >signed
openssl pkeyutl -sign -rawin -inkey admin.pem -passin file:new-password -in signed -out signature
{ # PEM after the blocks that are there
	cat "$W/pg/admin.id"
	echo '-----BEGIN POSTERN DOCUMENT KEY-----'
	{ echo "$body" | xxd -r -p && cat signature; } | base64 -w 64
	echo '-----END POSTERN DOCUMENT KEY-----'
} >documents.id
says 0 '' -- directory add documents.id --replace $d
is 'its document key' grep -q "^name=\"Admin/VSD\",.*,document-key=x25519:$doc ssh-ed25519 " dir
echo "$body" | xxd -r -p | cat - signature | base64 -w 64 | sed '2s/^./A/' >body
{ cat "$W/pg/admin.id" && echo '-----BEGIN POSTERN DOCUMENT KEY-----' && cat body &&
	echo '-----END POSTERN DOCUMENT KEY-----'; } >documents.id
says 1 'postern: documents.id: its document key is not signed by this ID; take a newer copy of the file from its owner' \
	-- directory add documents.id --replace $d

# -- lists of others -------------------------------------------------------------------------------

printf 'name="Admin/VSD" %s\n' "$key1" >dir
cat >keys <<END
# people
from="192.0.2.0/24,2001:db8::/32",expiry-time="20281123",no-pty,command="echo \\"hi, you\\"" $key2 bob@laptop

VERIFY-REQUIRED $sk carol@desk yubikey
END
before=$(cksum dir)
says 0 '' -- directory import keys --format authorized_keys --under QN/VSD --dry-run $d
printed 'keys:2: not carried over: no-pty, command
would add 2 entries to W/dir'
is 'nothing written' [ "$before" = "$(cksum dir)" ]
says 0 '' -- directory import keys --format authorized_keys --under QN/VSD $d
cp dir out
printed "name=\"Admin/VSD\" $key1
name=\"bob/QN/VSD\",kind=user,expires=2028-11-22,from=\"192.0.2.0/24,2001:db8::/32\" $key2 bob@laptop
name=\"carol/QN/VSD\",kind=user,require=\"up,uv\" $sk carol@desk yubikey"
cat >keys <<END
ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAA dave@x
no-touch-required $sk eve@x
cert-authority $key3 ca@x
from="*.example.org" $key3 frank@x
$key3
colour="red" $key3 gil@x
$key2 bob@other
$key3 bob@other
$key3 hal@x
END
before=$(cksum dir)
run directory import keys --format authorized_keys --under QN/VSD $d
sed 's/sha256:[0-9a-f]*/KEY/' err >out
printed "keys:1: key type \"ssh-rsa\" is not accepted; only ssh-ed25519 and sk-ssh-ed25519 keys knock
keys:2: no-touch-required: a token that nobody touches could be used by any program; remove the option, or the line
keys:3: cert-authority: an SSH certificate authority is nobody who knocks; give its people IDs or list their keys
keys:4: from=\"*.example.org\" has patterns or negations, which are not carried over; write addresses or prefixes
keys:5: there is no comment to take a name from; add one behind the key
keys:6: option \"colour\" is unknown; correct or remove it
keys:8: name \"bob/QN/VSD\" stands on line 7 already; one person has one line, remove or rename one
keys:9: key KEY stands on line 8 already; remove one of them
postern: keys: nothing was imported, because of 8 mistakes"
is 'refused' [ "$code" = 1 ]
printf '%s bob@laptop\n%s admin@x\n' "$key2" "$key3" >keys
says 1 "keys:1: bob/QN/VSD is in W/dir already, on line 2
postern: keys: nothing was imported, because of 1 mistake" \
	-- directory import keys --format authorized_keys --under QN/VSD $d
is 'nothing written' [ "$before" = "$(cksum dir)" ]
says 2 'postern directory import: say --format authorized_keys or csv; see postern directory import --help' \
	-- directory import keys $d
says 2 'postern directory import: --under "VSD/x/y/": a component has 1 to 64 bytes; see postern directory import --help' \
	-- directory import keys --format csv --under VSD/x/y/ $d

: >dir
printf 'key,name,kind,from,locked,comment\r\n"%s","Ann ""A"" Lee/QN/VSD",,"10.0.0.0/8,::1",no,"a, b"\r\nsha256:%s,Gate/VSD,server,,yes,\r\n' \
	"$key1 her key" $id2 >people.csv
says 0 '' -- directory import people.csv --format csv --certified-equivalent $d
printed 'added 2 entries to W/dir; run posternctl reload'
cp dir out
printed "name=\"Ann \\\"A\\\" Lee/QN/VSD\",kind=user,from=\"10.0.0.0/8,::1/128\",certified-equivalent $key1 a, b
name=\"Gate/VSD\",kind=server,locked postern-key sha256:$id2"
printf 'name,key,colour\nAnn,%s,red\n' "$key1" >people.csv
says 1 'people.csv:1: column "colour" is unknown; known are name, key, kind, expires, from, locked, disabled, comment
postern: people.csv: nothing was imported, because of 1 mistake' -- directory import people.csv --format csv $d
printf 'name,key,expires\n"Al\n' >people.csv
says 1 'people.csv:2: the quoted field of line 2 is never closed; add a quote
postern: people.csv: nothing was imported, because of 1 mistake' -- directory import people.csv --format csv $d
printf 'name,key,expires\nAl/VSD,%s\nBo/VSD,%s,soon\n,%s,\n' "$key2" "$key2" "$key2" >people.csv
says 1 'people.csv:2: the row has 2 fields, the header has 3; quote fields with commas
people.csv:3: expires "soon" is no date; write YYYY-MM-DD, the last day that counts
people.csv:4: no name; every row needs one
postern: people.csv: nothing was imported, because of 3 mistakes' -- directory import people.csv --format csv $d

# -- the edge --------------------------------------------------------------------------------------

cat >dir <<END
# inner secrets
name="Ann/QN/VSD",certified-equivalent,document-key=x25519:$doc,from="10.0.0.0/8" $key1 ann@vsd.example
name="Bob/UB/VSD",locked,expires=2028-11-22 $key2 bob, room 12
name="Carol/QN/VSD",certified-equivalent $sk
name="Gate/QN/VSD",kind=server,key-next=sha256:$id1 postern-key sha256:$id2
name="Dan/QN/VSD" $key3 only an SSH key, below no certifier
END
chmod 644 dir
edge() { # edge SERVER-OPTIONS SERVICE-OPTIONS
	cat >edge.conf <<-END
		server {
			id = "/etc/postern/server.id"
			trust = {"$W/pg/trust/VSD.pem"}
			directory = "$W/dir"
			$1
		}
		group helpers { members = {"Bob/UB/VSD", more} }
		group more { members = {"Nobody/VSD"} }
		door wan {
			interface = "lo"
			spa { udp = 62201 }
		}
		service ssh {
			port = tcp/22
			$2
		}
	END
}
edge 'allow = {"*/VSD"}' 'allow = {"*/QN/VSD", helpers}'
says 0 '' -- directory export-edge --config edge.conf -o edge
printed 'exported 4 of 5 entries to edge
left out: entries that no list can match 1, public keys of certified people 1, comments 2, document keys 1'
sed "s/sha256:06e3[0-9a-f]*/sha256:ANN/" edge >out
printed "name=\"Ann/QN/VSD\",kind=user,from=\"10.0.0.0/8\" postern-key sha256:ANN
name=\"Bob/UB/VSD\",kind=user,expires=2028-11-22,locked $key2
name=\"Carol/QN/VSD\",kind=user,require=\"up\",certified-equivalent $sk
name=\"Gate/QN/VSD\",kind=server,key-next=sha256:$id1 postern-key sha256:$id2"
is 'no comment, no document key, no word more' [ "$(grep -c 'document-key\|#\|room\|@vsd' edge)" = 0 ]
says 0 '' -- directory check --directory "$W/edge"
says 0 '' -- directory export-edge --config edge.conf -o edge --keep-keys
is 'with her key' grep -q "^name=\"Ann/QN/VSD\",kind=user,from=\"10.0.0.0/8\",certified-equivalent $key1\$" edge

edge '' 'allow = {"*"}'
rm edge
says 1 'postern: edge.conf:15 has *, which takes in everybody and would export the whole directory; name the people or units, or say --all' \
	-- directory export-edge --config edge.conf -o edge
is 'nothing written' [ ! -e edge ]
says 0 '' -- directory export-edge --config edge.conf -o edge --all
is 'everybody' [ "$(grep -c ^name= edge)" = 5 ]
edge '' 'allow = {nobody-knows}'
run directory export-edge --config edge.conf -o edge
is 'mistakes as posternd tells them' grep -q '^edge.conf:15: allow: no group "nobody-knows"' err
printf '# who\n*/UB/VSD\nBob/UB/VSD\n' >names
says 0 '' -- directory export-edge --names-from names $d --out edge
is 'one' [ "$(cut -d, -f1 edge)" = 'name="Bob/UB/VSD"' ]
echo 'nonsense' >>names
says 1 'names:4: "nonsense" is neither a whole name nor */UNIT/ORGANISATION' \
	-- directory export-edge --names-from names $d -o edge
says 2 'postern directory export-edge: W/dir is the directory itself; see postern directory export-edge --help' \
	-- directory export-edge --names-from names $d -o "$W/dir"
says 2 'postern directory export-edge: say either --config FILE or --names-from FILE; see postern directory export-edge --help' \
	-- directory export-edge -o edge
says 2 'postern directory export-edge: --names-from needs --directory FILE; see postern directory export-edge --help' \
	-- directory export-edge -o edge --names-from names

done_testing
