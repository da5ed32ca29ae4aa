/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-audit.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "creel-names.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define VALUE_MAX 256
#define INFO 6
#define WARNING 4

struct _CreelModelsAudit
{
  char *path;
  int fd;
  guint64 lost;
};

CreelModelsAudit *
creel_models_audit_new (const char *socket_path)
{
  CreelModelsAudit *audit = g_new0 (CreelModelsAudit, 1);

  audit->path = g_strdup (socket_path != NULL ? socket_path : JOURNAL_SOCKET);
  audit->fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return audit;
}

void
creel_models_audit_free (CreelModelsAudit *audit)
{
  if (audit == NULL)
    return;
  if (audit->fd >= 0)
    close (audit->fd);
  g_free (audit->path);
  g_free (audit);
}

static void
add (GString *text, const char *field, const char *value)
{
  g_autofree char *clean = NULL;

  if (value == NULL || *value == '\0')
    return;
  clean = g_utf8_make_valid (value, (gssize) MIN (strlen (value), VALUE_MAX));
  for (char *c = clean; *c != '\0'; c++)
    if ((guchar) *c < ' ' || *c == 0x7f)
      *c = '?';
  g_string_append_printf (text, "%s=%s\n", field, clean);
}

static void
add_number (GString *text, const char *field, guint64 value)
{
  g_string_append_printf (text, "%s=%" G_GUINT64_FORMAT "\n", field, value);
}

guint64
creel_models_audit_get_lost (CreelModelsAudit *audit)
{
  return audit->lost;
}

void
creel_models_audit_write (CreelModelsAudit *audit, const CreelModelsAuditEntry *entry)
{
  g_autoptr (GString) text = g_string_new ("SYSLOG_IDENTIFIER=creel-models\nMESSAGE_ID=" CREEL_MESSAGE_MODEL_REQUEST "\n");
  g_autofree char *message = NULL, *status = g_strdup_printf ("%u", entry->status);
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  if (audit->fd < 0 || strlen (audit->path) >= sizeof address.sun_path)
    {
      audit->lost++;
      return;
    }
  strcpy (address.sun_path, audit->path);
  /* without the sandbox: creel model logs shows the text to every user */
  message = g_strdup_printf ("%s %s%s%s: %s%s, %" G_GINT64_FORMAT " ms", entry->method, entry->path, entry->model != NULL ? " of " : "",
                             entry->model != NULL ? entry->model : "", entry->status > 0 ? status : "the client hung up",
                             entry->cut ? ", cut off" : "", entry->usec / 1000);
  add_number (text, "PRIORITY", entry->status >= 500 || entry->cut ? WARNING : INFO);
  add (text, "MESSAGE", message);
  add (text, CREEL_FIELD_EVENT, "model");
  add (text, CREEL_FIELD_METHOD, entry->method);
  add (text, CREEL_FIELD_REQUEST_PATH, entry->path);
  add (text, CREEL_FIELD_MODEL, entry->model);
  add (text, CREEL_FIELD_SANDBOX, entry->sandbox);
  if (entry->user != (uid_t) -1)
    add_number (text, CREEL_FIELD_USER, entry->user);
  add (text, CREEL_FIELD_STATUS, status);
  add_number (text, CREEL_FIELD_DURATION, (guint64) entry->usec);
  add_number (text, CREEL_FIELD_BYTES_IN, entry->bytes_in);
  add_number (text, CREEL_FIELD_BYTES_OUT, entry->bytes_out);
  /* nobody waits for the journal: what guests ask their gateways write too, and those do */
  if (sendto (audit->fd, text->str, text->len, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *) &address, sizeof address) < 0)
    audit->lost++;
}
