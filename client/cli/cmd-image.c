/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli-job.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "out-json.h"
#include "out-text.h"

static GVariant *
no_options (void)
{
  return g_variant_new ("a{sv}", NULL);
}

typedef struct
{
  int file;
  const char *reference;
} Import;

static gboolean
call_import (Cli *cli, gpointer data, char **ret_path, GError **error)
{
  Import *import = data;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new_from_array (&import->file, 1);
  g_autoptr (GVariant) options = g_variant_ref_sink (no_options ());

  return CLI_CALL (cli, error,
                   creel_dbus_manager_call_import_image_sync (cli->manager, g_variant_new_handle (0), import->reference, options,
                                                              CLI_FLAGS (cli), fds, ret_path, NULL, NULL, error));
}

int
cmd_image_import (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;
  Import import;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_BYTES, 1, 2, &words, NULL, &status) || (words[1] != NULL && !cli_is_text (words[1], &status)))
    return status;
  import.file = open (words[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (import.file < 0)
    return cli_fail_with (CLI_FAILED, "Cannot open %s: %s", words[0], g_strerror (errno));
  if (!cli_connect (cli, &error))
    {
      close (import.file);
      return cli_fail (error);
    }
  import.reference = words[1] != NULL ? words[1] : "";
  return cli_job_run (cli, call_import, &import); /* takes the file */
}

/* How many sandboxes have it, in words; own ones by name in ret_names. */
static char *
find_users (Cli *cli, const char *id, char ***ret_names)
{
  g_autoptr (GVariant) config = NULL;
  g_auto (GStrv) names = NULL;
  guint32 others = 0;
  guint own;

  *ret_names = NULL;
  if (!CLI_CALL (cli, NULL, creel_dbus_manager_call_inspect_image_sync (cli->manager, id, CLI_FLAGS (cli), &config, NULL, NULL)))
    return NULL;
  g_variant_lookup (config, "used-by", "^as", &names);
  g_variant_lookup (config, "used-by-others", "u", &others);
  own = names != NULL ? g_strv_length (names) : 0;
  *ret_names = g_steal_pointer (&names);
  if (own + others == 0)
    return NULL;
  return others > 0 ? g_strdup_printf ("%u, %u of others", own, others) : g_strdup_printf ("%u", own);
}

/* Names that people gave, and the digest that a registry knows it by. */
static void
split_names (const char **references, char **ret_names, char **ret_digest)
{
  g_autoptr (GString) names = g_string_new (NULL);

  *ret_digest = NULL;
  for (; *references != NULL; references++)
    {
      const char *at = strstr (*references, "@sha256:");

      if (at == NULL)
        g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", *references);
      else if (*ret_digest == NULL)
        *ret_digest = g_strndup (at + 1, strlen ("sha256:") + 12);
    }
  *ret_names = names->len > 0 ? g_string_free (g_steal_pointer (&names), FALSE) : NULL;
}

int
cmd_image_ls (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (OutTable) table = out_table_new ("REFERENCE", "ID", "DIGEST", "SIZE", "CREATED", "SANDBOXES", NULL);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (GError) error = NULL;
  GVariantIter iter;
  const char *id;
  const char **references;
  guint64 size;
  gint64 created;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error)
      || !CLI_CALL (cli, &error, creel_dbus_manager_call_list_images_sync (cli->manager, CLI_FLAGS (cli), &list, NULL, &error)))
    return cli_fail (error);
  json_builder_begin_array (builder);
  g_variant_iter_init (&iter, list);
  while (g_variant_iter_loop (&iter, "(&s^a&stx)", &id, &references, &size, &created))
    {
      g_autofree char *bytes = out_size (size), *time = out_time (created);
      g_autofree char *brief = g_strndup (id, strlen ("sha256-") + 12);
      g_autofree char *names = NULL, *digest = NULL, *used = NULL;
      g_auto (GStrv) users = NULL;

      if (cli->quiet && !cli->json)
        {
          puts (id);
          continue;
        }
      split_names (references, &names, &digest);
      used = find_users (cli, id, &users);
      json_builder_begin_object (builder);
      out_json_string (builder, "id", id);
      out_json_strings (builder, "references", references);
      out_json_integer (builder, "size", size);
      out_json_integer (builder, "created", created);
      out_json_strings (builder, "used-by", (const char *const *) users);
      json_builder_end_object (builder);
      out_table_add (table, names, brief, digest, bytes, time, used);
    }
  json_builder_end_array (builder);
  if (cli->json)
    out_json_print (builder, TRUE);
  else if (!cli->quiet)
    out_table_print (table);
  return CLI_OK;
}

int
cmd_image_inspect (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GVariant) config = NULL;
  g_autoptr (GError) error = NULL;
  GVariantIter iter;
  const char *key;
  GVariant *value;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error)
      || !CLI_CALL (cli, &error, creel_dbus_manager_call_inspect_image_sync (cli->manager, words[0], CLI_FLAGS (cli), &config, NULL, &error)))
    return cli_fail (error);
  if (cli->json)
    {
      out_json_print_vardict (config);
      return CLI_OK;
    }
  g_variant_iter_init (&iter, config);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      g_autofree char *text = NULL, *safe = NULL;

      if ((g_str_equal (key, "size") || g_str_equal (key, "blobs-size")) && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
        text = out_size (g_variant_get_uint64 (value));
      else if (g_str_equal (key, "created") && g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
        text = out_time (g_variant_get_int64 (value));
      else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
        text = g_variant_dup_string (value, NULL);
      else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
        {
          g_autofree const char **strings = g_variant_get_strv (value, NULL);

          text = g_strjoinv (g_str_equal (key, "environment") ? ", " : " ", (char **) strings);
        }
      else
        text = g_variant_print (value, FALSE);
      safe = out_printable (text, -1, FALSE);
      if (*safe != '\0')
        printf ("%-14s %s\n", key, safe);
    }
  return CLI_OK;
}

int
cmd_image_rm (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;
  int status = CLI_OK;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, -1, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error))
    return cli_fail (error);
  for (char **word = words; *word != NULL; word++)
    {
      g_autoptr (GError) remove_error = NULL;

      if (!CLI_CALL (cli, &remove_error, creel_dbus_manager_call_remove_image_sync (cli->manager, *word, CLI_FLAGS (cli), NULL, &remove_error)))
        {
          int failed = cli_fail (remove_error);

          status = status == CLI_OK ? failed : status;
        }
      else if (!cli->quiet)
        puts (*word);
    }
  return status;
}
