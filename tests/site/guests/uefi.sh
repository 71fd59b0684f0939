#!/bin/sh
# Makes a disk image that starts by UEFI, also with secure boot: the tiny
# guest (tiny.sh) behind Debian's signed shim, GRUB and kernel.
#
# usage: uefi.sh OUT.raw [WORKDIR]
#
# Needs what tiny.sh needs, and mtools and dosfstools; the signed programs are
# downloaded as Debian packages and not installed.
#
# The disk is one FAT file system.  Beyond what tiny.sh promises of the guest,
# it prints on ttyS0
#   TINY-UEFI secure=N setup=N tpm=MAJOR    (tpm= nothing where there is none)

set -eu

modules='
    virtio_pci virtio_blk virtio_scsi virtio_net virtio_balloon virtio_gpu
    ahci sr_mod sd_mod xhci_pci usbhid hid_generic button evdev
    isofs vfat nls_ascii nls_cp437 ext4 crc32c_generic efivarfs
'

here=$(dirname -- "$(realpath -- "$0")")
. "$here/lib.sh"

[ $# = 1 ] || [ $# = 2 ] || die 'usage: uefi.sh OUT.raw [WORKDIR]'
need apt-get cpio depmod dpkg-deb lz4 mcopy mkfs.vfat modprobe readelf /bin/busybox
begin 4 "$@"
cd "$scratch"

# unpack_package NAME: Debian's package, below $scratch/signed.
unpack_package() {
    apt-get -qq -o APT::Sandbox::User= \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= download "$1"
    dpkg-deb -x "$1"_*.deb signed
    rm "$1"_*.deb
}

say_step 'getting the kernel'
get_kernel

say_step 'getting the signed boot loaders'
quietly unpack_package shim-signed
quietly unpack_package grub-efi-amd64-signed

say_step 'packing the file system'
cp -a "$here/tiny" initrd
mkdir -p initrd/mnt initrd/root initrd/var
# shellcheck disable=SC2086  # one word each
copy_modules initrd $modules
pack_initrd initrd initrd.img

say_step 'writing the disk'
cat >firstboot.sh <<'END'
modprobe -q efivarfs
mount -t efivarfs none /sys/firmware/efi/efivars
# A variable is four bytes of attributes, then its value, here of one byte.
value() {
    tail -c 1 /sys/firmware/efi/efivars/"$1"-* | od -An -tu1 | tr -d ' '
}
major=$(cat /sys/class/tpm/tpm0/tpm_version_major 2>/dev/null)
echo "TINY-UEFI secure=$(value SecureBoot) setup=$(value SetupMode) tpm=$major"
END
cat >grub.cfg <<END
linux /vmlinuz console=ttyS0 console=tty0 $fast_boot
initrd /initrd.img
boot
END
truncate -s 48M "$part"
quietly mkfs.vfat -n TINYUEFI "$part"
export MTOOLS_SKIP_CHECK=1
mmd -i "$part" ::/EFI ::/EFI/BOOT ::/EFI/debian
put() {
    mcopy -i "$part" "$1" "::$2"
}
put signed/usr/lib/shim/shimx64.efi.signed /EFI/BOOT/BOOTX64.EFI
put signed/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed /EFI/BOOT/grubx64.efi
put grub.cfg /EFI/debian/grub.cfg
put "kernel/boot/vmlinuz-$version" /vmlinuz
put initrd.img /initrd.img
put firstboot.sh /firstboot.sh

finish
