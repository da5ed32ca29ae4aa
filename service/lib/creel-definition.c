/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-definition.h"

#include <stdlib.h>
#include <string.h>

#include "creel-conf.h"
#include "creel-credential.h"
#include "creel-definition-private.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"

/* as systemd looks: the earlier directory hides a file of the same name, the instance comes before the template */
static const char *const unit_directories[] = { CREEL_SYSTEM_UNIT_DIR, CREEL_RUNTIME_UNIT_DIR,
                                                "/usr/local/lib/systemd/system", "/usr/lib/systemd/system" };

static void
workspace_free (gpointer data)
{
  CreelWorkspace *workspace = data;

  g_free (workspace->path);
  g_free (workspace);
}

CreelDefinition *
creel_definition_new (const char *name)
{
  CreelDefinition *d = g_new0 (CreelDefinition, 1);

  d->name = g_strdup (name);
  d->memory = 2 * G_GUINT64_CONSTANT (1024) * 1024 * 1024;
  d->cpus = 2;
  d->disk = 20 * G_GUINT64_CONSTANT (1024) * 1024 * 1024;
  d->start_timeout = 90;
  d->ask_timeout = 60;
  creel_limits_init (&d->limits);
  d->workspaces = g_ptr_array_new_with_free_func (workspace_free);
  d->own_credentials = g_ptr_array_new_with_free_func ((GDestroyNotify) creel_credential_free);
  d->policy = creel_policy_new (CREEL_VERDICT_DENY);
  d->environment = g_new0 (char *, 1);
  d->command = g_new0 (char *, 1);
  d->allow = g_new0 (char *, 1);
  d->ask = g_new0 (char *, 1);
  d->approved = g_new0 (char *, 1);
  d->deny = g_new0 (char *, 1);
  d->bypass = g_new0 (char *, 1);
  d->credentials = g_new0 (char *, 1);
  d->publish = g_new0 (char *, 1);
  return d;
}

void
creel_definition_free (CreelDefinition *d)
{
  g_free (d->name);
  g_free (d->agent);
  g_free (d->image);
  g_free (d->image_id);
  g_free (d->preset);
  g_clear_pointer (&d->workspaces, g_ptr_array_unref);
  g_clear_pointer (&d->own_credentials, g_ptr_array_unref);
  g_clear_pointer (&d->policy, creel_policy_unref);
  g_strfreev (d->environment);
  g_strfreev (d->command);
  g_strfreev (d->allow);
  g_strfreev (d->ask);
  g_strfreev (d->approved);
  g_strfreev (d->deny);
  g_strfreev (d->bypass);
  g_strfreev (d->credentials);
  g_strfreev (d->publish);
  g_free (d);
}

