/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest or a journal says, on its way to the user's terminal: the result is valid UTF-8 without a control character, and the
 * sizes that a user types never break the parser. */
#include "cli.h"
#include "out-text.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  g_autofree char *text = g_strndup (n_bytes > 0 ? (const char *) bytes : "", n_bytes);
  guint64 size;

  for (int lines = 0; lines < 2; lines++)
    {
      g_autofree char *safe = out_printable (n_bytes > 0 ? (const char *) bytes : "", n_bytes, lines);

      g_assert_true (g_utf8_validate (safe, -1, NULL));
      for (const char *p = safe; *p != '\0'; p = g_utf8_next_char (p))
        {
          gunichar c = g_utf8_get_char (p);

          g_assert_true (!g_unichar_iscntrl (c) || (lines && (c == '\n' || c == '\t')));
          g_assert_true (c < 0x202a || c > 0x202e);
        }
    }
  if (cli_parse_size (text, &size, NULL))
    g_assert_cmpuint (size, >, 0);
  return 0;
}
