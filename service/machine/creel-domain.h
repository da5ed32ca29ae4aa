/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* A transient libvirt domain on qemu:///system, and the connection to it. The domain outlives a libvirtd that is
 * restarted or killed, so VIR_DOMAIN_START_AUTODESTROY is not used: libvirtd would destroy the guest as soon as it drops
 * our connection, at each orderly restart of it. The unit's ExecStopPost=creel-machine --cleanup does that job instead. */
#define CREEL_TYPE_DOMAIN (creel_domain_get_type ())
G_DECLARE_FINAL_TYPE (CreelDomain, creel_domain, CREEL, DOMAIN, GObject)

typedef enum
{
  CREEL_DOMAIN_END_SHUTDOWN,  /* the guest powered itself off, or restarted itself */
  CREEL_DOMAIN_END_DESTROYED, /* somebody destroyed it */
  CREEL_DOMAIN_END_CRASHED,   /* QEMU died or failed */
  CREEL_DOMAIN_END_UNKNOWN,   /* it ended while libvirtd was away */
} CreelDomainEnd;

/* Signals: "ended" (i CreelDomainEnd), once, in the thread-default main context of creel_domain_new ();
 *          "connection" (b up): libvirtd went away or is back. */

/* Must be called once, before the first creel_domain_new () and before other threads. The process then runs the default
 * main context, in which libvirt's events are handled. */
void creel_domain_init_library (void);
/* `uri`: qemu:///system, or another for tests. */
CreelDomain *creel_domain_new (const char *uri, const char *domain_name);

/* Connects, destroys a domain of the same name that was left over, starts the one that `xml` describes and watches it.
 * CREEL_ERROR_NO_HYPERVISOR when libvirt does not answer or cannot. */
void creel_domain_start_async (CreelDomain *self, const char *xml, GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
gboolean creel_domain_start_finish (CreelDomain *self, GAsyncResult *result, GError **error);

/* Ends it the hard way; "ended" follows. Blocks for up to some seconds. TRUE when there is none (any more). */
gboolean creel_domain_destroy (CreelDomain *self, GError **error);
