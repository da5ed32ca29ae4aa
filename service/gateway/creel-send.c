/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-send.h"

#include <string.h>

#include "creel-inject.h"
#include "creel-parent.h"

static void
wipe (char *text)
{
  if (text != NULL)
    explicit_bzero (text, strlen (text));
  g_free (text);
}

/* takes the line */
static void
write_line (CreelEndpoint *to, char *line)
{
  if (line != NULL)
    creel_endpoint_write (to, line, strlen (line));
  wipe (line);
}

static char *
make_absolute (const CreelRequest *request, char *target)
{
  g_autofree char *authority = creel_host_format_authority (request->host, request->port);
  char *url = g_strconcat ("http://", authority, g_str_equal (target, "*") ? "" : target, NULL);

  wipe (target);
  return url;
}

void
creel_send_head (CreelRequest *request, CreelEndpoint *to, const CreelCredential *credential, CreelSecret *secret, gboolean absolute,
                 CreelSecret *parent_secret)
{
  char *target = g_strdup (request->target), *saved = request->target, *line = NULL;
  GString *text;

  if (secret != NULL)
    {
      gsize size;

      line = creel_inject_format (credential, creel_secret_get_key (secret, &size), &target);
    }
  if (absolute)
    target = make_absolute (request, target);
  request->target = target;
  text = creel_request_format (request);
  request->target = saved;
  wipe (target);
  creel_endpoint_write (to, text->str, text->len);
  explicit_bzero (text->str, text->len);
  g_string_free (text, TRUE);
  write_line (to, line);
  if (parent_secret != NULL)
    write_line (to, creel_parent_format_authorization (parent_secret));
  creel_endpoint_write (to, "\r\n", 2);
}

gboolean
creel_send_body (CreelHttpBody *body, CreelEndpoint *from, CreelEndpoint *to, gint64 *activity)
{
  gsize room;

  while (!body->done && (room = creel_endpoint_get_room (to)) > 0)
    {
      gsize size, payload_size;
      const guint8 *payload;
      const guint8 *data = creel_endpoint_peek (from, &size);
      gssize used = size > 0 ? creel_http_body_feed (body, data, MIN (size, room), &payload, &payload_size) : 0;

      if (used < 0)
        return FALSE;
      if (used == 0)
        break;
      *activity = g_get_monotonic_time ();
      if (payload_size > 0)
        {
          char line[32];

          if (body->kind == CREEL_BODY_CHUNKED)
            creel_endpoint_write (to, line, (gsize) g_snprintf (line, sizeof line, "%" G_GSIZE_MODIFIER "x\r\n", payload_size));
          creel_endpoint_write (to, payload, payload_size);
          if (body->kind == CREEL_BODY_CHUNKED)
            creel_endpoint_write (to, "\r\n", 2);
        }
      creel_endpoint_consume (from, (gsize) used);
    }
  return TRUE;
}
