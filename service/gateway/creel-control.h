/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-channel.h"

/* The host side of the control channel: waits for the guest, configures it, knows whether it is there. */
typedef struct _CreelControl CreelControl;

typedef struct
{
  /* The body of /configure, for the guest that has just answered; owned by the caller of the function. */
  GByteArray *(*configuration) (gpointer user_data);
  /* State, status text or guest changed. */
  void (*changed) (CreelControl *control, gpointer user_data);
} CreelControlHandler;

/* Takes listen_fd (-1: use creel_control_take_connection). `handler` must stay valid. */
CreelControl *creel_control_new (int listen_fd, const CreelControlHandler *handler, gpointer user_data);
void creel_control_free (CreelControl *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelControl, creel_control_free)
gboolean creel_control_take_connection (CreelControl *control, int fd);

/* "waiting", "ready" or "lost"; one line that says why, "" when there is nothing to say. Borrowed. */
const char *creel_control_get_state (CreelControl *control);
const char *creel_control_get_status_text (CreelControl *control);
/* a{sv} as Gateway.Guest; what the guest says, printable and cut. A floating or owned reference as g_variant_builder_end. */
GVariant *creel_control_make_guest (CreelControl *control);
/* The channel when the guest is ready, else NULL with CREEL_ERROR_NOT_RUNNING. */
CreelChannel *creel_control_get_channel (CreelControl *control, GError **error);
/* Tells a guest that is ready what time it is. Done by itself every 15 s: guests lose time while this machine sleeps, and emulated ones whenever it is busy. */
void creel_control_set_clock (CreelControl *control);
/* Finishes when the guest has taken the request to power off. */
void creel_control_shutdown_async (CreelControl *control, GAsyncReadyCallback callback, gpointer user_data);
gboolean creel_control_shutdown_finish (GAsyncResult *result, GError **error);
/* Ends the connection, with it all sessions. */
void creel_control_drop (CreelControl *control, const char *reason);
