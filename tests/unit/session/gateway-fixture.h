/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#include "creel-gateway-bus.h"
#include "fake-guest.h"

/* A real gateway with its D-Bus face, peers and a guest in this process, and a proxy that only remembers. */
#define INTERFACE "org.creel.Creel1.Gateway"
#define DEFINITION "[X-Creel]\nOwner=1000\nImage=shell\nAllow=example.com\n"

typedef struct
{
  char *root;
  char *definition_path;
  int control_fd; /* a copy: where the guest connects */
  CreelGateway *gateway;
  CreelGatewayBus *bus;
  FakeGuest *guest;
  GDBusConnection *a, *b;
  guint exited_id;
  GVariant *exited;
} GatewayFixture;

#define WAIT_UNTIL(condition)                                           \
  G_STMT_START                                                          \
  {                                                                     \
    guint wait_id_ = g_timeout_add_seconds (30, gateway_on_too_long, NULL); \
    while (!(condition))                                                \
      g_main_context_iteration (NULL, TRUE);                            \
    g_source_remove (wait_id_);                                         \
  }                                                                     \
  G_STMT_END

gboolean gateway_on_too_long (gpointer user_data);
void gateway_on_result (GObject *source, GAsyncResult *result, gpointer user_data);
GDBusConnection *gateway_connect_peer (GatewayFixture *f, GError **error);
void gateway_disconnect_peer (GDBusConnection **peer);
GVariant *gateway_call (GDBusConnection *peer, const char *interface, const char *method, GVariant *parameters, GUnixFDList **ret_fds,
                        GError **error);
GVariant *gateway_call_text (GDBusConnection *peer, const char *method, const char *parameters, GError **error);
char *gateway_get_property (GatewayFixture *f, const char *name);
void gateway_write_definition (GatewayFixture *f, const char *text);
void gateway_connect_guest (GatewayFixture *f);
void gateway_set_up (GatewayFixture *f, gconstpointer data);
void gateway_set_up_ready (GatewayFixture *f, gconstpointer data);
void gateway_tear_down (GatewayFixture *f, gconstpointer data);
