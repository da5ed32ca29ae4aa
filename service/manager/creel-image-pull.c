/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-pull.h"

#include "creel-error.h"
#include "creel-image-collect.h"
#include "creel-image-secret.h"
#include "creel-image-store.h"

#define PART "pull"

typedef struct
{
  CreelReference *reference;
  char *name;     /* in its one spelling */
  char *id;       /* of what was fetched */
  char *manifest;
  char **blobs;
  char **digests;
  CreelImagePulled pulled;
} Pull;

static void
pull_free (gpointer data)
{
  Pull *pull = data;

  creel_reference_free (pull->reference);
  g_free (pull->name);
  g_free (pull->id);
  g_free (pull->manifest);
  g_strfreev (pull->blobs);
  g_strfreev (pull->digests);
  g_free (pull);
}

static void
finish (CreelImageJob *job, const Pull *pull, const char *id)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) names = NULL;
  g_autoptr (GError) error = NULL;

  g_strv_builder_add (builder, pull->name);
  for (char **digest = pull->digests; digest != NULL && *digest != NULL; digest++)
    {
      g_autofree char *name = creel_reference_format_digest (pull->reference, *digest);

      g_strv_builder_add (builder, name);
    }
  names = g_strv_builder_end (builder);
  if (!creel_image_store_add_names (id, names, &error))
    {
      creel_image_job_fail (job, error);
      return;
    }
  pull->pulled (job, id, creel_image_job_get_data (job));
}

static void
converted (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  const Pull *pull = creel_image_job_get_part (job, PART);
  CreelImageConfig *config = lines->config;
  g_autoptr (GError) error = NULL;

  if (g_strcmp0 (lines->id, pull->id) != 0)
    g_set_error_literal (&error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "What was converted is not what was fetched");
  else
    {
      config->id = g_strdup (pull->id);
      g_free (config->source);
      config->source = g_strconcat ("pull: ", pull->name, NULL);
      g_free (config->manifest);
      config->manifest = g_strdup (pull->manifest);
      g_strfreev (config->blobs);
      config->blobs = g_strdupv (pull->blobs);
      creel_image_job_commit_image (job, config, pull->name, &error);
    }
  if (error != NULL)
    creel_image_job_fail (job, error);
  else
    finish (job, pull, pull->id);
}

/* An image of this id, or one that was pushed from here: its manifest tells that they are the same. */
static char *
find_present (const Pull *pull)
{
  g_auto (GStrv) ids = creel_image_store_list ();

  for (char **id = ids; *id != NULL; id++)
    {
      g_autoptr (CreelImageConfig) config = creel_image_config_load (*id, NULL);

      if (config != NULL && (g_str_equal (*id, pull->id) || g_strcmp0 (config->manifest, pull->manifest) == 0))
        return g_strdup (*id);
    }
  return NULL;
}

static void
fetched (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  Pull *pull = creel_image_job_get_part (job, PART);
  const char *arguments[] = { lines->config->manifest, NULL };
  const char *wanted = pull->reference->digest;
  g_autoptr (CreelImageConfig) present = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  int output;

  if (lines->config->manifest == NULL || (wanted != NULL && !g_strv_contains ((const char *const *) lines->digests, wanted)))
    {
      error = g_error_new_literal (CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                                   wanted != NULL ? "The registry did not send what has that digest" : "The worker did not say what it fetched");
      creel_image_job_fail (job, error);
      return;
    }
  pull->id = g_strdup (lines->id);
  pull->manifest = g_strdup (lines->config->manifest);
  pull->blobs = g_strdupv (lines->config->blobs);
  pull->digests = g_strdupv (lines->digests);
  id = find_present (pull);
  if (id != NULL)
    {
      present = creel_image_config_load (id, NULL);
      if (present != NULL && !creel_image_collect_is_whole (present) && !creel_image_store_set_blobs (id, pull->manifest, pull->blobs, &error))
        creel_image_job_fail (job, error);
      else
        finish (job, pull, id);
      return;
    }
  output = creel_image_job_begin_image (job, &error);
  if (output < 0)
    creel_image_job_fail (job, error);
  else
    creel_image_job_run (job, CREEL_WORKER_CONVERT, arguments, -1, output, converted);
}

