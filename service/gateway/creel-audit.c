/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-audit.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-names.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define VALUE_MAX 1024
#define TEXT_SIZE 1024 /* most entries are shorter */
#define WAIT_SECONDS 2

struct _CreelAudit
{
  gatomicrefcount ref_count;
  char *sandbox;
  char *path;
  int fd;
};

struct _CreelAuditEntry
{
  GString *text; /* FIELD=value lines: the native protocol */
  gboolean has_sandbox;
};

CreelAudit *
creel_audit_new (const char *sandbox, const char *socket_path)
{
  CreelAudit *audit = g_new0 (CreelAudit, 1);

  g_atomic_ref_count_init (&audit->ref_count);
  audit->sandbox = g_strdup (sandbox);
  audit->path = g_strdup (socket_path != NULL ? socket_path : JOURNAL_SOCKET);
  audit->fd = -1;
  return audit;
}

CreelAudit *
creel_audit_ref (CreelAudit *audit)
{
  g_atomic_ref_count_inc (&audit->ref_count);
  return audit;
}

void
creel_audit_unref (CreelAudit *audit)
{
  if (audit == NULL || !g_atomic_ref_count_dec (&audit->ref_count))
    return;
  if (audit->fd >= 0)
    close (audit->fd);
  g_free (audit->sandbox);
  g_free (audit->path);
  g_free (audit);
}

CreelAuditEntry *
creel_audit_entry_new (const char *message_id, int priority, const char *event)
{
  CreelAuditEntry *entry = g_new0 (CreelAuditEntry, 1);

  entry->text = g_string_sized_new (TEXT_SIZE);
  creel_audit_entry_set (entry, "MESSAGE_ID", message_id);
  creel_audit_entry_printf (entry, "PRIORITY", "%d", priority);
  creel_audit_entry_set (entry, "SYSLOG_IDENTIFIER", "creel-gateway");
  creel_audit_entry_set (entry, CREEL_FIELD_EVENT, event);
  return entry;
}

void
creel_audit_entry_free (CreelAuditEntry *entry)
{
  if (entry == NULL)
    return;
  g_string_free (entry->text, TRUE);
  g_free (entry);
}

void
creel_audit_entry_set (CreelAuditEntry *entry, const char *field, const char *value)
{
  GString *text = entry->text;
  gsize start, length;

  if (value == NULL)
    return;
  g_string_append (text, field);
  g_string_append_c (text, '=');
  start = text->len;
  length = strnlen (value, VALUE_MAX);
  if (g_utf8_validate_len (value, length, NULL))
    g_string_append_len (text, value, (gssize) length);
  else
    {
      g_autofree char *valid = g_utf8_make_valid (value, (gssize) length);

      g_string_append (text, valid);
    }
  for (gsize i = start; i < text->len; i++)
    if ((guchar) text->str[i] < ' ' || text->str[i] == 0x7f)
      text->str[i] = '?';
  g_string_append_c (text, '\n');
}

void
creel_audit_entry_printf (CreelAuditEntry *entry, const char *field, const char *format, ...)
{
  char value[VALUE_MAX + 1];
  va_list arguments;

  va_start (arguments, format);
  g_vsnprintf (value, sizeof value, format, arguments);
  va_end (arguments);
  creel_audit_entry_set (entry, field, value);
}

typedef struct
{
  CreelAudit *audit;
  CreelAuditEntry *entry;
  guint writable, timeout;
} Write;

static void
write_free (gpointer data)
{
  Write *write = data;

  g_clear_handle_id (&write->writable, g_source_remove);
  g_clear_handle_id (&write->timeout, g_source_remove);
  creel_audit_entry_free (write->entry);
  creel_audit_unref (write->audit);
  g_free (write);
}

static gboolean
connect_socket (CreelAudit *audit)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  if (audit->fd >= 0)
    return TRUE;
  if (strlen (audit->path) >= sizeof address.sun_path)
    return FALSE;
  strcpy (address.sun_path, audit->path);
  audit->fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (audit->fd >= 0 && connect (audit->fd, (struct sockaddr *) &address, sizeof address) == 0)
    return TRUE;
  if (audit->fd >= 0)
    close (audit->fd);
  audit->fd = -1;
  return FALSE;
}

/* 1: taken, 0: later, -1: no journal there */
static int
try_write (CreelAudit *audit, CreelAuditEntry *entry)
{
  GString *text = entry->text;

  if (!entry->has_sandbox)
    creel_audit_entry_set (entry, CREEL_FIELD_SANDBOX, audit->sandbox);
  entry->has_sandbox = TRUE;
  for (int attempt = 0; attempt < 2 && connect_socket (audit); attempt++)
    {
      if (send (audit->fd, text->str, text->len, MSG_NOSIGNAL) == (gssize) text->len)
        return 1;
      if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
        return 0;
      /* journald was restarted: the socket of the old one is dead */
      close (audit->fd);
      audit->fd = -1;
    }
  return -1;
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer user_data)
{
  GTask *task = user_data;
  Write *write = g_task_get_task_data (task);
  int taken = try_write (write->audit, write->entry);

  if (taken == 0)
    return G_SOURCE_CONTINUE;
  write->writable = 0;
  if (taken > 0)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, CREEL_ERROR, CREEL_ERROR_FAILED, "The journal is gone");
  g_clear_handle_id (&write->timeout, g_source_remove);
  g_object_unref (task);
  return G_SOURCE_REMOVE;
}

static gboolean
on_timeout (gpointer user_data)
{
  GTask *task = user_data;
  Write *write = g_task_get_task_data (task);

  write->timeout = 0;
  g_clear_handle_id (&write->writable, g_source_remove);
  g_task_return_new_error (task, CREEL_ERROR, CREEL_ERROR_FAILED, "The journal did not take the entry in time");
  g_object_unref (task);
  return G_SOURCE_REMOVE;
}

gboolean
creel_audit_write_now (CreelAudit *audit, CreelAuditEntry *entry)
{
  if (try_write (audit, entry) <= 0)
    return FALSE;
  creel_audit_entry_free (entry);
  return TRUE;
}

void
creel_audit_write (CreelAudit *audit, CreelAuditEntry *entry)
{
  if (!creel_audit_write_now (audit, entry))
    creel_audit_write_async (audit, entry, NULL, NULL, NULL);
}

void
creel_audit_write_async (CreelAudit *audit, CreelAuditEntry *entry, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Write *write = g_new0 (Write, 1);
  int taken;

  g_task_set_task_data (task, write, write_free);
  write->audit = creel_audit_ref (audit);
  write->entry = entry;
  taken = try_write (audit, entry);
  if (taken == 0)
    {
      write->writable = g_unix_fd_add (audit->fd, G_IO_OUT, on_writable, task);
      write->timeout = g_timeout_add_seconds (WAIT_SECONDS, on_timeout, task);
      return;
    }
  if (taken > 0)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, CREEL_ERROR, CREEL_ERROR_FAILED, "There is no journal at %s", audit->path);
  g_object_unref (task);
}

gboolean
creel_audit_write_finish (CreelAudit *audit, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
