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
