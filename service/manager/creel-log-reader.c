/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-log-reader.h"

#include <string.h>
#include <systemd/sd-journal.h>

#include "creel-error.h"
#include "creel-exec.h"
#include "creel-names.h"

#define MAX_VALUE 1024
#define MAX_FIELDS 32
#define MAX_CURSOR 512
/* Of one answer: well below what a bus message may have */
#define MAX_BYTES (4 * 1024 * 1024)
/* Of one answer: life is looked for among requests, which may be many more */
#define MAX_LOOKED_AT 20000

typedef sd_journal Journal;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Journal, sd_journal_close)

gboolean
creel_log_kind_parse (const char *text, CreelLogKind *ret_kind)
{
  if (g_str_equal (text, "network"))
    *ret_kind = CREEL_LOG_NETWORK;
  else if (g_str_equal (text, "life"))
    *ret_kind = CREEL_LOG_LIFE;
  else
    return FALSE;
  return TRUE;
}

gboolean
creel_log_cursor_is_valid (const char *cursor)
{
  gsize length = strlen (cursor);

  return g_str_equal (cursor, CREEL_LOG_FIRST) ||
         (length <= MAX_CURSOR &&
          strspn (cursor, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=;") == length);
}

G_GNUC_PRINTF (2, 3)
static int
match (sd_journal *journal, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  return sd_journal_add_match (journal, text, 0);
}

static int
match_models (sd_journal *journal)
{
  int r = match (journal, "_SYSTEMD_UNIT=" CREEL_MODELS_UNIT);

  r = r < 0 ? r : sd_journal_add_disjunction (journal);
  r = r < 0 ? r : match (journal, "_SYSTEMD_SLICE=" CREEL_ENGINE_SLICE);
  r = r < 0 ? r : sd_journal_add_disjunction (journal);
  r = r < 0 ? r : match (journal, "_SYSTEMD_UNIT=creeld.service");
  r = r < 0 ? r : match (journal, CREEL_FIELD_EVENT "=model");
  r = r < 0 ? r : sd_journal_add_disjunction (journal);
  r = r < 0 ? r : match (journal, "_PID=1");
  r = r < 0 ? r : match (journal, "UNIT=" CREEL_MODELS_UNIT);
  return r < 0 ? r : match (journal, "UNIT=" CREEL_MODELS_SOCKET);
}

/* Fields that begin with "_" are journald's own: anybody may write the others, so each alternative needs one of them. */
static int
match_sandbox (sd_journal *journal, const char *name, CreelLogKind kind)
{
  int r = match (journal, "_SYSTEMD_UNIT=creel-gateway@%s.service", name);

  if (kind == CREEL_LOG_NETWORK)
    {
      r = r < 0 ? r : match (journal, "MESSAGE_ID=" CREEL_MESSAGE_REQUEST);
      r = r < 0 ? r : match (journal, "MESSAGE_ID=" CREEL_MESSAGE_REQUEST_DONE);
      r = r < 0 ? r : match (journal, "MESSAGE_ID=" CREEL_MESSAGE_QUESTION);
      return r < 0 ? r : match (journal, "MESSAGE_ID=" CREEL_MESSAGE_PORT);
    }
  r = r < 0 ? r : sd_journal_add_disjunction (journal);
  r = r < 0 ? r : match (journal, "_SYSTEMD_UNIT=creel@%s.service", name);
  r = r < 0 ? r : sd_journal_add_disjunction (journal);
  r = r < 0 ? r : match (journal, "_SYSTEMD_UNIT=creeld.service");
  r = r < 0 ? r : match (journal, CREEL_FIELD_SANDBOX "=%s", name);
  r = r < 0 ? r : sd_journal_add_disjunction (journal);
  /* systemd's own lines about the units */
  r = r < 0 ? r : match (journal, "_PID=1");
  r = r < 0 ? r : match (journal, "UNIT=creel@%s.service", name);
  return r < 0 ? r : match (journal, "UNIT=creel-gateway@%s.service", name);
}

static gboolean
is_one_of (const char *const *names, gsize n, const char *field, gsize length)
{
  for (gsize i = 0; i < n; i++)
    if (strlen (names[i]) == length && strncmp (field, names[i], length) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
is_shown (CreelLogKind kind, const char *field, gsize length)
{
  static const char *const names[] = { "MESSAGE", "MESSAGE_ID", "PRIORITY", "SYSLOG_IDENTIFIER", "_COMM", "_SYSTEMD_UNIT" };
  /* every user sees those of models: who asked is not among them */
  static const char *const of_models[] = { "MESSAGE", "PRIORITY", "_SYSTEMD_UNIT", CREEL_FIELD_MODEL };

  if (kind == CREEL_LOG_MODELS)
    return is_one_of (of_models, G_N_ELEMENTS (of_models), field, length);
  if (length > strlen ("CREEL_") && length <= 64 && strncmp (field, "CREEL_", strlen ("CREEL_")) == 0)
    return TRUE;
  return is_one_of (names, G_N_ELEMENTS (names), field, length);
}

static gint64
get_time (sd_journal *journal)
{
  uint64_t usec;

  return sd_journal_get_realtime_usec (journal, &usec) < 0 ? 0 : (gint64) usec;
}

/* NULL: not an entry of this kind. Adds what it takes to `bytes`. */
static GVariant *
make_entry (sd_journal *journal, CreelLogKind kind, gsize *bytes)
{
  static const char *const network[] = { CREEL_FIELD_EVENT "=request", CREEL_FIELD_EVENT "=question", CREEL_FIELD_EVENT "=port" };
  g_autofree char *time = g_strdup_printf ("%" G_GINT64_FORMAT, get_time (journal));
  g_autoptr (GVariant) entry = NULL;
  GVariantBuilder builder;
  const void *data;
  size_t length;
  guint n = 0;

  if (kind == CREEL_LOG_LIFE && sd_journal_get_data (journal, CREEL_FIELD_EVENT, &data, &length) >= 0)
    for (guint i = 0; i < G_N_ELEMENTS (network); i++)
      if (length == strlen (network[i]) && memcmp (data, network[i], length) == 0)
        return NULL;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  g_variant_builder_add (&builder, "{ss}", "__REALTIME_TIMESTAMP", time);
  SD_JOURNAL_FOREACH_DATA (journal, data, length)
    {
      const char *equals = memchr (data, '=', length);
      gsize prefix = equals != NULL ? (gsize) (equals - (const char *) data) : 0;

      if (equals != NULL && n < MAX_FIELDS && is_shown (kind, data, prefix))
        {
          g_autofree char *field = g_strndup (data, prefix);
          g_autofree char *value = creel_exec_make_printable (equals + 1, MIN (length - prefix - 1, MAX_VALUE));

          g_variant_builder_add (&builder, "{ss}", field, value);
          n++;
        }
    }
  entry = g_variant_ref_sink (g_variant_builder_end (&builder));
  *bytes += g_variant_get_size (entry);
  return g_steal_pointer (&entry);
}

static char *
get_cursor (sd_journal *journal)
{
  g_autofree char *copy = NULL;
  char *cursor = NULL;

  if (sd_journal_get_cursor (journal, &cursor) >= 0)
    copy = g_strdup (cursor);
  free (cursor);
  return g_steal_pointer (&copy);
}

/* From the end back to `since`; the caller reverses them. */
static int
read_back (sd_journal *journal, CreelLogKind kind, gint64 since, guint limit, GPtrArray *entries, char **next)
{
  gsize bytes = 0;
  int r = sd_journal_seek_tail (journal);

  for (guint looked_at = 0; r >= 0 && looked_at < MAX_LOOKED_AT; looked_at++)
    {
      g_autoptr (GVariant) entry = NULL;

      r = sd_journal_previous (journal);
      if (r <= 0 || get_time (journal) < since)
        break;
      if (looked_at == 0)
        *next = get_cursor (journal);
      if (entries->len >= limit || bytes >= MAX_BYTES)
        break;
      entry = make_entry (journal, kind, &bytes);
      if (entry != NULL)
        g_ptr_array_add (entries, g_steal_pointer (&entry));
    }
  return r;
}

static int
read_on (sd_journal *journal, CreelLogKind kind, gint64 since, const char *cursor, guint limit, GPtrArray *entries, char **next)
{
  gboolean first = g_str_equal (cursor, CREEL_LOG_FIRST);
  gsize bytes = 0;
  int r = first ? sd_journal_seek_realtime_usec (journal, since) : sd_journal_seek_cursor (journal, cursor);

  for (guint looked_at = 0; r >= 0 && looked_at < MAX_LOOKED_AT && entries->len < limit && bytes < MAX_BYTES; looked_at++)
    {
      g_autoptr (GVariant) entry = NULL;

      r = sd_journal_next (journal);
      if (r <= 0)
        break;
      if (looked_at == 0 && !first && sd_journal_test_cursor (journal, cursor) > 0)
        continue;
      /* a clock that was set back, or a cursor that another journal gave out */
      if (get_time (journal) < since)
        continue;
      g_clear_pointer (next, g_free);
      *next = get_cursor (journal);
      entry = make_entry (journal, kind, &bytes);
      if (entry != NULL)
        g_ptr_array_add (entries, g_steal_pointer (&entry));
    }
  return r;
}

GVariant *
creel_log_read (const char *directory, const char *name, CreelLogKind kind, gint64 since, const char *cursor, guint limit,
                GError **error)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autoptr (Journal) journal = NULL;
  g_autofree char *next = NULL;
  gboolean back = cursor[0] == '\0';
  GVariantBuilder builder;
  int r = directory != NULL ? sd_journal_open_directory (&journal, directory, 0)
                            : sd_journal_open (&journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);

  if (r >= 0)
    r = kind == CREEL_LOG_MODELS ? match_models (journal) : match_sandbox (journal, name, kind);
  since = MAX (since, 0);
  limit = MIN (limit, CREEL_LOG_MAX_ENTRIES);
  if (r >= 0)
    r = back ? read_back (journal, kind, since, limit, entries, &next)
             : read_on (journal, kind, since, cursor, limit, entries, &next);
  if (r < 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The journal cannot be read: %s", g_strerror (-r));
      return NULL;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{ss}"));
  for (guint i = 0; i < entries->len; i++)
    g_variant_builder_add_value (&builder, entries->pdata[back ? entries->len - 1 - i : i]);
  return g_variant_new ("(aa{ss}s)", &builder, next != NULL ? next : cursor);
}
