#!/bin/sh
# Makes the disk of a whole Debian machine of the host's release, with systemd,
# Apache, QEMU and what else the package of qemu-web-desktop depends on, but
# without that.
#
# usage: image.sh OUT.raw [WORKDIR]
#
# Beside OUT come its kernel and initrd, OUT.vmlinuz and OUT.initrd, to be
# given to QEMU.  Needs root, the packages of `packages` and of
# ../site/guests/packages, some 5 GB of disk, and package lists that are up to
# date.  OUT appears whole or not at all.
#
# The machine takes commands by the QEMU guest agent, which is on the virtio
# serial port org.qemu.guest_agent.0; its first network card asks for an
# address; an ext4 disk with the label `media` is mounted at /media.
set -eu

disk_size=8G
keyrings=/usr/share/keyrings

here=$(dirname -- "$(realpath -- "$0")")
# shellcheck source=tests/site/guests/lib.sh
. "$here/../site/guests/lib.sh"

[ $# = 1 ] || [ $# = 2 ] || die 'usage: image.sh OUT.raw [WORKDIR]'
need apt-get chroot mke2fs mmdebstrap setpriv unshare \
    "$keyrings/debian-archive-keyring.gpg"
[ "$(id -u)" = 0 ] || die 'must be run as root'
begin 3 "$@"
cd "$scratch"

# It ends with this script, even if that is killed.
unpack_packages() {
    exec setpriv --pdeathsig KILL \
        unshare --mount --pid --fork --kill-child --mount-proc \
        mmdebstrap --mode=root --variant=minbase --format=directory \
        --keyring="$keyrings" --aptopt=apt.conf \
        --aptopt='APT::Install-Recommends "false"' \
        --aptopt='Acquire::Languages "none"' \
        --dpkgopt=force-unsafe-io \
        --include="$(list "$here/packages")" \
        "$codename" root sources.list
}

configure() {
    rm -f root/etc/apt/apt.conf.d/99mmdebstrap
    : >root/etc/resolv.conf
    echo system-test >root/etc/hostname
    echo '127.0.0.1 localhost system-test' >root/etc/hosts
    printf '%s\n' '/dev/vda / ext4 errors=remount-ro 0 1' \
        'LABEL=media /media ext4 ro,nofail,x-systemd.device-timeout=60s 0 0' \
        >root/etc/fstab
    printf '%s\n' '[Match]' 'Name=eth0' '' '[Network]' 'DHCP=ipv4' \
        >root/etc/systemd/network/eth0.network
    chroot root systemctl enable systemd-networkd.service
    # What such a machine does without.
    chroot root systemctl mask apt-daily.timer apt-daily-upgrade.timer \
        e2scrub_all.timer e2scrub_reap.service fstrim.timer \
        systemd-networkd-wait-online.service getty@tty1.service
    # Only test_nfs.py wants these.
    chroot root systemctl disable munge.service nfs-kernel-server.service \
        nfs-blkmap.service rpcbind.service rpcbind.socket slurmctld.service \
        slurmd.service stunnel4.service
    # Its journal stays over a reboot, so that a failure can be explained.
    mkdir -p root/var/log/journal
}

write_disk() {
    cp root/boot/vmlinuz-* "$out.vmlinuz"
    cp root/boot/initrd.img-* "$out.initrd"
    truncate -s "$disk_size" "$part"
    quietly mke2fs -F -t ext4 -E lazy_itable_init=1 -d root "$part"
}

say_step 'unpacking packages'
write_sources
quietly unpack_packages

say_step 'configuring the machine'
quietly configure

say_step 'writing the disk'
write_disk

finish
