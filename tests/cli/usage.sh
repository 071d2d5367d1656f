# Help, version, and everything that is not a command line.
. "$(dirname "$0")/lib.sh"

says 2 'postern: no command was given; see postern --help' --
says 2 'postern: there is no command fly; see postern --help' -- fly
says 2 'postern: there is no option --fly; see postern --help' -- --fly
says 0 '' -- --version
is 'version' grep -qx 'postern [0-9.]*' "$W/out"

for c in '' setup knock close send connect tunnel id 'id new' 'id show' 'id passwd' 'id renew' \
	'id rollover' 'id merge' 'id card' 'id cross' 'id export' 'id import' \
	'id authority' 'id protect' 'id recover' 'id documents' 'id encrypt' 'id decrypt' \
	directory 'directory add' 'directory remove' 'directory list' 'directory check' \
	'directory lock' 'directory roll' 'directory import' 'directory export-edge' \
	'id pad' 'id tag-key' 'id sequences' 'id fwknop-key' profile 'profile add' \
	certifier 'certifier new' 'certifier sign' 'certifier cross' 'certifier revoke' 'certifier crl' \
	'certifier rollover' 'certifier show' 'certifier recovery' audit 'audit stealth'; do
	# shellcheck disable=SC2086
	says 0 '' -- $c --help
	is "$c: a usage line" grep -q '^usage: postern' "$W/out"
	is "$c: exit codes" grep -q '^Exit codes:' "$W/out"
	is "$c: 80 columns" [ "$(awk 'length > 80' "$W/out")" = '' ]
done

says 2 'postern knock: which HOST?; see postern knock --help' -- knock
says 2 'postern knock: there is no option --fly; see postern knock --help' -- knock gw --fly
says 2 'postern knock: there is no option --fly; see postern knock --help' -- knock gw --fly=high
says 2 'postern knock: there is no option -x; see postern knock --help' -- knock -x gw
says 2 'postern knock: --for needs a value; see postern knock --help' -- knock gw --for
says 2 'postern knock: --json takes no value; see postern knock --help' -- knock gw --json=1
says 2 'postern knock: more: one argument too many; see postern knock --help' -- knock gw ssh more
says 2 'postern knock: --for soon: not a time; write 30s, 5m, 8h or 2d; see postern knock --help' \
	-- knock gw --for soon
says 2 'postern knock: --for 0s: not even a second; see postern knock --help' -- knock gw --for 0s
says 2 'postern knock: --for 9999d: longer than ten years; see postern knock --help' \
	-- knock --for 9999d gw
says 2 'postern knock: --address home: neither "observed" nor an address in numbers; see postern knock --help' \
	-- knock gw --address home
says 2 'postern knock: --port 65536: not a port; write a number from 1 to 65535; see postern knock --help' \
	-- knock gw --port 65536
says 2 'postern knock: --source-port 0: not a port; write a number from 1 to 65535; see postern knock --help' \
	-- knock gw --source-port 0
says 2 'postern knock: --identity name: neither auto nor key nor chain; see postern knock --help' \
	-- knock gw --identity name
says 2 'postern knock: a key in an agent has no certificates; leave --identity out; see postern knock --help' \
	-- knock gw --agent --identity chain
says 2 'postern knock: --scheme telepathy: not a scheme; write spa, sequence, structured, cipher, tagged or fwknop; see postern knock --help' \
	-- knock gw --scheme telepathy
says 2 'postern knock: SSH: not a service; write its name (a-z, 0-9 and -) or tcp/PORT; see postern knock --help' \
	-- knock gw SSH
says 2 'postern knock: tcp/0: not a port; write a number from 1 to 65535; see postern knock --help' \
	-- knock gw tcp/0
says 2 'postern knock: tcp/6010-6000: write the lower port first; see postern knock --help' \
	-- knock gw tcp/6010-6000
says 2 'postern knock: tcp/x: not a port; write a number from 1 to 65535; see postern knock --help' \
	-- knock gw tcp/6000-x
says 2 'postern knock: --prefix 129: not a prefix length; write a number from 1 to 128; see postern knock --help' \
	-- knock gw --prefix 129
says 2 'postern knock: --prefix is of an address; say --address ADDR as well; see postern knock --help' \
	-- knock gw --prefix 24
says 2 'postern knock: a network has no one port; leave --source-port out; see postern knock --help' \
	-- knock gw --prefix 24 --address 192.0.2.7 --source-port 9
says 2 'postern knock: --probe asks for no service; leave ssh out; see postern knock --help' \
	-- knock gw ssh --probe
says 2 'postern knock: the name of the HOST is empty; see postern knock --help' -- knock ''
says 2 'postern send: which ACTION of gw?; see postern send --help' -- send gw
says 2 'postern send: there is no option --for; see postern send --help' -- send gw x --for 30s
says 2 'postern send: tcp/22: not an action; its name has 1 to 63 of a-z, 0-9 and -; see postern send --help' \
	-- send gw tcp/22
says 2 'postern send: y: one argument too many; see postern send --help' -- send gw x y
says 2 'postern knock: there is no option --message; see postern knock --help' -- knock gw --message x
says 2 'postern close: there is no option --for; see postern close --help' -- close gw --for 30s
says 2 'postern connect: which PORT of gw?; see postern connect --help' -- connect gw
says 2 'postern connect: ssh: not a port; write a number from 1 to 65535; see postern connect --help' \
	-- connect gw ssh
