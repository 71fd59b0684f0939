# shellcheck shell=sh
# Shared by the scripts that make guests; to be sourced.  After begin():
#   $out      the file to make, an absolute name
#   $part     its temporary, in the same directory; finish() renames it
#   $scratch  an empty directory, removed at the end whatever happens

# Kernel parameters: quiet, and without what only costs time under emulation.
# On a host with much to do the kernel's check that the timer ticks now and then
# counts too few ticks, and ends in "IO-APIC + timer doesn't work!".
# shellcheck disable=SC2034  # used by the scripts that source this
fast_boot='quiet loglevel=3 cryptomgr.notests noreplace-smp mitigations=off no_timer_check'

# modprobe and its like are not in every user's path.
PATH=$PATH:/usr/sbin:/sbin

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# need PATH...: all of these files must exist; commands are looked up in $PATH.
need() {
    for file; do
        case $file in
        /*) [ -e "$file" ] || missing="${missing-} $file" ;;
        *) command -v "$file" >/dev/null || missing="${missing-} $file" ;;
        esac
    done
    [ -z "${missing-}" ] ||
        die "missing:$missing (install the packages listed in ${here:?}/packages)"
}

# begin STEPS OUT [WORKDIR]: claim OUT and clear what an interrupted run left.
begin() {
    steps=$1
    step=0
    started=$(date +%s)
    out=$(realpath -m -- "$2")
    part=$out.part
    mkdir -p -- "${out%/*}" "${3:-${out%/*}}"
    scratch=$(realpath -- "${3:-${out%/*}}")/${out##*/}.work

    exec 9>>"$part"
    flock -n 9 || die "$out is being made by another run"
    child=
    trap cleanup EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    rm -rf -- "$scratch"
    mkdir -- "$scratch"
}

cleanup() {
    [ -z "$child" ] || kill -KILL "$child" 2>/dev/null || :
    rm -rf -- "$scratch" "$part"
}

# say_step TEXT: one line of progress.
say_step() {
    step=$((step + 1))
    elapsed=$(($(date +%s) - started))
    printf '[%d/%d] %d:%02d %s\n' "$step" "$steps" $((elapsed / 60)) $((elapsed % 60)) "$1"
}

# quietly COMMAND...: what it prints is shown only if it fails.  Runs it in the
# background, so that a signal ends this script, and with it the command, at once.
quietly() {
    "$@" >"$scratch/log" 2>&1 </dev/null &
    child=$!
    wait "$child" || {
        cat "$scratch/log" >&2
        die "failed: $1"
    }
    child=
}

