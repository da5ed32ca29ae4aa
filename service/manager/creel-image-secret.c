/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-secret.h"

#include <unistd.h>

#include "creel-agent-registry.h"
#include "creel-error.h"

typedef struct
{
  CreelImageJob *job; /* NULL: it was cancelled, the answer is for nobody */
  GCancellable *cancellable;
  gulong handler;
  CreelImageSecretFunc done;
} Ask;

static void
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  Ask *ask = user_data;
  CreelImageJob *job = g_steal_pointer (&ask->job);
  g_autoptr (GError) error = g_error_new_literal (CREEL_ERROR, CREEL_ERROR_CANCELLED, "Cancelled");

  if (job != NULL)
    creel_image_job_fail (job, error);
}

static void
on_secret (int fd, gpointer user_data, GError *error)
{
  Ask *ask = user_data;
  CreelImageJob *job = ask->job;

  g_signal_handler_disconnect (ask->cancellable, ask->handler);
  g_object_unref (ask->cancellable);
  if (job == NULL)
    {
      if (fd >= 0)
        close (fd);
    }
  else if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED))
    creel_image_job_fail_step (job, error);
  else
    /* no key, or no session that has a keyring: many registries serve anybody */
    ask->done (job, fd, creel_image_job_get_data (job));
  g_free (ask);
}

void
creel_image_secret_ask (CreelImageJob *job, const char *host, CreelImageSecretFunc done)
{
  Ask *ask = g_new0 (Ask, 1);

  ask->job = job;
  ask->done = done;
  ask->cancellable = g_object_ref (creel_image_job_get_cancellable (job));
  ask->handler = g_signal_connect (ask->cancellable, "cancelled", G_CALLBACK (on_cancelled), ask);
  creel_agent_registry_get_registry_secret (creel_image_job_get_daemon (job)->agents, creel_image_job_get_owner (job), host, on_secret, ask);
}
