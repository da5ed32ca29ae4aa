/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "creel-log-reader.h"
#include "creel-names.h"
#include "test-journal.h"

#define CREATED (G_GINT64_CONSTANT (1700000000) * G_USEC_PER_SEC)
#define REQUEST "MESSAGE_ID=" CREEL_MESSAGE_REQUEST "|CREEL_EVENT=request|"

static char *folder;

/* The MESSAGEs with a space behind each; `cursor` becomes the next. */
static char *
read_messages (CreelLogKind kind, char **cursor, guint limit)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = creel_log_read (folder, kind == CREEL_LOG_MODELS ? NULL : "box", kind, CREATED, *cursor, limit, &error);
  g_autoptr (GVariant) entries = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  const char *next;

  g_assert_no_error (error);
  g_variant_ref_sink (answer);
  g_assert_true (g_variant_is_of_type (answer, G_VARIANT_TYPE ("(aa{ss}s)")));
  g_variant_get (answer, "(@aa{ss}&s)", &entries, &next);
  g_assert_true (creel_log_cursor_is_valid (next));
  g_free (*cursor);
  *cursor = g_strdup (next);
  for (gsize i = 0; i < g_variant_n_children (entries); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
      const char *message = NULL;

      g_assert_true (g_variant_lookup (entry, "MESSAGE", "&s", &message));
      g_string_append_printf (text, "%s ", message);
    }
  return g_strdup (text->str);
}

static void
assert_messages (CreelLogKind kind, const char *from, guint limit, const char *expected)
{
  g_autofree char *cursor = g_strdup (from), *seen = read_messages (kind, &cursor, limit);

  g_assert_cmpstr (seen, ==, expected);
}

static void
setup (void)
{
  g_autoptr (GString) journal = g_string_new (NULL);
  guint64 t = CREATED;

  folder = g_dir_make_tmp ("creel-log-XXXXXX", NULL);
  test_journal_add (journal, t - 2, "creel-gateway@box.service", REQUEST "MESSAGE=r-before");
  test_journal_add (journal, t - 1, "creel@box.service", "MESSAGE=l-before");
  test_journal_add (journal, t + 1, "creel@box.service", "MESSAGE=l1");
  for (guint i = 1; i <= 5; i++)
    {
      g_autofree char *fields = g_strdup_printf (REQUEST "MESSAGE=r%u", i);

      test_journal_add (journal, t + 1 + i, "creel-gateway@box.service", fields);
    }
  /* anybody may write these */
  test_journal_add (journal, t + 10, "user@1000.service", REQUEST "CREEL_SANDBOX=box|UNIT=creel@box.service|MESSAGE=forged");
  test_journal_add (journal, t + 11, "cron.service", "OBJECT_SYSTEMD_UNIT=creel@box.service|CREEL_SANDBOX=box|MESSAGE=forged");
  test_journal_add (journal, t + 12, "creel-gateway@box2.service", REQUEST "CREEL_SANDBOX=box|MESSAGE=other");
  test_journal_add (journal, t + 13, "creel@other.service", "CREEL_SANDBOX=box|MESSAGE=other");
  test_journal_add (journal, t + 14, "creeld.service", "CREEL_SANDBOX=other|MESSAGE=other");
  test_journal_add (journal, t + 15, "creeld.service", "CREEL_SANDBOX=box|MESSAGE=l2");
  test_journal_add (journal, t + 16, "creel-gateway@box.service", "MESSAGE=l3");
  test_journal_add (journal, t + 17, "init.scope", "_PID=1|UNIT=creel-gateway@box.service|MESSAGE=l4");
  /* the model runner's */
  test_journal_add (journal, t + 20, "creel-models.service", "CREEL_MODEL=ai/a|CREEL_SANDBOX=of-another-user|CREEL_PATH=/v1/completions|MESSAGE=m1");
  test_journal_add (journal, t + 21, "creel-engine-aaaaaaaaaaaaaaaa.service", "_SYSTEMD_SLICE=" CREEL_ENGINE_SLICE "|CREEL_MODEL=ai/a|MESSAGE=m2");
  test_journal_add (journal, t + 22, "creeld.service", "CREEL_EVENT=model|CREEL_MODEL=ai/a|MESSAGE=m3");
  test_journal_add (journal, t + 23, "init.scope", "_PID=1|UNIT=creel-models.service|MESSAGE=m4");
  test_journal_add (journal, t + 24, "user@1000.service", "CREEL_EVENT=model|CREEL_MODEL=ai/a|UNIT=creel-models.service|SYSLOG_IDENTIFIER=creel-engine|MESSAGE=forged");
  if (!test_journal_write (journal, folder, "box"))
    g_clear_pointer (&folder, g_free);
}

