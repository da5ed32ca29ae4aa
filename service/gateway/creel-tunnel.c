/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-tunnel.h"

#include "creel-reset.h"

struct _CreelTunnel
{
  CreelEndpoint *guest, *upstream;
  CreelWebSocket *messages;
  CreelTunnelFunc func;
  gpointer user_data;
  gboolean guest_ended, upstream_ended;
  gint64 activity;
  guint start;
};

/* TRUE when this direction is done */
static gboolean
carry (CreelTunnel *tunnel, CreelEndpoint *from, CreelEndpoint *to, CreelWebSocket *messages, gboolean *ended)
{
  gsize size, room;
  const guint8 *data;

  while (data = creel_endpoint_peek (from, &size), size > 0 && (room = creel_endpoint_get_room (to)) > 0)
    {
      g_autoptr (GByteArray) clean = messages != NULL ? g_byte_array_new () : NULL;

      size = MIN (size, room);
      tunnel->activity = g_get_monotonic_time ();
      if (messages != NULL)
        creel_websocket_feed (messages, data, size, clean);
      creel_endpoint_write (to, messages != NULL ? clean->data : data, messages != NULL ? clean->len : size);
      creel_endpoint_consume (from, size);
      creel_endpoint_flush (to);
    }
  if (!*ended && size == 0 && creel_endpoint_at_eof (from) && !creel_endpoint_has_failed (from))
    {
      *ended = TRUE;
      creel_endpoint_shutdown (to);
    }
  return *ended && creel_endpoint_get_pending (to) == 0;
}

static void
step (CreelEndpoint *endpoint, gpointer user_data)
{
  CreelTunnel *tunnel = user_data;
  gboolean done = carry (tunnel, tunnel->guest, tunnel->upstream, NULL, &tunnel->guest_ended);

  done &= carry (tunnel, tunnel->upstream, tunnel->guest, tunnel->messages, &tunnel->upstream_ended);
  done |= tunnel->messages != NULL && creel_websocket_is_broken (tunnel->messages);
  if (done || creel_endpoint_has_failed (tunnel->guest) || creel_endpoint_has_failed (tunnel->upstream))
    tunnel->func (tunnel->user_data);
}

static gboolean
on_start (gpointer user_data)
{
  ((CreelTunnel *) user_data)->start = 0;
  step (NULL, user_data);
  return G_SOURCE_REMOVE;
}

CreelTunnel *
creel_tunnel_new (CreelEndpoint *guest, CreelEndpoint *upstream, CreelWebSocket *messages, CreelTunnelFunc func, gpointer user_data)
{
  CreelTunnel *tunnel = g_new0 (CreelTunnel, 1);

  tunnel->guest = creel_endpoint_ref (guest);
  tunnel->upstream = creel_endpoint_ref (upstream);
  tunnel->messages = messages;
  tunnel->func = func;
  tunnel->user_data = user_data;
  tunnel->activity = g_get_monotonic_time ();
  creel_endpoint_set_func (guest, step, tunnel);
  creel_endpoint_set_func (upstream, step, tunnel);
  creel_endpoint_set_reading (guest, TRUE);
  creel_endpoint_set_reading (upstream, TRUE);
  /* what was read before is carried from the main loop, not from inside the caller */
  tunnel->start = g_idle_add_full (G_PRIORITY_DEFAULT, on_start, tunnel, NULL);
  return tunnel;
}

/* Half of something must not look whole to who gets it. */
static void
end (CreelEndpoint *to, gboolean ended)
{
  if (!ended || creel_endpoint_get_pending (to) > 0)
    creel_reset (creel_endpoint_get_stream (to));
  creel_endpoint_close (to);
  creel_endpoint_unref (to);
}

void
creel_tunnel_free (CreelTunnel *tunnel)
{
  if (tunnel == NULL)
    return;
  g_clear_handle_id (&tunnel->start, g_source_remove);
  end (tunnel->guest, tunnel->upstream_ended);
  end (tunnel->upstream, tunnel->guest_ended);
  g_free (tunnel);
}

gint64
creel_tunnel_get_activity (CreelTunnel *tunnel)
{
  return tunnel->activity;
}
