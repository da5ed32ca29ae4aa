/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-dbus-job.h"
#include "creel-dbus-manager.h"
#include "creel-dbus-sandbox.h"
#include "creel-dbus-session.h"
#include "creel-error.h"
#include "creel-names.h"

/* Exit codes, as in the man page. */
typedef enum
{
  CLI_OK = 0,
  CLI_FAILED = 1,
  CLI_USAGE = 2,
  CLI_NOT_FOUND = 3,
  CLI_NOT_ALLOWED = 4,
  CLI_GUEST = 5,
  CLI_EXEC_FAILED = 125,
  CLI_NOT_EXECUTABLE = 126,
  CLI_NO_COMMAND = 127,
  CLI_CANCELLED = 130,
} CliStatus;

/* What every verb gets; lives as long as main(). */
typedef struct
{
  gboolean json, quiet, no_ask_password, help;
  GDBusConnection *bus;      /* NULL until cli_connect() */
  CreelDBusManager *manager; /* no cached properties */
  GPid password_agent;       /* pkttyagent, or 0 */
  gboolean asked;            /* it was tried */
} Cli;

/* `args` is NULL-terminated; args[0] is the verb. Returns the exit code. */
typedef int (*CliFunction) (Cli *cli, char **args);
typedef struct
{
  const char *name; /* "network proxy" */
  CliFunction run;
  const char *help; /* usage line and options, at most 80 columns */
} CliVerb;
extern const CliVerb cli_verbs[];
extern const char cli_summary[];

/* Verbs; each in its cmd-*.c. */
int cmd_create (Cli *cli, char **args);
int cmd_run (Cli *cli, char **args);
int cmd_exec (Cli *cli, char **args);
int cmd_ls (Cli *cli, char **args);
int cmd_inspect (Cli *cli, char **args);
int cmd_start (Cli *cli, char **args);
int cmd_stop (Cli *cli, char **args);
int cmd_restart (Cli *cli, char **args);
int cmd_rm (Cli *cli, char **args);
int cmd_save (Cli *cli, char **args);
int cmd_cp (Cli *cli, char **args);
int cmd_logs (Cli *cli, char **args);
int cmd_ports (Cli *cli, char **args);
int cmd_approve (Cli *cli, char **args);
int cmd_network_proxy (Cli *cli, char **args);
int cmd_network_log (Cli *cli, char **args);
int cmd_network_check (Cli *cli, char **args);
int cmd_secret_set (Cli *cli, char **args);
int cmd_secret_ls (Cli *cli, char **args);
int cmd_secret_rm (Cli *cli, char **args);
int cmd_image_import (Cli *cli, char **args);
int cmd_image_build (Cli *cli, char **args);
int cmd_image_ls (Cli *cli, char **args);
int cmd_image_inspect (Cli *cli, char **args);
int cmd_image_rm (Cli *cli, char **args);
int cmd_image_pull (Cli *cli, char **args);
int cmd_image_push (Cli *cli, char **args);
int cmd_image_export (Cli *cli, char **args);
int cmd_image_tag (Cli *cli, char **args);
int cmd_image_prune (Cli *cli, char **args);
int cmd_model_run (Cli *cli, char **args);
int cmd_model_pull (Cli *cli, char **args);
int cmd_model_push (Cli *cli, char **args);
int cmd_model_package (Cli *cli, char **args);
int cmd_model_ls (Cli *cli, char **args);
int cmd_model_inspect (Cli *cli, char **args);
int cmd_model_tag (Cli *cli, char **args);
int cmd_model_rm (Cli *cli, char **args);
int cmd_model_prune (Cli *cli, char **args);
int cmd_model_df (Cli *cli, char **args);
int cmd_model_ps (Cli *cli, char **args);
int cmd_model_unload (Cli *cli, char **args);
int cmd_model_status (Cli *cli, char **args);
int cmd_model_configure (Cli *cli, char **args);
int cmd_model_logs (Cli *cli, char **args);
int cmd_doctor (Cli *cli, char **args);
int cmd_version (Cli *cli, char **args);
int cmd_help (Cli *cli, char **args);

typedef enum
{
  CLI_PARSE_PERMUTE, /* options anywhere; what follows -- is `ret_rest`; all is UTF-8, as the bus wants it */
  CLI_PARSE_BYTES,   /* the same, but some are names of files or a command's words, any bytes: see cli_is_text() */
  CLI_PARSE_STRICT,  /* options end at the first word: the rest belongs to the command */
} CliParse;
/* Parses `entries` and the global options. FALSE: the caller returns *ret_status (help was printed, or the usage error).
 * `ret_words` gets min to max (-1: any) words, without args[0]; `ret_rest`, may be NULL, what follows "--". Both are the caller's. */
gboolean cli_parse (Cli *cli, char **args, const GOptionEntry *entries, CliParse how, int min, int max, char ***ret_words,
                    char ***ret_rest, int *ret_status);

/* Whether it is UTF-8; else *ret_status is that of the error that was printed. */
gboolean cli_is_text (const char *word, int *ret_status);

