/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The user's own keyring; the service takes no part. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "cli-terminal.h"
#include "creel-definition.h"
#include "creel-keyring-registry.h"
#include "creel-parent-proxy.h"
#include "creel-reference.h"
#include "out-json.h"
#include "out-text.h"

#define ASK_SECONDS 60  /* a person at the desktop's dialog */
#define WAIT_SECONDS 20 /* without one: a sick keyring daemon */

static CreelKeyringFlags
keyring_flags (Cli *cli)
{
  gboolean desktop = g_getenv ("DISPLAY") != NULL || g_getenv ("WAYLAND_DISPLAY") != NULL;

  return desktop && !cli->no_ask_password ? CREEL_KEYRING_MAY_ASK : CREEL_KEYRING_NONE;
}

static gpointer
cancel_later (gpointer user_data)
{
  g_autoptr (GCancellable) cancellable = user_data;

  g_usleep (g_object_get_data (G_OBJECT (cancellable), "ask") != NULL ? ASK_SECONDS * G_USEC_PER_SEC : WAIT_SECONDS * G_USEC_PER_SEC);
  g_cancellable_cancel (cancellable);
  return NULL;
}

/* Ends by itself: libsecret has no time limit, and a prompt that nobody sees never ends. */
static GCancellable *
time_limit (CreelKeyringFlags flags)
{
  GCancellable *cancellable = g_cancellable_new ();

  if (flags & CREEL_KEYRING_MAY_ASK)
    g_object_set_data (G_OBJECT (cancellable), "ask", cancellable);
  g_thread_unref (g_thread_new ("limit", cancel_later, g_object_ref (cancellable)));
  return cancellable;
}

static int
fail_keyring (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return cli_fail_with (CLI_FAILED, "The keyring did not answer in time; is it waiting for you to unlock it?");
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET))
    return cli_fail_with (CLI_NOT_FOUND, "%s", error->message);
  return cli_fail (error);
}

static gboolean
check_names (const char *credential, const char *sandbox, GError **error)
{
  if (!creel_credential_name_is_valid (credential))
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "\"%s\" cannot be the name of a credential; see: creel secret ls", credential);
      return FALSE;
    }
  return sandbox == NULL || creel_sandbox_name_check (sandbox, error);
}

/* From the terminal or standard input, what can stand in one line; NULL with *ret_status. Wiped and freed by the caller. */
static char *
read_secret (const char *prompt, const char *what, const char *arguments, gsize *ret_length, int *ret_status)
{
  g_autoptr (GError) error = NULL;
  char *secret = cli_terminal_read_secret (prompt, CREEL_KEYRING_MAX_SECRET, ret_length, &error);

  *ret_status = CLI_OK;
  if (secret == NULL)
    {
      *ret_status = cli_fail (error);
      return NULL;
    }
  if (*ret_length == 0)
    *ret_status = cli_fail_with (CLI_USAGE, "No %s was given; type it, or pipe it in: creel secret set %s < FILE", what, arguments);
  else
    for (gsize i = 0; i < *ret_length && *ret_status == CLI_OK; i++)
      if ((guchar) secret[i] < 0x20 || secret[i] == 0x7f)
        *ret_status = cli_fail_with (CLI_USAGE, "The %s holds a control character or a second line; it goes into one header line", what);
  if (*ret_status == CLI_OK)
    return secret;
  explicit_bzero (secret, *ret_length);
  g_free (secret);
  return NULL;
}

