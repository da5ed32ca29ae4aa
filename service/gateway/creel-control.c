/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-control.h"

#include "creel-call.h"
#include "creel-error.h"
#include "creel-link.h"
#include "creel-records.h"

#define GUEST_TEXT_MAX 256
/* mounts and a CA bundle on an emulated CPU of a busy machine */
#define CONFIGURE_TIMEOUT_SECONDS 60
#define CLOCK_SECONDS 15

struct _CreelControl
{
  const CreelControlHandler *handler;
  gpointer user_data;
  CreelLink *link;
  const char *state;
  char *status_text;
  char *kernel, *boot_id, *init;
  CreelCall *configure;
  guint configure_timeout_id;
  CreelCall *clock;
  guint clock_id;
};

static void
set_state (CreelControl *control, const char *state, const char *text)
{
  control->state = state;
  g_free (control->status_text);
  control->status_text = g_strdup (text);
  control->handler->changed (control, control->user_data);
}

static void
on_guest_record (const char *key, const char *value, gpointer user_data)
{
  CreelControl *control = user_data;
  char **text = g_str_equal (key, "kernel")    ? &control->kernel
                : g_str_equal (key, "boot-id") ? &control->boot_id
                : g_str_equal (key, "init")    ? &control->init
                                               : NULL;

  if (text == NULL)
    return;
  g_free (*text);
  *text = creel_text_clean_line (value, -1, GUEST_TEXT_MAX);
}

static void
clear_guest (CreelControl *control)
{
  g_clear_pointer (&control->kernel, g_free);
  g_clear_pointer (&control->boot_id, g_free);
  g_clear_pointer (&control->init, g_free);
}

static void
on_clock_set (int status, const guint8 *body, gsize length, const char *failure, gpointer user_data)
{
  CreelControl *control = user_data;

  control->clock = NULL;
}

void
creel_control_set_clock (CreelControl *control)
{
  CreelChannel *channel = creel_control_get_channel (control, NULL);
  g_autofree char *time = g_strdup_printf ("%" G_GINT64_FORMAT, g_get_real_time ());
  GByteArray *body;

  /* one that does not answer is not asked more and more */
  if (channel == NULL || control->clock != NULL)
    return;
  body = g_byte_array_new ();
  creel_records_add (body, "time", time);
  control->clock = creel_call_start (channel, "/clock", body, NULL, on_clock_set, control, NULL);
}

static gboolean
on_clock (gpointer user_data)
{
  creel_control_set_clock (user_data);
  return G_SOURCE_CONTINUE;
}

static void
on_configured (int status, const guint8 *body, gsize length, const char *failure, gpointer user_data)
{
  CreelControl *control = user_data;

  control->configure = NULL;
  g_clear_handle_id (&control->configure_timeout_id, g_source_remove);
  if (failure != NULL && creel_link_get_channel (control->link) == NULL)
    return; /* on_link_closed says more */
  if (failure != NULL || status != 200 || !creel_records_parse (body, length, on_guest_record, control))
    {
      g_autofree char *reason = failure == NULL && status == 200
                                    ? g_strdup ("its answer cannot be read")
                                    : creel_call_describe_error (status, body, length, failure);
      g_autofree char *text = g_strdup_printf ("The guest could not be configured: %s", reason);

      clear_guest (control);
      set_state (control, "lost", text);
      return;
    }
  set_state (control, "ready", "");
}

static gboolean
on_configure_timeout (gpointer user_data)
{
  CreelControl *control = user_data;

  control->configure_timeout_id = 0;
  creel_link_drop (control->link, "the guest did not answer the configuration in time");
  return G_SOURCE_REMOVE;
}

static void
on_link_opened (CreelLink *link, gpointer user_data)
{
  CreelControl *control = user_data;
  g_autoptr (GError) error = NULL;

  control->configure =
      creel_call_start (creel_link_get_channel (link), "/configure", control->handler->configuration (control->user_data),
                        NULL, on_configured, control, &error);
  if (control->configure == NULL)
    set_state (control, "lost", error->message);
  else
    control->configure_timeout_id = g_timeout_add_seconds (CONFIGURE_TIMEOUT_SECONDS, on_configure_timeout, control);
}

static void
on_link_closed (CreelLink *link, const char *reason, gpointer user_data)
{
  CreelControl *control = user_data;
  g_autofree char *text = g_strdup_printf ("The connection to the guest ended: %s", reason);

  g_clear_handle_id (&control->configure_timeout_id, g_source_remove);
  clear_guest (control);
  set_state (control, "lost", text);
}

static const CreelLinkHandler link_handler = { on_link_opened, on_link_closed, NULL };

CreelControl *
creel_control_new (int listen_fd, const CreelControlHandler *handler, gpointer user_data)
{
  CreelControl *control = g_new0 (CreelControl, 1);

  control->handler = handler;
  control->user_data = user_data;
  control->state = "waiting";
  control->status_text = g_strdup ("Waiting for the guest");
  control->link = creel_link_new (listen_fd, TRUE, &link_handler, control);
  control->clock_id = g_timeout_add_seconds (CLOCK_SECONDS, on_clock, control);
  return control;
}

void
creel_control_free (CreelControl *control)
{
  if (control == NULL)
    return;
  g_clear_handle_id (&control->configure_timeout_id, g_source_remove);
  g_clear_pointer (&control->configure, creel_call_cancel);
  g_clear_handle_id (&control->clock_id, g_source_remove);
  g_clear_pointer (&control->clock, creel_call_cancel);
  creel_link_free (control->link);
  clear_guest (control);
  g_free (control->status_text);
  g_free (control);
}

gboolean
creel_control_take_connection (CreelControl *control, int fd)
{
  return creel_link_take_connection (control->link, fd);
}

const char *
creel_control_get_state (CreelControl *control)
{
  return control->state;
}

const char *
creel_control_get_status_text (CreelControl *control)
{
  return control->status_text;
}

GVariant *
creel_control_make_guest (CreelControl *control)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  if (control->kernel != NULL)
    g_variant_builder_add (&builder, "{sv}", "kernel", g_variant_new_string (control->kernel));
  if (control->boot_id != NULL)
    g_variant_builder_add (&builder, "{sv}", "boot-id", g_variant_new_string (control->boot_id));
  if (control->init != NULL)
    g_variant_builder_add (&builder, "{sv}", "init", g_variant_new_string (control->init));
  return g_variant_builder_end (&builder);
}

CreelChannel *
creel_control_get_channel (CreelControl *control, GError **error)
{
  CreelChannel *channel = creel_link_get_channel (control->link);

  if (channel == NULL || !g_str_equal (control->state, "ready"))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING, "The guest is not ready: %s", control->status_text);
      return NULL;
    }
  return channel;
}

static void
on_shutdown_done (int status, const guint8 *body, gsize length, const char *failure, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autofree char *text = NULL;

  /* a guest that goes down at once cannot always finish its answer */
  if (status == 202 || status == 200)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  text = creel_call_describe_error (status, body, length, failure);
  g_task_return_new_error (task, CREEL_ERROR, CREEL_ERROR_GUEST_FAILED, "The guest did not shut down: %s", text);
}

void
creel_control_shutdown_async (CreelControl *control, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, creel_control_shutdown_async);
  if (creel_call_start (creel_link_get_channel (control->link), "/shutdown", NULL, NULL, on_shutdown_done, task,
                        &error) == NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
    }
}

gboolean
creel_control_shutdown_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
creel_control_drop (CreelControl *control, const char *reason)
{
  creel_link_drop (control->link, reason);
}
