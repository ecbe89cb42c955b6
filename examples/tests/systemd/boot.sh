#!/bin/sh
# Makes a root of this machine's /usr and a few files, and becomes systemd in it:
#   unshare --mount --pid --fork --kill-child --cgroup --uts --ipc boot.sh ROOT UNITS PROGRAM
# ROOT is an empty folder, UNITS has all units there are, PROGRAM becomes /usr/local/bin/echo-server.
set -e
root=$1 units=$2 program=$3

mount --make-rprivate /
mount -t tmpfs tmpfs "$root"
cd "$root"
mkdir -p usr etc/systemd proc sys dev run tmp root old var/lib var/log var/tmp

mount --bind -o ro /usr usr
mount -t tmpfs tmpfs usr/local/bin
cp "$program" usr/local/bin/echo-server
for link in bin sbin lib lib32 lib64; do
    [ -L /$link ] && cp -a /$link .
done
cp /etc/passwd /etc/group /etc/nsswitch.conf etc/
touch etc/machine-id
cp -r "$units" etc/systemd/system

mount -t proc proc proc
mount --bind -o ro proc/sys proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs dev
mkdir dev/pts dev/shm
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done

pivot_root . old
umount -l old
exec env -i container=linecho SYSTEMD_UNIT_PATH=/etc/systemd/system \
    /lib/systemd/systemd --system --log-target=console --show-status=false
