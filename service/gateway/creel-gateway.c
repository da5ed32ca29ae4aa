/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-gateway.h"

#include <string.h>
#include <unistd.h>

#include "creel-account.h"
#include "creel-channel-stream.h"
#include "creel-control.h"
#include "creel-error.h"
#include "creel-guest-config.h"
#include "creel-keepsake.h"
#include "creel-link.h"
#include "creel-names.h"
#include "creel-network-check.h"
#include "creel-ports.h"

/* more than the proxy takes: some linger, and some hear that there are too many */
#define STREAMS_MAX (1024 + 256)
/* Of MemoryMax=512M of the unit: with it a thousand connections cost 130 MiB for TLS and a little in each buffer, what channels keep
 * 64 MiB, and decoders may take 64 MiB beyond it */
#define BUFFERS_BUDGET ((gsize) 128 << 20)
#define PROXY_AUTHORITY "proxy:" G_STRINGIFY (CREEL_GUEST_PROXY_PORT)

struct _CreelGateway
{
  char *name;
  CreelDefinition *definition; /* NULL: could not be read */
  CreelImageConfig *image;
  char *problem; /* why everything is denied, or NULL */
  GPtrArray *credentials;
  CreelKeepsake *keepsake;
  CreelCa *ca;
  CreelAudit *audit;
  CreelProxy *proxy;
  CreelPorts *ports;
  CreelLink *egress;
  CreelControl *control;
  guint32 next_id;
  void (*changed) (gpointer user_data);
  gpointer changed_data;
};

static void
notify_changed (CreelGateway *self)
{
  if (self->changed != NULL)
    self->changed (self->changed_data);
}

/* definition, policy, credentials */

/* without it programs lose their keys' stand-ins, and their owner's answers, when this process dies: worth a warning, not a refusal */
static void
store (CreelGateway *self)
{
  g_autoptr (GError) error = NULL;

  if (!creel_keepsake_store (self->keepsake, &error))
    g_warning ("%s", error->message);
}

static gboolean
load_credentials (CreelGateway *self, const CreelDefinition *definition, GPtrArray *credentials, GError **error)
{
  gboolean added = FALSE;

  for (gsize i = 0; definition->credentials != NULL && definition->credentials[i] != NULL; i++)
    {
      CreelCredential *credential = creel_definition_find_credential (definition, definition->credentials[i], error);
      char *placeholder;

      if (credential == NULL)
        return FALSE;
      g_ptr_array_add (credentials, credential);
      if (g_hash_table_contains (self->keepsake->placeholders, credential->name))
        continue;
      placeholder = creel_guest_config_make_placeholder (credential, error);
      if (placeholder == NULL)
        return FALSE;
      g_hash_table_insert (self->keepsake->placeholders, g_strdup (credential->name), placeholder);
      added = TRUE;
    }
  if (added)
    store (self);
  return TRUE;
}

static gboolean
load (CreelGateway *self, GError **error)
{
  g_autoptr (CreelDefinition) definition = creel_definition_load (self->name, error);
  g_autoptr (CreelImageConfig) image = NULL;
  g_autoptr (CreelParentProxy) parent = NULL;
  g_autoptr (GPtrArray) credentials = g_ptr_array_new_with_free_func ((GDestroyNotify) creel_credential_free);

  if (definition == NULL)
    return FALSE;
  if (definition->image_id != NULL && definition->image_id[0] != '\0')
    {
      image = creel_image_config_load (definition->image_id, error);
      if (image == NULL)
        return FALSE;
    }
  if (!load_credentials (self, definition, credentials, error) || !creel_parent_proxy_load (NULL, &parent, error))
    return FALSE;

  g_clear_pointer (&self->definition, creel_definition_free);
  self->definition = g_steal_pointer (&definition);
  g_clear_pointer (&self->image, creel_image_config_free);
  self->image = g_steal_pointer (&image);
  g_clear_pointer (&self->credentials, g_ptr_array_unref);
  self->credentials = g_steal_pointer (&credentials);
  creel_proxy_set_parent (self->proxy, parent);
  creel_proxy_set_credentials (self->proxy, self->credentials, self->keepsake->placeholders);
  creel_questions_set_timeout (creel_proxy_get_questions (self->proxy), self->definition->ask_timeout * 1000);
  creel_proxy_set_limits (self->proxy, &self->definition->limits);
  creel_proxy_set_policy (self->proxy, self->definition->policy, self->definition->bypass);
  creel_ports_set_published (self->ports, self->definition->publish);
  return TRUE;
}