static int
compare_keys (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* File name -> path of all drop-ins that count for this unit. */
static GHashTable *
find_drop_ins (const char *name)
{
  GHashTable *files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (guint i = 0; i < G_N_ELEMENTS (unit_directories); i++)
    for (guint template = 0; template <= 1; template++)
      {
        g_autofree char *below = g_strdup_printf ("%s/creel@%s.service.d", unit_directories[i], template ? "" : name);
        g_autofree char *path = creel_root_path (below);
        g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
        const char *entry;

        while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
          if (entry[0] != '.' && g_str_has_suffix (entry, ".conf") && !g_hash_table_contains (files, entry))
            g_hash_table_insert (files, g_strdup (entry), g_build_filename (path, entry, NULL));
      }
  return files;
}

/* A link to /dev/null masks a drop-in, in systemd's way. */
static gboolean
is_masked (const char *path)
{
  g_autofree char *target = g_file_read_link (path, NULL);

  return target != NULL && g_str_equal (target, "/dev/null");
}

static gboolean
is_ephemeral (const char *name)
{
  g_autofree char *kept = creel_definition_path (name, FALSE);
  g_autofree char *runtime = creel_definition_path (name, TRUE);

  return !g_file_test (kept, G_FILE_TEST_EXISTS) && g_file_test (runtime, G_FILE_TEST_EXISTS);
}

char *
creel_definition_path (const char *name, gboolean ephemeral)
{
  g_autofree char *path = g_strdup_printf ("%s/creel@%s.service.d/" CREEL_DEFINITION_FILE,
                                           ephemeral ? CREEL_RUNTIME_UNIT_DIR : CREEL_SYSTEM_UNIT_DIR, name);

  return creel_root_path (path);
}

/* Parses what counts for this sandbox, in systemd's order. seen: as a reader's, or NULL. */
static gboolean
parse_drop_ins (const char *name, CreelConfFunc func, gpointer user_data, gboolean *seen, GError **error)
{
  g_autoptr (GHashTable) files = find_drop_ins (name);
  g_autofree gpointer *keys = NULL;
  gboolean ok = TRUE;
  guint n_keys;

  keys = g_hash_table_get_keys_as_array (files, &n_keys);
  if (n_keys > 0)
    qsort (keys, n_keys, sizeof *keys, compare_keys);
  for (guint i = 0; ok && i < n_keys; i++)
    {
      const char *path = g_hash_table_lookup (files, keys[i]);
      g_autoptr (GError) local_error = NULL;
      gboolean before = seen != NULL && *seen;

      if (is_masked (path))
        continue;
      ok = creel_conf_parse_file (path, func, user_data, &local_error);
      /* what the site sets for all sandboxes does not make one */
      if (seen != NULL && strstr (path, "/" CREEL_UNIT_TEMPLATE ".d/") != NULL)
        *seen = before;
      if (!ok && g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        ok = TRUE; /* removed since we listed the directory */
      else if (!ok)
        g_propagate_error (error, g_steal_pointer (&local_error));
    }
  return ok;
}

static gboolean
take_publish (const char *section, const char *key, const char *value, const char *origin, gpointer user_data, GError **error)
{
  char ***publish = user_data;
  g_autoptr (CreelPublish) parsed = NULL;
  g_autofree char *text = NULL;

  if (!g_str_equal (section, CREEL_DEFINITION_SECTION) || g_strcmp0 (key, "Publish") != 0)
    return TRUE;
  parsed = value[0] != '\0' ? creel_publish_parse (value, NULL) : NULL;
  text = parsed != NULL ? creel_publish_format (parsed) : NULL;
  if (value[0] == '\0')
    creel_conf_strv_add (publish, "");
  else if (text != NULL && g_strv_length (*publish) < CREEL_MAX_PUBLISH)
    creel_conf_strv_add (publish, text);
  return TRUE;
}

char **
creel_definition_load_publish (const char *name)
{
  char **publish = g_new0 (char *, 1);

  if (creel_sandbox_name_is_valid (name))
    parse_drop_ins (name, take_publish, &publish, NULL, NULL);
  return publish;
}

static gboolean
forbid (const char *where, const GError *reason, GError **error)
{
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "Nothing is allowed until %s is right: %s", where, reason->message);
  return FALSE;
}

/* What the administrator says of all sandboxes is above what a definition says. */
static gboolean
add_ceilings (CreelDefinition *definition, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  CreelLimits ceiling;

  if (!creel_policy_add_ceiling (definition->policy, NULL, &local_error))
    return forbid (CREEL_CONFIG_DIR "/policy.d", local_error, error);
  if (!creel_limits_load_ceiling (&ceiling, &local_error))
    return forbid (CREEL_CONFIG_DIR "/creel.conf", local_error, error);
  creel_limits_lower (&definition->limits, &ceiling);
  return TRUE;
}

CreelDefinition *
creel_definition_load (const char *name, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  CreelDefinitionReader reader;
  CreelDefinition *definition;
  gboolean ok;

  if (!creel_sandbox_name_check (name, error))
    return NULL;
  creel_definition_reader_init (&reader, name);
  ok = parse_drop_ins (name, creel_definition_reader_take, &reader, &reader.seen, &local_error);
  definition = creel_definition_reader_finish (&reader, ok ? &local_error : NULL);
  if (!ok)
    g_clear_pointer (&definition, creel_definition_free);
  if (definition == NULL)
    {
      if (local_error->domain != CREEL_ERROR)
        {
          local_error->domain = CREEL_ERROR;
          local_error->code = CREEL_ERROR_BAD_DEFINITION;
        }
      if (ok && local_error->code == CREEL_ERROR_BAD_DEFINITION)
        g_prefix_error (&local_error, "Definition of sandbox \"%s\": ", name);
    }
  else
    {
      definition->ephemeral = is_ephemeral (name);
      if (!add_ceilings (definition, &local_error))
        g_clear_pointer (&definition, creel_definition_free);
    }
  if (definition == NULL)
    {
      creel_error_make_valid (local_error);
      g_propagate_error (error, g_steal_pointer (&local_error));
    }
  return definition;
}

CreelDefinition *
creel_definition_load_own (const char *name, GError **error)
{
  if (!creel_sandbox_name_check (name, error))
    return NULL;
  for (guint ephemeral = 0; ephemeral <= 1; ephemeral++)
    {
      g_autofree char *path = creel_definition_path (name, ephemeral);
      g_autofree char *text = NULL;
      gsize length;
      CreelDefinition *definition;

      if (!g_file_get_contents (path, &text, &length, NULL))
        continue;
      definition = creel_definition_parse (name, text, length, path, error);
      if (definition != NULL)
        definition->ephemeral = ephemeral;
      return definition;
    }
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "There is no sandbox \"%s\"", name);
  return NULL;
}

