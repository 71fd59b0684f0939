#!/bin/sh
# Makes a bootable ISO of a tiny Linux: a shell on the screen seconds after
# power-on, for tests that need some guest rather than a desktop.
#
# usage: tiny.sh OUT.iso [WORKDIR]
#
# Needs the Debian packages listed in `packages` and package lists that are up
# to date (apt-get update), for Debian's kernel package is downloaded; neither
# root nor an installed kernel.
#
# Promises: OUT appears whole or not at all; nothing else remains, also after
# an interruption.  Scratch files are in WORKDIR, by default OUT's directory.
#
# The guest, whose files are in tiny/, wants 256 MB of memory.  It
#   - boots from a CD drive, and as a disk (the ISO is isohybrid)
#   - shows a root shell on tty1 and, if there is a serial port, on ttyS0, after
#     the line TINY-READY uptime=SECONDS
#   - asks for an address on each network card
#   - powers off when the power button is pressed or `poweroff` is typed
#   - runs /firstboot.sh of a disk or CD (ISO 9660, FAT or ext4), output on
#     ttyS0 between TINY-FIRSTBOOT-START DEVICE and TINY-FIRSTBOOT-END rc=STATUS
#   - obeys a NoCloud seed, as far as its stand-in for cloud-init knows it, output
#     on ttyS0 between TINY-SEED-START DEVICE and TINY-SEED-END

set -eu

# What a virtual machine's devices and the shares of its host need; depmod
# knows the modules that these need in turn.
modules='
    virtio_pci virtio_blk virtio_scsi virtio_net virtio_balloon virtio_gpu
    virtio_console
    ahci ata_piix sr_mod sd_mod e1000
    xhci_pci ehci_pci uhci_hcd usbhid hid_generic button evdev
    isofs vfat nls_ascii nls_cp437 ext4 crc32c_generic
    9p 9pnet_virtio virtiofs
'

here=$(dirname -- "$(realpath -- "$0")")
. "$here/lib.sh"

isolinux=/usr/lib/ISOLINUX
syslinux=/usr/lib/syslinux/modules/bios

[ $# = 1 ] || [ $# = 2 ] || die 'usage: tiny.sh OUT.iso [WORKDIR]'
need apt-get as cpio depmod dpkg-deb lz4 modprobe objcopy readelf xorriso xz /bin/busybox \
    "$isolinux/isolinux.bin" "$isolinux/isohdpfx.bin" "$syslinux/ldlinux.c32"
begin 3 "$@"
cd "$scratch"
mkdir -p iso/isolinux

say_step 'getting the kernel'
get_kernel
quietly "$here/kernel.sh" "kernel/boot/vmlinuz-$version" iso/isolinux/vmlinuz kernel

say_step 'packing the file system'
cp -a "$here/tiny" initrd
mkdir -p initrd/mnt initrd/root initrd/var
# shellcheck disable=SC2086  # one word each
copy_modules initrd $modules
pack_initrd initrd iso/isolinux/initrd

say_step 'writing the ISO'
cp "$isolinux/isolinux.bin" "$syslinux/ldlinux.c32" iso/isolinux
cat >iso/isolinux/isolinux.cfg <<END
DEFAULT tiny
LABEL tiny
  KERNEL vmlinuz
  INITRD initrd
  APPEND console=ttyS0 console=tty0 $fast_boot
END
quietly xorriso -as mkisofs -o "$part" -V TINY -r -J \
    -b isolinux/isolinux.bin -c isolinux/boot.cat \
    -no-emul-boot -boot-load-size 4 -boot-info-table \
    -isohybrid-mbr "$isolinux/isohdpfx.bin" iso

finish
