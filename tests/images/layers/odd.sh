# Everything about a layer that is easy to get wrong, on top of the base layer: files and directories taken away,
# a directory replaced (opaque), hard links, capabilities, setuid, odd names, odd times, devices, xattrs, holes.
# Runs on the host, in the root of the image, because the image has no setcap and setfattr.
rm -r usr/share/doc/tar usr/share/doc/gzip/copyright
rm -r usr/share/doc/sed && mkdir usr/share/doc/sed && echo "replaced" >usr/share/doc/sed/README
rm -r usr/share/doc/grep && ln -s sed usr/share/doc/grep
rm -r usr/share/doc/bzip2 2>/dev/null || true
chmod 0700 usr/share/doc/dash
mv etc/debian_version etc/debian_version.moved

mkdir -p odd/sticky odd/empty odd/names odd/many
chmod 1777 odd/sticky
chmod 02755 odd/empty
echo "one inode, three names" >odd/link-a
ln odd/link-a odd/link-b
ln odd/link-a odd/names/link-c
ln -s ../odd/link-a odd/names/relative
ln -s /nowhere/at/all odd/names/dangling
ln -s "$(printf 'x%.0s' $(seq 1 300))" odd/names/long-target
cp -L bin/true odd/setuid && chmod 4755 odd/setuid
cp -L bin/true odd/setgid && chmod 2755 odd/setgid
chown 12345:54321 odd/setgid && chmod 2755 odd/setgid
cp -L bin/true odd/capable && setcap cap_net_bind_service,cap_net_raw+ep odd/capable
echo "two attributes" >odd/attributes
setfattr -n user.colour -v green odd/attributes
setfattr -n user.binary -v 0x00ff10 odd/attributes
setfattr -n user.of-directory -v yes odd/empty
mkfifo odd/fifo
mknod odd/null c 1 3
mknod odd/block b 7 99
: >odd/zero-bytes
truncate -s 3M odd/hole
echo "end" >>odd/hole
printf 'no newline' >odd/names/'with space'
printf 'x' >odd/names/"$(printf 'line\nbreak')"
printf 'x' >odd/names/"$(printf 'latin1-\351')"
printf 'x' >odd/names/ünïcödé
printf 'x' >odd/names/.hidden
printf 'x' >odd/names/"$(printf 'n%.0s' $(seq 1 255))"
deep=odd/deep
for n in $(seq 1 20); do deep="$deep/a-directory-with-a-long-name-$n"; done
mkdir -p "$deep" && echo "far down" >"$deep/file"
for n in $(seq 1 1500); do echo "$n" >"odd/many/$n"; done
touch -d '1969-12-31 12:00:00 UTC' odd/before-1970
touch -d '2001-02-03 04:05:06.789012345 UTC' odd/nanoseconds
touch -d '2090-01-01 00:00:00 UTC' odd/after-2038
chown 4000000:4000001 odd/nanoseconds
chmod 0000 odd/zero-bytes
