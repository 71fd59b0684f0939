# bash completion of qwdctl: commands, their options, machines and sessions.
# shellcheck shell=bash

# What the words of a command are; its options the program tells.
_qwdctl_words() {
    case $1 in
    download | update) echo @machines ;;
    start | launch) echo '@machines @files' ;;
    stop | extend | log | capture) echo @sessions ;;
    add | import-config) echo @files ;;
    edit) echo 'machines config web' ;;
    web) echo @pages ;;
    help) echo @commands ;;
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
    _qwdctl_names() {
        mapfile -t -O ${#list[@]} list < <("${COMP_WORDS[0]}" "${config[@]}" names "$@" 2>/dev/null)
    }
    if [ -z "$command" ]; then
        _qwdctl_names commands
    else
        local -a known
        _qwdctl_names options "$command"
        [ "$command ${COMP_WORDS[COMP_CWORD - 1]}" != 'edit web' ] || command=web
        read -ra known <<<"$(_qwdctl_words "$command")"
        for i in "${known[@]}"; do
            case $i in
            @files) mapfile -t -O ${#list[@]} list < <(compgen -f -- "$word") ;;
            @*) _qwdctl_names "${i#@}" ;;
            *) list+=("$i") ;;
            esac
        done
    fi
    unset -f _qwdctl_names
    for i in "${list[@]}"; do
        [[ $i != "$word"* ]] || COMPREPLY+=("$i")
    done
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

complete -o filenames -F _qwdctl qwdctl
