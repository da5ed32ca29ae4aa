/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-reply.h"

#include <string.h>

#define RETRY_SECONDS "5"

static const char *
get_reason (guint status)
{
  switch (status)
    {
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Error";
    }
}

void
creel_models_reply_write (const CreelModelsReply *reply, CreelEndpoint *client, guint status, const char *type, const char *text)
{
  g_autoptr (GString) head = g_string_new (NULL);
  gsize size = text != NULL ? strlen (text) : 0;

  g_string_append_printf (head, "HTTP/1.1 %u %s\r\n", status, get_reason (status));
  if (type != NULL)
    g_string_append_printf (head, "Content-Type: %s\r\n", type);
  if (status != 204)
    g_string_append_printf (head, "Content-Length: %" G_GSIZE_FORMAT "\r\n", size);
  if (status == 503)
    g_string_append (head, "Retry-After: " RETRY_SECONDS "\r\n");
  if (reply->fields != NULL)
    g_string_append (head, reply->fields);
  if (!reply->keep)
    g_string_append (head, "Connection: close\r\n");
  else if (reply->http10)
    g_string_append (head, "Connection: keep-alive\r\n");
  g_string_append (head, "\r\n");
  creel_endpoint_write (client, head->str, head->len);
  if (!reply->head_only)
    creel_endpoint_write (client, text, size);
  creel_endpoint_flush (client);
}

void
creel_models_reply_write_error (const CreelModelsReply *reply, CreelEndpoint *client, CreelModelsForm form, guint status, const char *message)
{
  g_autofree char *text = creel_models_api_format_error (form, status, message);

  creel_models_reply_write (reply, client, status, creel_models_api_get_error_type (form), text);
}
