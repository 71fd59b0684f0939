#!/bin/sh
# Makes a disk with a graphical Debian desktop of the host's release: windows,
# mouse, terminal, file manager, editor, calculator.
#
# usage: desktop.sh OUT.qcow2 [WORKDIR]
#
# Needs root, the Debian packages listed in `packages`, some 2 GB of disk, and
# package lists that are up to date (apt-get update).  Packages come from the
# Debian archives that apt on this machine is configured for.
#
# Promises: OUT appears whole or not at all; nothing else remains, also after
# an interruption.  Scratch files are in WORKDIR, by default OUT's directory.
# Nothing is mounted but in a mount namespace that ends with this script.
#
# The guest, whose own files are in desktop/, wants 512 MB of memory or more.
# It
#   - boots by BIOS from a virtio, SATA or SCSI disk; an IDE disk works, but
#     takes half a minute more
#   - shows its desktop on virtio, standard VGA, QXL and Cirrus displays, and
#     follows a viewer's wish for another size (virtio)
#   - logs the user `visitor` in, who may use sudo
#   - asks for an address on each network card
#   - powers off when the power button is pressed or from its menu
#   - if there is a serial port, says DESKTOP-READY uptime=SECONDS on ttyS0 when
#     a terminal is on the screen, and has a root shell there

set -eu

# Devices of virtual machines, and what Debian in one may want beside them.
boot_modules='
    virtio_pci virtio_blk virtio_scsi ahci ata_piix sym53c8xx sd_mod
    ext4 crc32c_generic virtio_gpu bochs qxl cirrus
'
modules="$boot_modules"'
    virtio_net virtio_balloon virtio_console virtio_input virtio-rng
    e1000 e1000e 8139cp 8139too vmxnet3
    xhci_pci ehci_pci uhci_hcd ohci_pci usbhid hid_generic usb_storage uas
    psmouse evdev button qemu_fw_cfg i6300esb nvme
    sr_mod isofs vfat nls_ascii nls_cp437 nls_utf8 loop fuse overlay
    9p 9pnet_virtio virtiofs autofs4 configfs
'

# What a machine of short life does without, each some tenths of a second.
idle_units='
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
    e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer
    systemd-binfmt.service systemd-journal-flush.service systemd-modules-load.service
    systemd-pstore.service systemd-random-seed.service systemd-sysctl.service
    systemd-tmpfiles-setup-dev.service kmod-static-nodes.service
    systemd-update-utmp.service systemd-update-utmp-runlevel.service
    serial-getty@ttyS0.service systemd-ask-password-console.path systemd-ask-password-wall.path
    modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service
    modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service
    dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount
    sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount
    sys-kernel-tracing.mount getty@tty1.service getty-static.service remote-fs.target
'
idle_generators='
    cryptsetup debug gpt-auto hibernate-resume integritysetup rc-local
    system-update sysv veritysetup
'

here=$(dirname -- "$(realpath -- "$0")")
. "$here/lib.sh"

[ $# = 1 ] || [ $# = 2 ] || die 'usage: desktop.sh OUT.qcow2 [WORKDIR]'
# shellcheck disable=SC2086  # one word each
need as chroot $debian_needs objcopy qemu-img xz
[ "$(id -u)" = 0 ] || die 'must be run as root'
begin 5 "$@"
cd "$scratch"

configure_desktop() {
    cp -r --no-preserve=ownership "$here/desktop/root/." root
    chmod 440 root/etc/sudoers.d/visitor
    : >root/etc/resolv.conf
    rm root/etc/apt/apt.conf.d/99mmdebstrap
    chroot root useradd -m -s /bin/bash -G sudo,dialout visitor
    chroot root systemd-machine-id-setup
    # shellcheck disable=SC2086  # one word each
    chroot root systemctl mask $idle_units
    mkdir root/etc/systemd/system-generators
    for generator in $idle_generators; do
        ln -s /dev/null "root/etc/systemd/system-generators/systemd-$generator-generator"
    done
    chroot root systemctl enable desktop.service
    # Nothing to catch up with at the first start.
    touch root/etc/.updated root/var/.updated
}

write_kernel() {
    get_kernel
    quietly "$here/kernel.sh" "kernel/boot/vmlinuz-$version" root/boot/vmlinuz kernel
    cp -a "$here/desktop/initrd" initrd
    mkdir initrd/root
    # shellcheck disable=SC2086  # one word each
    {
        copy_modules initrd $boot_modules
        copy_modules root $modules
    }
    pack_initrd initrd root/boot/initrd
}

say_step 'unpacking packages'
write_sources
quietly unpack_packages "$here/desktop/packages"

say_step 'configuring the desktop'
quietly configure_desktop

say_step 'adding the kernel'
write_kernel

say_step 'writing the disk'
write_disk desktop 4G

say_step 'compressing the disk'
quietly qemu-img convert -c -W -m 4 -O qcow2 disk "$part"

finish
