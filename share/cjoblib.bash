# Completion of cjoblib(1) for bash.

_cjoblib() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} options=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'ls info show gc verify clear run --help --version' -- "$word")
        return
    fi
    case $command in
        ls | info | show) options='--json' ;;
        gc) options='--max-bytes --max-items --max-age --json' ;;
        verify) options='--fix --json' ;;
        run) options='--cache --input --output --env --only-success --' ;;
    esac
    case $before in
        --max-bytes | --max-items | --max-age) return ;;
        --env) mapfile -t COMPREPLY < <(compgen -e -- "$word"); return ;;
        --cache) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --input | --output) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    elif [[ $command == run ]]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$word"; compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
    fi
}
complete -o filenames -F _cjoblib cjoblib
