# shellcheck shell=bash
# For scripts that run as the first process of mount and pid namespaces of
# their own; to be sourced by bash.

# private_places: the tree, which is the working directory, appears at
# /mnt/own/tree, where the script goes on wherever it was before; /mnt and
# /tmp are empty and private.
private_places() {
    # By the working directory, which stays reachable when /mnt is covered.
    mount -t tmpfs -o mode=755,nosuid,nodev private /mnt
    mkdir -m 700 /mnt/own
    mkdir /mnt/own/tree
    mount --no-canonicalize --bind . /mnt/own/tree
    cd /mnt/own/tree || return
    mount -t tmpfs -o mode=1777,nosuid,nodev private /tmp
}

# private_tun: slirp4netns needs /dev/net/tun; where it is not for everybody,
# as Debian has it, these namespaces get one that is.  False if there is none.
private_tun() {
    if [ -c /dev/net/tun ] && [ "$(stat -c %a /dev/net/tun)" = 666 ]; then
        return 0
    fi
    [ -d /dev/net ] || return
    mount -t tmpfs -o mode=755,nosuid,noexec private /dev/net &&
        mknod -m 666 /dev/net/tun c 10 200 && : <>/dev/net/tun
} 2>/dev/null
