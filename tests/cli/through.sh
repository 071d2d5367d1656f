# connect --through and tunnel: knock, TLS with an edge, frames, and bytes both ways to their ends.
. "$(dirname "$0")/lib.sh"
edge=$(realpath "$4") || exit 1
need python3
make_server
cd "$W" || exit 1
(umask 077 && printf '%s\n' "$certifier_password" >certifier-password)

# make_edge NAME FILE: another ID of a server of that name.
make_edge() {
	run id new "$1" --server --certifier pg/certifier.id --certifier-password-file \
		certifier-password --out "$2.id"
	[ "$code" = 0 ] || { fail "id new $1"; exit 1; }
}
make_edge gw relay
make_edge gw2 gw2
make_edge gw2 relay2
make_edge other other
mkdir -m 700 home
cp pg/server.card home/127.0.0.1.card
cp gw2.card home/edge2.card

# first_line FILE: what a program prints when it is ready, into $first.
first_line() {
	first=
	for _ in $(seq 100); do
		first=$(head -n 1 "$1" 2>/dev/null)
		[ -n "$first" ] && return
		sleep 0.05
	done
	echo "$1: nothing there"
	exit 1
}

# wait_for TEXT FILE: until it stands there.
wait_for() {
	for _ in $(seq 100); do
		grep -q "$1" "$2" && return 0
		sleep 0.05
	done
	return 1
}

# start_edge FILE MODE [KNOCK-PORT]: an edge with FILE.id; fills $edge_port and $edge_pid.
start_edge() {
	rm -f "edge-$1-$2"
	"$edge" "$1.id" "$1.key" "$2" ${3:-} >"edge-$1-$2" 2>&1 &
	edge_pid=$!
	children="$children $!"
	first_line "edge-$1-$2"
	edge_port=$first
}

# One that reads to the end, then answers with what it read, reversed; one that speaks first and ends, and still
# reads; one that answers at once.
cat >server.py <<'P'
import socket, sys, threading
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
def serve(c):
    data = b""
    if sys.argv[1] == "first":
        c.sendall(b"greeting")
        c.shutdown(socket.SHUT_WR)
    while part := c.recv(65536):
        if sys.argv[1] == "echo":
            c.sendall(part)
        data += part
    if sys.argv[1] == "reverse":
        c.sendall(data[::-1])
    print(len(data), flush=True)
    c.close()
while True:
    c, peer = s.accept()
    threading.Thread(target=serve, args=(c,)).start()
P
for kind in reverse first echo; do
	python3 server.py $kind >tcp-$kind 2>/dev/null &
	children="$children $!"
done
first_line tcp-reverse
reverse=$first
first_line tcp-first
speaks=$first
first_line tcp-echo
echo=$first

ours="--id $W/pg/admin.id --password-file $W/admin-password"
via() {
	"$postern" connect "$@" $ours --port "$port" >out 2>err
	code=$?
}

printf hello >small
respond OK
start_edge relay relay
at="127.0.0.1:$edge_port"
via --through "$at" mail.inner "$reverse" --card pg/server.card <small
is 'small' [ "$code:$(cat out):$(cat err)" = '0:olleh:' ]
is 'asks the edge for its port' [ "$(tail -n 1 requests)" = "op 0 proto 6 port $edge_port seconds 0 source-port 0 address observed" ]
is 'asks for the host' wait_for "^open mail.inner $reverse$" edge-relay-relay
is 'proves itself' grep -q '^peer /O=VSD/CN=Admin ' edge-relay-relay
is 'ends well' wait_for '^ended well$' edge-relay-relay
head -c 3000000 /dev/urandom >big
via --through "$at" mail.inner "$reverse" <big
is 'large, both ways' python3 -c 'import sys; sys.exit(open("big", "rb").read()[::-1] != open("out", "rb").read())'
via --through "$at" mail.inner "$echo" <big
is 'both ways at once' cmp big out
via --through "$at" mail.inner "$reverse" </dev/null
is 'nothing' [ "$code:$(wc -c <out)" = 0:0 ]
mkfifo late
(sleep 0.5; printf 'after its end') >late &
via --through "$at" mail.inner "$speaks" <late
is 'the other side ends first' [ "$code:$(cat out):$(cat err)" = '0:greeting:' ]
is 'and still hears us' wait_for '^13$' tcp-first
via --through "$at" mail.inner "$echo" <big | :
is 'reader gone' true
via --through "$at" mail.inner "$reverse" --verbose <small
is 'verbose' grep -q "^postern: 127.0.0.1 opened tcp/$edge_port for 127.0.0.1, 30s$" err
via --through "$at" mail.inner 9 </dev/null
is 'no inner' [ "$code:$(cat err)" = "4:postern: 127.0.0.1 could not connect to mail.inner: the machine behind could not be reached" ]
kill "$edge_pid"

