/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* One error domain for the whole project. On the bus each code is CREEL_ERROR_PREFIX plus its name
 * (NoSuchSandbox, ...); wrong arguments are G_DBUS_ERROR_INVALID_ARGS instead. */
#define CREEL_ERROR (creel_error_quark ())
GQuark creel_error_quark (void);

typedef enum
{
  CREEL_ERROR_FAILED,            /* Failed: nothing better fits; the text says what to do */
  CREEL_ERROR_NO_SUCH_SANDBOX,   /* NoSuchSandbox */
  CREEL_ERROR_SANDBOX_EXISTS,    /* SandboxExists: names are global */
  CREEL_ERROR_RUNNING,           /* Running: stop it first */
  CREEL_ERROR_NOT_RUNNING,       /* NotRunning */
  CREEL_ERROR_NO_SUCH_IMAGE,     /* NoSuchImage */
  CREEL_ERROR_IMAGE_IN_USE,      /* ImageInUse */
  CREEL_ERROR_BAD_IMAGE,         /* BadImage: not an image, truncated, hostile */
  CREEL_ERROR_BAD_DEFINITION,    /* BadDefinition: file and line are in the text */
  CREEL_ERROR_BAD_WORKSPACE,     /* BadWorkspace */
  CREEL_ERROR_NO_SPACE,          /* NoSpace */
  CREEL_ERROR_LIMITS_EXCEEDED,   /* LimitsExceeded */
  CREEL_ERROR_NO_HYPERVISOR,     /* NoHypervisor: libvirt or QEMU is missing, stopped or broken */
  CREEL_ERROR_GUEST_FAILED,      /* GuestFailed: crashed, never said hello, said nonsense */
  CREEL_ERROR_NO_SUCH_COMMAND,   /* NoSuchCommand: exec of something that the image does not have */
  CREEL_ERROR_NO_SUCH_SECRET,    /* NoSuchSecret: not in the keyring */
  CREEL_ERROR_KEYRING_LOCKED,    /* KeyringLocked */
  CREEL_ERROR_NO_AGENT,          /* NoAgent: no session of this user runs creel-agent */
  CREEL_ERROR_NO_SUCH_SESSION,   /* NoSuchSession */
  CREEL_ERROR_CANCELLED,         /* Cancelled */
  CREEL_ERROR_TIMED_OUT,         /* TimedOut */
  CREEL_ERROR_PORT_IN_USE,       /* PortInUse: somebody else listens there */
  CREEL_ERROR_NOT_AUTHORIZED,    /* inside only: on the bus it is G_DBUS_ERROR_ACCESS_DENIED, both ways */
  CREEL_ERROR_AUTH_REQUIRED,     /* org.freedesktop.DBus.Error.InteractiveAuthorizationRequired */
  CREEL_ERROR_NO_SUCH_MODEL,     /* NoSuchModel */
  CREEL_ERROR_MODEL_IN_USE,      /* ModelInUse: it is loaded, or has other names */
  CREEL_ERROR_NO_ENGINE,         /* NoEngine: no program is installed that models run in */
  CREEL_ERROR_NO_SUCH_QUESTION,  /* NoSuchQuestion: it was answered, or nobody waits for the answer any more */
  CREEL_ERROR_N_ENTRIES
} CreelError;

/* A value that its text quotes may have been cut inside of a character; the bus takes whole ones only. */
void creel_error_make_valid (GError *error);
