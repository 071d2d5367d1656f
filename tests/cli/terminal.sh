# On a terminal: passwords are asked for with echo off, which comes back whatever happens.
. "$(dirname "$0")/lib.sh"
need python3
python3 "$(dirname "$0")/terminal.py" "$postern" "$W" >"$W/out" 2>"$W/err"
code=$?
cat "$W/out"
is 'terminal.py' [ "$code" = 0 ]
done_testing