/* Checks --registry and what may not stand beside it; *ret_host is NULL without it. */
static gboolean
take_registry (const char *registry, const char *sandbox, const char *user, char **words, char **ret_host, int *ret_status)
{
  g_autoptr (GError) error = NULL;

  if (registry == NULL && user != NULL)
    *ret_status = cli_fail_with (CLI_USAGE, "--username goes with --registry");
  else if (registry == NULL && words[0] == NULL)
    *ret_status = cli_fail_with (CLI_USAGE, "Which one? Name a credential (see creel secret ls), or --registry HOST");
  else if (registry != NULL && (words[0] != NULL || sandbox != NULL))
    *ret_status = cli_fail_with (CLI_USAGE, "--registry stands alone: the password of a registry is for no credential and no sandbox");
  else if (registry != NULL && (*ret_host = creel_registry_normalize (registry, &error)) == NULL)
    *ret_status = cli_fail (error);
  else
    return TRUE;
  return FALSE;
}

/* user and password for the proxy of this network */
static gboolean
is_for_parent_proxy (const char *name)
{
  g_autoptr (CreelParentProxy) parent = NULL;

  return creel_parent_proxy_load (NULL, &parent, NULL) && parent != NULL && g_strcmp0 (parent->credential, name) == 0;
}

static int
set_registry (Cli *cli, const char *host, const char *user)
{
  CreelKeyringFlags flags = keyring_flags (cli);
  g_autoptr (GCancellable) limit = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *prompt = NULL, *arguments = NULL;
  char *secret;
  gsize length;
  int status;

  if (user == NULL || *user == '\0' || strpbrk (user, ":\r\n") != NULL || strlen (user) > 255)
    return cli_fail_with (CLI_USAGE, "Whose password is it? Say --username USER, without a colon");
  prompt = g_strdup_printf ("Password of %s for %s: ", user, host);
  arguments = g_strdup_printf ("--registry %s --username %s", host, user);
  secret = read_secret (prompt, "password", arguments, &length, &status);
  if (secret == NULL)
    return status;
  limit = time_limit (flags);
  if (!creel_keyring_registry_store (host, user, secret, length, flags, limit, &error))
    status = fail_keyring (error);
  explicit_bzero (secret, length);
  g_free (secret);
  return status;
}

int
cmd_secret_set (Cli *cli, char **args)
{
  g_autofree char *sandbox = NULL, *registry = NULL, *user = NULL, *host = NULL;
  const GOptionEntry entries[] = {
    { "sandbox", 0, 0, G_OPTION_ARG_STRING, &sandbox, NULL, NULL },
    { "registry", 0, 0, G_OPTION_ARG_STRING, &registry, NULL, NULL },
    { "username", 'u', 0, G_OPTION_ARG_STRING, &user, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL;
  g_autofree char *prompt = NULL;
  g_autoptr (CreelCredential) known = NULL;
  g_autoptr (GCancellable) limit = NULL;
  g_autoptr (GError) error = NULL;
  CreelKeyringFlags flags = keyring_flags (cli);
  char *secret;
  gsize length;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 0, 1, &words, NULL, &status) ||
      !take_registry (registry, sandbox, user, words, &host, &status))
    return status;
  if (host != NULL)
    return set_registry (cli, host, user);
  if (!check_names (words[0], sandbox, &error))
    return cli_fail (error);
  prompt = g_strdup_printf ("Key for %s: ", words[0]);
  secret = read_secret (prompt, "key", words[0], &length, &status);
  if (secret == NULL)
    return status;
  limit = time_limit (flags);
  if (!creel_keyring_store (sandbox, words[0], secret, length, flags, limit, &error))
    status = fail_keyring (error);
  explicit_bzero (secret, length);
  g_free (secret);
  if (status == CLI_OK && !cli->quiet && (known = creel_credential_load (words[0], NULL)) == NULL && !is_for_parent_proxy (words[0]))
    fprintf (stderr, "Stored; but nothing says yet where %s is used: make /etc/creel/credentials.d/%s.conf (see man creel)\n", words[0], words[0]);
  return status;
}

static const CreelKeyringEntry *
find_entry (GPtrArray *stored, const char *credential)
{
  for (guint i = 0; stored != NULL && i < stored->len; i++)
    if (g_str_equal (((CreelKeyringEntry *) stored->pdata[i])->credential, credential))
      return stored->pdata[i];
  return NULL;
}

