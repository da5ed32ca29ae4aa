/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models that run, and how they shall. */
#include "cli-model.h"

#include <stdio.h>
#include <string.h>

#include "cli-journal.h"
#include "creel-keep-alive.h"
#include "out-json.h"
#include "out-text.h"

static guint64
get_number (GVariant *dict, const char *key)
{
  guint64 number = 0;

  g_variant_lookup (dict, key, "t", &number);
  return number;
}

/* When it is unloaded, from now. */
static char *
format_expiry (guint64 usec)
{
  gint64 now = g_get_real_time ();

  if (usec == G_MAXUINT64)
    return g_strdup ("never");
  if (usec == 0)
    return NULL;
  return (gint64) usec > now ? out_duration ((usec - (guint64) now) / G_USEC_PER_SEC) : g_strdup ("now");
}

static void
add_row (OutTable *table, GVariant *model)
{
  guint64 context = get_number (model, "context-size"), limit = get_number (model, "memory-max");
  guint32 busy = 0;
  g_autofree char *memory = out_size (get_number (model, "memory")), *most = limit > 0 && limit < G_MAXUINT64 ? out_size (limit) : NULL;
  g_autofree char *both = most != NULL ? g_strdup_printf ("%s of %s", memory, most) : g_strdup (memory);
  g_autofree char *tokens = context > 0 ? g_strdup_printf ("%" G_GUINT64_FORMAT, context) : NULL;
  g_autofree char *since = out_time ((gint64) get_number (model, "since")), *expires = format_expiry (get_number (model, "expires"));
  g_autofree char *requests = NULL;

  g_variant_lookup (model, "busy", "u", &busy);
  requests = g_strdup_printf ("%u", busy);
  out_table_add (table, cli_model_get_string (model, "name"), cli_model_get_string (model, "state"), both, tokens, requests, since, busy > 0 ? NULL : expires);
}

int
cmd_model_ps (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusModels) models = NULL;
  g_autoptr (GVariant) list = NULL, options = cli_model_no_options ();
  g_autoptr (OutTable) table = out_table_new ("NAME", "STATE", "MEMORY", "CONTEXT", "REQUESTS", "SINCE", "UNLOADED IN", NULL);
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  if ((models = cli_model_connect (cli, &error)) == NULL
      || !CLI_CALL (cli, &error, creel_dbus_models_call_list_loaded_sync (models, options, CLI_FLAGS (cli), &list, NULL, &error)))
    return cli_fail (error);
  cli_model_print_list (cli, list, table, add_row);
  return CLI_OK;
}

int
cmd_model_unload (Cli *cli, char **args)
{
  gboolean all = FALSE;
  const GOptionEntry entries[] = {
    { "all", 'a', 0, G_OPTION_ARG_NONE, &all, NULL, NULL },
    { NULL },
  };
  static const char *const everything[] = { "", NULL };
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusModels) models = NULL;
  g_autoptr (GVariant) options = cli_model_no_options ();
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 0, -1, &words, NULL, &status))
    return status;
  if (all == (*words != NULL))
    return cli_fail_with (CLI_USAGE, "Name models, or write --all");
  if ((models = cli_model_connect (cli, &error)) == NULL)
    return cli_fail (error);
  status = CLI_OK;
  for (const char *const *word = all ? everything : (const char *const *) words; *word != NULL; word++)
    {
      g_autoptr (GError) unload_error = NULL;

      /* to the service, no name is all of them */
      if (!all && **word == '\0')
        g_set_error_literal (&unload_error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "A model's name is not empty; for all of them, write --all");
      if (unload_error != NULL
          || !CLI_CALL (cli, &unload_error, creel_dbus_models_call_unload_model_sync (models, *word, options, CLI_FLAGS (cli), NULL, &unload_error)))
        {
          int failed = cli_fail (unload_error);

          status = status == CLI_OK ? failed : status;
        }
      else if (!cli->quiet && !all)
        puts (*word);
    }
  return status;
}

