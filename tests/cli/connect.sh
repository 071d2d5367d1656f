# connect: knock, TCP, and bytes both ways to their ends.
. "$(dirname "$0")/lib.sh"
make_server
cd "$W" || exit 1
files="--card $W/pg/server.card --id $W/pg/admin.id --password-file $W/admin-password"
need python3

# A server that reads to the end, then answers with what it read, reversed, and closes.
cat >server.py <<'P'
import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
while True:
    c, peer = s.accept()
    data = b""
    while True:
        part = c.recv(65536)
        if not part:
            break
        data += part
    c.sendall(data[::-1])
    c.close()
    print(peer[1], len(data), flush=True)
P
python3 server.py >tcp &
children="$children $!"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
	tcp=$(head -n 1 tcp)
	[ -n "$tcp" ] && break
	sleep 0.1
done

respond OK
connect() {
	"$postern" connect 127.0.0.1 "$@" $files --port "$port" >out 2>err
	code=$?
}
printf 'hello' | connect "$tcp"
is 'small' [ "$code:$(cat out):$(cat err)" = '0:olleh:' ]
is 'asks for the port' [ "$(tail -n 1 requests)" = "op 0 proto 6 port $tcp seconds 0 source-port 0 address observed" ]
head -c 3000000 /dev/urandom >big
connect "$tcp" <big
is 'large, both ways' python3 -c 'import sys; sys.exit(open("big", "rb").read()[::-1] != open("out", "rb").read())'
connect "$tcp" </dev/null
is 'nothing' [ "$code:$(wc -c <out)" = 0:0 ]
printf x | connect "$tcp" --verbose
is 'verbose' grep -q "^postern: 127.0.0.1 opened tcp/$tcp for 127.0.0.1, 30s$" err
printf x | connect "$tcp" --source-port 40123
# The listener writes its line when it has seen the end of the connection.
for _ in $(seq 100); do
	[ "$(tail -n 1 tcp)" = '40123 1' ] && break
	sleep 0.05
done
is 'source port' [ "$code:$(tail -n 1 tcp)" = '0:40123 1' ]
connect 9 </dev/null
is 'nobody there: code' [ "$code" = 4 ]
is 'nobody there: sentence' [ "$(cat err)" = 'postern: 127.0.0.1: no connection to port 9, though it was opened: Connection refused' ]
# A reader that goes away ends it.
connect "$tcp" <big | : 
is 'reader gone' true
kill "$responder_pid"

respond DENIED
connect "$tcp" </dev/null
is 'denied: code' [ "$code:$(wc -c <out):$(wc -l <err)" = 1:0:1 ]
is 'denied: sentence' grep -q "^postern: 127.0.0.1 did not open tcp/$tcp: " err

done_testing