# Two edges: the second is proved end to end, and knocked at through the first.
"$responder" gw2.id gw2.key OK >requests-2 &
children="$children $!"
first_line requests-2
knock_2=$first
start_edge relay2 relay
port_2=$edge_port
start_edge relay relay "$knock_2"
at="127.0.0.1:$edge_port"
via --through "$at" --through "edge2:$port_2" mail.inner "$reverse" <small
is 'two edges' [ "$code:$(cat out):$(cat err)" = '0:olleh:' ]
is 'the second is knocked at' [ "$(tail -n 1 requests-2)" = "op 0 proto 6 port $port_2 seconds 0 source-port 0 address observed" ]
is 'the first leads to it' grep -q "^open edge2 $port_2$" edge-relay-relay
is 'the second is asked for the host' grep -q "^open mail.inner $reverse$" edge-relay2-relay
is 'it proves itself to both' grep -q '^peer /O=VSD/CN=Admin ' edge-relay2-relay
via --through "$at,edge2:$port_2" mail.inner "$echo" <big
is 'two edges, large' cmp big out
kill "$edge_pid"
start_edge relay relay
via --through "127.0.0.1:$edge_port,edge2:$port_2" mail.inner "$reverse" </dev/null
is 'the second does not answer: code' [ "$code" = 3 ]
is 'the second does not answer: sentence' grep -q '^postern: edge2 did not answer through 127.0.0.1: perhaps 127.0.0.1 carries no knocks there, ' err
kill "$edge_pid"
start_edge other relay "$knock_2"
via --through "127.0.0.1:$edge_port,edge2:$port_2" mail.inner "$reverse" </dev/null
is 'a wrong first edge is told nothing' [ "$code:$(cat err)" = "1:postern: 127.0.0.1, tcp/$edge_port: its certificate is of other/VSD, but its card is of gw/VSD; somebody else answers, or the card is not its own" ]
kill "$edge_pid"

# refuses MODE CODE SENTENCE: what is said of an edge that does this.
refuses() {
	start_edge relay "$1"
	via --through "127.0.0.1:$edge_port" mail.inner "$reverse" </dev/null
	is "$1: code" [ "$code:$(wc -c <out):$(wc -l <err)" = "$2:0:1" ]
	is "$1: sentence" grep -q "^postern: 127.0.0.1$3" err
	kill "$edge_pid"
}
refuses denied 1 ' does not let you through to mail.inner: this certificate may not through here; '
start_edge relay elsewhere
via --through "127.0.0.1:$edge_port" mail.inner "$reverse" </dev/null
is 'elsewhere' [ "$code:$(cat err)" = "1:postern: tcp/$edge_port of 127.0.0.1 does not lead to mail.inner port $reverse; say the edge's port as --through 127.0.0.1:PORT, and the host as its administrator wrote it" ]
kill "$edge_pid"
refuses busy 1 ' is busy: a limit is reached; try again later'
refuses trouble 4 ' is in trouble: the edge cannot judge or connect at the moment; '
refuses tls12 4 ', tcp/.*: it does not speak TLS 1.3; is its passthru there, and does it encrypt?$'
refuses plain 4 ', tcp/.*: it does not speak TLS 1.3; is its passthru there, and does it encrypt?$'
refuses no-alpn 4 ', tcp/.*: it speaks TLS, but is no passthru of postern$'
refuses cut 4 ': \(it ended the connection without a word\|Connection reset by peer\)$'
refuses chatter 4 ': it does not stop talking of knocks$'
refuses junk 4 ': it says what no passthru of postern says$'
via --through 127.0.0.1:9 mail.inner 22 </dev/null
is 'nobody there' [ "$code:$(cat err)" = '4:postern: 127.0.0.1: no connection to port 9, though it was opened: Connection refused' ]

