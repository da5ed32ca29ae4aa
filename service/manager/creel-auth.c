/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-auth.h"

#include <pwd.h>

#include "creel-error.h"
#include "creel-names.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_ALLOW_INTERACTION 1

static const struct
{
  const char *interface;
  const char *method;
  const char *action;
} table[] = {
  { "org.creel.Creel1.Manager", "CreateSandbox", CREEL_ACTION_CREATE },
  { "org.creel.Creel1.Manager", "GetSandbox", CREEL_ACTION_NONE },    /* only shows what may be seen */
  { "org.creel.Creel1.Manager", "ListSandboxes", CREEL_ACTION_NONE }, /* all of them: see-others, asked for by it */
  { "org.creel.Creel1.Manager", "ImportImage", CREEL_ACTION_MANAGE_IMAGES },
  { "org.creel.Creel1.Manager", "BuildImage", CREEL_ACTION_MANAGE_IMAGES },
  { "org.creel.Creel1.Manager", "ListImages", CREEL_ACTION_NONE },
  { "org.creel.Creel1.Manager", "InspectImage", CREEL_ACTION_NONE },
  { "org.creel.Creel1.Manager", "RemoveImage", CREEL_ACTION_MANAGE_IMAGES },
  { "org.creel.Creel1.Manager", "PullImage", CREEL_ACTION_MANAGE_IMAGES },
  { "org.creel.Creel1.Manager", "PushImage", CREEL_ACTION_NONE },   /* export-image, with image and reference for rules: asked for by it */
  { "org.creel.Creel1.Manager", "ExportImage", CREEL_ACTION_NONE }, /* the same */
  { "org.creel.Creel1.Manager", "TagImage", CREEL_ACTION_MANAGE_IMAGES },
  { "org.creel.Creel1.Manager", "PruneImages", CREEL_ACTION_MANAGE_IMAGES },
  { "org.creel.Creel1.Manager", "Check", CREEL_ACTION_NONE },
  { "org.creel.Creel1.Models", "ListModels", CREEL_ACTION_NONE }, /* models are everybody's */
  { "org.creel.Creel1.Models", "InspectModel", CREEL_ACTION_NONE },
  { "org.creel.Creel1.Models", "PullModel", CREEL_ACTION_NONE },   /* pull-model, with reference for rules: asked for by it */
  { "org.creel.Creel1.Models", "ImportModel", CREEL_ACTION_NONE }, /* the same */
  { "org.creel.Creel1.Models", "PushModel", CREEL_ACTION_NONE },   /* export-image, with model and reference */
  { "org.creel.Creel1.Models", "TagModel", CREEL_ACTION_REMOVE_MODEL },
  { "org.creel.Creel1.Models", "RemoveModel", CREEL_ACTION_REMOVE_MODEL },
  { "org.creel.Creel1.Models", "PruneModels", CREEL_ACTION_REMOVE_MODEL },
  { "org.creel.Creel1.Models", "ConfigureModel", CREEL_ACTION_CONFIGURE_MODEL },
  { "org.creel.Creel1.Models", "UnloadModel", CREEL_ACTION_CONFIGURE_MODEL },
  { "org.creel.Creel1.Models", "ReadLog", CREEL_ACTION_CONFIGURE_MODEL },
  { "org.creel.Creel1.Models", "ListLoaded", CREEL_ACTION_NONE },
  { "org.creel.Creel1.Models", "DiskUsage", CREEL_ACTION_NONE },
  { "org.creel.Creel1.Models", "Status", CREEL_ACTION_NONE },
  { "org.creel.Creel1.Engines", "StartEngine", CREEL_ACTION_INTERNAL },
  { "org.creel.Creel1.Engines", "StopEngine", CREEL_ACTION_INTERNAL },
  { "org.creel.Creel1.Engines", "ListEngines", CREEL_ACTION_INTERNAL },
  { "org.creel.Creel1.Engines", "ReportEngine", CREEL_ACTION_INTERNAL },
  { "org.creel.Creel1.Engines", "ManageModels", CREEL_ACTION_INTERNAL }, /* for users that the administrator named: asked for by it */
  { "org.creel.Creel1.Engines", "CancelJob", CREEL_ACTION_INTERNAL },
  { "org.creel.Creel1.AgentManager", "Register", CREEL_ACTION_NONE },
  { "org.creel.Creel1.AgentManager", "Unregister", CREEL_ACTION_NONE },
  { "org.creel.Creel1.AgentManager", "Revoke", CREEL_ACTION_NONE }, /* of the caller's own sandboxes, and only takes away */
  { "org.creel.Creel1.Sandbox", "Start", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Sandbox", "Stop", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Sandbox", "Restart", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Sandbox", "Remove", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Sandbox", "Exec", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Sandbox", "Capture", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Sandbox", "SetNetwork", CREEL_ACTION_CONTROL },         /* and widen-policy where it widens */
  { "org.creel.Creel1.Sandbox", "CheckNetwork", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Sandbox", "Answer", CREEL_ACTION_CONTROL },             /* and widen-policy, with host and port, but for a no */
  { "org.creel.Creel1.Sandbox", "SetCredentials", CREEL_ACTION_CONTROL },     /* and use-credential for new ones */
  { "org.creel.Creel1.Sandbox", "SetPorts", CREEL_ACTION_CONTROL },           /* and publish-port for one that others reach, or a low one */
  { "org.creel.Creel1.Sandbox", "ListPorts", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Sandbox", "SaveImage", CREEL_ACTION_CONTROL },          /* and manage-images */
  { "org.creel.Creel1.Sandbox", "ReadConsole", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Sandbox", "ReadLog", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Session", "Resize", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Session", "Signal", CREEL_ACTION_CONTROL },
  { "org.creel.Creel1.Job", "Cancel", CREEL_ACTION_MANAGE_IMAGES },
};

const char *
creel_auth_action (const char *interface, const char *method)
{
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if (g_str_equal (table[i].interface, interface) && g_str_equal (table[i].method, method))
      return table[i].action;
  return NULL;
}

const char *
creel_auth_effective_action (const char *action, uid_t caller, uid_t owner)
{
  if (caller == owner)
    return action;
  return g_str_equal (action, CREEL_ACTION_NONE) ? CREEL_ACTION_SEE_OTHERS : CREEL_ACTION_CONTROL_OTHERS;
}

gboolean
creel_auth_is_internal (uid_t uid)
{
  const struct passwd *user = uid != 0 ? getpwnam (CREEL_MODELS_USER) : NULL;

  return uid == 0 || (user != NULL && user->pw_uid == uid);
}

typedef struct
{
  GDBusConnection *bus;
  char *sender;
  char **actions;
  guint next;
  GPtrArray *details; /* one for each action */
  gboolean interactive;
  CreelAuthFunc done;
  gpointer user_data;
} Check;

static void
finish (Check *check, GError *error)
{
  check->done (check->user_data, error);
  g_object_unref (check->bus);
  g_free (check->sender);
  g_strfreev (check->actions);
  g_ptr_array_unref (check->details);
  g_free (check);
}

static void ask_next (Check *check);

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Check *check = user_data;
  const char *action = check->actions[check->next];
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &local_error);
  gboolean authorized = FALSE, challenge = FALSE;

  if (reply != NULL)
    g_variant_get (reply, "((bb@a{ss}))", &authorized, &challenge, NULL);
  if (authorized)
    {
      check->next++;
      ask_next (check);
      return;
    }
  if (reply == NULL)
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_NOT_AUTHORIZED, "polkit cannot be asked for %s, so only root may do this", action);
  else if (challenge && !check->interactive)
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_AUTH_REQUIRED, "Authentication is required for %s", action);
  else
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_NOT_AUTHORIZED, "Not authorized: the policy does not allow you %s", action);
  finish (check, error);
}

