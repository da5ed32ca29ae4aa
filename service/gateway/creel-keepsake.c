/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-keepsake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-records.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define MAX_SIZE (1024 * 1024)

CreelKeepsake *
creel_keepsake_new (void)
{
  CreelKeepsake *keepsake = g_new0 (CreelKeepsake, 1);

  keepsake->placeholders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  keepsake->answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return keepsake;
}

void
creel_keepsake_free (CreelKeepsake *keepsake)
{
  if (keepsake == NULL)
    return;
  g_hash_table_unref (keepsake->placeholders);
  g_hash_table_unref (keepsake->answers);
  if (keepsake->ca != NULL)
    explicit_bzero (keepsake->ca, strlen (keepsake->ca));
  g_free (keepsake->ca);
  g_free (keepsake);
}

static void
take_pair (GHashTable *table, const char *value)
{
  const char *equals = strchr (value, '=');

  if (equals != NULL)
    g_hash_table_insert (table, g_strndup (value, equals - value), g_strdup (equals + 1));
}

static void
add_pairs (GByteArray *records, const char *key, GHashTable *table)
{
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      g_autofree char *pair = g_strconcat (name, "=", value, NULL);

      creel_records_add (records, key, pair);
    }
}

static void
on_record (const char *key, const char *value, gpointer user_data)
{
  CreelKeepsake *keepsake = user_data;

  if (g_str_equal (key, "ca") && keepsake->ca == NULL)
    keepsake->ca = g_strdup (value);
  else if (g_str_equal (key, "placeholder"))
    take_pair (keepsake->placeholders, value);
  else if (g_str_equal (key, "answer"))
    take_pair (keepsake->answers, value);
}

CreelKeepsake *
creel_keepsake_read (int fd, GError **error)
{
  g_autoptr (CreelKeepsake) keepsake = creel_keepsake_new ();
  struct stat st;
  void *map;
  gboolean good;

  if (fcntl (fd, F_GET_SEALS) != SEALS || fstat (fd, &st) < 0 || st.st_size <= 0 || st.st_size > MAX_SIZE)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The kept state is not a sealed memfd of ours");
      return NULL;
    }
  map = mmap (NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot map the kept state: %s", g_strerror (errno));
      return NULL;
    }
  good = creel_records_parse (map, st.st_size, on_record, keepsake);
  munmap (map, st.st_size);
  if (!good)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The kept state cannot be read");
      return NULL;
    }
  return g_steal_pointer (&keepsake);
}

int
creel_keepsake_seal (const CreelKeepsake *keepsake, GError **error)
{
  g_autoptr (GByteArray) records = g_byte_array_sized_new (16 * 1024);
  int fd;

  creel_records_add (records, "version", "1");
  if (keepsake->ca != NULL)
    creel_records_add (records, "ca", keepsake->ca);
  add_pairs (records, "placeholder", keepsake->placeholders);
  add_pairs (records, "answer", keepsake->answers);
  fd = memfd_create ("creel-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || write (fd, records->data, records->len) != (gssize) records->len ||
      fcntl (fd, F_ADD_SEALS, SEALS) < 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot make the kept state: %s", g_strerror (errno));
      if (fd >= 0)
        close (fd);
      fd = -1;
    }
  explicit_bzero (records->data, records->len);
  return fd;
}

gboolean
creel_keepsake_store (const CreelKeepsake *keepsake, GError **error)
{
  int fd;
  int r;

  if (g_getenv ("NOTIFY_SOCKET") == NULL)
    return TRUE;
  fd = creel_keepsake_seal (keepsake, error);
  if (fd < 0)
    return FALSE;
  sd_notify (FALSE, "FDSTOREREMOVE=1\nFDNAME=state");
  r = sd_pid_notify_with_fds (0, FALSE, "FDSTORE=1\nFDNAME=state", &fd, 1);
  close (fd);
  if (r < 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "Cannot leave the state with the service manager: %s", g_strerror (-r));
      return FALSE;
    }
  return TRUE;
}
