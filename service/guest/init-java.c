/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <stdio.h>
#include <string.h>

/* Java reads no PEM bundle. This writes the certificates of one as the oldest of its key stores, "JKS", which every version reads: all numbers
 * big-endian, each entry a trusted certificate. The digest at the end is looked at only by who gives a password, and nobody has to. */

#define MAGIC 0xfeedfeed
#define VERSION 2
#define TRUSTED_CERTIFICATE 2
#define DIGEST_LENGTH 20
/* An entry has fewer than 40 bytes beside its certificate, the two marks around it in PEM have 52: so a store is no longer than its texts,
 * but for its own head, its digest, and the begin of an entry that turns out to be none. */
#define SLACK 128

typedef struct
{
  uint8_t *bytes;
  size_t length;
  uint32_t n;
} Store;

static void
put_number (uint8_t *to, uint32_t number)
{
  for (int i = 0; i < 4; i++)
    to[i] = (uint8_t) (number >> (24 - 8 * i));
}

static void
add_number (Store *store, uint32_t number)
{
  put_number (store->bytes + store->length, number);
  store->length += 4;
}

static void
add_name (Store *store, const char *name)
{
  size_t length = strlen (name);

  store->bytes[store->length++] = (uint8_t) (length >> 8);
  store->bytes[store->length++] = (uint8_t) length;
  memcpy (store->bytes + store->length, name, length);
  store->length += length;
}

/* One that is not even the shell of a certificate would make Java refuse the whole store. */
static bool
is_sequence (const uint8_t *der, size_t length)
{
  size_t n, content = 0;

  if (length < 2 || der[0] != 0x30)
    return false;
  if (der[1] < 0x80)
    return der[1] == length - 2;
  n = der[1] & 0x7f;
  if (n > 4 || n > length - 2)
    return false;
  for (size_t i = 0; i < n; i++)
    content = content << 8 | der[2 + i];
  return content == length - 2 - n;
}

static void
add_certificates (Store *store, const char *kind, const char *text, size_t length)
{
  PemBlock block = { .end = text };

  while (true)
    {
      size_t before = store->length;
      char name[24];

      snprintf (name, sizeof name, "%s-%u", kind, store->n);
      add_number (store, TRUSTED_CERTIFICATE);
      add_name (store, name);
      add_number (store, 0); /* since when: 64 bits */
      add_number (store, 0);
      add_name (store, "X.509");
      store->length += 4;
      if (!pem_next (&block, "CERTIFICATE", text + length, store->bytes + store->length))
        {
          store->length = before;
          return;
        }
      put_number (store->bytes + store->length - 4, (uint32_t) block.n_bytes);
      store->length += block.n_bytes;
      if (is_sequence (store->bytes + store->length - block.n_bytes, block.n_bytes))
        store->n++;
      else
        store->length = before;
    }
}

uint8_t *
java_store_build (const char *text, size_t length, const char *pem, size_t *ret_length)
{
  size_t pem_length = strlen (pem);
  Store store = { .bytes = malloc (length + pem_length + SLACK) };

  if (store.bytes == NULL)
    return NULL;
  add_number (&store, MAGIC);
  add_number (&store, VERSION);
  add_number (&store, 0);
  add_certificates (&store, "system", text, length);
  add_certificates (&store, "creel", pem, pem_length);
  put_number (store.bytes + 8, store.n);
  memset (store.bytes + store.length, 0, DIGEST_LENGTH);
  *ret_length = store.length + DIGEST_LENGTH;
  return store.bytes;
}
