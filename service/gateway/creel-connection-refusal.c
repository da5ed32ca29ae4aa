/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a connection hears that is refused outside of an exchange. */
#include "creel-connection-private.h"

#include "creel-names.h"
#include "creel-refusal.h"

void
creel_connection_audit (CreelConnection *connection, const char *message_id, const char *method, const char *reason, const char *rule,
                        GAsyncReadyCallback callback)
{
  CreelRequestContext *context = &connection->context;

  creel_audit_write_async (connection->proxy->audit,
                           creel_exchange_audit_entry (connection->proxy, message_id, connection->number, connection->way,
                                                       method, context->fixed_host, context->fixed_port, NULL, reason, rule),
                           callback != NULL ? connection->cancellable : NULL, callback, connection);
}

void
creel_connection_refuse_http (CreelConnection *connection, const char *reason, const char *method, const char *message)
{
  CreelRequestContext *context = &connection->context;
  g_autoptr (GString) text = creel_refusal_format (reason, creel_refusal_get_status (reason),
                                                   context->fixed_host != NULL ? creel_host_get_text (context->fixed_host) : NULL,
                                                   context->fixed_port, method, message, FALSE);

  connection->number = ++connection->proxy->next_request;
  creel_connection_audit (connection, CREEL_MESSAGE_REQUEST, method, reason, NULL, NULL);
  creel_endpoint_write (connection->guest, text->str, text->len);
  creel_connection_linger (connection);
}

void
creel_connection_refuse_limit (CreelConnection *connection, CreelLimit limit, const char *method)
{
  const CreelRequestContext *context = &connection->context;
  g_autoptr (GString) text = creel_limiter_refuse (&connection->proxy->limiter, limit,
                                                   context->fixed_host != NULL ? creel_host_get_text (context->fixed_host) : NULL,
                                                   context->fixed_port, method);

  creel_endpoint_write (connection->guest, text->str, text->len);
  creel_connection_linger (connection);
}

void
creel_connection_refuse_tls (CreelConnection *connection, const char *reason, const char *rule)
{
  /* TLS 1.2 record, alert, fatal: unrecognized_name for a wrong identity, else access_denied */
  guint8 alert[] = { 21, 3, 3, 0, 2, 2, g_str_equal (reason, CREEL_REASON_IDENTITY) ? 112 : 49 };

  connection->number = ++connection->proxy->next_request;
  creel_connection_audit (connection, CREEL_MESSAGE_REQUEST, "CONNECT", reason, rule, NULL);
  creel_endpoint_write (connection->guest, alert, sizeof alert);
  creel_connection_linger (connection);
}

void
creel_connection_refuse_raw (CreelConnection *connection, const char *reason, const char *rule)
{
  connection->number = ++connection->proxy->next_request;
  creel_connection_audit (connection, CREEL_MESSAGE_REQUEST, "CONNECT", reason, rule, NULL);
  connection->cut = TRUE; /* programs wait for more after an end in order, or take it for an empty answer */
  creel_connection_end (connection);
}
