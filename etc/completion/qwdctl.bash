# bash completion of qwdctl: commands, their options, machines and sessions.
# shellcheck shell=bash

_qwdctl_words() {
    case $1 in
    download | update) echo '--force --jobs= --dry-run --quiet @machines' ;;
    start | launch) echo '--count= --keep --quiet @machines @files' ;;
    stop) echo '--all --now --yes @sessions' ;;
    extend | log | capture) echo '@sessions' ;;
    status | check | gpu) echo '--json' ;;
    report) echo '--since= --until= --user= --json' ;;
    add) echo '--name= --description= @files' ;;
    edit) echo 'machines config' ;;
    config) echo '--defaults' ;;
    gpu_unlock) echo '--dry-run --yes' ;;
    import-config) echo '@files' ;;
    esac
}

_qwdctl() {
    local word=${COMP_WORDS[COMP_CWORD]} command='' config=() list=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --config*) config=("${COMP_WORDS[i]}") ;;
        -* | =) ;;
        *)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    COMPREPLY=()
    if [ -z "$command" ]; then
        mapfile -t list < <("${COMP_WORDS[0]}" help 2>/dev/null |
            sed -n 's/^  \([a-z][a-z_-]*\) .*/\1/p')
    else
        local -a known
        read -ra known <<<"$(_qwdctl_words "$command")"
        for i in "${known[@]}"; do
            case $i in
            @files) mapfile -t -O ${#list[@]} list < <(compgen -f -- "$word") ;;
            @*) mapfile -t -O ${#list[@]} list < <(
                "${COMP_WORDS[0]}" "${config[@]}" names "${i#@}" 2>/dev/null
            ) ;;
            *) list+=("$i") ;;
            esac
        done
    fi
    for i in "${list[@]}"; do
        [[ $i != "$word"* ]] || COMPREPLY+=("$i")
    done
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

complete -o filenames -F _qwdctl qwdctl
