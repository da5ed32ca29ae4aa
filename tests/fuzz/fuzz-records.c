/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guest answers on the control channel, and its texts. */
#include <string.h>

#include "creel-call.h"
#include "creel-records.h"

static void
on_record (const char *key, const char *value, gpointer user_data)
{
  g_autofree char *line = creel_text_clean_line (value, -1, 256);

  g_assert_cmpuint (strlen (line), <=, 256);
  g_assert_true (g_utf8_validate (line, -1, NULL));
  for (const char *p = line; *p != '\0'; p++)
    g_assert_true ((guchar) *p >= 0x20 && *p != 0x7f);
  g_assert_cmpuint (strlen (key), >, 0);
}

int LLVMFuzzerTestOneInput (const guint8 *data, size_t size);

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autofree char *error = NULL;
  g_autofree char *output = NULL;

  creel_records_parse (data, size, on_record, NULL);
  error = creel_call_describe_error (500, data, size, NULL);
  g_assert_cmpuint (strlen (error), <=, 256);
  output = creel_text_clean_output (data, size, 64);
  g_assert_true (g_utf8_validate (output, -1, NULL));
  return 0;
}
