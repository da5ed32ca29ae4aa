/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-make.h"

#include <string.h>

#include "creel-error.h"
#include "creel-life.h"
#include "creel-sandbox-store.h"
#include "creel-sandbox.h"

#define DROP_IN_FILE "60-job.conf"

static guint
count_sandboxes (CreelDaemon *daemon, uid_t uid)
{
  GHashTableIter iter;
  gpointer sandbox;
  guint n = 0;

  g_hash_table_iter_init (&iter, daemon->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, &sandbox))
    n += creel_sandbox_get_owner (sandbox) == uid;
  return n;
}

gboolean
creel_make_reserve (CreelDaemon *daemon, const CreelDefinition *definition, GError **error)
{
  const char *name = definition->name;
  g_auto (GStrv) on_disk = creel_definition_list ();

  if (g_hash_table_contains (daemon->sandboxes, name) || g_hash_table_contains (daemon->reserved, name) ||
      g_strv_contains ((const char *const *) on_disk, name))
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_SANDBOX_EXISTS,
                 "The name \"%s\" is taken; names are one for all users of this machine", name);
  else if (count_sandboxes (daemon, definition->owner) >= CREEL_MAX_SANDBOXES_PER_USER)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "You have %d sandboxes already; remove one first",
                 CREEL_MAX_SANDBOXES_PER_USER);
  else
    {
      g_hash_table_add (daemon->reserved, g_strdup (name));
      return TRUE;
    }
  return FALSE;
}

void
creel_make_release (CreelDaemon *daemon, const char *name)
{
  g_hash_table_remove (daemon->reserved, name);
}

typedef struct
{
  CreelDaemon *daemon;
  char *name;
  gboolean ephemeral, start;
  CreelUnitFunc done;
  gpointer user_data;
} Make;

static void
finish (Make *make, GError *error)
{
  creel_make_release (make->daemon, make->name);
  make->done (make->user_data, error);
  g_free (make->name);
  g_free (make);
}

static void
finish_unmade (Make *make, GError *error)
{
  creel_sandbox_store_delete (make->name);
  creel_sandbox_store_delete_disk (make->name);
  finish (make, error);
}

static void
on_started (gpointer user_data, GError *error)
{
  Make *make = user_data;
  g_autoptr (GError) shown = error != NULL ? g_error_copy (error) : NULL;

  if (shown != NULL && !make->ephemeral)
    g_prefix_error (&shown, "The sandbox was made, but does not start: ");
  finish (make, shown);
}

static void
on_reloaded (gpointer user_data, GError *error)
{
  Make *make = user_data;

  if (error != NULL)
    {
      finish_unmade (make, error);
      return;
    }
  if (!g_hash_table_contains (make->daemon->sandboxes, make->name))
    creel_sandbox_set_fresh (creel_sandbox_add (make->daemon, make->name), TRUE);
  if (make->start)
    creel_life_start (make->daemon, make->name, on_started, make);
  else
    finish (make, NULL);
}

static gboolean
write_drop_in (const CreelDefinition *definition, const char *text, GError **error)
{
  g_autofree char *path = creel_definition_path (definition->name, definition->ephemeral);
  g_autofree char *directory = g_path_get_dirname (path);
  g_autofree char *file = g_build_filename (directory, DROP_IN_FILE, NULL);

  return creel_store_replace_file (file, text, strlen (text), 0644, error);
}

void
creel_make_run (CreelDaemon *daemon, const CreelDefinition *definition, const char *drop_in, gboolean start, CreelUnitFunc done,
                gpointer user_data)
{
  Make *make = g_new0 (Make, 1);
  g_autoptr (GError) error = NULL;

  *make = (Make) { daemon, g_strdup (definition->name), definition->ephemeral, start, done, user_data };
  if (!creel_sandbox_store_make_disk (definition->name, definition->disk, &error))
    finish (make, error); /* what is there is another's */
  else if (!creel_sandbox_store_write (definition, &error) || (drop_in != NULL && !write_drop_in (definition, drop_in, &error)))
    finish_unmade (make, error);
  else
    creel_units_reload (daemon->units, on_reloaded, make);
}