int
cmd_model_status (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusModels) models = NULL;
  g_autoptr (GVariant) details = NULL, options = cli_model_no_options ();
  g_autoptr (GError) error = NULL;
  guint32 n_models = 0, n_loaded = 0;
  const char *listening;
  gboolean good;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  if ((models = cli_model_connect (cli, &error)) == NULL
      || !CLI_CALL (cli, &error, creel_dbus_models_call_status_sync (models, options, CLI_FLAGS (cli), &details, NULL, &error)))
    return cli_fail (error);
  listening = cli_model_get_string (details, "listening");
  good = *cli_model_get_string (details, "engine") != '\0' && *listening != '\0';
  if (cli->json)
    out_json_print_vardict (details);
  else
    {
      g_autofree char *version = out_printable (cli_model_get_string (details, "engine-version"), -1, FALSE);

      g_variant_lookup (details, "models", "u", &n_models);
      g_variant_lookup (details, "loaded", "u", &n_loaded);
      printf ("Listening    %s\n", *listening != '\0' ? listening : "no; run: creel doctor");
      if (*cli_model_get_string (details, "engine") != '\0')
        printf ("Engine       %s%s%s\n", cli_model_get_string (details, "engine"), *version != '\0' ? ", " : "", version);
      else
        printf ("Engine       none; %s\n", cli_model_get_string (details, "advice"));
      printf ("Models       %u, %u loaded\n", n_models, n_loaded);
    }
  return good ? CLI_OK : CLI_FAILED;
}

/* What `configure` says without a change. */
static int
show_settings (Cli *cli, CreelDBusModels *models, const char *name)
{
  g_autoptr (GVariant) details = NULL, options = cli_model_no_options ();
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *keep_alive = NULL, *joined = NULL, *safe = NULL;
  g_autofree const char **words = NULL;
  g_autoptr (GError) error = NULL;
  guint64 context = 0, usec;

  if (!CLI_CALL (cli, &error, creel_dbus_models_call_inspect_model_sync (models, name, options, CLI_FLAGS (cli), &details, NULL, &error)))
    return cli_fail (error);
  if (cli->json)
    {
      static const char *const keys[] = { "context-size", "keep-alive", "engine-flags" };
      g_autoptr (GVariant) settings = NULL;

      for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
        {
          g_autoptr (GVariant) value = g_variant_lookup_value (details, keys[i], NULL);

          if (value != NULL)
            g_variant_dict_insert_value (&dict, keys[i], value);
        }
      settings = g_variant_ref_sink (g_variant_dict_end (&dict));
      out_json_print_vardict (settings);
      return CLI_OK;
    }
  if (g_variant_lookup (details, "context-size", "t", &context) && context > 0)
    printf ("Context size %" G_GUINT64_FORMAT "\n", context);
  else
    puts ("Context size as trained, or what memory allows");
  keep_alive = g_variant_lookup (details, "keep-alive", "t", &usec) ? cli_format_keep_alive (usec) : NULL;
  printf ("Keep alive   %s\n", keep_alive != NULL ? keep_alive : "default");
  g_variant_lookup (details, "engine-flags", "^a&s", &words);
  joined = words != NULL ? g_strjoinv (" ", (char **) words) : g_strdup ("");
  safe = out_printable (joined, -1, FALSE);
  printf ("Engine flags %s\n", *safe != '\0' ? safe : "none");
  return CLI_OK;
}

