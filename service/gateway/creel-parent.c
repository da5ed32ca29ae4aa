/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-parent.h"

#include <string.h>

#include "creel-dial.h"
#include "creel-error.h"
#include "creel-http-head.h"
#include "creel-rule.h"
#include "creel-tls-stream.h"

#define ANSWER_SECONDS 30
#define HANDSHAKE_SECONDS 20
#define PASSWORD_HIDDEN 4

typedef struct
{
  CreelParentProxy *parent;
  CreelSecret *secret;
  gnutls_certificate_credentials_t credentials;
  char *host;
  gboolean is_v6, bare;
  guint16 port;
  GIOStream *stream;
  char *request;
  gsize request_size, sent;
  GByteArray *answer;
  gsize interim; /* bytes of interim answers */
  guint ready, timeout;
} Open;

static void
open_free (gpointer data)
{
  Open *open = data;

  creel_parent_proxy_unref (open->parent);
  g_clear_pointer (&open->secret, creel_secret_unref);
  g_clear_object (&open->stream);
  if (open->request != NULL)
    explicit_bzero (open->request, open->request_size);
  g_free (open->request);
  g_clear_pointer (&open->answer, g_byte_array_unref);
  g_free (open->host);
  g_free (open);
}

/* The sources go first: they hold the task, which holds them */
static void
fail (GTask *task, GError *error)
{
  Open *open = g_task_get_task_data (task);

  g_clear_handle_id (&open->ready, g_source_remove);
  g_clear_handle_id (&open->timeout, g_source_remove);
  if (open->stream != NULL)
    g_io_stream_close (open->stream, NULL, NULL);
  g_task_return_error (task, error);
}

static void
succeed (GTask *task)
{
  Open *open = g_task_get_task_data (task);

  g_clear_handle_id (&open->ready, g_source_remove);
  g_clear_handle_id (&open->timeout, g_source_remove);
  g_task_return_pointer (task, g_steal_pointer (&open->stream), g_object_unref);
}

char *
creel_parent_format_authorization (CreelSecret *secret)
{
  gsize size, length;
  const char *key = creel_secret_get_key (secret, &size);
  char *base64 = g_base64_encode ((const guchar *) key, size);
  char *line = g_strdup_printf ("Proxy-Authorization: Basic %s\r\n", base64);

  length = strlen (base64);
  explicit_bzero (base64, length);
  g_free (base64);
  return line;
}

CreelKeyForms *
creel_parent_get_forms (CreelSecret *secret)
{
  gsize size;
  const char *key = creel_secret_get_key (secret, &size);
  char *pair = g_strndup (key, size), *token = g_base64_encode ((const guchar *) key, size);
  const char *colon = strchr (pair, ':');
  /* a password of a few characters stands in every page */
  const char *password = colon != NULL && strlen (colon + 1) >= PASSWORD_HIDDEN ? colon + 1 : NULL;
  const char *secrets[] = { pair, token, password, NULL };
  CreelKeyForms *forms;

  token[strcspn (token, "=")] = '\0';
  forms = creel_key_forms_new (secrets);
  explicit_bzero (pair, size);
  explicit_bzero (token, strlen (token));
  g_free (pair);
  g_free (token);
  return forms;
}

/* ---- CONNECT ---- */

static gboolean
is_cancelled (GTask *task)
{
  GError *error = NULL;

  if (!g_cancellable_set_error_if_cancelled (g_task_get_cancellable (task), &error))
    return FALSE;
  fail (task, error);
  return TRUE;
}

static void
take_answer (GTask *task, const CreelHttpHead *head)
{
  if (head->status >= 200 && head->status < 300)
    succeed (task);
  else if (head->status == 407)
    fail (task, g_error_new_literal (CREEL_ERROR, CREEL_ERROR_FAILED, CREEL_PARENT_WANTS_PASSWORD));
  else
    fail (task, g_error_new (CREEL_ERROR, CREEL_ERROR_FAILED, "the proxy of this network refuses it with status %u", head->status));
}

/* One byte after the other: what follows the head is the server's already. FALSE when it is not all there; else all was said. */
static gboolean
read_head (GTask *task)
{
  Open *open = g_task_get_task_data (task);
  GPollableInputStream *in = G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (open->stream));
  g_autoptr (GError) error = NULL;
  guint8 byte;

  do
    {
      gssize n = g_pollable_input_stream_read_nonblocking (in, &byte, 1, NULL, &error);

      if (n < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return FALSE;
      if (n <= 0)
        {
          fail (task, n < 0 ? g_steal_pointer (&error) : g_error_new_literal (CREEL_ERROR, CREEL_ERROR_FAILED, "the proxy of this network hangs up"));
          return TRUE;
        }
      g_byte_array_append (open->answer, &byte, 1);
    }
  while (open->answer->len < CREEL_HTTP_HEAD_MAX && (open->answer->len < 4 || memcmp (open->answer->data + open->answer->len - 4, "\r\n\r\n", 4) != 0));
  return TRUE;
}

