/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "creel-gguf.h"

int
LLVMFuzzerTestOneInput (const unsigned char *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelGguf) gguf = NULL;
  int fd = memfd_create ("gguf", MFD_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, data, size), ==, (gssize) size);
  gguf = creel_gguf_read (fd, size, &error);
  close (fd);
  g_assert_true ((gguf != NULL) == (error == NULL));
  if (gguf != NULL)
    {
      g_autofree char *text = creel_gguf_format_parameters (gguf->parameters);

      g_assert_true (g_str_is_ascii (gguf->architecture) && strlen (gguf->architecture) <= 64 && gguf->quantization != NULL);
      g_assert_true (gguf->kv_bytes_per_token >> 36 == 0 && strlen (text) < 32);
    }
  return 0;
}