gboolean
creel_gateway_reload (CreelGateway *self, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  gboolean good = load (self, &local_error);

  g_clear_pointer (&self->problem, g_free);
  if (!good)
    {
      /* the old definition stays for the guest's configuration only */
      creel_proxy_set_policy (self->proxy, NULL, NULL);
      creel_ports_set_published (self->ports, NULL);
      self->problem = g_strdup_printf ("Everything is denied: %s", local_error->message);
      g_warning ("%s", self->problem);
      g_propagate_error (error, g_steal_pointer (&local_error));
    }
  notify_changed (self);
  return good;
}

static const char *
find_answer (const CreelHost *host, guint16 port, CreelScheme scheme, const char *method, const char *path, const CreelDecision *decision,
             gpointer user_data)
{
  const CreelQuery query = { host, port, scheme, method, path, decision };
  g_autofree char *key = creel_query_make_key (&query);

  return g_hash_table_lookup (((CreelGateway *) user_data)->keepsake->answers, key);
}

GVariant *
creel_gateway_check (CreelGateway *self, const char *url, const char *method, GError **error)
{
  gboolean good = self->problem == NULL && self->definition != NULL;

  return creel_network_check_answered (good ? self->definition->policy : NULL, url, method, find_answer, self, error);
}

gboolean
creel_gateway_answer (CreelGateway *self, guint64 id, const char *choice, const char *by, GError **error)
{
  guint kept = g_hash_table_size (self->keepsake->answers);

  if (!creel_questions_answer (creel_proxy_get_questions (self->proxy), id, choice, by, error))
    return FALSE;
  if (g_hash_table_size (self->keepsake->answers) != kept)
    store (self);
  return TRUE;
}

/* the guest */

static GByteArray *
make_configuration (gpointer user_data)
{
  CreelGateway *self = user_data;
  g_autoptr (CreelDefinition) empty = NULL;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) placeholders = NULL;

  for (guint i = 0; self->credentials != NULL && i < self->credentials->len; i++)
    {
      const CreelCredential *credential = self->credentials->pdata[i];
      const char *placeholder = g_hash_table_lookup (self->keepsake->placeholders, credential->name);

      for (gsize j = 0; credential->variables != NULL && credential->variables[j] != NULL; j++)
        {
          g_autofree char *pair = g_strconcat (credential->variables[j], "=", placeholder, NULL);

          g_strv_builder_add (builder, pair);
        }
    }
  placeholders = g_strv_builder_end (builder);
  if (self->definition == NULL)
    empty = creel_definition_new (self->name);
  return creel_guest_config_build (self->definition != NULL ? self->definition : empty, self->image,
                                   (const char *const *) placeholders, creel_ca_get_certificate (self->ca),
                                   g_get_real_time ());
}

static void
on_control_changed (CreelControl *control, gpointer user_data)
{
  CreelGateway *self = user_data;

  if (self->control == NULL)
    return;
  creel_ports_update (self->ports);
  notify_changed (self);
}

static CreelChannel *
get_ready_channel (gpointer user_data)
{
  CreelGateway *self = user_data;

  return self->control != NULL ? creel_control_get_channel (self->control, NULL) : NULL;
}

static const CreelControlHandler control_handler = { make_configuration, on_control_changed };

