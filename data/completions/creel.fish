# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion of creel(1)
set -l verbs create run exec cp ls inspect start stop restart rm save logs ports network approve secret image model doctor version help

function __creel_sandboxes
    creel ls --quiet 2>/dev/null
end
function __creel_images
    creel image ls --quiet 2>/dev/null
end
function __creel_models
    creel model ls --quiet 2>/dev/null
end
function __creel_first
    not __fish_seen_subcommand_from create run exec cp ls inspect start stop restart rm save logs ports network approve secret image model doctor version help
end

complete -c creel -f
complete -c creel -l json -d 'Print JSON'
complete -c creel -s q -l quiet -d 'Say less'
complete -c creel -l no-ask-password -d 'Never ask for a password'
complete -c creel -s h -l help -d 'Explain'
complete -c creel -n __creel_first -a create -d 'Make a sandbox'
complete -c creel -n __creel_first -a run -d 'Attach to a sandbox, or make one'
complete -c creel -n __creel_first -a exec -d 'Run a command in a sandbox'
complete -c creel -n __creel_first -a cp -d 'Copy files out and in'
complete -c creel -n __creel_first -a ls -d 'List sandboxes'
complete -c creel -n __creel_first -a inspect -d 'Show a sandbox'
complete -c creel -n __creel_first -a start -d 'Start sandboxes'
complete -c creel -n __creel_first -a stop -d 'Stop sandboxes'
complete -c creel -n __creel_first -a restart -d 'Restart sandboxes'
complete -c creel -n __creel_first -a rm -d 'Remove sandboxes'
complete -c creel -n __creel_first -a save -d 'Make an image of a sandbox'
complete -c creel -n __creel_first -a logs -d 'What happened to a sandbox'
complete -c creel -n __creel_first -a ports -d 'Ports that lead into a sandbox'
complete -c creel -n __creel_first -a network -d 'What a sandbox may reach'
complete -c creel -n __creel_first -a approve -d 'What waits for your answer'
complete -c creel -n __creel_first -a secret -d 'Keys in your keyring'
complete -c creel -n __creel_first -a image -d 'Images of sandboxes'
complete -c creel -n __creel_first -a model -d 'Models that run on this machine'
complete -c creel -n __creel_first -a doctor -d 'What is missing here'
complete -c creel -n __creel_first -a version -d 'Show versions'
complete -c creel -n __creel_first -a help -d 'Explain a verb'
complete -c creel -n '__fish_seen_subcommand_from help' -a "$verbs"
complete -c creel -n '__fish_seen_subcommand_from run exec inspect start stop restart rm save logs ports approve proxy log check; and not __fish_seen_subcommand_from image model' -a '(__creel_sandboxes)'
complete -c creel -n '__fish_seen_subcommand_from network; and not __fish_seen_subcommand_from proxy log check' -a 'proxy log check'
complete -c creel -n '__fish_seen_subcommand_from secret; and not __fish_seen_subcommand_from set ls rm' -a 'set ls rm'
complete -c creel -n '__fish_seen_subcommand_from image; and not __fish_seen_subcommand_from pull push import export build tag ls inspect rm prune' -a 'pull push import export build tag ls inspect rm prune'
complete -c creel -n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from inspect rm push tag export' -a '(__creel_images)'
complete -c creel -n '__fish_seen_subcommand_from import' -F
for verb in create run
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -a "shell openclaw claude codex gemini opencode"
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -F
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -l name -x -d 'Its name'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -s t -l image -x -a '(__creel_images)' -d 'Image'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -s m -l memory -x -d 'Memory'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -l cpus -x -d 'Processors'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -l disk -x -d 'Size of its disk'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -s e -l env -x -d 'Variable'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -l env-file -r -F -d 'File of variables'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -l credential -x -d 'A key it may use'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -l allow-host -x -d 'A host it may reach'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -s p -l publish -x -d 'A port that leads into it'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -l policy -x -a 'allow ask deny' -d 'For hosts that no rule names'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -l preset -x -a 'locked balanced open' -d 'Rules'
    complete -c creel -n "__fish_seen_subcommand_from $verb; and not __fish_seen_subcommand_from model" -l rm -d 'Remove it when it stops'
