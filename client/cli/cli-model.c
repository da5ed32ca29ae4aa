/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli-model.h"

#include <stdio.h>
#include <string.h>

#include "out-json.h"

CreelDBusModels *
cli_model_connect (Cli *cli, GError **error)
{
  CreelDBusModels *models;

  if (!cli_connect (cli, error))
    return NULL;
  models = creel_dbus_models_proxy_new_sync (cli->bus, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES | G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START_AT_CONSTRUCTION,
                                             CREEL_BUS_NAME, CREEL_OBJECT_PATH, NULL, error);
  if (models != NULL)
    g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (models), G_MAXINT);
  return models;
}

GVariant *
cli_model_no_options (void)
{
  return g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
}

const char *
cli_model_get_string (GVariant *dict, const char *key)
{
  const char *text = "";

  g_variant_lookup (dict, key, "&s", &text);
  return text;
}

void
cli_model_print_list (Cli *cli, GVariant *list, OutTable *table, void (*add_row) (OutTable *table, GVariant *model))
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  GVariantIter iter;
  GVariant *model;

  json_builder_begin_array (builder);
  g_variant_iter_init (&iter, list);
  while (g_variant_iter_loop (&iter, "@a{sv}", &model))
    {
      if (cli->quiet && !cli->json)
        puts (cli_model_get_string (model, "name"));
      json_builder_begin_object (builder);
      out_json_vardict (builder, model);
      json_builder_end_object (builder);
      add_row (table, model);
    }
  json_builder_end_array (builder);
  if (cli->json)
    out_json_print (builder, TRUE);
  else if (!cli->quiet)
    out_table_print (table);
}

/* The length of "-00001-of-00003.gguf" at the end of `name`, or of ".gguf"; 0. `ret_of`: how many parts, 0 when it is not split. */
static gsize
suffix_length (const char *name, guint *ret_part, guint *ret_of)
{
  gsize length = strlen (name), split = strlen ("-00001-of-00003.gguf");
  const char *end = length > split ? name + length - split : NULL;

  *ret_part = *ret_of = 0;
  if (length <= strlen (".gguf") || g_ascii_strcasecmp (name + length - strlen (".gguf"), ".gguf") != 0)
    return 0;
  if (end == NULL || end[0] != '-' || strspn (end + 1, "0123456789") != 5 || strncmp (end + 6, "-of-", 4) != 0 || strspn (end + 10, "0123456789") != 5)
    return strlen (".gguf");
  *ret_part = g_ascii_strtoull (end + 1, NULL, 10);
  *ret_of = g_ascii_strtoull (end + 10, NULL, 10);
  return split;
}

char *
cli_model_name_of_file (const char *path)
{
  g_autofree char *base = g_path_get_basename (path);
  g_autoptr (GString) name = g_string_new (NULL);
  guint part, of;
  gsize length = strlen (base) - suffix_length (base, &part, &of);

  for (gsize i = 0; i < length && name->len < 100; i++)
    {
      char c = g_ascii_tolower (base[i]);

      /* one separator at a time, and none at an end */
      if (g_ascii_isalnum (c))
        g_string_append_c (name, c);
      else if (name->len > 0 && g_ascii_isalnum (name->str[name->len - 1]))
        g_string_append_c (name, c == '.' || c == '_' ? c : '-');
    }
  while (name->len > 0 && !g_ascii_isalnum (name->str[name->len - 1]))
    g_string_truncate (name, name->len - 1);
  return name->len > 0 ? g_string_free (g_steal_pointer (&name), FALSE) : NULL;
}

char **
cli_model_list_parts (const char *path)
{
  g_autoptr (GStrvBuilder) parts = g_strv_builder_new ();
  guint part, of;
  gsize length = strlen (path) - suffix_length (path, &part, &of);

  if (part != 1 || of < 2 || of > 999)
    g_strv_builder_add (parts, path);
  else
    for (guint i = 1; i <= of; i++)
      {
        g_autofree char *name = g_strdup_printf ("%.*s-%05u-of-%05u%s", (int) length, path, i, of, path + strlen (path) - strlen (".gguf"));

        g_strv_builder_add (parts, name);
      }
  return g_strv_builder_end (parts);
}

char *
cli_format_keep_alive (guint64 usec)
{
  if (usec == G_MAXUINT64)
    return g_strdup ("never");
  return usec == 0 ? g_strdup ("at once") : out_duration (usec / G_USEC_PER_SEC);
}

char *
cli_model_printable (const char *text)
{
  g_autoptr (GString) safe = g_string_new (NULL);

  /* joiners are letters to some languages and to emoji; they neither hide nor turn around what stands beside them */
  while (*text != '\0')
    {
      const char *joiner = text;

      while (*joiner != '\0' && strncmp (joiner, "\u200c", 3) != 0 && strncmp (joiner, "\u200d", 3) != 0)
        joiner++;
      g_autofree char *part = out_printable (text, joiner - text, TRUE);

      g_string_append (safe, part);
      if (*joiner != '\0')
        g_string_append_len (safe, joiner, 3);
      text = joiner + (*joiner != '\0' ? 3 : 0);
    }
  return g_string_free (g_steal_pointer (&safe), FALSE);
}