# tunnel: one password, several connections, knocks only when it must.
start_edge relay relay
free=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$postern" tunnel --through "127.0.0.1:$edge_port" -L "127.0.0.1:$free:mail.inner:$echo" --port "$port" $ours \
	--verbose >tunnel-out 2>tunnel-err &
tunnel=$!
children="$children $!"
first_line tunnel-out
is 'tunnel: says where' [ "$first" = "127.0.0.1 port $free leads to mail.inner port $echo through 127.0.0.1" ]
before=$(wc -l <requests)
cat >clients.py <<'P'
import socket, sys, threading
bad = []
def talk(n):
    data = bytes([n]) * (50000 + n)
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))).start()
    got = b""
    while part := s.recv(65536):
        got += part
    if got != data:
        bad.append(n)
for i in range(2):
    all = [threading.Thread(target=talk, args=(n,)) for n in range(1 + 11 * i)]
    for t in all: t.start()
    for t in all: t.join()
sys.exit(bool(bad))
P
is 'tunnel: many at once' python3 clients.py "$free"
is 'tunnel: one knock' [ "$(wc -l <requests)" = $((before + 1)) ]
is 'tunnel: they end' wait_for "^postern: connection of 127.0.0.1 port [0-9]* to mail.inner port $echo ended after " tunnel-err
kill -HUP "$tunnel"
sleep 0.5
is 'tunnel: after SIGHUP' python3 clients.py "$free"
is 'tunnel: another knock' [ "$(wc -l <requests)" -gt $((before + 1)) ]
# The edge is gone: a connection fails, and its sentence says why.
kill "$edge_pid"
python3 clients.py "$free" >/dev/null 2>&1
is 'tunnel: no edge' wait_for "^postern: 127.0.0.1: no connection to port $edge_port, though it was opened: Connection refused$" tunnel-err
kill "$tunnel"
wait "$tunnel"
is 'tunnel: ends' [ $? = 0 ]
is 'tunnel: told' [ "$(wc -l <tunnel-out)" = 1 ]

python3 -c 'import socket, sys, time; s = socket.create_server(("127.0.0.1", int(sys.argv[1]))); time.sleep(60)' "$free" &
children="$children $!"
sleep 0.5
says 4 "postern: port $free of 127.0.0.1 cannot be listened on: Address already in use; choose another port" -- \
	tunnel --through edge -L "127.0.0.1:$free:h:1" $ours

# What is said of wrong words.
says 2 'postern tunnel: through which edge? say --through EDGE; see postern tunnel --help' -- tunnel -L 1:h:2
says 2 'postern tunnel: from where to where? say -L PORT:HOST:PORT; see postern tunnel --help' -- tunnel --through e
says 2 'postern tunnel: -L 1:2: not a tunnel; write [BIND:]PORT:HOST:PORT, addresses of IPv6 in brackets; see postern tunnel --help' -- tunnel --through e -L 1:2
says 2 'postern tunnel: -L 0:h:2: 0: not a port; write a number from 1 to 65535; see postern tunnel --help' -- tunnel --through e -L 0:h:2
says 2 'postern tunnel: x: no argument is taken beside options; see postern tunnel --help' -- tunnel x
says 2 'postern connect: --through a,b,c,d,e: more than 4 edges in a row; see postern connect --help' -- connect --through a,b,c,d,e h 22
says 2 'postern connect: --through e:x: x: not a port; write a number from 1 to 65535; see postern connect --help' -- connect --through e:x h 22
says 2 'postern connect: a b: not a host'"'"'s name or address; see postern connect --help' -- connect --through e 'a b' 22
says 2 'postern connect: --card is one edge'"'"'s, and there are several; put their cards into the client folder; see postern connect --help' -- \
	connect --through a,b --card x h 22
says 2 'postern connect: a key in an SSH agent cannot be used for TLS; leave --agent out and use an ID file; see postern connect --help' -- \
	connect --through a --agent h 22
says 2 'postern knock: there is no option --through; see postern knock --help' -- knock --through a h

# An ID that nobody has certified.
(umask 077 && printf 'nine green frogs jump\n' >new-password)
run id new 'New/VSD' --request new.request --out new.id --password-file new-password --kdf-mem 1
# That is seen before the password is asked for.
says 4 'postern: new.id: New/VSD has no certificate, and an edge server asks for one; ask for it with "postern id renew"' -- \
	connect --through 127.0.0.1 mail.inner 22 --id new.id
done_testing