says 2 'postern connect: there is no option --json; see postern connect --help' \
	-- connect gw 22 --json

says 2 'postern id: what with an ID? new, show, passwd ..; see postern id --help' -- id
says 2 'postern id: there is no sell; see postern id --help' -- id sell
says 2 'postern id show: which FILE?; see postern id show --help' -- id show
says 2 'postern id show: one FILE at a time; see postern id show --help' -- id show a b
says 2 'postern id passwd: which FILE?; see postern id passwd --help' -- id passwd
says 2 'postern id passwd: --kdf-mem 0: not a number of MiB from 1 to 4096; see postern id passwd --help' \
	-- id passwd x --kdf-mem 0
says 2 'postern id cross: which CARD?; see postern id cross --help' -- id cross
says 2 'postern id cross: --for all: it is organisation, unit or name; see postern id cross --help' \
	-- id cross x --for all
says 2 'postern id new: for whom? Say NAME; see postern id new --help' -- id new
says 2 'postern id new: more than one NAME; put a name with blanks in quotes; see postern id new --help' \
	-- id new Jane Doe --certifier x
says 2 'postern id new: who certifies? Say --certifier FILE; see postern id new --help' \
	-- id new 'Jane Doe'
says 2 'postern id new: --for 2h: not a time; write days or years, 90d or 2y; see postern id new --help' \
	-- id new 'Jane Doe' --certifier x --for 2h
says 2 'postern id new: --for 101y: longer than a hundred years; see postern id new --help' \
	-- id new 'Jane Doe' --certifier x --for 101y
says 2 'postern id new: --host, --service, --port and --stealth are for the card of a --server; see postern id new --help' \
	-- id new 'Jane Doe' --certifier x --host gw
says 2 'postern id new: a --server opens with a key file, not with a password; see postern id new --help' \
	-- id new gw --certifier x --server --password-file y

says 2 'postern directory: add, remove, lock, unlock, disable, enable, roll, import, export-edge, list or check?; see postern directory --help' -- directory
says 2 'postern directory: there is no sort; it is add, remove, lock, unlock, disable, enable, roll, import, export-edge, list or check; see postern directory --help' \
	-- directory sort
says 2 'postern directory add: which FILE?; see postern directory add --help' -- directory add
says 2 'postern directory list: x: one argument too many; see postern directory list --help' \
	-- directory list x
says 2 'postern directory remove: there is no option --json; see postern directory remove --help' \
	-- directory remove x --json

says 2 'postern certifier: new, sign, cross, revoke, crl, rollover, show or recovery?; see postern certifier --help' -- certifier
says 2 'postern certifier: there is no sell; it is new, sign, cross, revoke, crl, rollover, show or recovery; see postern certifier --help' \
	-- certifier sell
says 2 'postern certifier new: which NAME?; see postern certifier new --help' -- certifier new
says 2 'postern certifier new: Doe: one argument too many; see postern certifier new --help' -- certifier new Jane Doe
says 2 'postern certifier new: --years 101: not a number from 1 to 100; see postern certifier new --help' \
	-- certifier new VSD --years 101
says 2 'postern certifier new: --kdf-mem 0: not a number of MiB from 1 to 4096; see postern certifier new --help' \
	-- certifier new VSD --kdf-mem 0
says 2 'postern certifier sign: which REQUEST?; see postern certifier sign --help' -- certifier sign
says 2 'postern certifier sign: who certifies? Say --certifier FILE; see postern certifier sign --help' \
	-- certifier sign x
says 2 'postern certifier sign: there is no option --yes; see postern certifier sign --help' \
	-- certifier sign x --yes
says 2 'postern certifier cross: --for all: it is organisation, unit or name; see postern certifier cross --help' \
	-- certifier cross x --certifier y --for all
says 2 'postern certifier cross: --fingerprint ab cd: not 64 hex digits; see postern certifier cross --help' \
	-- certifier cross x --certifier y --fingerprint 'ab cd'
says 2 'postern certifier revoke: which certificate? Say --certificate PEM or --serial HEX; see postern certifier revoke --help' \
	-- certifier revoke --certifier x
says 2 'postern certifier revoke: --serial 12: not 16 hex digits; see postern certifier revoke --help' \
	-- certifier revoke --certifier x --serial 12
# shellcheck disable=SC2046
says 2 'postern certifier revoke: more than 64 at a time; see postern certifier revoke --help' \
	-- certifier revoke --certifier x $(printf -- '--certificate x%.0s ' $(seq 65))
says 2 'postern certifier crl: --days 3651: not a number from 1 to 3650; see postern certifier crl --help' \
	-- certifier crl --certifier x --days 3651
says 2 'postern certifier crl: x: one argument too many; see postern certifier crl --help' \
	-- certifier crl --certifier x x
says 2 'postern certifier rollover: which FILE?; see postern certifier rollover --help' -- certifier rollover
says 2 'postern certifier show: which FILE?; see postern certifier show --help' -- certifier show

if [ -e /dev/full ]; then
	"$postern" --help >/dev/full 2>"$W/err"
	code=$?
	: >"$W/out"
	is 'a full standard output' [ "$code:$(cat "$W/err")" = \
		'4:postern: standard output: not everything could be written' ]
fi

done_testing
