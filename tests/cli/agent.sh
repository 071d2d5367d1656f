# Keys that stay in an SSH agent: real ssh-agent and ssh-keygen, and a token in software.
. "$(dirname "$0")/lib.sh"
cd "$W" || exit 1
umask 077
for tool in ssh-agent ssh-add ssh-keygen; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
unset SSH_AUTH_SOCK SSH_AGENT_PID

# What our framing says is what ssh-keygen verifies, for this namespace and no other.
"$token" pub >token.pub
echo "me $(cat token.pub)" >signers
head -c 307 /dev/urandom >message
"$token" sshsig message >message.sig
verify() {
	ssh-keygen -Y verify -f signers -I me -n "$1" -s message.sig <"$2" >/dev/null 2>&1
}
is 'ssh-keygen takes our framing' verify knock@postern message
is 'another namespace' eval '! verify file message'
echo >>message
is 'another message' eval '! verify knock@postern message'

make_server
ssh-keygen -q -t ed25519 -N '' -C 'john at laptop' -f john
ssh-keygen -q -t ed25519 -N '' -C jane -f jane
ssh-keygen -q -t rsa -b 2048 -N '' -C old -f old
ssh-keygen -q -t ecdsa -N '' -C older -f older
print() {
	ssh-keygen -l -f "$1" | cut -d ' ' -f 2
}
card='--card pg/server.card'
knock="knock 127.0.0.1 $card"

# Which words go together.
see='; see postern knock --help'
says 2 "postern knock: --agent and --id are two identities; choose one$see" -- $knock --agent --id x
says 2 "postern knock: --agent needs no password; leave --password-file out$see" \
	-- $knock --agent --password-file x
says 2 "postern knock: --agent-key is about an agent; say --agent as well$see" -- $knock --agent-key x
says 2 "postern knock: --allow-forwarded is about an agent; say --agent as well$see" \
	-- $knock --allow-forwarded
says 2 'postern close: --agent and --id are two identities; choose one; see postern close --help' \
	-- close 127.0.0.1 --agent --id x
says 2 'postern connect: --agent and --id are two identities; choose one; see postern connect --help' \
	-- connect 127.0.0.1 22 --agent --id x

# No agent.
says 4 'postern: SSH_AUTH_SOCK is not set, so no SSH agent can be found; start one' -- $knock --agent
export SSH_AUTH_SOCK="$W/none"
says 4 'postern: W/none: no agent answers there: No such file or directory; start one, or name its socket' \
	-- $knock --agent
SSH_AUTH_SOCK=$(printf '%0200d' 0)
run $knock --agent
is 'a name too long' grep -q ': this is longer than the name of a socket can be; correct it$' err

# ssh-agent, as everybody starts it.
SSH_AUTH_SOCK="$W/agent"
eval "$(ssh-agent -a "$SSH_AUTH_SOCK")" >/dev/null
children="$children $SSH_AGENT_PID"
none='postern: W/agent: the agent holds no ssh-ed25519 or sk-ssh-ed25519 key; add one with ssh-add'
says 4 "$none" -- $knock --agent
ssh-add -q old older
says 4 "$none" -- $knock --agent
ssh-add -q john jane
respond OK
says 0 '' -- $knock --agent --port "$port"
is 'what was asked' [ "$(tail -n 1 requests)" = 'op 0 service ssh seconds 0 source-port 0 address observed' ]
says 0 '' -- $knock --agent --port "$port" --quiet --agent-key jane
says 0 '' -- close 127.0.0.1 $card --agent --port "$port" --agent-key jane
# Without epoch hint there are no more than this many requests: one for each of the three.
is 'one packet each' [ "$(grep -c '^op' requests)" = 3 ]
kill "$responder_pid"
for key in 'john at laptop' "$(print john)" john.pub; do
	run $knock --agent --agent-key "$key" --dry-run
	is "chosen by $key" grep -qxF "  as       $(print john) (john at laptop) (SSH agent)" out
