/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-call.h"
#include "creel-dispatch.h"
#include "creel-error.h"
#include "creel-job.h"
#include "creel-management-users.h"
#include "creel-names.h"

/* Of the interface Engines what the front asks for in the name of a user of its port. The front reads the bytes of strangers, so what it says
 * about that user counts no more than that the administrator named them: polkit, who cannot be asked about them, is not. */

/* Each answers a job or nothing. */
static const struct
{
  const char *method;
  const char *type;
} may[] = {
  { "PullModel", "(sa{sv})" },   { "PushModel", "(sa{sv})" },      { "TagModel", "(ssa{sv})" },
  { "RemoveModel", "(sa{sv})" }, { "ConfigureModel", "(sa{sv})" }, { "UnloadModel", "(sa{sv})" },
};

static gboolean
prepare_manage (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  g_auto (GStrv) users = creel_management_users_load ();
  g_autoptr (GVariant) arguments = NULL;
  const char *method, *type = NULL;
  guint32 uid;

  g_variant_get (call->parameters, "(u&sv)", &uid, &method, &arguments);
  if (!creel_management_users_contain ((const char *const *) users, uid))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NOT_AUTHORIZED,
                   "ManagementUsers= of section [Models] in " CREEL_CONFIG_DIR "/creel.conf does not name the user with uid %u", uid);
      return FALSE;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (may); i++)
    if (g_str_equal (may[i].method, method))
      type = may[i].type;
  if (type != NULL && g_variant_is_of_type (arguments, G_VARIANT_TYPE (type)))
    return TRUE;
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "%.64s cannot be called with arguments of type %.64s in the name of a user", method,
               g_variant_get_type_string (arguments));
  return FALSE;
}

/* The call becomes the user's; all that is known of the front then is where to answer to. */
static void
handle_manage (CreelCall *call)
{
  g_autoptr (GStrvBuilder) actions = g_strv_builder_new ();
  g_autoptr (GError) error = NULL;
  const CreelMethod *inner;
  const char *method;
  guint32 uid;

  g_variant_get (call->parameters, "(u&sv)", &uid, &method, &call->arguments);
  g_free (call->interface);
  g_free (call->method);
  call->interface = g_strdup ("Models");
  call->method = g_strdup (method);
  call->uid = uid;
  call->parameters = call->arguments;
  inner = creel_dispatch_find_method (call->interface, call->method);
  if (inner->prepare != NULL && !inner->prepare (call, actions, &error))
    creel_call_fail (call, error);
  else
    inner->handler (call);
}

static void
handle_cancel (CreelCall *call)
{
  const char *path;

  g_variant_get (call->parameters, "(&o)", &path);
  if (creel_job_cancel_of (call->daemon, path, call->sender))
    creel_call_return (call, NULL);
  else
    creel_call_fail_new (call, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT, "There is no such job of yours");
}

const CreelMethod creel_management_methods[] = {
  { "Engines", "ManageModels", prepare_manage, handle_manage },
  { "Engines", "CancelJob", NULL, handle_cancel },
  { NULL }
};