int
cmd_model_configure (Cli *cli, char **args)
{
  g_autofree char *context = NULL, *keep_alive = NULL;
  gboolean reset = FALSE;
  const GOptionEntry entries[] = {
    { "context-size", 0, 0, G_OPTION_ARG_STRING, &context, NULL, NULL },
    { "keep-alive", 0, 0, G_OPTION_ARG_STRING, &keep_alive, NULL, NULL },
    { "reset", 0, 0, G_OPTION_ARG_NONE, &reset, NULL, NULL },
    { NULL },
  };
  /* -- and nothing behind it: no flags any more */
  gboolean flags = g_strv_contains ((const char *const *) args, "--");
  g_auto (GStrv) words = NULL, rest = NULL;
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (CreelDBusModels) models = NULL;
  g_autoptr (GVariant) options = NULL;
  g_autoptr (GError) error = NULL;
  guint64 number;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, 1, &words, &rest, &status))
    return status;
  if (context != NULL)
    {
      if (!g_ascii_string_to_unsigned (context, 10, 0, G_MAXINT, &number, NULL))
        return cli_fail_with (CLI_USAGE, "\"%s\" is not a number of tokens; write for example 8192, or 0 for the model's own", context);
      g_variant_dict_insert (&dict, "context-size", "t", number);
    }
  if (keep_alive != NULL)
    {
      if (!creel_keep_alive_parse (keep_alive, &number, &error))
        return cli_fail (error);
      g_variant_dict_insert (&dict, "keep-alive", "t", number);
    }
  if (flags)
    g_variant_dict_insert_value (&dict, "engine-flags", g_variant_new_strv ((const char *const *) rest, -1));
  if (reset)
    g_variant_dict_insert (&dict, "reset", "b", TRUE);
  if ((models = cli_model_connect (cli, &error)) == NULL)
    return cli_fail (error);
  if (context == NULL && keep_alive == NULL && !flags && !reset)
    return show_settings (cli, models, words[0]);
  options = g_variant_ref_sink (g_variant_dict_end (&dict));
  if (!CLI_CALL (cli, &error, creel_dbus_models_call_configure_model_sync (models, words[0], options, CLI_FLAGS (cli), NULL, &error)))
    return cli_fail (error);
  return CLI_OK;
}

static gboolean
read_log (Cli *cli, gpointer models, const char *cursor, guint limit, GVariant **ret_entries, char **ret_next, GError **error)
{
  return CLI_CALL (cli, error, creel_dbus_models_call_read_log_sync (models, cursor, limit, CLI_FLAGS (cli), ret_entries, ret_next, NULL, error));
}

static void
print_entry (GVariant *entry, gpointer user_data)
{
  Cli *cli = user_data;
  const char *message = cli_journal_get (entry, "MESSAGE"), *model = cli_journal_get (entry, "CREEL_MODEL"), *unit = cli_journal_get (entry, "_SYSTEMD_UNIT");

  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      out_json_integer (builder, "time", cli_journal_time (entry));
      out_json_string (builder, "unit", unit);
      out_json_string (builder, "model", model);
      out_json_string (builder, "priority", cli_journal_get (entry, "PRIORITY"));
      out_json_string (builder, "message", message);
      json_builder_end_object (builder);
      out_json_print (builder, FALSE);
    }
  else
    {
      g_autofree char *when = out_time (cli_journal_time (entry)), *text = out_printable (message != NULL ? message : "", -1, FALSE);
      g_autofree char *source = out_printable (model != NULL ? model : unit != NULL ? unit : "?", -1, FALSE);

      if (g_str_has_suffix (source, ".service"))
        source[strlen (source) - strlen (".service")] = '\0';
      printf ("%s %s: %s\n", when, source, text);
    }
  fflush (stdout);
}

int
cmd_model_logs (Cli *cli, char **args)
{
  gboolean follow = FALSE;
  int lines = 50, status;
  const GOptionEntry entries[] = {
    { "follow", 'f', 0, G_OPTION_ARG_NONE, &follow, NULL, NULL },
    { "lines", 'n', 0, G_OPTION_ARG_INT, &lines, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusModels) models = NULL;
  g_autoptr (GError) error = NULL;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  if ((models = cli_model_connect (cli, &error)) == NULL)
    return cli_fail (error);
  return cli_journal_walk_source (cli, read_log, models, lines, follow, print_entry, cli);
}