static void
with_secret (CreelImageJob *job, int secret, gpointer data)
{
  const Pull *pull = creel_image_job_get_part (job, PART);
  const char *arguments[] = { pull->name, NULL };

  creel_image_job_run (job, CREEL_WORKER_FETCH, arguments, secret, -1, fetched);
}

CreelReference *
creel_image_pull_parse (const char *text, GError **error)
{
  g_autofree char *registry = creel_registry_default (error);
  CreelReference *reference = registry != NULL ? creel_reference_parse (text, error) : NULL;

  if (reference != NULL)
    creel_reference_qualify (reference, registry);
  return reference;
}

void
creel_image_pull_run (CreelImageJob *job, CreelReference *reference, CreelImagePulled pulled)
{
  g_autofree char *present = NULL;
  Pull *pull = g_new0 (Pull, 1);

  pull->reference = reference;
  pull->name = creel_reference_format (reference);
  pull->pulled = pulled;
  creel_image_job_set_part (job, PART, pull, pull_free);
  /* what a digest names is never another thing tomorrow */
  if (reference->digest != NULL && (present = creel_image_resolve (pull->name, NULL)) != NULL)
    finish (job, pull, present);
  else
    creel_image_secret_ask (job, reference->host, with_secret);
}

/* -- PullImage -- */

static void
pulled (CreelImageJob *job, const char *id, gpointer data)
{
  const Pull *pull = creel_image_job_get_part (job, PART);

  creel_image_job_add_detail (job, "id", g_variant_new_string (id));
  creel_image_job_add_detail (job, "reference", g_variant_new_string (pull->name));
  if (pull->reference->digest != NULL)
    creel_image_job_add_detail (job, "digest", g_variant_new_string (pull->reference->digest));
  else if (pull->digests != NULL && pull->digests[0] != NULL)
    creel_image_job_add_detail (job, "digest", g_variant_new_string (pull->digests[0]));
  creel_image_job_done (job);
}

/* Somebody's credential was wrong, or a keyring is locked: whoever else waits for the image may have a better one. */
static void
failed (CreelImageJob *job, const GError *error, gpointer data)
{
  Pull *pull = creel_image_job_get_part (job, PART);

  g_clear_pointer (&pull->id, g_free);
  g_clear_pointer (&pull->manifest, g_free);
  g_clear_pointer (&pull->blobs, g_strfreev);
  g_clear_pointer (&pull->digests, g_strfreev);
  if (creel_image_job_fail_owner (job, error))
    creel_image_secret_ask (job, pull->reference->host, with_secret);
}

static CreelReference *
parse (CreelCall *call, GError **error)
{
  const char *text;

  g_variant_get_child (call->parameters, 0, "&s", &text);
  return creel_image_pull_parse (text, error);
}

static gboolean
prepare_pull (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autoptr (CreelReference) reference = parse (call, error);

  return reference != NULL && creel_options_check (options, known, error);
}

static void
handle_pull (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelReference) reference = parse (call, &error);
  g_autofree char *name = NULL;
  g_autofree char *key = NULL;
  CreelImageJob *job;

  if (reference == NULL)
    {
      creel_call_fail (call, error);
      return;
    }
  name = creel_reference_format (reference);
  key = g_strconcat ("pull ", name, NULL);
  if (creel_image_job_join (call, "image-pull", name, key))
    return;
  job = creel_image_job_new (call, "image-pull", name, key, NULL, NULL);
  if (job == NULL)
    return;
  creel_image_job_reply (job, call);
  creel_image_job_set_on_error (job, failed);
  creel_image_pull_run (job, g_steal_pointer (&reference), pulled);
}

const CreelMethod creel_image_pull_methods[] = {
  { "Manager", "PullImage", prepare_pull, handle_pull },
  { NULL }
};
