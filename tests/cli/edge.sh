# An edge: what lies on it is all that a thief gets, so nothing may lie on it that certifies, and no name from
# inside that its lists do not need.
. "$(dirname "$0")/lib.sh"
need openssl python3
posternd=$(dirname "$postern")/posternd
reader=$(realpath "$(dirname "$0")/edge.py") || exit 1
cd "$W" || exit 1
umask 077
echo "$certifier_password" >p
base='--server edge --host edge.example --interface lo --kdf-mem 1 --password-file p'

# Inside: an organisation with two units, and people in both.
run setup --org VSD --unit Sales --server gw --host gw --interface lo --kdf-mem 1 --dir "$W/in" --password-file p
is 'the inner organisation' [ "$code" = 0 ]
run certifier new Research --certifier in/certifier.id --out in/research.id --kdf-mem 1 \
	--password-file p --certifier-password-file p
is 'another unit' [ "$code" = 0 ]
sed -n '/BEGIN CERT/,/END CERT/p' in/unit.id >sales.pem
sed -n '/BEGIN CERT/,/END CERT/p' in/research.id >research.pem
person() {
	run id new "$1" --certifier "$2" --certifier-password-file p --password-file p --kdf-mem 1 --out "$3"
	run directory add "$3" --directory in/directory --comment "phone 4711"
	is "$1" [ "$code" = 0 ]
}
person 'Jane Doe' in/unit.id jane.id
person 'Max Secret' in/research.id max.id

# The command line.
for option in '--inner-certifier sales.pem' '--passthru tcp/1352=notes=mail.inner:1352' '--certifier-dir x'; do
	says 2 "postern setup: ${option%% *} goes with --edge; see postern setup --help" \
		-- setup --org VSD-EDGE $base --dir x $option
done
refuses() {
	said="postern setup: --passthru $2; see postern setup --help"
	says 2 "$said" -- setup --edge --org VSD-EDGE $base --dir x $1
}
for bad in tcp/1352 tcp/1352=notes; do
	refuses "--passthru $bad" "$bad: not a passthru; write tcp/1352=notes=mail.inner:1352"
done
refuses '--passthru udp/53=dns=ns.inner:53' 'udp/53=dns=ns.inner:53: only TCP is let through; write tcp/53'
refuses '--passthru tcp/0=notes=mail.inner:1352' 'tcp/0=notes: the port is not a number from 1 to 65535'
refuses '--passthru tcp/1352=notes=mail.inner' \
	'mail.inner: is not a host and a port; write mail.example:25, 10.0.0.8:25 or [2001:db8::8]:25'
refuses '--guard tcp/22=ssh --passthru tcp/22=notes=mail.inner:1' 'tcp/22=notes=mail.inner:1: ssh guards that port already'
refuses '--guard tcp/22=ssh --passthru tcp/23=ssh=mail.inner:1' 'tcp/23=ssh=mail.inner:1: there is a service or passthru ssh already; give it another name'
says 2 'postern setup: the default --guard tcp/22=ssh: there is a service or passthru ssh already; give it another name; see postern setup --help' \
	-- setup --edge --org VSD-EDGE $base --dir x --passthru tcp/23=ssh=mail.inner:1
edge="setup --edge --org VSD-EDGE $base"
says 1 'postern: sales.pem: nobody said that this is the owner'"'"'s certificate; compare its fingerprint and say --yes' \
	-- $edge --dir "$W/edge" --inner-certifier sales.pem
sed -n '/BEGIN CERT/,/END CERT/p' jane.id >jane.pem
says 1 'postern: jane.pem: its first certificate is of Jane Doe/Sales/VSD, which is no certifier; name that of the unit whose people are to be let through' \
	-- $edge --yes --dir "$W/edge" --inner-certifier jane.pem
says 1 'postern: sales.pem: Sales/VSD is named twice; remove one' \
	-- $edge --yes --dir "$W/edge" --inner-certifier sales.pem --inner-certifier sales.pem
says 1 'postern: sales.pem: Sales/VSD is of the edge'"'"'s own organisation; give the edge one of its own, such as VSD-EDGE' \
	-- setup --edge --org VSD $base --yes --dir "$W/edge" --inner-certifier sales.pem
says 4 'postern: none.pem: cannot be read: No such file or directory' \
	-- $edge --yes --dir "$W/edge" --inner-certifier none.pem

# What certifies is never made where it could stay.
mkdir -p edge/sub
ln -s edge/sub link
for apart in edge edge/sub edge/new link link/new; do
	says 2 "postern setup: --certifier-dir W/$apart: this is within the folder that stays; name another; see postern setup --help" \
		-- $edge --dir "$W/edge" --certifier-dir "$W/$apart"
done
is 'nothing was made' [ "$(find edge -type f | wc -l)" = 0 ]
rm -r edge link

# One that is good.
says 0 '' -- $edge --yes --dir "$W/edge" --inner-certifier sales.pem \
	--passthru tcp/1352=notes=mail.inner:1352 --passthru 'tcp/2222=gw2=[2001:db8::8]:2222'