/* FALSE: there may be more soon. */
static gboolean
read_answer (GTask *task)
{
  Open *open = g_task_get_task_data (task);

  while (read_head (task))
    {
      g_autoptr (CreelHttpHead) head = NULL;
      const char *why = NULL;
      gsize size;

      if (g_task_had_error (task))
        return TRUE;
      if (creel_http_head_parse (open->answer->data, open->answer->len, FALSE, &head, &size, &why) != CREEL_HEAD_DONE)
        {
          fail (task, g_error_new_literal (CREEL_ERROR, CREEL_ERROR_FAILED, "the proxy of this network does not speak proper HTTP"));
          return TRUE;
        }
      if (head->status >= 200 || head->status == 101)
        {
          take_answer (task, head);
          return TRUE;
        }
      open->interim += open->answer->len;
      if (open->interim > CREEL_HTTP_HEAD_MAX)
        {
          fail (task, g_error_new_literal (CREEL_ERROR, CREEL_ERROR_FAILED, "the proxy of this network does not come to its answer"));
          return TRUE;
        }
      g_byte_array_set_size (open->answer, 0);
    }
  return FALSE;
}

static gboolean
on_readable (GObject *in, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);

  if (is_cancelled (task) || read_answer (task))
    return G_SOURCE_REMOVE; /* it is removed already */
  return G_SOURCE_CONTINUE;
}

/* takes the source */
static void
wait_for (GTask *task, GSource *taken, GSourceFunc func)
{
  Open *open = g_task_get_task_data (task);
  g_autoptr (GSource) source = taken;

  g_clear_handle_id (&open->ready, g_source_remove);
  g_source_set_callback (source, func, g_object_ref (task), g_object_unref);
  open->ready = g_source_attach (source, NULL);
}

static gboolean
on_writable (GObject *out, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  Open *open = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (is_cancelled (task))
    return G_SOURCE_REMOVE;
  while (open->sent < open->request_size)
    {
      gssize n = g_pollable_output_stream_write_nonblocking (G_POLLABLE_OUTPUT_STREAM (out), open->request + open->sent, open->request_size - open->sent,
                                                             NULL, &error);

      if (n < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return G_SOURCE_CONTINUE;
      if (n < 0)
        {
          fail (task, g_steal_pointer (&error));
          return G_SOURCE_REMOVE;
        }
      open->sent += (gsize) n;
    }
  wait_for (task, g_pollable_input_stream_create_source (G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (open->stream)), g_task_get_cancellable (task)),
            G_SOURCE_FUNC (on_readable));
  return G_SOURCE_REMOVE;
}

static gboolean
on_timeout (gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  Open *open = g_task_get_task_data (task);

  open->timeout = 0;
  fail (task, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "the proxy of this network does not answer"));
  return G_SOURCE_REMOVE;
}

static void
ask_to_connect (GTask *task)
{
  Open *open = g_task_get_task_data (task);
  char *authorization = open->secret != NULL ? creel_parent_format_authorization (open->secret) : NULL;
  const char *left = open->is_v6 ? "[" : "", *right = open->is_v6 ? "]" : "";

  open->request = g_strdup_printf ("CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n%s\r\n", left, open->host, right, open->port, left, open->host, right,
                                   open->port, authorization != NULL ? authorization : "");
  open->request_size = strlen (open->request);
  if (authorization != NULL)
    explicit_bzero (authorization, strlen (authorization));
  g_free (authorization);
  open->answer = g_byte_array_new ();
  open->timeout = g_timeout_add_seconds_full (G_PRIORITY_DEFAULT, ANSWER_SECONDS, on_timeout, g_object_ref (task), g_object_unref);
  wait_for (task, g_pollable_output_stream_create_source (G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (open->stream)), g_task_get_cancellable (task)),
            G_SOURCE_FUNC (on_writable));
}

/* ---- SOCKS5, by GLib ---- */

static void
on_socks (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Open *open = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  GIOStream *stream = g_proxy_connect_finish (G_PROXY (source), result, &error);

  if (stream == NULL)
    {
      fail (task, g_steal_pointer (&error));
      return;
    }
  g_socket_set_timeout (g_socket_connection_get_socket (G_SOCKET_CONNECTION (open->stream)), 0);
  g_object_unref (open->stream);
  open->stream = stream;
  succeed (task);
}

