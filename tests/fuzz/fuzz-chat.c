/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the model runner answers to `creel model run`: whole and in two pieces it says the same, and nothing of it controls a terminal. */
#include <string.h>

#include "chat-answer.h"
#include "cli-model.h"
#include "creel-keep-alive.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
on_text (ChatPart part, const char *text, gpointer user_data)
{
  g_autofree char *safe = cli_model_printable (text);

  g_assert_true (g_utf8_validate (safe, -1, NULL));
  for (const char *p = safe; *p != '\0'; p++)
    g_assert_true ((guchar) *p >= ' ' || *p == '\n' || *p == '\t');
  g_string_append_printf (user_data, "%d%s", part, safe);
}

static char *
read_answer (const char *data, gsize size, gsize cut)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (ChatAnswer) answer = chat_answer_new (on_text, out);
  g_autoptr (GError) error = NULL;

  if (chat_answer_feed (answer, data, cut, &error) && chat_answer_feed (answer, data + cut, size - cut, &error))
    chat_answer_end (answer, &error);
  g_assert_true (error != NULL || chat_answer_is_done (answer));
  g_string_append (out, error != NULL ? error->message : "");
  return g_string_free (g_steal_pointer (&out), FALSE);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  gsize cut = size > 0 ? data[size - 1] % (size + 1) : 0;
  g_autofree char *whole = read_answer (size > 0 ? (const char *) data : "", size, size), *pieces = read_answer (size > 0 ? (const char *) data : "", size, cut);
  g_autofree char *name = cli_model_name_of_file (text);
  g_auto (GStrv) parts = cli_model_list_parts (text);
  guint64 usec;

  g_assert_cmpstr (whole, ==, pieces);
  g_assert_true (name == NULL || g_utf8_validate (name, -1, NULL));
  g_assert_nonnull (parts[0]);
  if (creel_keep_alive_parse (text, &usec, NULL))
    {
      g_autofree char *shown = cli_format_keep_alive (usec);

      g_assert_nonnull (shown);
    }
  return 0;
}
