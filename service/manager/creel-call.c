/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-call.h"

#include <gio/gunixfdlist.h>
#include <string.h>

#include "creel-error.h"
#include "creel-sandbox.h"

static void
creel_call_free (CreelCall *call)
{
  /* the invocation was given away with the answer */
  g_assert (call->invocation == NULL);
  if (call->free_data != NULL)
    call->free_data (call->data);
  g_clear_pointer (&call->needs, g_ptr_array_unref);
  g_clear_pointer (&call->arguments, g_variant_unref);
  g_free (call->sender);
  g_free (call->node);
  g_free (call->interface);
  g_free (call->method);
  g_free (call);
}

void
creel_call_return (CreelCall *call, GVariant *value)
{
  if (call->arguments != NULL && value == NULL)
    value = g_variant_new ("(o)", "/");
  g_dbus_method_invocation_return_value (g_steal_pointer (&call->invocation), value);
  creel_call_free (call);
}

void
creel_call_return_fds (CreelCall *call, GVariant *value, GUnixFDList *fds)
{
  g_dbus_method_invocation_return_value_with_unix_fd_list (g_steal_pointer (&call->invocation), value, fds);
  creel_call_free (call);
}

void
creel_call_fail (CreelCall *call, const GError *error)
{
  GDBusMethodInvocation *invocation = g_steal_pointer (&call->invocation);
  g_autoptr (GError) shown = g_error_copy (error);

  creel_error_make_valid (shown);
  /* only our own domains have names on the bus; anything else would leave as a GLib quark */
  if (shown->domain != CREEL_ERROR && shown->domain != G_DBUS_ERROR)
    {
      shown->domain = CREEL_ERROR;
      shown->code = CREEL_ERROR_FAILED;
    }
  if (g_error_matches (shown, CREEL_ERROR, CREEL_ERROR_NOT_AUTHORIZED))
    {
      shown->domain = G_DBUS_ERROR;
      shown->code = G_DBUS_ERROR_ACCESS_DENIED;
    }
  g_dbus_error_strip_remote_error (shown);
  g_dbus_method_invocation_return_gerror (invocation, shown);
  creel_call_free (call);
}

void
creel_call_fail_new (CreelCall *call, GQuark domain, int code, const char *format, ...)
{
  g_autoptr (GError) error = NULL;
  va_list args;

  va_start (args, format);
  error = g_error_new_valist (domain, code, format, args);
  va_end (args);
  creel_call_fail (call, error);
}

CreelSandbox *
creel_call_sandbox (CreelCall *call)
{
  CreelSandbox *sandbox = g_hash_table_lookup (call->daemon->sandboxes, call->node);

  if (sandbox == NULL)
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "There is no sandbox \"%s\"", call->node);
  return sandbox;
}

gboolean
creel_call_is_interactive (CreelCall *call)
{
  GDBusMessage *message = g_dbus_method_invocation_get_message (call->invocation);

  return (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;
}

void
creel_call_need (CreelCall *call, const char *action, GVariant *details)
{
  if (call->needs == NULL)
    call->needs = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_ptr_array_add (call->needs, g_variant_ref_sink (g_variant_new ("(s@a{ss})", action, details)));
}

gboolean
creel_options_check (GVariant *options, const char *const *known, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) owned = value;
      const char *type = NULL;

      for (guint i = 0; known[i] != NULL && type == NULL; i++)
        {
          const char *colon = strchr (known[i], ':');

          if (strlen (key) == (gsize) (colon - known[i]) && strncmp (known[i], key, colon - known[i]) == 0)
            type = colon + 1;
        }
      if (type == NULL)
        g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Unknown option \"%.64s\"", key);
      else if (!g_variant_is_of_type (owned, G_VARIANT_TYPE (type)))
        g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Option \"%s\" must be of type %s", key, type);
      else if (!g_hash_table_add (seen, (gpointer) key))
        g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Option \"%s\" was given twice", key);
      else
        continue;
      return FALSE;
    }
  return TRUE;
}

int
creel_call_steal_fd (CreelCall *call, guint32 index, GError **error)
{
  GDBusMessage *message = g_dbus_method_invocation_get_message (call->invocation);
  GUnixFDList *fds = g_dbus_message_get_unix_fd_list (message);

  if (fds == NULL || g_unix_fd_list_get_length (fds) != 1 || index != 0)
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Exactly one file descriptor must be sent");
      return -1;
    }
  return g_unix_fd_list_get (fds, 0, error);
}