static void
test_kinds (void)
{
  if (folder == NULL)
    {
      g_test_skip ("systemd-journal-remote is not installed");
      return;
    }
  assert_messages (CREEL_LOG_NETWORK, "", 1000, "r1 r2 r3 r4 r5 ");
  assert_messages (CREEL_LOG_LIFE, "", 1000, "l1 l2 l3 l4 ");
  assert_messages (CREEL_LOG_NETWORK, "", 2, "r4 r5 ");
  assert_messages (CREEL_LOG_LIFE, "", 3, "l2 l3 l4 ");
  assert_messages (CREEL_LOG_NETWORK, "first", 2, "r1 r2 ");
  assert_messages (CREEL_LOG_LIFE, "first", 1, "l1 ");
}

static void
test_models (void)
{
  if (folder == NULL)
    {
      g_test_skip ("systemd-journal-remote is not installed");
      return;
    }
  assert_messages (CREEL_LOG_MODELS, "", 1000, "m1 m2 m3 m4 ");
  assert_messages (CREEL_LOG_MODELS, "", 2, "m3 m4 ");
  assert_messages (CREEL_LOG_MODELS, "first", 1, "m1 ");
}

/* All users read it: it tells nothing of a sandbox. */
static void
test_models_fields (void)
{
  g_autoptr (GVariant) answer = NULL;
  g_autofree char *text = NULL;

  if (folder == NULL)
    {
      g_test_skip ("systemd-journal-remote is not installed");
      return;
    }
  answer = g_variant_ref_sink (creel_log_read (folder, NULL, CREEL_LOG_MODELS, CREATED, "first", 1, NULL));
  text = g_variant_print (answer, FALSE);
  g_assert_nonnull (strstr (text, "'CREEL_MODEL': 'ai/a'"));
  g_assert_nonnull (strstr (text, "'_SYSTEMD_UNIT': 'creel-models.service'"));
  g_assert_null (strstr (text, "of-another-user"));
  g_assert_null (strstr (text, "CREEL_PATH"));
}

static void
test_cursor (void)
{
  static const char *const pages[] = { "r1 r2 ", "r3 r4 ", "r5 ", "" };
  g_autofree char *cursor = g_strdup ("first"), *last = g_strdup (""), *none = NULL, *before = NULL, *late = NULL, *later = NULL;
  g_autoptr (GString) journal = g_string_new (NULL);

  if (folder == NULL)
    {
      g_test_skip ("systemd-journal-remote is not installed");
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (pages); i++)
    {
      g_autofree char *page = read_messages (CREEL_LOG_NETWORK, &cursor, 2);

      g_assert_cmpstr (page, ==, pages[i]);
    }
  /* nothing shown, but a place to go on from */
  none = read_messages (CREEL_LOG_NETWORK, &last, 0);
  g_assert_cmpstr (none, ==, "");
  g_assert_cmpstr (last, ==, cursor);
  before = g_strdup (last);
  test_journal_add (journal, CREATED + 100, "creel-gateway@box.service", REQUEST "MESSAGE=r6");
  test_journal_write (journal, folder, "later");
  late = read_messages (CREEL_LOG_NETWORK, &last, 10);
  g_assert_cmpstr (late, ==, "r6 ");
  g_assert_cmpstr (last, !=, before);
  later = read_messages (CREEL_LOG_NETWORK, &last, 10);
  g_assert_cmpstr (later, ==, "");
}

/* A cursor of a time before the sandbox opens nothing of that time. */
static void
test_old_cursor (void)
{
  g_autofree char *cursor = NULL;
  g_autoptr (GVariant) answer = NULL;

  if (folder == NULL)
    {
      g_test_skip ("systemd-journal-remote is not installed");
      return;
    }
  answer = g_variant_ref_sink (creel_log_read (folder, "box", CREEL_LOG_NETWORK, 0, "first", 1, NULL));
  g_variant_get_child (answer, 1, "s", &cursor);
  assert_messages (CREEL_LOG_LIFE, cursor, 1, "l1 ");
  assert_messages (CREEL_LOG_NETWORK, cursor, 1, "r1 ");
}

