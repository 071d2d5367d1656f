# On a terminal: passwords are asked for with echo off, which comes back whatever happens.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo 'python3 is needed'; exit 77; }
python3 "$(dirname "$0")/terminal.py" "$postern" "$W" >"$W/out" 2>"$W/err"
code=$?
cat "$W/out"
is 'terminal.py' [ "$code" = 0 ]
done_testing