static const char *
find_way (const CreelHead *head)
{
  for (size_t i = 0; i < head->n_headers; i++)
    if (strcmp (head->headers[i].name, "creel-way") == 0)
      return head->headers[i].value;
  return NULL;
}

static void
on_egress_request (CreelLink *link, CreelStream *stream, const CreelHead *head, gpointer user_data)
{
  CreelGateway *self = user_data;
  const char *way = find_way (head);
  gboolean to_proxy;
  CreelChannelStream *io;

  if (head->method == NULL || strcmp (head->method, "CONNECT") != 0 || head->authority == NULL)
    {
      creel_stream_reset (stream, CREEL_STREAM_PROTOCOL_ERROR);
      return;
    }
  /* the way is what the guest says and only tells how to read the bytes: both ways meet the same policy */
  to_proxy = way != NULL ? strcmp (way, "proxy") == 0 : strcmp (head->authority, PROXY_AUTHORITY) == 0;
  if (creel_channel_stream_get_n_alive () >= STREAMS_MAX)
    {
      creel_stream_reset (stream, CREEL_STREAM_REFUSED);
      return;
    }
  if (creel_stream_respond (stream, 200, NULL, 0, true) < 0)
    return;
  io = creel_channel_stream_new (stream);
  creel_proxy_accept (self->proxy, G_IO_STREAM (io), head->authority, to_proxy ? CREEL_WAY_PROXY : CREEL_WAY_TRANSPARENT);
  g_object_unref (io);
}

static void
on_egress_closed (CreelLink *link, const char *reason, gpointer user_data)
{
  CreelGateway *self = user_data;

  g_message ("The egress channel ended: %s", reason);
  creel_proxy_abort_all (self->proxy);
}

static const CreelLinkHandler egress_handler = { NULL, on_egress_closed, on_egress_request };

/* life */

static gboolean
set_up_ca (CreelGateway *self, int keepsake_fd, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GBytes) state = NULL;

  if (keepsake_fd >= 0)
    {
      self->keepsake = creel_keepsake_read (keepsake_fd, &local_error);
      close (keepsake_fd);
      if (self->keepsake != NULL && self->keepsake->ca != NULL)
        {
          state = g_bytes_new (self->keepsake->ca, strlen (self->keepsake->ca));
          self->ca = creel_ca_import (state, &local_error);
          if (self->ca != NULL)
            return TRUE;
        }
      g_warning ("Cannot take over from the last gateway: %s",
                 local_error != NULL ? local_error->message : "no CA in the kept state");
      g_clear_pointer (&state, g_bytes_unref);
      g_clear_pointer (&self->keepsake, creel_keepsake_free);
    }
  self->keepsake = creel_keepsake_new ();
  self->ca = creel_ca_new (self->name, error);
  if (self->ca == NULL)
    return FALSE;
  state = creel_ca_export (self->ca);
  self->keepsake->ca = g_strndup (g_bytes_get_data (state, NULL), g_bytes_get_size (state));
  store (self);
  return TRUE;
}

CreelGateway *
creel_gateway_new (const char *name, int egress_fd, int control_fd, int keepsake_fd, GError **error)
{
  g_autoptr (CreelGateway) self = g_new0 (CreelGateway, 1);

  self->name = g_strdup (name);
  /* ids of a gateway that died may still end in the guest */
  self->next_id = g_random_int_range (1, 1 << 30);
  if (!set_up_ca (self, keepsake_fd, error))
    return NULL;
  creel_account_set_budget (BUFFERS_BUDGET);
  self->audit = creel_audit_new (name, NULL);
  self->proxy = creel_proxy_new (name, self->ca, self->audit);
  creel_questions_set_kept (creel_proxy_get_questions (self->proxy), self->keepsake->answers);
  self->ports = creel_ports_new (name, self->audit, get_ready_channel, self);
  creel_gateway_reload (self, NULL);
  self->egress = creel_link_new (egress_fd, FALSE, &egress_handler, self);
  self->control = creel_control_new (control_fd, &control_handler, self);
  return g_steal_pointer (&self);
}

