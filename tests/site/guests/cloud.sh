#!/bin/sh
# Makes a disk with Debian of the host's release and its cloud-init, as the
# images for clouds have it.
#
# usage: cloud.sh OUT.qcow2 [WORKDIR]
#
# Needs root, the Debian packages listed in `packages`, some 2 GB of disk, and
# package lists that are up to date (apt-get update).  OUT appears whole or not
# at all.
#
# The guest wants 512 MB of memory.  It boots by BIOS from a virtio disk, asks
# for no address, and obeys a NoCloud seed.  If there is a serial port, it says
# CLOUD-READY there when cloud-init has done all that it had to.

set -eu

modules='
    virtio_pci virtio_blk virtio_net virtio_console ext4 crc32c_generic
    isofs vfat nls_ascii nls_cp437 nls_utf8 sr_mod xhci_pci usbhid hid_generic evdev button
'

here=$(dirname -- "$(realpath -- "$0")")
. "$here/lib.sh"

[ $# = 1 ] || [ $# = 2 ] || die 'usage: cloud.sh OUT.qcow2 [WORKDIR]'
# shellcheck disable=SC2086  # one word each
need as chroot $debian_needs objcopy qemu-img xz
[ "$(id -u)" = 0 ] || die 'must be run as root'
begin 5 "$@"
cd "$scratch"

configure() {
    rm -f root/etc/apt/apt.conf.d/99mmdebstrap root/etc/machine-id
    : >root/etc/resolv.conf
    : >root/etc/machine-id
    echo cloud >root/etc/hostname
    # There is no network to wait for, no package of locales, and no SSH.
    printf '%s\n' 'network: {config: disabled}' 'locale: false' 'ssh_genkeytypes: []' \
        >root/etc/cloud/cloud.cfg.d/99-site.cfg
    cat >root/etc/systemd/system/cloud-ready.service <<END
[Unit]
Description=Tell that cloud-init is done
After=cloud-final.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'cloud-init status --long >/dev/ttyS0; echo CLOUD-READY >/dev/ttyS0'
[Install]
WantedBy=cloud-init.target
END
    chroot root systemctl enable cloud-ready.service
    chroot root systemctl mask apt-daily.timer apt-daily-upgrade.timer \
        e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service \
        serial-getty@ttyS0.service
}

write_kernel() {
    get_kernel
    quietly "$here/kernel.sh" "kernel/boot/vmlinuz-$version" root/boot/vmlinuz kernel
    mkdir -p initrd/root
    sed 's/LABEL=desktop/LABEL=cloud/' "$here/desktop/initrd/init" >initrd/init
    chmod 755 initrd/init
    # shellcheck disable=SC2086  # one word each
    {
        copy_modules initrd $modules
        copy_modules root $modules
    }
    pack_initrd initrd root/boot/initrd
}

say_step 'unpacking packages'
write_sources
quietly unpack_packages "$here/cloud/packages"

say_step 'configuring the machine'
quietly configure

say_step 'adding the kernel'
write_kernel

say_step 'writing the disk'
write_disk cloud 2G

say_step 'compressing the disk'
quietly qemu-img convert -c -W -m 2 -O qcow2 disk "$part"

finish
