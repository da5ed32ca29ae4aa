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
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 500: return "Internal Server Error";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Error";
    }
}

static void
add_connection (const CreelModelsReply *reply, GString *head)
{
  if (reply->fields != NULL)
    g_string_append (head, reply->fields);
  if (!reply->keep)
    g_string_append (head, "Connection: close\r\n");
  else if (reply->http10)
    g_string_append (head, "Connection: keep-alive\r\n");
  g_string_append (head, "\r\n");
}

gboolean
creel_models_reply_begin (CreelModelsReply *reply, CreelEndpoint *client, const char *type)
{
  g_autoptr (GString) head = g_string_new ("HTTP/1.1 200 OK\r\nCache-Control: no-cache\r\n");

  reply->keep = reply->keep && !reply->http10;
  g_string_append_printf (head, "Content-Type: %s\r\n%s", type, reply->http10 ? "" : "Transfer-Encoding: chunked\r\n");
  add_connection (reply, head);
  creel_endpoint_write (client, head->str, head->len);
  return !reply->http10;
}

void
creel_models_reply_write_piece (CreelEndpoint *client, gboolean chunked, const char *data, gsize size)
{
  char line[24];

  if (size == 0)
    return;
  if (chunked)
    {
      g_snprintf (line, sizeof line, "%" G_GSIZE_MODIFIER "x\r\n", size);
      creel_endpoint_write (client, line, strlen (line));
    }
  creel_endpoint_write (client, data, size);
  if (chunked)
    creel_endpoint_write (client, "\r\n", 2);
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
  add_connection (reply, head);
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
