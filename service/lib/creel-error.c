/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-error.h"
#include "creel-names.h"

static const GDBusErrorEntry entries[] = {
  { CREEL_ERROR_FAILED, CREEL_ERROR_PREFIX "Failed" },
  { CREEL_ERROR_NO_SUCH_SANDBOX, CREEL_ERROR_PREFIX "NoSuchSandbox" },
  { CREEL_ERROR_SANDBOX_EXISTS, CREEL_ERROR_PREFIX "SandboxExists" },
  { CREEL_ERROR_RUNNING, CREEL_ERROR_PREFIX "Running" },
  { CREEL_ERROR_NOT_RUNNING, CREEL_ERROR_PREFIX "NotRunning" },
  { CREEL_ERROR_NO_SUCH_IMAGE, CREEL_ERROR_PREFIX "NoSuchImage" },
  { CREEL_ERROR_IMAGE_IN_USE, CREEL_ERROR_PREFIX "ImageInUse" },
  { CREEL_ERROR_BAD_IMAGE, CREEL_ERROR_PREFIX "BadImage" },
  { CREEL_ERROR_BAD_DEFINITION, CREEL_ERROR_PREFIX "BadDefinition" },
  { CREEL_ERROR_BAD_WORKSPACE, CREEL_ERROR_PREFIX "BadWorkspace" },
  { CREEL_ERROR_NO_SPACE, CREEL_ERROR_PREFIX "NoSpace" },
  { CREEL_ERROR_LIMITS_EXCEEDED, CREEL_ERROR_PREFIX "LimitsExceeded" },
  { CREEL_ERROR_NO_HYPERVISOR, CREEL_ERROR_PREFIX "NoHypervisor" },
  { CREEL_ERROR_GUEST_FAILED, CREEL_ERROR_PREFIX "GuestFailed" },
  { CREEL_ERROR_NO_SUCH_COMMAND, CREEL_ERROR_PREFIX "NoSuchCommand" },
  { CREEL_ERROR_NO_SUCH_SECRET, CREEL_ERROR_PREFIX "NoSuchSecret" },
  { CREEL_ERROR_KEYRING_LOCKED, CREEL_ERROR_PREFIX "KeyringLocked" },
  { CREEL_ERROR_NO_AGENT, CREEL_ERROR_PREFIX "NoAgent" },
  { CREEL_ERROR_NO_SUCH_SESSION, CREEL_ERROR_PREFIX "NoSuchSession" },
  { CREEL_ERROR_CANCELLED, CREEL_ERROR_PREFIX "Cancelled" },
  { CREEL_ERROR_TIMED_OUT, CREEL_ERROR_PREFIX "TimedOut" },
  { CREEL_ERROR_PORT_IN_USE, CREEL_ERROR_PREFIX "PortInUse" },
  { CREEL_ERROR_NO_SUCH_MODEL, CREEL_ERROR_PREFIX "NoSuchModel" },
  { CREEL_ERROR_MODEL_IN_USE, CREEL_ERROR_PREFIX "ModelInUse" },
  { CREEL_ERROR_NO_ENGINE, CREEL_ERROR_PREFIX "NoEngine" },
  { CREEL_ERROR_NO_SUCH_QUESTION, CREEL_ERROR_PREFIX "NoSuchQuestion" },
  { CREEL_ERROR_AUTH_REQUIRED, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" },
};
/* all but NOT_AUTHORIZED: GLib has AccessDenied in its own domain already, and a name can be in one only */
G_STATIC_ASSERT (G_N_ELEMENTS (entries) == CREEL_ERROR_N_ENTRIES - 1);

GQuark
creel_error_quark (void)
{
  static gsize quark;

  g_dbus_error_register_error_domain ("creel-error-quark", &quark, entries, G_N_ELEMENTS (entries));
  return (GQuark) quark;
}

void
creel_error_make_valid (GError *error)
{
  g_autofree char *cut = g_steal_pointer (&error->message);

  error->message = g_utf8_make_valid (cut, -1);
}
