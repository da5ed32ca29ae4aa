/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-digest.h"
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#define SIZE 32

struct _CreelImageDigest
{
  gnutls_hash_hd_t handle;
};

CreelImageDigest *
creel_image_digest_new (void)
{
  CreelImageDigest *self = g_new0 (CreelImageDigest, 1);

  if (gnutls_hash_init (&self->handle, GNUTLS_DIG_SHA256) < 0)
    g_error ("GnuTLS has no SHA-256"); /* no library for this program then */
  return self;
}

void
creel_image_digest_free (CreelImageDigest *self)
{
  gnutls_hash_deinit (self->handle, NULL);
  g_free (self);
}

void
creel_image_digest_update (CreelImageDigest *self, gconstpointer bytes, gsize length)
{
  if (length > 0)
    gnutls_hash (self->handle, bytes, length);
}

char *
creel_image_digest_get (CreelImageDigest *self)
{
  gnutls_hash_hd_t copy = gnutls_hash_copy (self->handle);
  guint8 raw[SIZE];
  char *hex = g_malloc (2 * SIZE + 1);

  g_assert (copy != NULL);
  gnutls_hash_deinit (copy, raw);
  for (guint i = 0; i < SIZE; i++)
    g_snprintf (hex + 2 * i, 3, "%02x", raw[i]);
  return hex;
}

char *
creel_image_digest_of (GBytes *bytes)
{
  g_autoptr (CreelImageDigest) digest = creel_image_digest_new ();
  gsize length;
  gconstpointer data = g_bytes_get_data (bytes, &length);

  creel_image_digest_update (digest, data, length);
  return creel_image_digest_get (digest);
}

gboolean
creel_image_digest_is_valid (const char *hex)
{
  return hex != NULL && strlen (hex) == 2 * SIZE && strspn (hex, "0123456789abcdef") == 2 * SIZE;
}