static void
test_bad_cursors (void)
{
  static const char *const bad[] = { "firs t", "s=1\n", "../x", "s=\xff", "s=1,2" };
  g_autofree char *long_one = g_strnfill (1000, 'a');
  CreelLogKind kind;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (creel_log_cursor_is_valid (bad[i]));
  g_assert_false (creel_log_cursor_is_valid (long_one));
  g_assert_true (creel_log_cursor_is_valid (""));
  g_assert_true (creel_log_kind_parse ("network", &kind));
  g_assert_false (creel_log_kind_parse ("all", &kind));
  if (folder != NULL)
    {
      static const char *const odd[] = { "nonsense", "s=;i=;", "i=5", "s=0123456789abcdef0123456789abcdef;i=ffffffffffffffff" };

      for (guint i = 0; i < G_N_ELEMENTS (odd); i++)
        {
          g_autoptr (GError) error = NULL;
          g_autoptr (GVariant) answer = creel_log_read (folder, "box", CREEL_LOG_NETWORK, CREATED, odd[i], 10, &error);

          g_test_message ("%s: %s", odd[i], error != NULL ? error->message : "taken");
          if (answer != NULL)
            g_variant_ref_sink (answer);
          g_assert_true ((answer != NULL) != (error != NULL));
        }
    }
}

/* What is long, binary or not ours is cut, cleaned or left out. */
static void
test_fields (void)
{
  g_autoptr (GString) journal = g_string_new (NULL);
  g_autofree char *value = g_strnfill (5000, 'x'), *directory = g_dir_make_tmp ("creel-log-XXXXXX", NULL);
  g_autofree char *fields = g_strdup_printf ("CREEL_HOST=%s|CREEL_PATH=\033[31m\xff|_COMMANDLINE=secret|MESSAGE=said \033[31mred", value);
  g_autofree char *file = g_build_filename (directory, "box.journal", NULL);
  g_autoptr (GVariant) answer = NULL, entries = NULL, entry = NULL;
  const char *text;

  test_journal_add (journal, CREATED + 1, "creel@box.service", fields);
  if (!test_journal_write (journal, directory, "box"))
    {
      g_test_skip ("systemd-journal-remote is not installed");
      g_rmdir (directory);
      return;
    }
  answer = g_variant_ref_sink (creel_log_read (directory, "box", CREEL_LOG_LIFE, CREATED, "", 10, NULL));
  entries = g_variant_get_child_value (answer, 0);
  g_assert_cmpuint (g_variant_n_children (entries), ==, 1);
  entry = g_variant_get_child_value (entries, 0);
  g_assert_true (g_variant_lookup (entry, "CREEL_HOST", "&s", &text));
  g_assert_cmpuint (strlen (text), ==, 1024);
  g_assert_true (g_variant_lookup (entry, "CREEL_PATH", "&s", &text));
  g_assert_cmpstr (text, ==, "?[31m?");
  g_assert_true (g_variant_lookup (entry, "MESSAGE", "&s", &text));
  g_assert_cmpstr (text, ==, "said ?[31mred");
  g_assert_true (g_variant_lookup (entry, "_SYSTEMD_UNIT", "&s", &text));
  g_assert_true (g_variant_lookup (entry, "__REALTIME_TIMESTAMP", "&s", &text));
  g_assert_cmpstr (text, ==, "1700000000000001");
  g_assert_false (g_variant_lookup (entry, "_COMMANDLINE", "&s", &text));
  g_assert_false (g_variant_lookup (entry, "_BOOT_ID", "&s", &text));
  g_unlink (file);
  g_rmdir (directory);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  setup ();
  g_test_add_func ("/log/models", test_models);
  g_test_add_func ("/log/models-fields", test_models_fields);
  g_test_add_func ("/log/kinds", test_kinds);
  g_test_add_func ("/log/cursor", test_cursor);
  g_test_add_func ("/log/old-cursor", test_old_cursor);
  g_test_add_func ("/log/bad-cursors", test_bad_cursors);
  g_test_add_func ("/log/fields", test_fields);
  status = g_test_run ();
  if (folder != NULL)
    {
      static const char *const files[] = { "box.journal", "later.journal" };

      for (guint i = 0; i < G_N_ELEMENTS (files); i++)
        {
          g_autofree char *file = g_build_filename (folder, files[i], NULL);

          g_unlink (file);
        }
      g_rmdir (folder);
      g_free (folder);
    }
  return status;
}
