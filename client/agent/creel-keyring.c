/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-keyring.h"
#include "creel-keyring-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "creel-error.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

static const SecretSchema schema = {
  CREEL_KEYRING_SCHEMA,
  SECRET_SCHEMA_NONE,
  {
      { "credential", SECRET_SCHEMA_ATTRIBUTE_STRING },
      { "sandbox", SECRET_SCHEMA_ATTRIBUTE_STRING },
      { NULL, 0 },
  },
};

void
creel_keyring_entry_free (CreelKeyringEntry *entry)
{
  g_free (entry->credential);
  g_free (entry->sandbox);
  g_free (entry);
}

/* Not SecretService's shared instance: that one keeps a stale session when the keyring daemon was restarted. */
SecretService *
creel_keyring_open (GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  SecretService *service
      = secret_service_open_sync (SECRET_TYPE_SERVICE, NULL, SECRET_SERVICE_OPEN_SESSION, cancellable, &local_error);

  if (service != NULL)
    return service;
  if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, g_steal_pointer (&local_error));
  else
    {
      g_dbus_error_strip_remote_error (local_error);
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED,
                   "No keyring answers in this session (%s); log in to a desktop, or install and start gnome-keyring",
                   local_error->message);
    }
  return NULL;
}

static gboolean
set_locked_error (GError **error)
{
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED,
                       "The keyring is locked; unlock it (log in, or open Passwords and Keys) and try again");
  return FALSE;
}

static GHashTable *
make_attributes (const char *sandbox, const char *credential)
{
  GHashTable *attributes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  if (credential != NULL)
    g_hash_table_insert (attributes, g_strdup ("credential"), g_strdup (credential));
  if (sandbox != NULL)
    g_hash_table_insert (attributes, g_strdup ("sandbox"), g_strdup (sandbox));
  return attributes;
}

/* The collection where new keys go; NULL without an error when there is none yet. */
static SecretCollection *
default_collection (SecretService *service, GCancellable *cancellable, GError **error)
{
  return secret_collection_for_alias_sync (service, SECRET_COLLECTION_DEFAULT, SECRET_COLLECTION_NONE, cancellable, error);
}

static gboolean
unlock (SecretService *service, gpointer object, CreelKeyringFlags flags, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  GList objects = { object, NULL, NULL };

  if ((flags & CREEL_KEYRING_MAY_ASK) == 0)
    return set_locked_error (error);
  if (secret_service_unlock_sync (service, &objects, cancellable, NULL, &local_error) == 1)
    return TRUE;
  if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  return set_locked_error (error);
}

CreelKeyringItems *
creel_keyring_search (SecretService *service, const SecretSchema *item_schema, GHashTable *attributes,
                      GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  CreelKeyringItems *items
      = secret_service_search_sync (service, item_schema, attributes, SECRET_SEARCH_ALL, cancellable, &local_error);

  if (local_error != NULL)
    {
      g_dbus_error_strip_remote_error (local_error);
      g_propagate_prefixed_error (error, g_steal_pointer (&local_error), "Cannot search the keyring: ");
    }
  return items;
}

static gboolean
item_has_sandbox (SecretItem *item)
{
  g_autoptr (GHashTable) attributes = secret_item_get_attributes (item);

  return attributes != NULL && g_hash_table_contains (attributes, "sandbox");
}

/* The item for exactly this scope, or NULL without an error. */
static SecretItem *
find_item (SecretService *service, const char *sandbox, const char *credential, GCancellable *cancellable, GError **error)
{
  g_autoptr (GHashTable) attributes = make_attributes (sandbox, credential);
  g_autoptr (CreelKeyringItems) items = creel_keyring_search (service, &schema, attributes, cancellable, error);

  for (GList *l = items; l != NULL; l = l->next)
    /* attributes that are not asked for match anything, so a key of one sandbox shows up here too */
    if (sandbox != NULL || !item_has_sandbox (l->data))
      return g_object_ref (l->data);
  return NULL;
}