done
run $knock --agent --dry-run --agent-key jane
is 'the other' grep -qF "$(print jane) (jane)" out
absent='the agent holds no ssh-ed25519 or sk-ssh-ed25519 key with the fingerprint, comment or file'
for key in old token.pub nobody /dev/null SHA256:x; do
	says 4 "postern: W/agent: $absent \"$key\"; see what it holds with ssh-add -l" \
		-- $knock --agent --agent-key $key
done
ssh-keygen -q -t ed25519 -N '' -C jane -f jane2 && ssh-add -q jane2
says 4 'postern: W/agent: the agent holds 2 keys with the comment "jane"; name one by its fingerprint, which ssh-add -l prints' \
	-- $knock --agent --agent-key jane
# A key that asks for confirmation, and nobody to ask: the agent says no.
ssh-add -q -d jane jane2 john && SSH_ASKPASS=/bin/false ssh-add -q -c john
says 4 'postern: W/agent: the agent did not sign: it was not confirmed or touched, the key is gone, or its rules forbid it; try again' \
	-- $knock --agent --dry-run
kill "$SSH_AGENT_PID"

# The token.
serve() {
	[ -z "${token_pid-}" ] || kill "$token_pid"
	rm -f served
	"$token" serve "$SSH_AUTH_SOCK" "$@" >served &
	token_pid=$!
	children="$children $!"
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		grep -q ready served 2>/dev/null && return
		sleep 0.1
	done
	echo "the token does not start"
	exit 1
}
SSH_AUTH_SOCK="$W/token"
serve
respond OK
says 0 '' -- $knock --agent --port "$port" --agent-key token.pub
kill "$responder_pid"
run $knock --agent --dry-run
is 'its name' grep -qxF "  as       $(print token.pub) (software token) (SSH agent)" out
serve keys=0
says 4 'postern: W/token: the agent holds no ssh-ed25519 or sk-ssh-ed25519 key; add one with ssh-add' \
	-- $knock --agent
serve namespace=login@postern
says 4 "postern: W/token: the agent's signature is not by this key over this knock; do not trust that agent" \
	-- $knock --agent --port 9
serve answer=05
says 4 'postern: W/token: the agent does not list its keys; is it locked?' -- $knock --agent
for answer in 0c 0c00000001 0e00000000 0c0000000000 ff; do
	serve answer=$answer
	says 4 "postern: W/token: what answers there is not understood; is that socket an agent's?" \
		-- $knock --agent
done

# A process that forwards: its name tells.
for name in sshd sshd-session ssh; do
	serve name=$name
	says 4 'postern: W/token: this agent is forwarded from another machine, where whoever controls this one can use it; allow forwarded agents if you want that (--allow-forwarded)' \
		-- $knock --agent --dry-run
	says 0 '' -- $knock --agent --dry-run --allow-forwarded
done

# Their lines in a directory.
says 0 '' -- directory add token.pub --directory pg/directory --name Token/VSD
is 'a touch is required' grep -q '^name="Token/VSD",kind=user,require="up" sk-ssh-ed25519@openssh.com ' pg/directory
says 0 '' -- directory remove Token/VSD --directory pg/directory
says 0 '' -- directory add token.pub --directory pg/directory --name Token/VSD --require up,uv
is 'a PIN is required' grep -q ',require="up,uv" sk-ssh-ed25519@openssh.com ' pg/directory
says 1 'postern: john.pub: require is only for sk-ssh-ed25519@openssh.com keys, others cannot show a touch; remove it' \
	-- directory add john.pub --directory pg/directory --name John/VSD --require up
says 1 'postern: token.pub: --require uv: it is up (touch) or up,uv (touch and PIN)' \
	-- directory add token.pub --directory pg/directory --name T/VSD --require uv
says 0 '' -- directory check --directory pg/directory

done_testing
