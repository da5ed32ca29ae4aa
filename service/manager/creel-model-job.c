/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-auth.h"
#include "creel-engines.h"
#include "creel-error.h"
#include "creel-image-job.h"
#include "creel-image-secret.h"
#include "creel-model-store.h"
#include "creel-reference.h"

/* PullModel and PushModel: models that come from registries and go there. */
typedef struct
{
  CreelReference *reference;
  char *name;     /* in its one spelling */
  char *id;       /* of a push */
  char *manifest; /* the same */
} Move;

static void
move_free (gpointer data)
{
  Move *move = data;

  creel_reference_free (move->reference);
  g_free (move->name);
  g_free (move->id);
  g_free (move->manifest);
  g_free (move);
}

/* Takes the reference. */
static Move *
move_new (CreelReference *reference)
{
  Move *move = g_new0 (Move, 1);

  move->reference = reference;
  move->name = creel_reference_format (reference);
  return move;
}

static void
finish (CreelImageJob *job, Move *move, const char *id, const char *digest)
{
  creel_image_job_add_detail (job, "id", g_variant_new_string (id));
  creel_image_job_add_detail (job, "reference", g_variant_new_string (move->name));
  creel_image_job_add_detail (job, "digest", g_variant_new_string (digest));
  creel_image_job_done (job);
}

static void
fetched (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  Move *move = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelModelConfig) config = creel_worker_lines_take_model (lines, &error);
  g_autofree char *digest = config != NULL ? g_strconcat ("sha256:", config->manifest, NULL) : NULL;
  const char *wanted = move->reference->digest;

  /* what a digest names may be an index, of which the model is one entry */
  if (config != NULL && wanted != NULL && !g_str_equal (wanted, digest) && !g_strv_contains ((const char *const *) lines->digests, wanted))
    g_set_error_literal (&error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The registry did not send what has that digest");
  if (error == NULL)
    {
      config->created = g_get_real_time ();
      g_free (config->source);
      config->source = g_strconcat ("pull: ", move->name, NULL);
      if (creel_model_store_add (config, move->name, &error))
        creel_engines_models_changed (creel_image_job_get_daemon (job)->engines);
    }
  if (error != NULL)
    creel_image_job_fail (job, error);
  else
    finish (job, move, config->id, wanted != NULL ? wanted : digest);
}

static void
with_secret_to_pull (CreelImageJob *job, int secret, gpointer data)
{
  Move *move = data;
  const char *arguments[] = { move->name, NULL };

  creel_image_job_run (job, CREEL_WORKER_MODEL_FETCH, arguments, secret, -1, fetched);
}

/* Somebody's credential was wrong, or a keyring is locked: whoever else waits for the model may have a better one. */
static void
failed (CreelImageJob *job, const GError *error, gpointer data)
{
  Move *move = data;

  if (creel_image_job_fail_owner (job, error))
    creel_image_secret_ask (job, move->reference->host, with_secret_to_pull);
}

static CreelReference *
parse_source (CreelCall *call, GError **error)
{
  g_autoptr (CreelReference) reference = NULL;
  g_autofree char *registry = creel_registry_of_models (error);
  const char *text;

  g_variant_get_child (call->parameters, 0, "&s", &text);
  reference = registry != NULL ? creel_reference_parse (text, error) : NULL;
  if (reference == NULL)
    return NULL;
  creel_reference_qualify (reference, registry);
  return g_steal_pointer (&reference);
}

/* Rules of the administrator may look at the names. */
static void
need (CreelCall *call, const char *action, const char *id, const char *reference)
{
  GVariantBuilder details;

  g_variant_builder_init (&details, G_VARIANT_TYPE ("a{ss}"));
  if (id != NULL)
    g_variant_builder_add (&details, "{ss}", "model", id);
  g_variant_builder_add (&details, "{ss}", "reference", reference);
  creel_call_need (call, action, g_variant_builder_end (&details));
}