static void
list_one (Cli *cli, JsonBuilder *builder, OutTable *table, const char *name, const char *sandbox, gboolean stored)
{
  g_autoptr (CreelCredential) credential = creel_credential_load (name, NULL);
  g_autofree char *hosts = credential != NULL && credential->hosts != NULL ? g_strjoinv (", ", credential->hosts) : NULL;

  if (cli->json)
    {
      json_builder_begin_object (builder);
      out_json_string (builder, "name", name);
      out_json_string (builder, "sandbox", sandbox);
      out_json_boolean (builder, "stored", stored);
      out_json_strings (builder, "hosts", credential != NULL ? (const char *const *) credential->hosts : NULL);
      out_json_strings (builder, "variables", credential != NULL ? (const char *const *) credential->variables : NULL);
      json_builder_end_object (builder);
    }
  else
    out_table_add (table, name, stored ? "yes" : "no", sandbox != NULL ? sandbox : "all", hosts != NULL ? hosts : "(no credential file)");
}

static void
list_registry (Cli *cli, JsonBuilder *builder, OutTable *table, const CreelKeyringRegistry *registry)
{
  g_autofree char *name = g_strdup_printf ("registry, user %s", registry->user);

  if (cli->json)
    {
      json_builder_begin_object (builder);
      out_json_string (builder, "registry", registry->host);
      out_json_string (builder, "username", registry->user);
      out_json_boolean (builder, "stored", TRUE);
      json_builder_end_object (builder);
    }
  else
    out_table_add (table, name, "yes", "-", registry->host);
}

int
cmd_secret_ls (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL, known = NULL;
  g_autoptr (GPtrArray) stored = NULL, registries = NULL;
  g_autoptr (OutTable) table = out_table_new ("NAME", "STORED", "SANDBOX", "HOSTS", NULL);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (GCancellable) limit = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  limit = time_limit (CREEL_KEYRING_NONE);
  stored = creel_keyring_list (limit, &error);
  known = creel_credential_list ();
  json_builder_begin_array (builder);
  for (guint i = 0; stored != NULL && i < stored->len; i++)
    {
      const CreelKeyringEntry *entry = stored->pdata[i];

      list_one (cli, builder, table, entry->credential, entry->sandbox, TRUE);
    }
  for (char **name = known; name != NULL && *name != NULL; name++)
    if (find_entry (stored, *name) == NULL)
      list_one (cli, builder, table, *name, NULL, FALSE);
  registries = error == NULL ? creel_keyring_registry_list (limit, &error) : NULL;
  for (guint i = 0; registries != NULL && i < registries->len; i++)
    list_registry (cli, builder, table, registries->pdata[i]);
  json_builder_end_array (builder);
  if (cli->json)
    out_json_print (builder, TRUE);
  else
    out_table_print (table);
  return error != NULL ? fail_keyring (error) : CLI_OK;
}

int
cmd_secret_rm (Cli *cli, char **args)
{
  g_autofree char *sandbox = NULL, *registry = NULL, *host = NULL;
  const GOptionEntry entries[] = {
    { "sandbox", 0, 0, G_OPTION_ARG_STRING, &sandbox, NULL, NULL },
    { "registry", 0, 0, G_OPTION_ARG_STRING, &registry, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL;
  g_autoptr (GCancellable) limit = NULL;
  g_autoptr (GError) error = NULL;
  CreelKeyringFlags flags = keyring_flags (cli);
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 0, 1, &words, NULL, &status) ||
      !take_registry (registry, sandbox, NULL, words, &host, &status))
    return status;
  limit = time_limit (flags);
  if (host == NULL && !check_names (words[0], sandbox, &error))
    return cli_fail (error);
  if (!(host != NULL ? creel_keyring_registry_remove (host, flags, limit, &error)
                     : creel_keyring_remove (sandbox, words[0], flags, limit, &error)))
    return fail_keyring (error);
  return CLI_OK;
}
