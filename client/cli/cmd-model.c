/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models that are here. */
#include "cli-model.h"

#include <stdio.h>
#include <string.h>

#include "out-json.h"
#include "out-text.h"

/* The shortest name, then the others. */
static char *
join_names (GVariant *model)
{
  g_autofree const char **references = NULL;
  const char *name = cli_model_get_string (model, "name");
  g_autoptr (GString) names = g_string_new (g_str_has_prefix (name, "sha256-") ? "" : name);

  g_variant_lookup (model, "references", "^a&s", &references);
  for (guint i = 1; references != NULL && references[0] != NULL && references[i] != NULL; i++)
    g_string_append_printf (names, ", %s", references[i]);
  return g_string_free (g_steal_pointer (&names), FALSE);
}

static void
add_row (OutTable *table, GVariant *model)
{
  g_autofree char *names = join_names (model);
  g_autofree char *brief = g_strndup (cli_model_get_string (model, "id"), strlen ("sha256-") + 12);
  g_autofree char *bytes = NULL, *time = NULL;
  guint64 size = 0;
  gint64 created = 0;

  g_variant_lookup (model, "size", "t", &size);
  g_variant_lookup (model, "created", "x", &created);
  bytes = out_size (size);
  time = out_time (created);
  out_table_add (table, names, cli_model_get_string (model, "parameters"), cli_model_get_string (model, "quantization"),
                 cli_model_get_string (model, "architecture"), brief, time, bytes);
}

int
cmd_model_ls (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusModels) models = NULL;
  g_autoptr (GVariant) list = NULL, options = cli_model_no_options ();
  g_autoptr (OutTable) table = out_table_new ("NAME", "PARAMETERS", "QUANTIZATION", "ARCHITECTURE", "ID", "CREATED", "SIZE", NULL);
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  if ((models = cli_model_connect (cli, &error)) == NULL
      || !CLI_CALL (cli, &error, creel_dbus_models_call_list_models_sync (models, options, CLI_FLAGS (cli), &list, NULL, &error)))
    return cli_fail (error);
  cli_model_print_list (cli, list, table, add_row);
  return CLI_OK;
}

static void
print_files (GVariant *files)
{
  GVariantIter iter;
  const char *kind, *name;
  guint64 size;

  g_variant_iter_init (&iter, files);
  while (g_variant_iter_next (&iter, "(&s&st&s)", &kind, NULL, &size, &name))
    {
      g_autofree char *bytes = out_size (size), *text = g_strdup_printf ("%s %s, %s", kind, name, bytes), *safe = out_printable (text, -1, FALSE);

      printf ("%-18s %s\n", "file", safe);
    }
}

static char *
format_value (const char *key, GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    {
      guint64 number = g_variant_get_uint64 (value);

      if (g_str_equal (key, "size") || g_str_equal (key, "blobs-size") || g_str_equal (key, "kv-bytes-per-token"))
        return out_size (number);
      return g_str_equal (key, "keep-alive") ? cli_format_keep_alive (number) : g_strdup_printf ("%" G_GUINT64_FORMAT, number);
    }
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
    return out_time (g_variant_get_int64 (value));
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    return g_strdup (g_variant_get_boolean (value) ? "yes" : "no");
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    {
      g_autofree const char **strings = g_variant_get_strv (value, NULL);

      return g_strjoinv (" ", (char **) strings);
    }
  return g_variant_print (value, FALSE);
}