int
creel_keyring_seal (const char *secret, gsize length, GError **error)
{
  int fd = memfd_create ("creel-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

  if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
    fd = memfd_create ("creel-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  for (gsize done = 0; fd >= 0 && done < length;)
    {
      gssize n = write (fd, secret + done, length - done);

      if (n > 0)
        done += n;
      else if (errno != EINTR)
        {
          int saved = errno;

          close (fd);
          errno = saved;
          fd = -1;
        }
    }
  if (fd >= 0 && lseek (fd, 0, SEEK_SET) == 0
      && fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
    return fd;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot make a sealed file for the key: %s", g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

int
creel_keyring_read (SecretService *service, SecretItem *item, const char *what, const char *set, CreelKeyringFlags flags,
                    GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  SecretValue *value;
  const char *secret;
  gsize length;
  int fd = -1;

  if (item == NULL)
    {
      /* some keyrings hide what is locked: then "there is none" would send the user the wrong way */
      g_autoptr (SecretCollection) collection = default_collection (service, cancellable, NULL);

      if (collection != NULL && secret_collection_get_locked (collection))
        set_locked_error (error);
      else
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET, "The keyring has no %s; store it with: creel secret set %s", what, set);
      return -1;
    }
  if (secret_item_get_locked (item) && !unlock (service, item, flags, cancellable, error))
    return -1;
  if (!secret_item_load_secret_sync (item, cancellable, &local_error) || (value = secret_item_get_secret (item)) == NULL)
    {
      if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_propagate_error (error, g_steal_pointer (&local_error));
      else /* locked between the two calls */
        set_locked_error (error);
      return -1;
    }
  secret = secret_value_get (value, &length);
  if (length == 0 || length > CREEL_KEYRING_MAX_SECRET)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET, "The %s in the keyring is %s; store it again with: creel secret set %s",
                 what, length == 0 ? "empty" : "too long", set);
  else
    fd = creel_keyring_seal (secret, length, error);
  secret_value_unref (value); /* non-pageable memory, which libsecret wipes */
  return fd;
}

int
creel_keyring_lookup (const char *sandbox, const char *credential, CreelKeyringFlags flags, GCancellable *cancellable,
                      GError **error)
{
  g_autoptr (SecretService) service = creel_keyring_open (cancellable, error);
  g_autoptr (SecretItem) item = NULL;
  g_autofree char *what = g_strdup_printf ("key for %s", credential);
  g_autoptr (GError) local_error = NULL;

  if (service == NULL)
    return -1;
  if (sandbox != NULL && *sandbox != '\0')
    item = find_item (service, sandbox, credential, cancellable, &local_error);
  if (item == NULL && local_error == NULL)
    item = find_item (service, NULL, credential, cancellable, &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return -1;
    }
  return creel_keyring_read (service, item, what, credential, flags, cancellable, error);
}

gboolean
creel_keyring_write (const SecretSchema *item_schema, GHashTable *attributes, const char *label, const char *secret, gsize length,
                     CreelKeyringFlags flags, GCancellable *cancellable, GError **error)
{
  g_autoptr (SecretService) service = creel_keyring_open (cancellable, error);
  g_autoptr (SecretCollection) collection = NULL;
  g_autoptr (SecretValue) value = NULL;
  g_autoptr (GError) local_error = NULL;

  if (service == NULL)
    return FALSE;
  collection = default_collection (service, cancellable, &local_error);
  if (collection == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED, "The keyring has no default collection%s%s; log in to the desktop once to make it",
                   local_error != NULL ? ": " : "", local_error != NULL ? local_error->message : "");
      return FALSE;
    }
  if (secret_collection_get_locked (collection) && !unlock (service, collection, flags, cancellable, error))
    return FALSE;
  value = secret_value_new (secret, length, "text/plain");
  if (!secret_service_store_sync (service, item_schema, attributes, SECRET_COLLECTION_DEFAULT, label, value, cancellable, error))
    {
      if (error != NULL && *error != NULL)
        g_dbus_error_strip_remote_error (*error);
      g_prefix_error (error, "Cannot store the key: ");
      return FALSE;
    }
  return TRUE;
}

gboolean
creel_keyring_store (const char *sandbox, const char *credential, const char *secret, gsize length, CreelKeyringFlags flags,
                     GCancellable *cancellable, GError **error)
{
  g_autoptr (GHashTable) attributes = make_attributes (sandbox, credential);
  g_autofree char *label = sandbox != NULL ? g_strdup_printf ("Creel key for %s, sandbox %s", credential, sandbox)
                                           : g_strdup_printf ("Creel key for %s", credential);

  return creel_keyring_write (&schema, attributes, label, secret, length, flags, cancellable, error);
}

gboolean
creel_keyring_delete (SecretService *service, SecretItem *item, CreelKeyringFlags flags, GCancellable *cancellable, GError **error)
{
  return (!secret_item_get_locked (item) || unlock (service, item, flags, cancellable, error)) &&
         secret_item_delete_sync (item, cancellable, error);
}

gboolean
creel_keyring_remove (const char *sandbox, const char *credential, CreelKeyringFlags flags, GCancellable *cancellable,
                      GError **error)
{
  g_autoptr (SecretService) service = creel_keyring_open (cancellable, error);
  g_autoptr (SecretItem) item = NULL;
  g_autoptr (GError) local_error = NULL;

  if (service == NULL)
    return FALSE;
  item = find_item (service, sandbox, credential, cancellable, &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (item == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET, "The keyring has no key for %s%s%s; see: creel secret ls", credential,
                   sandbox != NULL ? " of sandbox " : "", sandbox != NULL ? sandbox : "");
      return FALSE;
    }
  return creel_keyring_delete (service, item, flags, cancellable, error);
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  const CreelKeyringEntry *x = *(CreelKeyringEntry *const *) a, *y = *(CreelKeyringEntry *const *) b;
  int order = strcmp (x->credential, y->credential);

  return order != 0 ? order : g_strcmp0 (x->sandbox, y->sandbox);
}

GPtrArray *
creel_keyring_list (GCancellable *cancellable, GError **error)
{
  g_autoptr (SecretService) service = creel_keyring_open (cancellable, error);
  g_autoptr (GHashTable) none = make_attributes (NULL, NULL);
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify) creel_keyring_entry_free);
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
      const char *credential = attributes != NULL ? g_hash_table_lookup (attributes, "credential") : NULL;

      if (credential != NULL)
        {
          CreelKeyringEntry *entry = g_new0 (CreelKeyringEntry, 1);

          entry->credential = g_strdup (credential);
          entry->sandbox = g_strdup (g_hash_table_lookup (attributes, "sandbox"));
          g_ptr_array_add (entries, entry);
        }
    }
  g_ptr_array_sort (entries, compare_entries);
  return g_steal_pointer (&entries);
}

gboolean
creel_keyring_check (GCancellable *cancellable, GError **error)
{
  g_autoptr (SecretService) service = creel_keyring_open (cancellable, error);
  g_autoptr (SecretCollection) collection = NULL;

  if (service == NULL)
    return FALSE;
  collection = default_collection (service, cancellable, NULL);
  if (collection == NULL)
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED,
                           "The keyring has no default collection; log in to the desktop once to make it");
      return FALSE;
    }
  return secret_collection_get_locked (collection) ? set_locked_error (error) : TRUE;
}