# The kernel of the package that apt would install for linux-image-amd64, but
# not installed: in $scratch/kernel, with its version in $version.
get_kernel() {
    package=$(apt-cache show --no-all-versions linux-image-amd64 |
        sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p')
    [ -n "$package" ] || die 'apt does not know linux-image-amd64: run apt-get update'
    version=${package#linux-image-}
    quietly unpack_kernel
}

unpack_kernel() {
    mkdir "$scratch/kernel"
    cd "$scratch/kernel" || return
    apt-get -qq -o APT::Sandbox::User= \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= download "$package"
    dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x ./boot ./lib
    rm "$package"_*.deb
    depmod -b . "$version"
}

# copy_modules ROOT MODULE...: the modules and all that they need, and the
# files in which modprobe looks things up.
copy_modules() {
    all=$scratch/kernel/lib/modules/$version
    some=$1/lib/modules/$version
    shift
    mkdir -p "$some"
    for module; do
        modprobe -d "$scratch/kernel" -S "$version" --show-depends "$module"
    done >"$scratch/modules"
    sed -n 's/^insmod \(.*\.ko\).*/\1/p' "$scratch/modules" | sort -u |
        xargs -d '\n' cp -t "$some"
    cp "$all"/modules.builtin* "$all/modules.order" "$some"
    depmod -b "${some%/lib/modules/*}" "$version"
}

# pack_initrd FROM TO: the tree FROM, busybox and modprobe's two text files as
# an initial file system.
pack_initrd() {
    readelf -l /bin/busybox | grep -q INTERP && die '/bin/busybox is not static'
    mkdir -p "$1/bin" "$1/dev" "$1/proc" "$1/run" "$1/sys" "$1/tmp"
    cp /bin/busybox "$1/bin/busybox"
    find "$1/lib/modules" -name 'modules.*' \
        ! -name modules.dep ! -name modules.alias -delete
    (cd "$1" && find . | sort | cpio --quiet -o -H newc -R 0:0) | lz4 -q -l -9 - "$2"
}

# ---- Disks with Debian; as root

grub=/usr/lib/grub/i386-pc
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# For need.
# shellcheck disable=SC2034  # used by the scripts that source this
debian_needs="apt-get cpio depmod dpkg-deb grub-mkimage lz4 mke2fs mmdebstrap
    modprobe readelf setpriv sfdisk unshare /bin/busybox $grub/boot.img $keyring"

list() {
    sed 's/#.*//' "$1" | xargs
}

# The host's Debian archives of its own release, and how it reaches them.
write_sources() {
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck disable=SC2016  # apt's variables, not the shell's
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' 'Origin: Debian' |
        grep -E " $codename(-updates|-security)? " >sources.list ||
        die "apt knows no Debian archive of $codename: run apt-get update"
    apt-config dump --format '%F "%v";%n' Acquire | grep -v ::IndexTargets >apt.conf
}

# unpack_packages LIST: a minimal Debian and the packages of the list, as the
# tree `root`.  Whatever mmdebstrap mounts and starts ends with it, and it ends
# with this script, even if that is killed: hence exec, this function's shell is
# a child.
unpack_packages() {
    exec setpriv --pdeathsig KILL \
        unshare --mount --pid --fork --kill-child --mount-proc \
        mmdebstrap --mode=root --variant=minbase --format=directory \
        --keyring="${keyring%/*}" --aptopt=apt.conf \
        --aptopt='APT::Install-Recommends "false"' \
        --aptopt='Acquire::Languages "none"' \
        --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' \
        --dpkgopt='path-exclude=/usr/lib/*/dri/*' \
        --dpkgopt='path-exclude=/usr/lib/gcc/*/cc1' \
        --include="$(list "$1")" \
        "$codename" root sources.list
}

# write_disk LABEL SIZE: the tree `root`, with its boot/vmlinuz and boot/initrd,
# as a disk that starts by BIOS.  GRUB's two parts go before the first
# partition, where its installer would put them; made for disks, they need no
# change.
write_disk() {
    cat >grub.cfg <<END
linux (hd0,msdos1)/boot/vmlinuz net.ifnames=0 console=ttyS0 console=tty0 $fast_boot
initrd (hd0,msdos1)/boot/initrd
boot
END
    grub-mkimage -O i386-pc -o core.img -c grub.cfg -p '(hd0,msdos1)/boot/grub' \
        biosdisk part_msdos ext2 linux boot

    truncate -s "$2" disk
    echo 'label: dos
        start=1MiB, type=83, bootable' | sfdisk -q disk
    dd if="$grub/boot.img" of=disk bs=440 count=1 conv=notrunc status=none
    dd if=core.img of=disk bs=512 seek=1 conv=notrunc status=none
    size=$(($(stat -c %s disk) / 1024 - 1024))
    quietly mke2fs -F -t ext4 -L "$1" -m 0 -E offset=1048576,lazy_itable_init=0 \
        -d root disk "${size}k"
}

# finish: OUT appears, whole.
finish() {
    mv -f -- "$part" "$out"
    elapsed=$(($(date +%s) - started))
    echo "$out: $(($(stat -c %s -- "$out") / 1048576)) MB in $elapsed s"
}