static void
ask_socks (GTask *task)
{
  Open *open = g_task_get_task_data (task);
  g_autoptr (GProxy) proxy = g_proxy_get_default_for_protocol ("socks5");
  g_autoptr (GSocketAddress) peer = g_socket_connection_get_remote_address (G_SOCKET_CONNECTION (open->stream), NULL);
  g_autoptr (GProxyAddress) address = NULL;
  g_auto (GStrv) words = NULL;

  if (proxy == NULL || peer == NULL)
    {
      fail (task, g_error_new_literal (CREEL_ERROR, CREEL_ERROR_FAILED, "SOCKS5 is not there"));
      return;
    }
  if (open->secret != NULL)
    {
      gsize size;
      const char *key = creel_secret_get_key (open->secret, &size);
      g_autofree char *text = g_strndup (key, size);

      words = g_strsplit (text, ":", 2);
      explicit_bzero (text, size);
    }
  address = G_PROXY_ADDRESS (g_proxy_address_new (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (peer)),
                                                  g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (peer)), "socks5", open->host, open->port,
                                                  words != NULL ? words[0] : NULL, words != NULL ? words[1] : NULL));
  for (char **word = words; word != NULL && *word != NULL; word++)
    explicit_bzero (*word, strlen (*word));
  g_socket_set_timeout (g_socket_connection_get_socket (G_SOCKET_CONNECTION (open->stream)), ANSWER_SECONDS); /* for each step */
  g_proxy_connect_async (proxy, open->stream, address, g_task_get_cancellable (task), on_socks, g_object_ref (task));
}

/* ---- to the proxy ---- */

static void
ask (GTask *task)
{
  Open *open = g_task_get_task_data (task);

  if (open->bare)
    succeed (task);
  else if (open->parent->kind == CREEL_PARENT_SOCKS5)
    ask_socks (task);
  else
    ask_to_connect (task);
}

static void
on_handshake (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (creel_tls_stream_handshake_finish (CREEL_TLS_STREAM (source), result, &error))
    ask (task);
  else
    fail (task, g_steal_pointer (&error));
}

static void
on_dialled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Open *open = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection = creel_dial_finish (result, &error);
  CreelTlsStream *tls;

  if (connection == NULL)
    {
      g_prefix_error (&error, "the proxy of this network: ");
      fail (task, g_steal_pointer (&error));
      return;
    }
  if (open->parent->kind != CREEL_PARENT_HTTPS)
    {
      open->stream = G_IO_STREAM (g_steal_pointer (&connection));
      ask (task);
      return;
    }
  tls = creel_tls_stream_new_client (G_IO_STREAM (connection), creel_host_get_text (open->parent->host),
                                     creel_host_get_address (open->parent->host) != NULL, open->credentials);
  open->stream = G_IO_STREAM (tls);
  creel_tls_stream_handshake_async (tls, HANDSHAKE_SECONDS, g_task_get_cancellable (task), on_handshake, g_object_ref (task));
}

/* takes both */
static void
dial (GTask *owned, GList *addresses)
{
  g_autoptr (GTask) task = owned;
  Open *open = g_task_get_task_data (task);

  creel_dial_async (addresses, open->parent->port, g_task_get_cancellable (task), on_dialled, g_object_ref (task));
  g_list_free_full (addresses, g_object_unref);
}

static void
on_resolved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  g_autoptr (GError) error = NULL;
  GList *addresses = g_resolver_lookup_by_name_finish (G_RESOLVER (source), result, &error);

  if (addresses != NULL)
    dial (task, addresses);
  else
    {
      g_prefix_error (&error, "the proxy of this network: ");
      fail (task, g_steal_pointer (&error));
      g_object_unref (task);
    }
}

void
creel_parent_open_async (CreelParentProxy *parent, CreelSecret *secret, gnutls_certificate_credentials_t credentials, const CreelHost *host,
                         guint16 port, gboolean bare, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  GInetAddress *address = creel_host_get_address (host);
  Open *open = g_new0 (Open, 1);

  g_task_set_source_tag (task, creel_parent_open_async);
  g_task_set_task_data (task, open, open_free);
  open->parent = creel_parent_proxy_ref (parent);
  open->secret = secret != NULL ? creel_secret_ref (secret) : NULL;
  open->credentials = credentials;
  open->host = g_strdup (creel_host_get_text (host));
  open->is_v6 = address != NULL && g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6;
  open->port = port;
  open->bare = bare;
  address = creel_host_get_address (parent->host);
  if (address != NULL)
    dial (task, g_list_append (NULL, g_object_ref (address)));
  else if (creel_rule_is_localhost_name (parent->host))
    dial (task, g_list_append (NULL, g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4)));
  else
    {
      g_autoptr (GResolver) resolver = g_resolver_get_default ();

      g_resolver_lookup_by_name_async (resolver, creel_host_get_text (parent->host), cancellable, on_resolved, task);
    }
}

GIOStream *
creel_parent_open_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