end
complete -c creel -n '__fish_seen_subcommand_from run; and not __fish_seen_subcommand_from model' -s d -l detach -d 'Only start it'
complete -c creel -n '__fish_seen_subcommand_from exec' -s i -l interactive -d 'Pass on standard input'
complete -c creel -n '__fish_seen_subcommand_from exec' -s t -l tty -d 'Give it a terminal'
complete -c creel -n '__fish_seen_subcommand_from exec' -s d -l detach -d 'Leave it running'
complete -c creel -n '__fish_seen_subcommand_from cp' -F
complete -c creel -n '__fish_seen_subcommand_from exec cp' -s u -l user -x -d 'User of the guest'
complete -c creel -n '__fish_seen_subcommand_from exec' -s w -l workdir -x -d 'Folder of the guest'
complete -c creel -n '__fish_seen_subcommand_from exec' -s e -l env -x -d 'Variable'
complete -c creel -n '__fish_seen_subcommand_from exec' -l env-file -r -F -d 'File of variables'
complete -c creel -n '__fish_seen_subcommand_from ls' -s a -l all -d 'Of other users too'
complete -c creel -n '__fish_seen_subcommand_from stop restart' -s t -l time -x -d 'Then cut the power'
complete -c creel -n '__fish_seen_subcommand_from rm' -s f -l force -d 'Stop them first'
complete -c creel -n '__fish_seen_subcommand_from save' -s m -l message -x -d 'For its history'
complete -c creel -n '__fish_seen_subcommand_from logs log' -s f -l follow -d 'Go on with what comes'
complete -c creel -n '__fish_seen_subcommand_from logs log' -s n -l lines -x -d 'How many'
complete -c creel -n '__fish_seen_subcommand_from ports' -s p -l publish -x -d 'Publish it'
complete -c creel -n '__fish_seen_subcommand_from ports' -l unpublish -x -d 'Close it'
for option in allow-host block-host ask-host allow-cidr block-cidr bypass-host remove
    complete -c creel -n '__fish_seen_subcommand_from proxy' -l $option -x
end
complete -c creel -n '__fish_seen_subcommand_from proxy' -l policy -x -a 'allow ask deny'
complete -c creel -n '__fish_seen_subcommand_from proxy' -l preset -x -a 'locked balanced open'
complete -c creel -n '__fish_seen_subcommand_from proxy' -l reset -d 'Forget all rules first'
complete -c creel -n '__fish_seen_subcommand_from approve' -s w -l watch -d 'Go on with what comes'
complete -c creel -n '__fish_seen_subcommand_from approve' -l once -d 'This request'
complete -c creel -n '__fish_seen_subcommand_from approve' -l run -d 'Until the sandbox stops'
complete -c creel -n '__fish_seen_subcommand_from approve' -l always -d 'For good'
complete -c creel -n '__fish_seen_subcommand_from approve' -l deny -d 'Refuse it'
complete -c creel -n '__fish_seen_subcommand_from check' -s X -l method -x -d 'Of the request'
complete -c creel -n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from export' -l format -x -a 'oci-archive docker-archive rootfs' -d 'Of the file'
complete -c creel -n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from prune' -s a -l all -d 'Every image that no sandbox has'
complete -c creel -n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from build' -a 'shell openclaw claude codex gemini opencode'
complete -c creel -n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from build' -s t -l tag -x -d 'Its name'
complete -c creel -n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from build' -l preset -x -a 'locked balanced open' -d 'What it may reach'
complete -c creel -n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from build' -l allow-host -x -d 'A host it may reach'
complete -c creel -n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from build' -l build-arg -x -d 'For ARG: KEY=VALUE'
complete -c creel -n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from build' -s m -l memory -x -d 'Of its sandbox'
complete -c creel -n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from build' -l disk -x -d 'Of its sandbox'
complete -c creel -n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from build' -l cpus -x -d 'Of its sandbox'
complete -c creel -n '__fish_seen_subcommand_from secret' -l sandbox -x -a '(__creel_sandboxes)' -d 'For this one only'
complete -c creel -n '__fish_seen_subcommand_from secret' -l registry -x -a '(__fish_print_hostnames)' -d 'Of this registry'
complete -c creel -n '__fish_seen_subcommand_from secret; and __fish_seen_subcommand_from set' -s u -l username -x -d 'Its user'
set -l model_verbs run pull push package ls inspect tag rm prune df ps unload configure status logs
complete -c creel -n "__fish_seen_subcommand_from model; and not __fish_seen_subcommand_from $model_verbs" -a "$model_verbs"
complete -c creel -n '__fish_seen_subcommand_from model; and __fish_seen_subcommand_from run push inspect tag rm unload configure' -a '(__creel_models)'
complete -c creel -n '__fish_seen_subcommand_from model; and __fish_seen_subcommand_from pull package' -F
complete -c creel -n '__fish_seen_subcommand_from model; and __fish_seen_subcommand_from run' -l think -d 'Show what it thinks'
complete -c creel -n '__fish_seen_subcommand_from package' -l gguf -r -F -d 'Weights'
complete -c creel -n '__fish_seen_subcommand_from package' -l mmproj -r -F -d 'For images'
complete -c creel -n '__fish_seen_subcommand_from package' -l chat-template -r -F -d 'Instead of its own'
complete -c creel -n '__fish_seen_subcommand_from package' -s l -l license -r -F -d 'Its license'
complete -c creel -n '__fish_seen_subcommand_from package' -l push -d 'Send it to the registry too'
complete -c creel -n '__fish_seen_subcommand_from unload' -s a -l all -d 'All of them'
complete -c creel -n '__fish_seen_subcommand_from configure' -l context-size -x -d 'Tokens'
complete -c creel -n '__fish_seen_subcommand_from configure' -l keep-alive -x -a '0 30s 5m 1h never' -d 'When it is unloaded'
complete -c creel -n '__fish_seen_subcommand_from configure' -l reset -d 'Forget all settings'
