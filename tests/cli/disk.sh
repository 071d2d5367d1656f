# A full disk: complete or not at all. Needs root for a small file system of its own.
[ "$(id -u)" = 0 ] || { echo 'root is needed'; exit 77; }
# In a mount namespace of its own: nobody else sees the mount, and it goes away with the test.
[ -n "${OWN_MOUNTS:-}" ] || OWN_MOUNTS=1 exec unshare -m sh "$0" "$@"
. "$(dirname "$0")/lib.sh"
mkdir "$W/small"
mount -t tmpfs -o size=64k,nr_inodes=64 postern-test "$W/small" 2>/dev/null ||
	{ echo 'no file system can be mounted here'; exit 77; }
cleanup_more() {
	umount "$W/small"
}
umask 077
echo "$certifier_password" >"$W/p"
setup="setup --org VSD --server gw --host gw --interface lo --kdf-mem 1 --password-file $W/p"

# From hardly any room to enough: never a part of it.
whole=
for blocks in 1 2 3 5 7 9 11 13 15; do
	rm -rf "$W/small/"*
	head -c $((65536 - blocks * 4096)) /dev/zero >"$W/small/fill"
	run $setup --dir "$W/small/pg"
	if [ "$code" = 0 ]; then
		whole=$blocks
		is "$blocks blocks: all of it" [ "$(find "$W/small/pg" -type f | wc -l)" = 9 ]
	else
		is "$blocks blocks: code" [ "$code" = 4 ]
		is "$blocks blocks: nothing left" [ "$(ls "$W/small")" = fill ]
		is "$blocks blocks: sentence" grep -q 'No space left on device' "$W/err"
	fi
done
is 'some were too small, some were not' [ "${whole:-0}" = 15 ]

# An edit that does not fit leaves the old file.
rm -rf "$W/small/"*
printf '# %04000d\n' 0 >"$W/small/dir"
chmod 644 "$W/small/dir"
ssh-keygen -q -t ed25519 -N '' -C k -f "$W/k" </dev/null
head -c 61440 /dev/zero >"$W/small/fill" 2>/dev/null
before=$(cksum <"$W/small/dir")
says 4 'postern: W/small/dir: cannot be written: No space left on device; nothing was changed' \
	-- directory add "$W/k.pub" --name K/VSD --directory "$W/small/dir"
is 'the old directory' [ "$before" = "$(cksum <"$W/small/dir")" ]
is 'no rest of the new one' [ "$(ls "$W/small")" = "$(printf 'dir\nfill')" ]

done_testing
