# The directory: edited line by line, checked as a whole.
. "$(dirname "$0")/lib.sh"
need jq
make_server
umask 077
cd "$W" || exit 1
d="--directory $W/dir"
key1='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea'
key2='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM'
echo "$key1 ann@laptop" >ann.pub
echo "$key2 bob@laptop" >bob.pub
printf '# ours\n\n# end, without a line end' >dir
chmod 644 dir

says 2 'postern directory: ann.pub: a public key has no name; say --name NAME; see postern directory --help' \
	-- directory add ann.pub $d
says 0 '' -- directory add ann.pub $d --name Ann/VSD --expires 2028-11-22 --from 10.0.0.0/8,2001:db8::/32
printed 'added Ann/VSD to W/dir; run posternctl reload'
says 0 '' -- directory add bob.pub --name Bob/VSD --comment 'since May' $d --certified-equivalent
says 0 '' -- directory add "$W/pg/admin.id" $d
is 'mode stays' [ "$(stat -c %a dir)" = 644 ]
sed 's/^\(name="Admin.*ssh-ed25519\) .*/\1 KEY/; s/expires=20[0-9-]*,cert/expires=DAY,cert/' dir >out
printed "# ours

# end, without a line end
name=\"Ann/VSD\",kind=user,expires=2028-11-22,from=\"10.0.0.0/8,2001:db8::/32\" $key1 ann@laptop
name=\"Bob/VSD\",kind=user,certified-equivalent $key2 since May
name=\"Admin/VSD\",kind=user,expires=DAY,certified-equivalent ssh-ed25519 KEY"

before=$(cksum dir)
says 1 'postern: W/dir: Ann/VSD is there already, on line 4; say --replace, or remove that entry first' \
	-- directory add ann.pub $d --name ANN/vsd
says 1 'postern: W/dir: the key of Eve/VSD is there already, on line 4, as the key of Ann/VSD; one key is one person'"'"'s' \
	-- directory add ann.pub $d --name Eve/VSD
says 1 'postern: bob.pub: --expires 2028-01-01,locked: not a date; write 2028-11-22, the last day' \
	-- directory add bob.pub $d --name Eve/VSD --expires 2028-01-01,locked
says 1 'postern: bob.pub: --kind robot: it is user or server' \
	-- directory add bob.pub $d --name Eve/VSD --kind robot
says 1 'postern: dir: not an OpenSSH public key of type ssh-ed25519 or sk-ssh-ed25519, nor an ID file; make one with ssh-keygen -t ed25519 or -t ed25519-sk' \
	-- directory add dir $d --name Eve/VSD
says 1 'postern: W/pg/certifier.id: this is the ID of a certifier; it certifies, it does not knock' \
	-- directory add "$W/pg/certifier.id" $d
says 4 'postern: none.pub: cannot be read: No such file or directory' \
	-- directory add none.pub $d --name Eve/VSD
says 1 'postern: W/dir: nobody is named Eve/VSD there' -- directory remove Eve/VSD $d
run directory remove Eve $d
is 'not a full name' [ "$code" = 2 ]
is 'nothing changed' [ "$before" = "$(cksum dir)" ]

says 0 '' -- directory list $d
sed 's/20[0-9][0-9]-[0-9-]*/DATE      /; s/[0-9a-f]\{16\}/HEX             /' out >o2
mv o2 out
printed 'NAME       KIND    KEY ID            LAST DAY    STATE
Ann/VSD    user    HEX               DATE        from-limited
Bob/VSD    user    HEX               never       certified
Admin/VSD  user    HEX               DATE        certified'
says 0 '' -- directory list $d --json
is 'JSON' [ "$(jq -r '[.[0].name, .[0].from[1], .[1].certified_equivalent, (.|length)] | join(" ")' out)" = \
	'Ann/VSD 2001:db8::/32 true 3' ]

says 0 '' -- directory remove bob/vsd $d
printed 'removed bob/vsd from W/dir; run posternctl reload'
is 'the line is gone' [ "$(grep -c Bob dir)" = 0 ]
is 'comments stay' grep -q '^# end, without a line end$' dir

# All mistakes at once, each with its line.
printf 'nonsense\n# fine\nname="Ann/VSD",color=red %s\nname="Bob/VSD" %s\nname="Bob/VSD" %s\n' \
	"$key1" "$key2" "$key1" >dir
run directory check $d
is 'mistakes refuse' [ "$code" = 1 ]
is 'three of them' [ "$(normal err | grep -c '^W/dir:[135]: ')" = 3 ]
is 'and no other line' [ "$(wc -l <err)" = 3 ]
run directory check $d --json
is 'mistakes as JSON' grep -q '"mistakes": 3' out
run directory add ann.pub $d --name Ann/VSD
is 'nothing is added to a broken one' [ "$code" = 1 ]

printf 'name="Bob/VSD" %s\n' "$key2" >dir
chmod 666 dir
says 4 'postern: W/dir: others may write it; chmod go-w it' -- directory check $d
says 4 'postern: W/dir: others may write it; chmod go-w it' -- directory add ann.pub --name Ann/VSD $d
says 4 'postern: W/none: cannot be read: No such file or directory' \
	-- directory list --directory "$W/none"
says 4 'postern: W/none: cannot be read: No such file or directory' \
	-- directory remove Ann/VSD --directory "$W/none"

# Two at once lose nothing.
: >dir
chmod 644 dir
for i in 1 2 3 4 5 6 7 8; do
	ssh-keygen -q -t ed25519 -N '' -C "k$i" -f "k$i" </dev/null
done
for i in 1 2 3 4 5 6 7 8; do
	"$postern" directory add "k$i.pub" --name "K $i/VSD" $d >/dev/null 2>&1 &
	children="$children $!"
done
wait
children=
is 'eight at once' [ "$(grep -c ^name= dir)" = 8 ]

done_testing
