/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb table: names, functions and help. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#define CREATE_OPTIONS                                                            \
  "  --name NAME           its name (default: AGENT-FOLDER)\n"                    \
  "  -t, --image IMAGE     another image than the agent's\n"                      \
  "  -m, --memory SIZE     512M, 2G, ...\n"                                       \
  "  --cpus N              processors\n"                                          \
  "  --disk SIZE           largest size of its own disk\n"                        \
  "  -e, --env KEY=VALUE   an environment variable; KEY alone: as it is here\n"   \
  "  --env-file FILE       the same, one a line\n"                                \
  "  --credential NAME     a key it may use, see creel secret; repeatable\n"      \
  "  --allow-host RULE     a host it may reach; repeatable\n"                     \
  "  -p, --publish PORT    a port that leads into it, see creel ports; repeatable\n" \
  "  --policy POLICY       allow, ask or deny: for hosts that no rule names\n"    \
  "  --preset PRESET       locked, balanced or open\n"

const CliVerb cli_verbs[] = {
  { "create", cmd_create,
    "Usage: creel create [OPTION...] AGENT [PATH[:ro]...] [-- COMMAND...]\n"
    "Makes a sandbox and prints its name. AGENT is shell, openclaw, claude, codex,\n"
    "gemini, opencode, or one of /etc/creel/agents.d. Each PATH is shared with the\n"
    "sandbox, :ro read only; the first is its working directory.\n\n" CREATE_OPTIONS
    "  --rm                  remove it when it stops\n" },
  { "run", cmd_run,
    "Usage: creel run [OPTION...] NAME | AGENT [PATH[:ro]...] [-- ARGUMENT...]\n"
    "Attaches to sandbox NAME, starting it first when it is stopped; or makes one\n"
    "of AGENT and PATH (default: this folder), or takes the one that there is.\n"
    "What follows -- is given to the agent's command; for a shell it is a command.\n"
    "Leaves with the exit code of the command.\n\n" CREATE_OPTIONS
    "  --rm                  a new one, removed at the end\n"
    "  -d, --detach          only start it, and print its name\n" },
  { "exec", cmd_exec,
    "Usage: creel exec [OPTION...] NAME COMMAND [ARGUMENT...]\n"
    "Runs a command in a running sandbox and leaves with its exit code.\n\n"
    "  -i, --interactive     pass on standard input\n"
    "  -t, --tty             give it a terminal\n"
    "  -d, --detach          leave it running and return\n"
    "  -u, --user USER       as this user of the guest\n"
    "  -w, --workdir PATH    in this folder of the guest\n"
    "  -e, --env KEY=VALUE   an environment variable; KEY alone: as it is here\n"
    "  --env-file FILE       the same, one a line\n" },
  { "cp", cmd_cp,
    "Usage: creel cp [-u USER] NAME:PATH PATH|-\n"
    "       creel cp [-u USER] PATH|- NAME:PATH\n"
    "Copies a file or a folder out of a running sandbox or into it; - is a tar on\n"
    "standard output or input. FOLDER/. is what is in the folder.\n\n"
    "  -u, --user USER       as this user of the guest\n" },
  { "ls", cmd_ls,
    "Usage: creel ls [-a] [-q] [--json]\n"
    "Lists your sandboxes.\n\n"
    "  -a, --all             those of other users too (needs authorisation)\n"
    "  -q, --quiet           names only\n" },
  { "inspect", cmd_inspect, "Usage: creel inspect NAME [--json]\nShows everything about a sandbox.\n" },
  { "start", cmd_start, "Usage: creel start NAME...\nStarts sandboxes; returns when their guests answer.\n" },
  { "stop", cmd_stop,
    "Usage: creel stop [-t SECONDS] NAME...\n"
    "Stops sandboxes; their disks stay.\n\n"
    "  -t, --time SECONDS    then cut the power (default 10)\n" },
  { "restart", cmd_restart,
    "Usage: creel restart [-t SECONDS] NAME...\n"
    "Stops and starts sandboxes.\n\n"
    "  -t, --time SECONDS    then cut the power (default 10)\n" },
  { "rm", cmd_rm,
    "Usage: creel rm [-f] NAME...\n"
    "Removes sandboxes and their disks, never your folders.\n\n"
    "  -f, --force           stop them first\n" },
  { "save", cmd_save,
    "Usage: creel save [-q] [-m TEXT] NAME IMAGE[:TAG]\n"
    "Makes an image of a sandbox: the image that it runs and what it has written.\n"
    "Its folders, /tmp, /run and all keys are left out. What runs in it stands\n"
    "still meanwhile; a stopped one is started and stopped again. Prints the id.\n\n"
    "  -m, --message TEXT    for the image's history\n" },
  { "logs", cmd_logs,
    "Usage: creel logs [-f] [-n LINES] NAME\n"
    "Shows what the journal has on a sandbox, and the end of its console.\n\n"
    "  -f, --follow          go on with what comes\n"
    "  -n, --lines LINES     how many of the journal (default 50; -1: all)\n" },
  { "ports", cmd_ports,
    "Usage: creel ports [-p PORT] [--unpublish PORT] [--json] NAME\n"
    "Leads TCP ports of this machine into a sandbox, at once and for good; without\n"
    "an option, lists them. To publish, a PORT is [[IP:]HOST:]GUEST: without IP the\n"
    "loopback, which all users of this machine can reach; without HOST the same\n"
    "number as GUEST. Other addresses, and ports below 1024, need authorisation.\n\n"
    "  -p, --publish PORT    publish it; repeatable\n"
    "  --unpublish PORT      close it: [IP:]HOST[:GUEST]; repeatable\n" },
  { "approve", cmd_approve,
    "Usage: creel approve [-w] [-q] [--json] [NAME]\n"
    "       creel approve NAME ID --once | --run | --always | --deny [--run]\n"
    "Shows requests that wait for you because a rule says ask, and on a terminal\n"
    "asks you about each. What has no answer in time, by default in a minute, is\n"
    "refused; so is what is blocked, whatever you answer.\n\n"
    "  -w, --watch           go on with what comes\n"
    "  --once                let it through: this request, or this connection\n"
    "  --run                 until the sandbox stops; with --deny too\n"
    "  --always              for good: kept as a rule\n"
    "  --deny                refuse it\n"
    "  -q, --quiet           NAME and ID only\n" },
  { "network proxy", cmd_network_proxy,
    "Usage: creel network proxy NAME [OPTION...]\n"
    "Changes what a sandbox may reach, at once and for good; without an option,\n"
    "shows it. A rule is HOST[:PORT] [METHOD,...] [PATH...]; *.HOST is one label,\n"
    "**.HOST any number. All but --policy, --preset and --reset repeat.\n\n"
    "  --allow-host RULE     allow it (localhost: the model runner's port only)\n"
    "  --block-host RULE     refuse it, whatever else allows it\n"
    "  --ask-host RULE       ask each time; see creel approve\n"
    "  --allow-cidr RANGE    allow these addresses, private ones too\n"
    "  --block-cidr RANGE    refuse these addresses\n"
    "  --bypass-host HOST    never look into its TLS (no keys go there)\n"
    "  --policy POLICY       what holds for hosts that no rule names: allow, ask,\n"
    "                        deny\n"
    "  --preset PRESET       locked, balanced or open\n"
    "  --remove RULE         forget this rule\n"
    "  --reset               forget all rules first\n" },
  { "network log", cmd_network_log,
    "Usage: creel network log [-f] [-n LINES] [--json] NAME\n"
    "Shows what a sandbox asked for and what became of it, from the journal.\n\n"
    "  -f, --follow          go on with what comes\n"
    "  -n, --lines LINES     how many (default 100; -1: all)\n" },
  { "network check", cmd_network_check,
    "Usage: creel network check [--method METHOD] [--json] NAME URL\n"
    "Says whether a request would be let through, and by which rule; the exit\n"
    "code is 0 when it would, else 1. URL may be HOST or HOST:PORT too.\n\n"
    "  -X, --method METHOD   of the request (default GET)\n" },
  { "secret set", cmd_secret_set,
    "Usage: creel secret set [--sandbox NAME] CREDENTIAL\n"
    "       creel secret set --registry HOST --username USER\n"
    "Reads a key, or the password of a registry, from the terminal without echo or\n"
    "from standard input, and puts it into your keyring.\n\n"
    "  --sandbox NAME        for this sandbox only\n"
    "  --registry HOST       for creel image pull and push\n"
    "  -u, --username USER   the registry's user\n" },
  { "secret ls", cmd_secret_ls, "Usage: creel secret ls [--json]\nLists credentials, which have a key in your keyring, and registries; no keys.\n" },
  { "secret rm", cmd_secret_rm,
    "Usage: creel secret rm [--sandbox NAME] CREDENTIAL\n"
    "       creel secret rm --registry HOST\n"
    "Removes a key or a registry's password from your keyring.\n\n"
    "  --sandbox NAME        the one for this sandbox only\n"
    "  --registry HOST       the one for this registry\n" },
  { "image import", cmd_image_import,
    "Usage: creel image import FILE [NAME[:TAG]]\n"
    "Takes a root file system as tar, a docker-archive or an oci-archive, and\n"
    "prints the image's id.\n" },
  { "image build", cmd_image_build,
    "Usage: creel image build [OPTION...] RECIPE | FOLDER\n"
    "Builds an image from a recipe, shell for example, or from the Containerfile of\n"
    "FOLDER (with a slash, or \".\"), in a sandbox of its own, and prints its id.\n\n"
    "  -t, --tag NAME[:TAG]  its name (a recipe's: that of the recipe)\n"
    "  --preset PRESET       what it may reach: locked, balanced (default), open\n"
    "  --allow-host RULE     and a host that it may reach; repeatable\n"
    "  --build-arg KEY=VALUE for ARG; KEY alone: as it is here; repeatable\n"
    "  -m, --memory SIZE     of its sandbox: 512M, 2G, ...\n"
    "  --disk SIZE           the same\n"
    "  --cpus N              the same\n"
    "  -q, --quiet           without what the steps print\n" },
  { "image pull", cmd_image_pull,
    "Usage: creel image pull [-q] [--json] REFERENCE\n"
    "Fetches an image and prints its id. REFERENCE is [HOST[:PORT]/]NAME[:TAG] or\n"
    "NAME@sha256:DIGEST; without a host it is docker.io's, or that of\n"
    "/etc/creel/creel.conf. Layers that are here are not fetched again.\n\n"
    "  -q, --quiet           no progress\n" },
  { "image push", cmd_image_push,
    "Usage: creel image push [-q] [--json] IMAGE [REFERENCE]\n"
    "Sends an image to a registry, as HOST[:PORT]/NAME[:TAG].\n\n"
    "  -q, --quiet           no progress\n" },
  { "image export", cmd_image_export,
    "Usage: creel image export [--format FORMAT] IMAGE FILE\n"
    "Writes an image into a file, or to standard output when FILE is -.\n\n"
    "  --format FORMAT       oci-archive (default), docker-archive, or rootfs: a tar\n" },
  { "image tag", cmd_image_tag, "Usage: creel image tag IMAGE NAME[:TAG]\nGives an image another name; an image that has it loses it.\n" },
  { "image prune", cmd_image_prune,
    "Usage: creel image prune [-a] [--json]\n"
    "Removes images without a name, and layers that no image needs.\n\n"
    "  -a, --all             every image that no sandbox has\n" },
  { "image ls", cmd_image_ls, "Usage: creel image ls [-q] [--json]\nLists images.\n\n  -q, --quiet           ids only\n" },
  { "image inspect", cmd_image_inspect, "Usage: creel image inspect IMAGE [--json]\nShows an image's configuration.\n" },
  { "image rm", cmd_image_rm, "Usage: creel image rm IMAGE...\nRemoves names of images, and an image with its last name.\n" },
  { "model run", cmd_model_run,
    "Usage: creel model run [--think] MODEL [PROMPT...]\n"
    "Chats with a model; with PROMPT, or when standard input is no terminal, it is\n"
    "one answer. A model that is not here is pulled, if you say so. /? in the chat\n"
    "explains it; Ctrl-C stops an answer, Ctrl-D ends the chat.\n\n"
    "  --think               what the model thinks too, when that is no terminal\n" },
  { "model pull", cmd_model_pull,
    "Usage: creel model pull [-q] [--json] REFERENCE\n"
    "       creel model pull [-q] [--json] FILE.gguf [NAME[:TAG]]\n"
    "Fetches a model from a registry, or takes one from a file, and prints its id.\n"
    "REFERENCE is [HOST[:PORT]/]NAME[:TAG]; without a host it is docker.io's, or\n"
    "that of /etc/creel/creel.conf. A pull that was cut off goes on where it was.\n\n"
    "  -q, --quiet           no progress\n" },
  { "model push", cmd_model_push,
    "Usage: creel model push [-q] [--json] MODEL [DESTINATION]\n"
    "Sends a model to a registry, as HOST[:PORT]/NAME[:TAG].\n\n"
    "  -q, --quiet           no progress\n" },
  { "model package", cmd_model_package,
    "Usage: creel model package --gguf FILE [OPTION...] NAME[:TAG]\n"
    "Makes a model of files and prints its id.\n\n"
    "  --gguf FILE           the weights; of a split model the first part, or\n"
    "                        every part in order\n"
    "  --mmproj FILE         what it sees images with\n"
    "  --chat-template FILE  instead of the one in the weights\n"
    "  -l, --license FILE    its license; repeatable\n"
    "  --push                send it to the registry of its name, too\n" },
  { "model ls", cmd_model_ls, "Usage: creel model ls [-q] [--json]\nLists models.\n\n  -q, --quiet           names only\n" },
  { "model inspect", cmd_model_inspect, "Usage: creel model inspect MODEL [--json]\nShows everything about a model.\n" },
  { "model tag", cmd_model_tag, "Usage: creel model tag MODEL NAME[:TAG]\nGives a model another name; a model that has it loses it.\n" },
  { "model rm", cmd_model_rm,
    "Usage: creel model rm [-f] MODEL...\n"
    "Removes names of models, and a model with its last one.\n\n"
    "  -f, --force           also one that is loaded, and all names of an id\n" },
  { "model prune", cmd_model_prune, "Usage: creel model prune [--json]\nRemoves what pulls that were cut off left, and what no model or image needs.\n" },
  { "model df", cmd_model_df, "Usage: creel model df [--json]\nShows how much of the disk models take.\n" },
  { "model ps", cmd_model_ps, "Usage: creel model ps [-q] [--json]\nLists models that are loaded.\n\n  -q, --quiet           names only\n" },
  { "model unload", cmd_model_unload,
    "Usage: creel model unload MODEL... | --all\n"
    "Takes models out of memory, also in the middle of an answer; the next request\n"
    "loads them again.\n\n"
    "  -a, --all             all of them\n" },
  { "model status", cmd_model_status,
    "Usage: creel model status [--json]\n"
    "Shows the model runner and its engine; the exit code is 1 when one is missing.\n" },
  { "model configure", cmd_model_configure,
    "Usage: creel model configure [OPTION...] MODEL [-- FLAG...]\n"
    "Changes how a model runs, from its next load on; without an option, shows it.\n"
    "FLAGs are llama-server's, of those that are allowed; -- alone: none.\n\n"
    "  --context-size N      tokens (0: as it was trained, or what memory allows)\n"
    "  --keep-alive TIME     when it is unloaded after its last answer: 30s, 5m,\n"
    "                        1h, 0 (at once) or never\n"
    "  --reset               forget all settings first\n" },
  { "model logs", cmd_model_logs,
    "Usage: creel model logs [-f] [-n LINES] [--json]\n"
    "Shows what the journal has on the model runner and its engines; never what\n"
    "models were asked or answered.\n\n"
    "  -f, --follow          go on with what comes\n"
    "  -n, --lines LINES     how many (default 50; -1: all)\n" },
  { "doctor", cmd_doctor,
    "Usage: creel doctor [--json]\n"
    "Checks this machine and this session and says what to do; the exit code is 1\n"
    "when something is wrong.\n" },
  { "version", cmd_version, "Usage: creel version [--json]\nShows the versions of this program and of the service.\n" },
  { "help", cmd_help, "Usage: creel help [VERB]\nExplains a verb.\n" },
  { NULL, NULL, NULL },
};

