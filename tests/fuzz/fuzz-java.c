/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The certificate bundle of an image: as Java gets it, and without its own first certificate. */
#include <string.h>

#include "init.h"

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  char *copy = malloc (n_bytes > 0 ? n_bytes : 1); /* nothing behind its end */
  char *text = strndup ((const char *) bytes, n_bytes);
  size_t length, n = 0;
  uint8_t *store;

  if (copy == NULL || text == NULL)
    abort ();
  memcpy (copy, bytes, n_bytes);
  store = java_store_build (copy, n_bytes, text, &length);
  if (store == NULL || length < 32)
    abort ();
  for (size_t at = 12; at < length - 20; n++)
    {
      size_t name = at + 4, kind = name + 2 + (size_t) (store[name] << 8 | store[name + 1]) + 8, size = kind + 7;

      at = size + 4 + ((size_t) store[size] << 24 | store[size + 1] << 16 | store[size + 2] << 8 | store[size + 3]);
      if (at > length - 20)
        abort ();
    }
  if (n != (size_t) (store[8] << 24 | store[9] << 16 | store[10] << 8 | store[11]))
    abort ();
  if (pem_cut (copy, n_bytes, text) > n_bytes)
    abort ();
  free (store);
  free (copy);
  free (text);
  return 0;
}
