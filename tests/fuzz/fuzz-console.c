/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <string.h>

#include "creel-console.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *bytes = (const char *) data;
  g_autofree char *line = creel_console_last_line (bytes, size);

  creel_console_shows_panic (bytes, size);
  if (line != NULL)
    for (const char *c = line; *c != '\0'; c++)
      if (*c < 0x20 || *c > 0x7e || c - line > 200)
        __builtin_trap ();
  return 0;
}