const char cli_summary[] = "Usage: creel VERB [OPTION...] ...\n"
                           "Holds agents in microVMs: own kernel, no network card, your folder, no keys.\n"
                           "\n"
                           "Sandboxes\n"
                           "  create AGENT [PATH...]     make one             ls        list them\n"
                           "  run NAME | AGENT [PATH]    attach, or make one  inspect   show one\n"
                           "  exec NAME COMMAND...       run a command        logs      what happened\n"
                           "  cp NAME:PATH PATH          files out, and in\n"
                           "  start, stop, restart, rm   its life             save      an image of one\n"
                           "Network\n"
                           "  ports NAME -p PORT         lead a port into it\n"
                           "  network proxy NAME ...     what it may reach\n"
                           "  network check NAME URL     would that go through?\n"
                           "  network log NAME           what it asked for\n"
                           "  approve [NAME [ID]]        what waits for your answer\n"
                           "Keys and images\n"
                           "  secret set | ls | rm       keys in your keyring\n"
                           "  image pull | push          from and to registries\n"
                           "  image build | import | export | tag | ls | inspect | rm | prune\n"
                           "Models\n"
                           "  model run MODEL [PROMPT]   chat with it\n"
                           "  model pull | push | package | ls | inspect | tag | rm | prune | df\n"
                           "  model ps | unload | configure | status | logs\n"
                           "This machine\n"
                           "  doctor                     what is missing, and what to do\n"
                           "  version, help [VERB]\n"
                           "\n"
                           "Everywhere: --json, -q --quiet, --no-ask-password, -h --help. See man creel.\n";

int
cmd_help (Cli *cli, char **args)
{
  g_autofree char *name = NULL;
  gboolean found = FALSE;

  if (args[1] != NULL)
    name = args[1][0] == '-' ? g_strdup ("help") : g_strjoinv (" ", args + 1);
  if (name == NULL)
    {
      fputs (cli_summary, stdout);
      return CLI_OK;
    }
  for (const CliVerb *verb = cli_verbs; verb->name != NULL; verb++)
    /* "network" alone explains all its verbs */
    if (g_str_equal (verb->name, name) || (g_str_has_prefix (verb->name, name) && verb->name[strlen (name)] == ' '))
      {
        if (found)
          putchar ('\n');
        fputs (verb->help, stdout);
        found = TRUE;
      }
  return found ? CLI_OK : cli_fail_with (CLI_USAGE, "There is no verb \"%s\"; see: creel help", name);
}
