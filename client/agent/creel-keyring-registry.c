/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-keyring-registry.h"

#include <string.h>

#include "creel-error.h"
#include "creel-keyring-private.h"

static const SecretSchema schema = {
  CREEL_KEYRING_REGISTRY_SCHEMA,
  SECRET_SCHEMA_NONE,
  {
      { "registry", SECRET_SCHEMA_ATTRIBUTE_STRING },
      { "username", SECRET_SCHEMA_ATTRIBUTE_STRING },
      { NULL, 0 },
  },
};

static GHashTable *
make_attributes (const char *host, const char *user)
{
  GHashTable *attributes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  if (host != NULL)
    g_hash_table_insert (attributes, g_strdup ("registry"), g_strdup (host));
  if (user != NULL)
    g_hash_table_insert (attributes, g_strdup ("username"), g_strdup (user));
  return attributes;
}

int
creel_keyring_registry_lookup (const char *host, CreelKeyringFlags flags, GCancellable *cancellable, GError **error)
{
  g_autoptr (SecretService) service = creel_keyring_open (cancellable, error);
  g_autoptr (GHashTable) attributes = make_attributes (host, NULL);
  g_autofree char *what = g_strdup_printf ("password for the registry %s", host);
  g_autofree char *set = g_strdup_printf ("--registry %s", host);
  g_autoptr (CreelKeyringItems) items = NULL;
  g_autoptr (GError) local_error = NULL;

  if (service == NULL)
    return -1;
  items = creel_keyring_search (service, &schema, attributes, cancellable, &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return -1;
    }
  return creel_keyring_read (service, items != NULL ? items->data : NULL, what, set, flags, cancellable, error);
}

/* Removes those of `host`, but not the one of `keep`. */
static gboolean
remove_users (const char *host, const char *keep, guint *ret_removed, CreelKeyringFlags flags, GCancellable *cancellable, GError **error)
{
  g_autoptr (SecretService) service = creel_keyring_open (cancellable, error);
  g_autoptr (GHashTable) attributes = make_attributes (host, NULL);
  g_autoptr (CreelKeyringItems) items = NULL;
  g_autoptr (GError) local_error = NULL;

  *ret_removed = 0;
  if (service == NULL)
    return FALSE;
  items = creel_keyring_search (service, &schema, attributes, cancellable, &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  for (GList *l = items; l != NULL; l = l->next)
    {
      g_autoptr (GHashTable) found = secret_item_get_attributes (l->data);

      if (keep != NULL && found != NULL && g_strcmp0 (g_hash_table_lookup (found, "username"), keep) == 0)
        continue;
      if (!creel_keyring_delete (service, l->data, flags, cancellable, error))
        return FALSE;
      ++*ret_removed;
    }
  return TRUE;
}

gboolean
creel_keyring_registry_store (const char *host, const char *user, const char *password, gsize length, CreelKeyringFlags flags,
                              GCancellable *cancellable, GError **error)
{
  g_autoptr (GHashTable) attributes = make_attributes (host, user);
  g_autofree char *label = g_strdup_printf ("Creel password of %s for the registry %s", user, host);
  gsize user_length = strlen (user), whole = user_length + 1 + length;
  char *secret = g_malloc (whole);
  gboolean stored;
  guint removed;

  memcpy (secret, user, user_length);
  secret[user_length] = ':';
  memcpy (secret + user_length + 1, password, length);
  stored = creel_keyring_write (&schema, attributes, label, secret, whole, flags, cancellable, error);
  explicit_bzero (secret, whole);
  g_free (secret);
  return stored && remove_users (host, user, &removed, flags, cancellable, error);
}

gboolean
creel_keyring_registry_remove (const char *host, CreelKeyringFlags flags, GCancellable *cancellable, GError **error)
{
  guint removed;

  if (!remove_users (host, NULL, &removed, flags, cancellable, error))
    return FALSE;
  if (removed == 0)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET,
                 "The keyring has no password for the registry %s; see: creel secret ls", host);
  return removed > 0;
}

static void
registry_free (gpointer data)
{
  CreelKeyringRegistry *registry = data;

  g_free (registry->host);
  g_free (registry->user);
  g_free (registry);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 ((*(CreelKeyringRegistry *const *) a)->host, (*(CreelKeyringRegistry *const *) b)->host);
}

GPtrArray *
creel_keyring_registry_list (GCancellable *cancellable, GError **error)
{
  g_autoptr (SecretService) service = creel_keyring_open (cancellable, error);
  g_autoptr (GHashTable) none = make_attributes (NULL, NULL);
  g_autoptr (GPtrArray) registries = g_ptr_array_new_with_free_func (registry_free);
  g_autoptr (CreelKeyringItems) items = NULL;
  g_autoptr (GError) local_error = NULL;

  if (service == NULL)
    return NULL;
  items = creel_keyring_search (service, &schema, none, cancellable, &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  for (GList *l = items; l != NULL; l = l->next)
    {
      g_autoptr (GHashTable) attributes = secret_item_get_attributes (l->data);
      const char *host = attributes != NULL ? g_hash_table_lookup (attributes, "registry") : NULL;

      if (host != NULL)
        {
          CreelKeyringRegistry *registry = g_new0 (CreelKeyringRegistry, 1);

          registry->host = g_strdup (host);
          registry->user = g_strdup (g_hash_table_lookup (attributes, "username"));
          g_ptr_array_add (registries, registry);
        }
    }
  g_ptr_array_sort (registries, compare);
  return g_steal_pointer (&registries);
}