/* Connects to the system bus and makes cli->manager; does not start the service by itself. */
gboolean cli_connect (Cli *cli, GError **error);
/* The sandbox of that name; with `properties` they are loaded. */
CreelDBusSandbox *cli_get_sandbox (Cli *cli, const char *name, gboolean properties, GError **error);
/* TRUE when a call that failed with `error` may be tried again, because a password agent runs now; clears it then. */
gboolean cli_may_retry (Cli *cli, GError **error);
/* Evaluates a generated _sync() call, again when polkit wanted a password. */
#define CLI_CALL(cli, error, call)                                                                                   \
  ({                                                                                                                 \
    gboolean call_done;                                                                                              \
    while (!(call_done = (call)) && cli_may_retry (cli, error))                                                      \
      ;                                                                                                              \
    call_done;                                                                                                       \
  })
/* Flags and time limit (none) of every call. */
#define CLI_FLAGS(cli)                                                                                               \
  ((cli)->no_ask_password ? G_DBUS_CALL_FLAGS_NONE : G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION), G_MAXINT
void cli_clear (Cli *cli);

/* One line on stderr, "creel: …"; returns the exit code for it. */
int cli_fail (const GError *error);
int cli_fail_with (int status, const char *format, ...) G_GNUC_PRINTF (2, 3);
int cli_status_of (const GError *error);

/* "2G", "512M", "1.5g", "1073741824": bytes. FALSE with G_OPTION_ERROR. */
gboolean cli_parse_size (const char *text, guint64 *ret_bytes, GError **error);
/* Of --cpus; NULL is 0, which is as many as the service says. FALSE with G_OPTION_ERROR. */
gboolean cli_parse_cpus (const char *text, guint *ret_cpus, GError **error);
/* What a variable of the environment is, borrowed; NULL: it is not there. FALSE with G_OPTION_ERROR when it is not UTF-8. */
gboolean cli_get_variable (const char *name, const char **ret_value, GError **error);
/* -e and --env-file into KEY=VALUE; a bare KEY takes its value from the environment, or is left out. */
char **cli_parse_environment (char **variables, char **files, GError **error);
/* "PATH[:ro]" with PATH made absolute, symlinks resolved. Owned by the caller. */
char *cli_resolve_workspace (const char *text, GError **error);
/* A sandbox name from agent and workspace (may be NULL). */
char *cli_default_name (const char *agent, const char *workspace);
/* Pulls an image that a sandbox needs, with its progress. What a recipe makes is not pulled. */
gboolean cli_pull_image (Cli *cli, const char *reference, GError **error);
/* Starts `sandbox` when it does not run, with a status line on a terminal. */
gboolean cli_start_sandbox (Cli *cli, CreelDBusSandbox *sandbox, const char *name, GError **error);

/* Published ports ("127.0.0.1:8080:80", ...) in a few words, "8080->80"; NULL when there is none. Owned by the caller. */
char *cli_format_ports (const char *const *publish);
/* Either list may be NULL. */
gboolean cli_set_ports (Cli *cli, CreelDBusSandbox *sandbox, char **publish, char **unpublish, GError **error);
/* A line on stderr for each port of a running sandbox that nobody listens on. */
void cli_warn_ports (Cli *cli, CreelDBusSandbox *sandbox);

/* What create and run have in common. */
typedef struct
{
  char *name, *image, *memory, *cpus, *disk, *policy, *preset;
  char **environment, **environment_files, **credentials, **allow, **publish;
  gboolean ephemeral;
} CliCreateOptions;
#define CLI_CREATE_ENTRIES(o)                                                                                        \
  { "name", 0, 0, G_OPTION_ARG_STRING, &(o).name, NULL, NULL },                                                      \
  { "template", 't', 0, G_OPTION_ARG_STRING, &(o).image, NULL, NULL },                                               \
  { "image", 0, 0, G_OPTION_ARG_STRING, &(o).image, NULL, NULL },                                                    \
  { "memory", 'm', 0, G_OPTION_ARG_STRING, &(o).memory, NULL, NULL },                                                \
  { "cpus", 0, 0, G_OPTION_ARG_STRING, &(o).cpus, NULL, NULL },                                                      \
  { "disk", 0, 0, G_OPTION_ARG_STRING, &(o).disk, NULL, NULL },                                                      \
  { "env", 'e', 0, G_OPTION_ARG_STRING_ARRAY, &(o).environment, NULL, NULL },                                        \
  { "env-file", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &(o).environment_files, NULL, NULL },                             \
  { "credential", 0, 0, G_OPTION_ARG_STRING_ARRAY, &(o).credentials, NULL, NULL },                                   \
  { "allow-host", 0, 0, G_OPTION_ARG_STRING_ARRAY, &(o).allow, NULL, NULL },                                         \
  { "publish", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &(o).publish, NULL, NULL },                                        \
  { "policy", 0, 0, G_OPTION_ARG_STRING, &(o).policy, NULL, NULL },                                                  \
  { "preset", 0, 0, G_OPTION_ARG_STRING, &(o).preset, NULL, NULL },                                                  \
  { "rm", 0, 0, G_OPTION_ARG_NONE, &(o).ephemeral, NULL, NULL }
void cli_create_options_clear (CliCreateOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CliCreateOptions, cli_create_options_clear)
/* Makes the sandbox of `agent` with `paths` (resolved workspaces); returns its name. */
char *cli_create (Cli *cli, const CliCreateOptions *options, const char *agent, char **paths, char **command, GError **error);
