# shellcheck shell=sh
# Shared by the scripts that make guests; to be sourced.  After begin():
#   $out      the file to make, an absolute name
#   $part     its temporary, in the same directory; finish() renames it
#   $scratch  an empty directory, removed at the end whatever happens

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
    trap 'rm -rf -- "$scratch" "$part"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    rm -rf -- "$scratch"
    mkdir -- "$scratch"
}

# say_step TEXT: one line of progress.
say_step() {
    step=$((step + 1))
    elapsed=$(($(date +%s) - started))
    printf '[%d/%d] %d:%02d %s\n' "$step" "$steps" $((elapsed / 60)) $((elapsed % 60)) "$1"
}

# quietly COMMAND...: what it prints is shown only if it fails.
quietly() {
    "$@" >"$scratch/log" 2>&1 || {
        cat "$scratch/log" >&2
        return 1
    }
}

# finish: OUT appears, whole.
finish() {
    mv -f -- "$part" "$out"
    elapsed=$(($(date +%s) - started))
    echo "$out: $(($(stat -c %s -- "$out") / 1048576)) MB in $elapsed s"
}
