# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of creel(1)

_creel() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb='' word i
    local verbs='create run exec cp ls inspect start stop restart rm save logs ports network approve secret image model doctor version help'
    local globals='--json --quiet --no-ask-password --help'
    local create='--name --image --memory --cpus --disk --env --env-file --credential --allow-host --publish --policy --preset --rm'
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [[ $word == -* ]] && continue
        case $verb in
        '') verb=$word ;;
        network | secret | image | model) verb="$verb $word" ;;
        esac
    done
    case $prev in
    --policy) mapfile -t COMPREPLY < <(compgen -W 'allow ask deny' -- "$cur"); return ;;
    --preset) mapfile -t COMPREPLY < <(compgen -W 'locked balanced open' -- "$cur"); return ;;
    --env-file | --gguf | --mmproj | --chat-template | --license) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    -t | --image | --template)
        if [[ $verb != stop && $verb != restart ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$(creel image ls --quiet 2>/dev/null)" -- "$cur")
            return
        fi ;;
    --sandbox) mapfile -t COMPREPLY < <(compgen -W "$(creel ls --quiet 2>/dev/null)" -- "$cur"); return ;;
    esac
    local words=''
    case $verb in
    '') words="$verbs $globals --version" ;;
    network) words='proxy log check' ;;
    secret) words='set ls rm' ;;
    image) words='pull push import export build tag ls inspect rm prune' ;;
    model) words='run pull push package ls inspect tag rm prune df ps unload configure status logs' ;;
    create) words="$create" ;;
    run) words="$create --detach" ;;
    exec) words='--interactive --tty --detach --user --workdir --env --env-file' ;;
    cp) words='--user' ;;
    ls) words='--all' ;;
    stop | restart) words='--time' ;;
    rm) words='--force' ;;
    ports) words='--publish --unpublish' ;;
    save) words='--message' ;;
    logs | 'network log') words='--follow --lines' ;;
    approve) words='--watch --once --run --always --deny' ;;
    'network proxy') words='--allow-host --block-host --ask-host --allow-cidr --block-cidr --bypass-host --policy --preset --remove --reset' ;;
    'network check') words='--method' ;;
    'secret set') words='--sandbox --registry --username' ;;
    'secret rm') words='--sandbox --registry' ;;
    'image build') words='--tag --preset --allow-host --build-arg --memory --disk --cpus --quiet' ;;
    'image export') words='--format' ;;
    'image prune') words='--all' ;;
    'model run') words='--think' ;;
    'model package') words='--gguf --mmproj --chat-template --license --push' ;;
    'model rm') words='--force' ;;
    'model unload') words='--all' ;;
    'model configure') words='--context-size --keep-alive --reset' ;;
    'model logs') words='--follow --lines' ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words $globals" -- "$cur")
        return
    fi
    case $verb in
    '' | network | secret | image | model) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
    create) mapfile -t COMPREPLY < <(compgen -W 'shell openclaw claude codex gemini opencode' -- "$cur"; compgen -d -- "$cur") ;;
    run) mapfile -t COMPREPLY < <(compgen -W "shell openclaw claude codex gemini opencode $(creel ls --quiet 2>/dev/null)" -- "$cur"; compgen -d -- "$cur") ;;
    exec | inspect | start | stop | restart | rm | save | logs | ports | approve | 'network proxy' | 'network log' | 'network check')
        mapfile -t COMPREPLY < <(compgen -W "$(creel ls --quiet 2>/dev/null)" -- "$cur") ;;
    cp) mapfile -t COMPREPLY < <(compgen -f -- "$cur"; compgen -S : -W "$(creel ls --quiet 2>/dev/null)" -- "$cur") ;;
    'image import') mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'image export') mapfile -t COMPREPLY < <(compgen -W "$(creel image ls --quiet 2>/dev/null)" -- "$cur"; compgen -f -- "$cur") ;;
    'image build') mapfile -t COMPREPLY < <(compgen -W 'shell openclaw claude codex gemini opencode' -- "$cur"; compgen -d -- "$cur") ;;
    'image inspect' | 'image rm' | 'image push' | 'image tag') mapfile -t COMPREPLY < <(compgen -W "$(creel image ls --quiet 2>/dev/null)" -- "$cur") ;;
    'model pull') mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'model run' | 'model push' | 'model inspect' | 'model tag' | 'model rm' | 'model configure') mapfile -t COMPREPLY < <(compgen -W "$(creel model ls --quiet 2>/dev/null)" -- "$cur") ;;
    'model unload') mapfile -t COMPREPLY < <(compgen -W "$(creel model ps --quiet 2>/dev/null)" -- "$cur") ;;
    help) mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur") ;;
    esac
}
complete -o filenames -F _creel creel