int
cmd_model_inspect (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusModels) models = NULL;
  g_autoptr (GVariant) details = NULL, options = cli_model_no_options ();
  g_autoptr (GError) error = NULL;
  GVariantIter iter;
  const char *key;
  GVariant *value;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  if ((models = cli_model_connect (cli, &error)) == NULL
      || !CLI_CALL (cli, &error, creel_dbus_models_call_inspect_model_sync (models, words[0], options, CLI_FLAGS (cli), &details, NULL, &error)))
    return cli_fail (error);
  if (cli->json)
    {
      out_json_print_vardict (details);
      return CLI_OK;
    }
  g_variant_iter_init (&iter, details);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    if (g_variant_is_of_type (value, G_VARIANT_TYPE ("a(ssts)")))
      print_files (value);
    else
      {
        g_autofree char *text = format_value (key, value), *safe = out_printable (text, -1, FALSE);

        if (*safe != '\0')
          printf ("%-18s %s\n", key, safe);
      }
  return CLI_OK;
}

int
cmd_model_tag (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusModels) models = NULL;
  g_autoptr (GVariant) options = cli_model_no_options ();
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 2, 2, &words, NULL, &status))
    return status;
  if ((models = cli_model_connect (cli, &error)) == NULL
      || !CLI_CALL (cli, &error, creel_dbus_models_call_tag_model_sync (models, words[0], words[1], options, CLI_FLAGS (cli), NULL, &error)))
    return cli_fail (error);
  return CLI_OK;
}

int
cmd_model_rm (Cli *cli, char **args)
{
  gboolean force = FALSE;
  const GOptionEntry entries[] = {
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL;
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (CreelDBusModels) models = NULL;
  g_autoptr (GVariant) options = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, -1, &words, NULL, &status))
    return status;
  if ((models = cli_model_connect (cli, &error)) == NULL)
    return cli_fail (error);
  g_variant_dict_insert (&dict, "force", "b", force);
  options = g_variant_ref_sink (g_variant_dict_end (&dict));
  status = CLI_OK;
  for (char **word = words; *word != NULL; word++)
    {
      g_autoptr (GError) remove_error = NULL;

      if (!CLI_CALL (cli, &remove_error, creel_dbus_models_call_remove_model_sync (models, *word, options, CLI_FLAGS (cli), NULL, &remove_error)))
        {
          int failed = cli_fail (remove_error);

          status = status == CLI_OK ? failed : status;
        }
      else if (!cli->quiet)
        puts (*word);
    }
  return status;
}

int
cmd_model_prune (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusModels) models = NULL;
  g_autoptr (GVariant) options = cli_model_no_options ();
  g_autoptr (GError) error = NULL;
  g_autofree char *freed = NULL;
  guint64 bytes;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  if ((models = cli_model_connect (cli, &error)) == NULL
      || !CLI_CALL (cli, &error, creel_dbus_models_call_prune_models_sync (models, options, CLI_FLAGS (cli), &bytes, NULL, &error)))
    return cli_fail (error);
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      out_json_integer (builder, "bytes", (gint64) bytes);
      json_builder_end_object (builder);
      out_json_print (builder, TRUE);
      return CLI_OK;
    }
  freed = out_size (bytes);
  if (!cli->quiet)
    fprintf (stderr, "%s freed\n", freed);
  return CLI_OK;
}

int
cmd_model_df (Cli *cli, char **args)
{
  static const struct
  {
    const char *key, *label;
  } rows[] = { { "models", "Models" }, { "shared", "of it shared" }, { "partial", "Cut-off pulls" }, { "free", "Free" } };
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusModels) models = NULL;
  g_autoptr (GVariant) usage = NULL, options = cli_model_no_options ();
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  if ((models = cli_model_connect (cli, &error)) == NULL
      || !CLI_CALL (cli, &error, creel_dbus_models_call_disk_usage_sync (models, options, CLI_FLAGS (cli), &usage, NULL, &error)))
    return cli_fail (error);
  if (cli->json)
    {
      out_json_print_vardict (usage);
      return CLI_OK;
    }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      guint64 bytes = 0;
      g_autofree char *size = NULL;

      g_variant_lookup (usage, rows[i].key, "t", &bytes);
      size = out_size (bytes);
      printf ("%-13s %s\n", rows[i].label, size);
    }
  return CLI_OK;
}