static void
ask_next (Check *check)
{
  GVariantBuilder subject;

  if (check->actions[check->next] == NULL)
    {
      finish (check, NULL);
      return;
    }
  g_variant_builder_init (&subject, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&subject, "{sv}", "name", g_variant_new_string (check->sender));
  g_dbus_connection_call (check->bus, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization",
                          g_variant_new ("((sa{sv})s@a{ss}us)", "system-bus-name", &subject,
                                         check->actions[check->next], check->details->pdata[check->next],
                                         check->interactive ? POLKIT_ALLOW_INTERACTION : 0, ""),
                          G_VARIANT_TYPE ("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE,
                          check->interactive ? G_MAXINT : 25 * 1000, NULL, on_answer, check);
}

void
creel_auth_check (GDBusConnection *bus, const char *sender, uid_t uid, const char *const *actions, GVariant *details,
                  gboolean interactive, CreelAuthFunc done, gpointer user_data)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (details != NULL ? details : g_variant_new ("a{ss}", NULL));
  g_autoptr (GStrvBuilder) asked = g_strv_builder_new ();
  Check *check;

  if (uid == 0)
    {
      done (user_data, NULL);
      return;
    }
  check = g_new0 (Check, 1);
  check->details = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  for (gsize i = 0; actions[i] != NULL; i++)
    {
      if (g_str_equal (actions[i], CREEL_ACTION_NONE))
        continue;
      g_strv_builder_add (asked, actions[i]);
      g_ptr_array_add (check->details, g_variant_is_of_type (owned, G_VARIANT_TYPE ("aa{ss}")) ? g_variant_get_child_value (owned, i)
                                                                                               : g_variant_ref (owned));
    }
  check->bus = g_object_ref (bus);
  check->sender = g_strdup (sender);
  check->actions = g_strv_builder_end (asked);
  check->interactive = interactive;
  check->done = done;
  check->user_data = user_data;
  ask_next (check);
}
