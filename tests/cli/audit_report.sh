#!/bin/sh
# Reports of made-up gateways, some of them hostile, seen as a person or a program sees them.
# audit_report.sh MAKER CHECKER PROFILE SCHEMA
set -eu
maker=$1 checker=$2 profile=$3 schema=$4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# A profile by its name is found beside the program, wherever both were put.
mkdir -p "$folder/bin" "$folder/share/postern/profiles"
cp "$maker" "$folder/bin/maker"
cp "$profile" "$folder/share/postern/profiles/"
"$folder/bin/maker" "$folder" mail
if "$folder/bin/maker" "$folder" no-such 2>"$folder/error"; then
	fail "a profile that is not there was found"
fi
grep -q 'no-such: there is no profile of this name; ' "$folder/error" || fail "$(cat "$folder/error")"

has() {
	grep -qxF -- "$2" "$folder/$1" || fail "$1 lacks the line: $2"
}

has report.txt 'Testing SSL server old.example.org on port 25'
has report.txt 'Supported Server Cipher(s):'
has report.txt 'Accepted TLSv1 256 bits DHE-RSA-AES256-SHA'
has report.txt 'Accepted TLSv1 40 bits EXP-RC4-MD5'
has report.txt 'Accepted TLSv1 112 bits DES-CBC3-SHA'
has report.txt 'Preferred Server Cipher(s):'
has report.txt 'TLSv1 256 bits DHE-RSA-AES256-SHA'
has report.txt 'SSL Certificate:'
has report.txt 'Not valid after: Nov 17 11:06:40 2026 GMT'
has report.txt 'ERROR: The SMTP service on plain.example.org port 25 did not appear to support STARTTLS.'
has report.txt 'critical  ssl2: SSLv2 is offered'
has compare.txt 'old.example.org port 25, 192.0.2.2'
has compare.txt '  gone protocol: TLSv1.2'
has compare.txt '  new finding: no-tls12, high'
has compare.txt '8 changes'
grep -q 'Prefered Server Cipher(s):' "$folder/classic.txt" || fail "no classic spelling"
grep -q 'TLSv1 168 bits DES-CBC3-SHA' "$folder/classic.txt" || fail "no classic bits"
if LC_ALL=C grep -q '[^ -~]' "$folder/report.txt"; then
	fail "report.txt has a byte that is not printable"
fi
# Classic has colours, and no other controls.
if LC_ALL=C sed 's/\x1b\[[0-9]*m//g' "$folder/classic.txt" | LC_ALL=C grep -q '[^ -~]'; then
	fail "classic.txt has a control of a stranger"
fi

PYTHONDONTWRITEBYTECODE=1 python3 "$checker" "$folder" "$schema"
