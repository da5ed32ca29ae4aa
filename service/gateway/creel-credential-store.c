/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-credential-store.h"

#include <string.h>
#include <sys/mman.h>

#include "creel-error.h"
#include "creel-inject.h"

#define WAIT_SECONDS 30

struct _CreelSecret
{
  grefcount ref_count;
  char *key; /* a mapping of its own */
  gsize size, mapped;
  CreelKeyForms *forms; /* for a credential that is the same as far as these tell: */
  char *format;
  gboolean in_header;
};

struct _CreelCredentialStore
{
  GHashTable *secrets; /* name -> CreelSecret */
  guint generation;    /* counts what was forgotten, so that a late answer is not kept */
  CreelSecretFunc func;
  gpointer user_data;
};

CreelSecret *
creel_secret_ref (CreelSecret *secret)
{
  g_ref_count_inc (&secret->ref_count);
  return secret;
}

void
creel_secret_unref (CreelSecret *secret)
{
  if (secret == NULL || !g_ref_count_dec (&secret->ref_count))
    return;
  explicit_bzero (secret->key, secret->mapped);
  munmap (secret->key, secret->mapped);
  g_clear_pointer (&secret->forms, creel_key_forms_unref);
  g_free (secret->format);
  g_free (secret);
}

const char *
creel_secret_get_key (CreelSecret *secret, gsize *ret_size)
{
  *ret_size = secret->size;
  return secret->key;
}

CreelKeyForms *
creel_secret_get_forms (CreelSecret *secret, const CreelCredential *credential)
{
  if (secret->forms != NULL && secret->in_header == (credential->header != NULL) && g_strcmp0 (secret->format, credential->format) == 0)
    return secret->forms;
  g_clear_pointer (&secret->forms, creel_key_forms_unref);
  g_free (secret->format);
  secret->format = g_strdup (credential->format);
  secret->in_header = credential->header != NULL;
  secret->forms = creel_inject_get_forms (credential, secret->key);
  return secret->forms;
}

static CreelSecret *
secret_new (const char *key, gsize size)
{
  gsize mapped = (size + 1 + 4095) & ~(gsize) 4095;
  char *memory = mmap (NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CreelSecret *secret;

  if (memory == MAP_FAILED)
    return NULL;
  mlock (memory, mapped); /* RLIMIT_MEMLOCK may be 0 in a container; the core dump flag always works */
  madvise (memory, mapped, MADV_DONTDUMP);
  memcpy (memory, key, size);
  secret = g_new0 (CreelSecret, 1);
  g_ref_count_init (&secret->ref_count);
  secret->key = memory;
  secret->size = size;
  secret->mapped = mapped;
  return secret;
}

CreelCredentialStore *
creel_credential_store_new (void)
{
  CreelCredentialStore *store = g_new0 (CreelCredentialStore, 1);

  store->secrets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) creel_secret_unref);
  return store;
}

void
creel_credential_store_free (CreelCredentialStore *store)
{
  g_hash_table_unref (store->secrets);
  g_free (store);
}

void
creel_credential_store_set_func (CreelCredentialStore *store, CreelSecretFunc func, gpointer user_data)
{
  store->func = func;
  store->user_data = user_data;
}

void
creel_credential_store_forget (CreelCredentialStore *store, const char *const *names)
{
  store->generation++;
  if (names == NULL || names[0] == NULL)
    g_hash_table_remove_all (store->secrets);
  for (; names != NULL && *names != NULL; names++)
    g_hash_table_remove (store->secrets, *names);
}

CreelSecret *
creel_credential_store_peek (CreelCredentialStore *store, const char *name)
{
  return g_hash_table_lookup (store->secrets, name);
}

typedef struct
{
  CreelCredentialStore *store;
  char *name;
  guint generation;
  guint timeout;
  gboolean answered;
} Lookup;

static void
lookup_free (gpointer data)
{
  Lookup *lookup = data;

  g_clear_handle_id (&lookup->timeout, g_source_remove);
  g_free (lookup->name);
  g_free (lookup);
}

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Lookup *lookup = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_task_propagate_pointer (G_TASK (result), &error);
  gsize size = 0;
  const char *key = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;
  CreelSecret *secret;

  if (lookup->answered)
    return;
  lookup->answered = TRUE;
  g_clear_handle_id (&lookup->timeout, g_source_remove);
  if (bytes == NULL)
    {
      g_task_return_error (task, error != NULL ? g_steal_pointer (&error)
                                               : g_error_new_literal (CREEL_ERROR, CREEL_ERROR_FAILED, "No key came"));
      return;
    }
  /* a newline at the end is how files and terminals hand over keys */
  while (size > 0 && (key[size - 1] == '\n' || key[size - 1] == '\r'))
    size--;
  secret = creel_inject_key_is_valid (key, size) ? secret_new (key, size) : NULL;
  if (secret == NULL)
    {
      g_task_return_new_error (task, CREEL_ERROR, CREEL_ERROR_FAILED,
                               "The stored key is not one line of printable characters");
      return;
    }
  if (lookup->generation == lookup->store->generation)
    g_hash_table_replace (lookup->store->secrets, g_strdup (lookup->name), creel_secret_ref (secret));
  g_task_return_pointer (task, secret, (GDestroyNotify) creel_secret_unref);
}

static gboolean
on_timeout (gpointer user_data)
{
  GTask *task = user_data;
  Lookup *lookup = g_task_get_task_data (task);

  lookup->timeout = 0;
  lookup->answered = TRUE;
  g_task_return_new_error (task, CREEL_ERROR, CREEL_ERROR_TIMED_OUT, "The keyring did not answer in %d s", WAIT_SECONDS);
  return G_SOURCE_REMOVE;
}

CreelSecret *
creel_credential_store_get (CreelCredentialStore *store, const char *name)
{
  CreelSecret *secret = g_hash_table_lookup (store->secrets, name);

  return secret != NULL ? creel_secret_ref (secret) : NULL;
}

void
creel_credential_store_lookup_async (CreelCredentialStore *store, const char *name, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  CreelSecret *secret = creel_credential_store_get (store, name);
  Lookup *lookup;

  if (secret != NULL || store->func == NULL)
    {
      if (secret != NULL)
        g_task_return_pointer (task, secret, (GDestroyNotify) creel_secret_unref);
      else
        g_task_return_new_error (task, CREEL_ERROR, CREEL_ERROR_NO_AGENT, "Nobody can provide keys");
      g_object_unref (task);
      return;
    }
  lookup = g_new0 (Lookup, 1);
  lookup->store = store;
  lookup->name = g_strdup (name);
  lookup->generation = store->generation;
  g_task_set_task_data (task, lookup, lookup_free);
  lookup->timeout = g_timeout_add_seconds (WAIT_SECONDS, on_timeout, task);
  g_autoptr (GTask) reply = g_task_new (NULL, NULL, on_reply, task);
  store->func (name, reply, store->user_data);
}

CreelSecret *
creel_credential_store_lookup_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