static gboolean
prepare_pull (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autoptr (CreelReference) reference = parse_source (call, error);
  g_autofree char *name = reference != NULL ? creel_reference_format (reference) : NULL;

  if (name == NULL || !creel_options_check (options, known, error))
    return FALSE;
  need (call, CREEL_ACTION_PULL_MODEL, NULL, name);
  return TRUE;
}

static void
handle_pull (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  CreelReference *reference = parse_source (call, &error);
  g_autofree char *key = NULL;
  CreelImageJob *job;
  Move *move;

  if (reference == NULL)
    {
      creel_call_fail (call, error);
      return;
    }
  move = move_new (reference);
  key = g_strconcat ("model-pull ", move->name, NULL);
  if (creel_image_job_join (call, "model-pull", move->name, key))
    {
      move_free (move);
      return;
    }
  job = creel_image_job_new (call, "model-pull", move->name, key, move, move_free);
  if (job == NULL)
    return;
  creel_image_job_reply (job, call);
  creel_image_job_set_on_error (job, failed);
  creel_image_secret_ask (job, reference->host, with_secret_to_pull);
}

static void
pushed (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  Move *move = data;
  g_autofree char *digest = g_strconcat ("sha256:", move->manifest, NULL);

  finish (job, move, move->id, digest);
}

static void
with_secret_to_push (CreelImageJob *job, int secret, gpointer data)
{
  Move *move = data;
  const char *arguments[] = { move->manifest, move->name, NULL };

  creel_image_job_run (job, CREEL_WORKER_MODEL_PUSH, arguments, secret, -1, pushed);
}

/* What is pushed, and where to: as it was said, else as the model is called when that has a host. */
static Move *
parse_push (CreelCall *call, GError **error)
{
  g_autoptr (GVariant) options = NULL;
  g_autofree char *id = NULL;
  g_autofree char *name = NULL;
  g_autofree char *registry = creel_registry_of_models (error);
  g_autoptr (GHashTable) names = registry != NULL ? creel_model_store_load_names (error) : NULL;
  g_autoptr (CreelReference) reference = NULL;
  const char *model, *destination = "";
  Move *move;

  g_variant_get (call->parameters, "(&s@a{sv})", &model, &options);
  g_variant_lookup (options, "destination", "&s", &destination);
  id = names != NULL ? creel_model_store_resolve (model, error) : NULL;
  if (id == NULL)
    return NULL;
  name = destination[0] != '\0' ? g_strdup (destination) : creel_reference_find (names, model, registry);
  reference = name != NULL ? creel_reference_parse (name, error) : NULL;
  if (name != NULL && reference == NULL)
    return NULL;
  if (reference == NULL || reference->host == NULL || reference->digest != NULL)
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                   "It is not said which registry model %.255s goes to: write HOST[:PORT]/NAME[:TAG]", model);
      return NULL;
    }
  move = move_new (g_steal_pointer (&reference));
  move->id = g_steal_pointer (&id);
  move->manifest = g_strdup (move->id + strlen ("sha256-"));
  return move;
}

static gboolean
prepare_push (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "destination:s", NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  Move *move;

  if (!creel_options_check (options, known, error) || (move = parse_push (call, error)) == NULL)
    return FALSE;
  need (call, CREEL_ACTION_EXPORT_IMAGE, move->id, move->name);
  move_free (move);
  return TRUE;
}

static void
handle_push (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  Move *move = parse_push (call, &error);
  CreelImageJob *job;

  if (move == NULL)
    {
      creel_call_fail (call, error);
      return;
    }
  job = creel_image_job_new (call, "model-push", move->name, NULL, move, move_free);
  if (job == NULL)
    return;
  creel_image_job_reply (job, call);
  creel_image_secret_ask (job, move->reference->host, with_secret_to_push);
}

const CreelMethod creel_model_job_methods[] = {
  { "Models", "PullModel", prepare_pull, handle_pull },
  { "Models", "PushModel", prepare_push, handle_push },
  { NULL }
};