void
creel_gateway_free (CreelGateway *self)
{
  if (self == NULL)
    return;
  self->changed = NULL;
  g_clear_pointer (&self->control, creel_control_free);
  g_clear_pointer (&self->ports, creel_ports_free);
  g_clear_pointer (&self->egress, creel_link_free);
  if (self->proxy != NULL)
    creel_proxy_abort_all (self->proxy);
  g_clear_object (&self->proxy);
  g_clear_pointer (&self->audit, creel_audit_unref);
  g_clear_pointer (&self->ca, creel_ca_unref);
  g_clear_pointer (&self->keepsake, creel_keepsake_free);
  g_clear_pointer (&self->credentials, g_ptr_array_unref);
  g_clear_pointer (&self->image, creel_image_config_free);
  g_clear_pointer (&self->definition, creel_definition_free);
  g_free (self->problem);
  g_free (self->name);
  g_free (self);
}

void
creel_gateway_set_changed_func (CreelGateway *self, void (*changed) (gpointer user_data), gpointer user_data)
{
  self->changed = changed;
  self->changed_data = user_data;
}

const char *
creel_gateway_get_state (CreelGateway *self)
{
  return creel_control_get_state (self->control);
}

char *
creel_gateway_make_status_text (CreelGateway *self)
{
  const char *text = creel_control_get_status_text (self->control);

  if (self->problem == NULL)
    return g_strdup (text);
  return text[0] == '\0' ? g_strdup (self->problem) : g_strdup_printf ("%s. %s", text, self->problem);
}

GVariant *
creel_gateway_make_guest (CreelGateway *self)
{
  return creel_control_make_guest (self->control);
}

CreelProxy *
creel_gateway_get_proxy (CreelGateway *self)
{
  return self->proxy;
}

char **
creel_gateway_make_default_command (CreelGateway *self)
{
  return creel_guest_config_default_command (self->definition, self->image);
}

CreelSession *
creel_gateway_start_session (CreelGateway *self, CreelExec *exec, int output, int ret_fds[3], const CreelSessionHandler *handler,
                             gpointer user_data, GError **error)
{
  CreelChannel *channel = creel_control_get_channel (self->control, error);

  if (channel == NULL)
    return NULL;
  return creel_session_start (channel, self->next_id++, exec, output, ret_fds, handler, user_data, error);
}

CreelSave *
creel_gateway_start_save (CreelGateway *self, const CreelSaveHandler *handler, gpointer user_data, GError **error)
{
  CreelChannel *channel = creel_control_get_channel (self->control, error);

  return channel == NULL ? NULL : creel_save_start (channel, handler, user_data, error);
}

gboolean
creel_gateway_publish (CreelGateway *self, int fd, guint16 guest_port, gpointer holder, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  if (creel_ports_add (self->ports, fd, guest_port, holder, &local_error))
    return TRUE;
  /* it may have been edited by hand */
  if (g_error_matches (local_error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED) && creel_gateway_reload (self, NULL))
    {
      g_clear_error (&local_error);
      if (creel_ports_add (self->ports, fd, guest_port, holder, &local_error))
        return TRUE;
    }
  close (fd);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

void
creel_gateway_unpublish (CreelGateway *self, gpointer holder)
{
  creel_ports_drop_holder (self->ports, holder);
}

void
creel_gateway_shutdown_async (CreelGateway *self, GAsyncReadyCallback callback, gpointer user_data)
{
  creel_control_shutdown_async (self->control, callback, user_data);
}

gboolean
creel_gateway_shutdown_finish (GAsyncResult *result, GError **error)
{
  return creel_control_shutdown_finish (result, error);
}

void
creel_gateway_stop (CreelGateway *self, const char *reason)
{
  creel_control_drop (self->control, reason);
  creel_link_drop (self->egress, reason);
}
