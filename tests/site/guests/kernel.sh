#!/bin/sh
# Makes a Linux kernel that starts faster under emulation; see kernel.S.
#
# usage: kernel.sh VMLINUZ OUT WORKDIR
#
# VMLINUZ is an x86-64 kernel packed with xz, as Debian's are.  WORKDIR must
# exist; its files are overwritten and left behind.

set -eu

here=$(dirname -- "$(realpath -- "$0")")
vmlinuz=$(realpath -- "$1")
out=$(realpath -- "$2")
cd -- "$3"

# field OFFSET SIZE: an integer of the boot header.
field() {
    od -An -v -t "u$2" -j "$1" -N "$2" "$vmlinuz" | tr -d ' '
}

setup=$((($(field 0x1f1 1) + 1) * 512))
payload=$((setup + $(field 0x248 4)))
size=$(($(field 0x24c 4) - 4))  # four bytes of length follow the xz file
kernel=$(field 0x258 8)
above=$((kernel + $(field 0x260 4)))

ln -sf "$vmlinuz" vmlinuz
tail -c "+$((payload + 1))" vmlinuz | head -c "$size" | xz -dc >vmlinux
# What the kernel itself clears at its start need not be stored.
objcopy -O binary -R .bss -R .brk -R .init.scratch vmlinux kernel
lz4 -q -f -l -9 kernel kernel.lz4

as --64 --defsym "SETUP=$setup" --defsym "KERNEL=$kernel" --defsym "ABOVE=$above" \
    -o image.o "$here/kernel.S"
ld --oformat binary -e 0 -Ttext "$(printf %x $((above - setup)))" -o "$out" image.o