static void
put (GString *text, const char *key, const char *value)
{
  if (value != NULL)
    g_string_append_printf (text, "%s=%s\n", key, value);
}

static void
put_list (GString *text, const char *key, char **values)
{
  for (; values != NULL && *values != NULL; values++)
    put (text, key, *values);
}

static void
put_number (GString *text, const char *key, guint64 number)
{
  g_string_append_printf (text, "%s=%" G_GUINT64_FORMAT "\n", key, number);
}

static void
put_command (GString *text, char **words)
{
  if (words == NULL || *words == NULL)
    return;
  g_string_append (text, "Command=");
  for (guint i = 0; words[i] != NULL; i++)
    {
      g_autofree char *quoted = g_shell_quote (words[i]);

      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", quoted);
    }
  g_string_append_c (text, '\n');
}

char *
creel_definition_format (const CreelDefinition *d)
{
  GString *text = g_string_new ("# Written by creeld. Use \"systemctl edit creel@NAME\" to change it by hand in a file of its own.\n"
                                "[" CREEL_DEFINITION_SECTION "]\n");

  put_number (text, "Owner", d->owner);
  put (text, "Agent", d->agent);
  put (text, "Image", d->image);
  put (text, "ImageID", d->image_id);
  put_number (text, "Memory", d->memory);
  put_number (text, "CPUs", d->cpus);
  put_number (text, "Disk", d->disk);
  for (guint i = 0; i < d->workspaces->len; i++)
    {
      const CreelWorkspace *workspace = d->workspaces->pdata[i];

      g_string_append_printf (text, "Workspace=%s%s\n", workspace->path, workspace->read_only ? ":ro" : "");
    }
  put_list (text, "Environment", d->environment);
  put_command (text, d->command);
  put (text, "Preset", d->preset);
  put (text, "Policy", creel_verdict_get_name (d->default_verdict));
  put_list (text, "Allow", d->allow);
  put_list (text, "Ask", d->ask);
  put_list (text, "Approved", d->approved);
  put_list (text, "Deny", d->deny);
  put_list (text, "Bypass", d->bypass);
  put_list (text, "Credential", d->credentials);
  put_list (text, "Publish", d->publish);
  put_number (text, "StartTimeoutSec", d->start_timeout);
  put_number (text, "AskTimeoutSec", d->ask_timeout);
  /* the others are left to what the site sets for all sandboxes */
  for (guint i = 0; i < CREEL_N_LIMITS; i++)
    if (d->limits.values[i] != creel_limit_infos[i].normal)
      put_number (text, creel_limit_infos[i].key, d->limits.values[i]);
  put_number (text, "Created", d->created);
  for (guint i = 0; i < d->own_credentials->len; i++)
    {
      const CreelCredential *credential = d->own_credentials->pdata[i];

      g_string_append_printf (text, "\n[" CREEL_CREDENTIAL_SECTION_PREFIX "%s]\n", credential->name);
      put_list (text, "Host", credential->hosts);
      put (text, "Header", credential->header);
      put (text, "Format", credential->format);
      put (text, "Parameter", credential->parameter);
      put_list (text, "StripHeader", credential->strip_headers);
      put_list (text, "StripParameter", credential->strip_parameters);
      put_list (text, "Variable", credential->variables);
      put (text, "Placeholder", credential->placeholder);
      put (text, "Description", credential->description);
    }
  return g_string_free (text, FALSE);
}

char **
creel_definition_list (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *names = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer key;

  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *path = creel_root_path (unit_directories[i]);
      g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
      const char *entry;

      while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *name = NULL;
          g_autofree char *file = NULL;

          if (!g_str_has_prefix (entry, CREEL_UNIT_PREFIX) || !g_str_has_suffix (entry, ".service.d"))
            continue;
          name = g_strndup (entry + strlen (CREEL_UNIT_PREFIX),
                            strlen (entry) - strlen (CREEL_UNIT_PREFIX) - strlen (".service.d"));
          if (!creel_sandbox_name_is_valid (name))
            continue;
          file = g_build_filename (path, entry, CREEL_DEFINITION_FILE, NULL);
          if (g_file_test (file, G_FILE_TEST_EXISTS))
            g_hash_table_add (seen, g_steal_pointer (&name));
        }
    }
  g_hash_table_iter_init (&iter, seen);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    g_ptr_array_add (names, g_strdup (key));
  g_ptr_array_sort (names, compare_keys);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

CreelCredential *
creel_definition_find_credential (const CreelDefinition *definition, const char *name, GError **error)
{
  for (guint i = 0; i < definition->own_credentials->len; i++)
    {
      const CreelCredential *credential = definition->own_credentials->pdata[i];

      if (g_str_equal (credential->name, name))
        return creel_credential_copy (credential);
    }
  return creel_credential_load (name, error);
}
