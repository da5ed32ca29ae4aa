/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-callers.h"

#include "creel-error.h"

#define BUS "org.freedesktop.DBus"

struct _CreelCallers
{
  GDBusConnection *bus;
  GHashTable *uids; /* unique name -> uid */
  CreelCallerGoneFunc gone;
  gpointer user_data;
  GCancellable *cancellable;
  guint subscription;
};

static void
on_owner_changed (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                  const char *signal, GVariant *parameters, gpointer user_data)
{
  CreelCallers *callers = user_data;
  const char *name, *new_owner;
  gpointer key, value;

  g_variant_get (parameters, "(&s&s&s)", &name, NULL, &new_owner);
  if (name[0] != ':' || new_owner[0] != '\0')
    return;
  if (!g_hash_table_steal_extended (callers->uids, name, &key, &value))
    return;
  callers->gone (name, GPOINTER_TO_UINT (value), callers->user_data);
  g_free (key);
}

CreelCallers *
creel_callers_new (GDBusConnection *bus, CreelCallerGoneFunc gone, gpointer user_data)
{
  CreelCallers *callers = g_new0 (CreelCallers, 1);

  callers->uids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  callers->gone = gone;
  callers->user_data = user_data;
  callers->cancellable = g_cancellable_new ();
  if (bus != NULL)
    {
      callers->bus = g_object_ref (bus);
      callers->subscription = g_dbus_connection_signal_subscribe (bus, BUS, BUS, "NameOwnerChanged", "/org/freedesktop/DBus",
                                                                  NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed,
                                                                  callers, NULL);
    }
  return callers;
}

void
creel_callers_free (CreelCallers *callers)
{
  g_cancellable_cancel (callers->cancellable);
  if (callers->subscription != 0)
    g_dbus_connection_signal_unsubscribe (callers->bus, callers->subscription);
  g_clear_object (&callers->bus);
  g_clear_object (&callers->cancellable);
  g_hash_table_unref (callers->uids);
  g_free (callers);
}

void
creel_callers_add (CreelCallers *callers, const char *name, uid_t uid)
{
  g_hash_table_insert (callers->uids, g_strdup (name), GUINT_TO_POINTER (uid));
}

typedef struct
{
  CreelCallers *callers;
  char *name;
  CreelCallerFunc done;
  gpointer user_data;
} Lookup;

static gboolean
read_reply (GVariant *reply, uid_t *ret_uid)
{
  g_autoptr (GVariant) credentials = g_variant_get_child_value (reply, 0);
  guint32 uid;

  if (!g_variant_lookup (credentials, "UnixUserID", "u", &uid))
    return FALSE;
  *ret_uid = uid;
  return TRUE;
}

static void
on_credentials (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Lookup *lookup = user_data;
  g_autofree char *name = lookup->name;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  uid_t uid;

  if (reply != NULL && read_reply (reply, &uid))
    {
      creel_callers_add (lookup->callers, name, uid);
      lookup->done (uid, lookup->user_data, NULL);
      return;
    }
  if (error == NULL || !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_autoptr (GError) shown = g_error_new_literal (CREEL_ERROR, CREEL_ERROR_NOT_AUTHORIZED, "The bus does not say who you are");

      lookup->done ((uid_t) -1, lookup->user_data, shown);
      return;
    }
  lookup->done ((uid_t) -1, lookup->user_data, error);
}

void
creel_callers_lookup (CreelCallers *callers, const char *name, CreelCallerFunc done, gpointer user_data)
{
  gpointer uid;
  Lookup *lookup;

  if (g_hash_table_lookup_extended (callers->uids, name, NULL, &uid))
    {
      done (GPOINTER_TO_UINT (uid), user_data, NULL);
      return;
    }
  lookup = g_new0 (Lookup, 1);
  *lookup = (Lookup) { callers, g_strdup (name), done, user_data };
  g_dbus_connection_call (callers->bus, BUS, "/org/freedesktop/DBus", BUS, "GetConnectionCredentials",
                          g_variant_new ("(s)", name), G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, 10 * 1000,
                          callers->cancellable, on_credentials, lookup);
}

gboolean
creel_callers_lookup_now (CreelCallers *callers, const char *name, uid_t *ret_uid)
{
  g_autoptr (GVariant) reply = NULL;
  gpointer uid;

  if (g_hash_table_lookup_extended (callers->uids, name, NULL, &uid))
    {
      *ret_uid = GPOINTER_TO_UINT (uid);
      return TRUE;
    }
  /* GLib wants the children of a node at once; the bus daemon itself answers, in well under a millisecond */
  reply = g_dbus_connection_call_sync (callers->bus, BUS, "/org/freedesktop/DBus", BUS, "GetConnectionCredentials",
                                       g_variant_new ("(s)", name), G_VARIANT_TYPE ("(a{sv})"),
                                       G_DBUS_CALL_FLAGS_NONE, 1000, NULL, NULL);
  return reply != NULL && read_reply (reply, ret_uid);
}

gboolean
creel_callers_is_known (CreelCallers *callers, const char *name)
{
  return g_hash_table_contains (callers->uids, name);
}

GPtrArray *
creel_callers_of (CreelCallers *callers, uid_t uid)
{
  GPtrArray *names = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, callers->uids);
  while (g_hash_table_iter_next (&iter, &name, &value))
    if (GPOINTER_TO_UINT (value) == uid || GPOINTER_TO_UINT (value) == 0)
      g_ptr_array_add (names, name);
  return names;
}
