/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-layer.h"

#include <errno.h>
#include <fcntl.h>

#include "creel-error.h"
#include "creel-image-collect.h"
#include "creel-image-store.h"
#include "creel-names.h"
#include "creel-root.h"

#define PART "layer"

typedef struct
{
  char *id;
  CreelImageLayered then;
} Layer;

static void
layer_free (gpointer data)
{
  Layer *layer = data;

  g_free (layer->id);
  g_free (layer);
}

char *
creel_image_layer_format_word (const char *key, const char *value)
{
  g_autofree char *escaped = g_uri_escape_string (value, NULL, TRUE);

  return g_strconcat (key, "=", escaped, NULL);
}

static void
add_list (GStrvBuilder *words, const char *key, char **list)
{
  for (; *list != NULL; list++)
    {
      g_autofree char *word = creel_image_layer_format_word (key, *list);

      g_strv_builder_add (words, word);
    }
}

static char **
describe (const CreelImageConfig *config)
{
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();
  char *user[] = { config->user, NULL }, *directory[] = { config->working_dir, NULL };

  add_list (words, "environment", config->environment);
  add_list (words, "entrypoint", config->entrypoint);
  add_list (words, "command", config->command);
  if (config->user != NULL && config->user[0] != '\0')
    add_list (words, "user", user);
  if (config->working_dir != NULL && config->working_dir[0] != '\0')
    add_list (words, "working-dir", directory);
  return g_strv_builder_end (words);
}

static void
made (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  Layer *layer = creel_image_job_get_part (job, PART);
  g_autoptr (GError) error = NULL;

  if (lines->config->manifest == NULL)
    g_set_error_literal (&error, CREEL_ERROR, CREEL_ERROR_FAILED, "The worker did not say what it wrote");
  else
    creel_image_store_set_blobs (layer->id, lines->config->manifest, lines->config->blobs, &error);
  if (error != NULL)
    creel_image_job_fail (job, error);
  else
    layer->then (job, lines->config->manifest, data);
}

void
creel_image_layer_run (CreelImageJob *job, const char *id, CreelImageLayered then)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelImageConfig) config = creel_image_config_load (id, &error);
  g_autofree char *store = creel_root_path (CREEL_IMAGE_DIR);
  g_autofree char *path = g_build_filename (store, id, "rootfs.squashfs", NULL);
  g_auto (GStrv) words = NULL;
  Layer *layer;
  int fd;

  /* blobs that an administrator deleted are made again */
  if (config != NULL && creel_image_collect_is_whole (config))
    {
      then (job, config->manifest, creel_image_job_get_data (job));
      return;
    }
  fd = config != NULL ? open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
  if (config != NULL && fd < 0)
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot open %s: %s", path, g_strerror (errno));
  if (error != NULL)
    {
      creel_image_job_fail (job, error);
      return;
    }
  layer = g_new0 (Layer, 1);
  layer->id = g_strdup (id);
  layer->then = then;
  creel_image_job_set_part (job, PART, layer, layer_free);
  words = describe (config);
  creel_image_job_run (job, CREEL_WORKER_LAYER, (const char *const *) words, fd, -1, made);
}