is 'what was made' [ "$(normal "$W/out" | sed -n '1,/^$/p')" = \
	'Made edge server edge/VSD-EDGE and administrator Admin/VSD-EDGE in W/edge:' ]
is 'it says what to take away' grep -q '^Take .*/edge-certifier away from this machine' "$W/out"
is 'and how' grep -q 'shred -u {} + && rm -r .*/edge-certifier$' "$W/out"
is 'the fingerprint to compare' grep -q "$(openssl x509 -in sales.pem -outform DER | sha256sum | cut -c1-4) " "$W/out"
is 'apart' [ "$(ls edge-certifier | tr '\n' ' ')" = 'admin.id certifier.id ' ]
is 'on the edge' [ "$(cd edge && find . -type f | sort | tr '\n' ' ')" = \
	'./directory ./postern.conf ./relay.id ./server.card ./server.id ./server.key ./trust/Sales-VSD-cross.pem ./trust/VSD-EDGE.pem ' ]
is 'trust in the unit, by the edge' [ "$(openssl x509 -in edge/trust/Sales-VSD-cross.pem -noout -subject -issuer)" = \
	"$(printf 'subject=O = VSD, OU = Sales\nissuer=O = VSD-EDGE')" ]
is 'of the same key' [ "$(openssl x509 -in edge/trust/Sales-VSD-cross.pem -noout -pubkey)" = \
	"$(openssl x509 -in sales.pem -noout -pubkey)" ]

# Every list is written out, and the daemon takes it.
lists() {
	sed 's/#.*//' "$1" | tr '\n\t' '  ' | grep -o "$2  *= {[^}]*}" | tr -s ' '
}
is 'server, door, service and two passthrus' [ "$(lists edge/postern.conf allow)" = 'allow = {"*/VSD-EDGE", "*/Sales/VSD"}
allow = {"*/VSD-EDGE", "*/Sales/VSD"}
allow = {"Admin/VSD-EDGE"}
allow = {"*/Sales/VSD"}
allow = {"*/Sales/VSD"}' ]
is 'and whom not' [ "$(lists edge/postern.conf deny | wc -l)" = 5 ]
is 'key-check' grep -q '^	key-check = listed$' edge/postern.conf
"$posternd" --check -c edge/postern.conf >out 2>err
is 'posternd takes it' grep -q 'postern.conf is good; doors: 1, services: 3, people: 1$' err
is 'and trusts the unit' grep -q '^#   Sales/VSD: cross-certified' out
is 'not what is above it' [ "$(grep -c '^#   VSD:' out)" = 0 ]

# The directory of the edge: whom its lists can match, and of them what deciding needs.
says 0 '' -- directory export-edge --config edge/postern.conf --directory in/directory -o edge-directory
is 'Jane' grep -q '^name="Jane Doe/Sales/VSD",kind=user,expires=[0-9-]* postern-key sha256:[0-9a-f]*$' edge-directory
is 'and the administrator of her unit' grep -q '^name="Admin/Sales/VSD"' edge-directory
is 'and nobody else' [ "$(grep -c '^name=' edge-directory)" = 2 ]
cat >one.conf <<-'END'
	server { id = /a directory = /b relay-id = /c }
	door wan { interface = lo spa { } }
	passthru x { listen = tcp/1 to = "a:1" allow = {"Max Secret/Research/VSD"} }
END
chmod 644 one.conf
says 0 '' -- directory export-edge --config one.conf --directory in/directory -o one
is 'a list of a passthru is one' [ "$(cut -d, -f1 one)" = 'name="Max Secret/Research/VSD"' ]
cp edge-directory edge/directory
chmod 644 edge/directory
"$posternd" --check -c edge/postern.conf >out 2>err
is 'posternd takes that, too' grep -q 'good; doors: 1, services: 3, people: 2$' err

# Every byte of it.
if python3 "$reader" edge edge-certifier "$certifier_password" otters juggle Max Secret Research \
	gw/ 4711 phone >"$W/out"; then
	passed=$((passed + 1))
else
	fail 'the disk of the edge'
fi
# The reader is not blind: it finds what is put there.
for file in edge-certifier/certifier.id edge-certifier/admin.id max.id in/directory p; do
	cp "$file" edge/x
	python3 "$reader" edge edge-certifier "$certifier_password" Max >"$W/out"
	is "it sees $file" [ $? = 1 ]
	rm edge/x
done

# Without anything said, there is an example, and nobody is let in yet.
says 0 '' -- $edge --dir "$W/plain" --certifier-dir "$W/stick" --unit Net
is 'a unit lies apart, too' [ "$(ls stick | tr '\n' ' ')" = 'admin.id certifier.id unit.id ' ]
is 'an example' grep -q '^# passthru notes {$' plain/postern.conf
"$posternd" --check -c plain/postern.conf >out 2>err
is 'posternd takes it' grep -q 'good; doors: 1, services: 1, people: 1$' err
sed -n '/^# passthru/,/^# }/s/^# \{0,1\}//p' plain/postern.conf >example
cat example >>plain/postern.conf
"$posternd" --check -c plain/postern.conf >out 2>err
is 'and the example' grep -q 'good; doors: 1, services: 2, people: 1$' err

done_testing
