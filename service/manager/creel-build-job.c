/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-archives.h"
#include "creel-auth.h"
#include "creel-build-recipe.h"
#include "creel-build-steps.h"
#include "creel-create.h"
#include "creel-error.h"
#include "creel-image-layer.h"
#include "creel-image-make.h"
#include "creel-image-pull.h"
#include "creel-image-save.h"
#include "creel-life.h"
#include "creel-make.h"
#include "creel-sandbox.h"

#define MAX_ARGUMENTS (64 * 1024)

/* An image from a Containerfile: read it, make a sandbox of its base, take the steps in there, save it, remove it. The sandbox is one
 * of the caller's like any other: the same policy, ceiling and audit. */
typedef struct
{
  CreelImageJob *job;
  CreelDaemon *daemon;
  uid_t uid;
  CreelBuildRecipe *recipe;
  char *reference;
  char *preset;
  char **allow;      /* of the caller and of the recipe */
  char **arguments;  /* KEY=VALUE for ARG */
  guint64 memory, disk;
  guint cpus;
  int output;        /* socket of the caller's, or -1 */

  CreelPlan *plan;   /* as it is known so far */
  CreelImageConfig *base;
  char *sandbox;     /* NULL until it is being made */
  gboolean creating;
  CreelWorker *worker;
  CreelBuildSteps *steps;
} Build;

static void
build_free (gpointer data)
{
  Build *self = data;

  if (self->output >= 0)
    close (self->output);
  g_clear_pointer (&self->recipe, creel_build_recipe_free);
  g_clear_pointer (&self->plan, creel_plan_free);
  g_clear_pointer (&self->base, creel_image_config_free);
  g_free (self->reference);
  g_free (self->preset);
  g_strfreev (self->allow);
  g_strfreev (self->arguments);
  g_free (self->sandbox);
  g_free (self);
}

/* -- the end -- */

static void
on_discarded (gpointer user_data, GError *error)
{
  Build *self = user_data;

  if (error != NULL)
    g_warning ("The sandbox of a build is still there: %s", error->message);
  creel_image_job_cleaned_up (self->job);
}

static void
cleanup (CreelImageJob *job, gpointer data)
{
  Build *self = data;

  /* whoever reads the output sees its end */
  if (self->output >= 0)
    close (self->output);
  self->output = -1;
  if (self->sandbox != NULL)
    creel_life_discard (self->daemon, self->sandbox, on_discarded, self);
  else
    creel_image_job_cleaned_up (job);
}

static void
fail_cancelled (Build *self)
{
  g_autoptr (GError) error = g_error_new_literal (CREEL_ERROR, CREEL_ERROR_CANCELLED, "Cancelled");

  creel_image_job_fail (self->job, error);
}

static void
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  Build *self = user_data;

  if (self->worker != NULL)
    creel_worker_cancel (self->worker);
  else if (self->creating)
    creel_life_discard (self->daemon, self->sandbox, NULL, NULL); /* ends the start, which ends the job */
  else if (self->steps != NULL)
    {
      g_clear_pointer (&self->steps, creel_build_steps_cancel);
      fail_cancelled (self);
    }
  /* what saves it looks for itself */
}

static gboolean
is_cancelled (Build *self)
{
  return g_cancellable_is_cancelled (creel_image_job_get_cancellable (self->job));
}

/* -- the image -- */

static void
on_saved (CreelImageJob *job, const char *id, gpointer data)
{
  Build *self = data;

  creel_image_job_add_detail (job, "id", g_variant_new_string (id));
  creel_image_job_add_detail (job, "reference", g_variant_new_string (self->reference));
  creel_image_job_done (job);
}

static void
on_steps_done (const GError *error, gpointer user_data)
{
  Build *self = user_data;
  g_autoptr (GPtrArray) changes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *source = NULL;
  char **list;

  self->steps = NULL;
  if (error != NULL)
    {
      creel_image_job_fail (self->job, error);
      return;
    }
  list = creel_build_steps_changes (self->plan);
  for (char **change = list; *change != NULL; change++)
    g_ptr_array_add (changes, *change);
  g_free (list);
  g_ptr_array_add (changes, creel_image_layer_format_word ("created-by", "creel image build"));
  g_ptr_array_add (changes, NULL);
  source = self->recipe->name != NULL ? g_strconcat ("recipe ", self->recipe->name, NULL) : g_strdup ("build");
  creel_image_save_run (self->job, self->sandbox, self->reference, source, (const char *const *) changes->pdata, on_saved);
}

static void
on_step (guint number, guint total, const char *text, gpointer user_data)
{
  Build *self = user_data;
  g_autofree char *phase = g_strdup_printf ("step %u of %u: %s", number, total, text);

  creel_image_job_set_progress (self->job, phase, number, total);
}

/* -- the sandbox -- */

static void
on_made (gpointer user_data, GError *error)
{
  Build *self = user_data;
  g_auto (GStrv) environment = NULL;
  CreelBuildSite site;

  self->creating = FALSE;
  if (is_cancelled (self))
    {
      fail_cancelled (self);
      return;
    }
  if (error != NULL)
    {
      creel_image_job_fail (self->job, error);
      return;
    }
  environment = creel_archives_environment ();
  site = (CreelBuildSite) { self->sandbox, self->recipe->folder, self->uid, self->plan, self->base,
                            (const char *const *) environment, self->output };
  self->steps = creel_build_steps_start (self->daemon, &site, on_step, on_steps_done, self);
}

static CreelDefinition *
make_definition (Build *self, const char *name, GError **error)
{
  g_autoptr (GVariant) options = NULL;
  GVariantBuilder b;
  gboolean widens;

  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&b, "{sv}", "image", g_variant_new_string (self->base->id)); /* its name may mean another by now */
  g_variant_builder_add (&b, "{sv}", "preset", g_variant_new_string (self->preset));
  g_variant_builder_add (&b, "{sv}", "allow", g_variant_new_strv ((const char *const *) self->allow, -1));
  g_variant_builder_add (&b, "{sv}", "ephemeral", g_variant_new_boolean (TRUE));
  if (self->memory != 0)
    g_variant_builder_add (&b, "{sv}", "memory", g_variant_new_uint64 (self->memory));
  if (self->disk != 0)
    g_variant_builder_add (&b, "{sv}", "disk", g_variant_new_uint64 (self->disk));
  if (self->cpus != 0)
    g_variant_builder_add (&b, "{sv}", "cpus", g_variant_new_uint32 (self->cpus));
  options = g_variant_ref_sink (g_variant_builder_end (&b));
  return creel_create_definition (name, self->uid, options, creel_create_host_memory (), creel_create_host_cpus (), &widens, error);
}

static void
make_sandbox (Build *self)
{
  /* it goes with us, however we go: the job is not there any more when we come again */
  static const char drop_in[] = "# The sandbox of a build, written by creeld\n[Unit]\nBindsTo=creeld.service\n";
  g_autofree char *name = g_strdup_printf ("build-%08x", g_random_int ());
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) definition = make_definition (self, name, &error);

  if (definition == NULL || !creel_make_reserve (self->daemon, definition, &error))
    {
      creel_image_job_fail (self->job, error);
      return;
    }
  self->sandbox = g_steal_pointer (&name);
  self->creating = TRUE;
  creel_image_job_set_progress (self->job, "starting", 0, 0);
  creel_make_run (self->daemon, definition, drop_in, TRUE, on_made, self);
}

/* -- the plan -- */

static void
add_record (GByteArray *records, const char *key, const char *value)
{
  g_byte_array_append (records, (const guint8 *) key, strlen (key));
  g_byte_array_append (records, (const guint8 *) "=", 1);
  g_byte_array_append (records, (const guint8 *) value, strlen (value) + 1);
}

/* What the worker must know of the base image; -1 with an error. */
static int
make_base_file (Build *self, GError **error)
{
  g_autoptr (GByteArray) records = g_byte_array_new ();
  int fd = memfd_create ("creel-base", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  add_record (records, "workdir", self->base->working_dir != NULL ? self->base->working_dir : "");
  for (char **pair = self->base->environment; *pair != NULL; pair++)
    if (strchr (*pair, '=') != NULL && **pair != '=')
      add_record (records, "env", *pair);
  for (char **pair = self->arguments; *pair != NULL; pair++)
    add_record (records, "arg", *pair);
  if (fd >= 0 && write (fd, records->data, records->len) == (gssize) records->len && lseek (fd, 0, SEEK_SET) == 0)
    return fd;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot write down what is known of the base image: %s", g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

static void read_plan (Build *self, int input);

static void
with_base (Build *self)
{
  g_autoptr (GError) error = NULL;
  int input = make_base_file (self, &error);

  if (input >= 0)
    read_plan (self, input);
  else
    creel_image_job_fail (self->job, error);
}

static void
fail_base (Build *self, const GError *error)
{
  g_autoptr (GError) local_error = g_error_copy (error);

  g_prefix_error (&local_error, "Line %u: FROM %s: ", self->plan->from_line, self->plan->from);
  creel_image_job_fail (self->job, local_error);
}

static void
on_pulled (CreelImageJob *job, const char *id, gpointer data)
{
  Build *self = data;
  g_autoptr (GError) error = NULL;

  creel_image_job_set_on_error (job, NULL);
  if (is_cancelled (self))
    {
      fail_cancelled (self);
      return;
    }
  self->base = creel_image_config_load (id, &error);
  if (self->base != NULL)
    with_base (self);
  else
    fail_base (self, error);
}

static void
on_pull_failed (CreelImageJob *job, const GError *error, gpointer data)
{
  Build *self = data;
  g_autoptr (GError) local_error = g_error_copy (error);
  const char *from = self->plan->from;

  g_prefix_error (&local_error, "Line %u: the image %s is not here, and \"creel image pull %s\" fails: ", self->plan->from_line, from, from);
  creel_image_job_fail (job, local_error);
}

/* One that is not here comes from its registry, as with PullImage: polkit was asked for the same. */
static void
find_base (Build *self)
{
  const char *from = self->plan->from;
  g_autoptr (GError) error = NULL, pull_error = NULL;
  g_autofree char *id = creel_image_resolve (from, &error);
  CreelReference *reference;

  if (id != NULL && (self->base = creel_image_config_load (id, &error)) != NULL)
    with_base (self);
  else if (!g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE))
    fail_base (self, error);
  else if (creel_build_recipe_exists (from))
    {
      g_clear_error (&error);
      g_set_error (&error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE,
                   "Line %u: the image %s is not here; make it with \"creel image build %s\"", self->plan->from_line, from, from);
      creel_image_job_fail (self->job, error);
    }
  else if ((reference = creel_image_pull_parse (from, &pull_error)) == NULL)
    on_pull_failed (self->job, pull_error, self);
  else
    {
      creel_image_job_set_on_error (self->job, on_pull_failed);
      creel_image_pull_run (self->job, reference, on_pulled);
    }
}

static void
on_planned (gpointer user_data, CreelWorkerLines *lines, const GError *worker_error)
{
  Build *self = user_data;
  g_autoptr (CreelPlan) plan = g_steal_pointer (&lines->plan);
  gboolean first = self->plan == NULL;
  g_autoptr (GError) error = NULL;

  lines->plan = creel_plan_new ();
  self->worker = NULL;
  if (worker_error != NULL)
    error = g_error_copy (worker_error);
  else if (plan->from == NULL)
    g_set_error_literal (&error, CREEL_ERROR, CREEL_ERROR_FAILED, "The worker did not say what the image starts from");
  else if (!first && !g_str_equal (self->plan->from, plan->from))
    g_set_error_literal (&error, CREEL_ERROR, CREEL_ERROR_FAILED, "The Containerfile changes while it is read; try again");
  if (error != NULL)
    {
      creel_image_job_fail (self->job, error);
      return;
    }
  g_clear_pointer (&self->plan, creel_plan_free);
  self->plan = g_steal_pointer (&plan);
  if (first)
    find_base (self);
  else
    make_sandbox (self);
}

/* Twice: the first time for the base's name, the second with what the base says about itself, which ${...} may mean. Takes input. */
static void
read_plan (Build *self, int input)
{
  const char *const arguments[] = { self->recipe->folder, NULL };
  g_autoptr (GError) error = NULL;

  self->worker = creel_worker_start_as (self->daemon, CREEL_WORKER_PLAN, self->uid, arguments, input, -1, NULL, on_planned, self, &error);
  if (self->worker == NULL)
    creel_image_job_fail (self->job, error);
}

/* -- BuildImage -- */

static gboolean
invalid (GError **error, const char *text)
{
  g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, text);
  return FALSE;
}

static gboolean
check_arguments (char **arguments, GError **error)
{
  gsize size = 0;

  for (; *arguments != NULL; arguments++)
    {
      if (**arguments == '=' || strchr (*arguments, '=') == NULL)
        return invalid (error, "Each of args must be KEY=VALUE");
      size += strlen (*arguments) + 1;
    }
  return size <= MAX_ARGUMENTS ? TRUE : invalid (error, "args are larger than 64 KiB");
}

static gboolean
take_options (Build *self, GVariant *options, const char *text, gboolean *ret_widens, GError **error)
{
  g_auto (GStrv) allow = NULL;
  g_autoptr (GPtrArray) rules = g_ptr_array_new_with_free_func (g_free);
  const char *preset = NULL, *reference = NULL;

  g_variant_lookup (options, "reference", "&s", &reference);
  if (reference == NULL && self->recipe->name == NULL)
    return invalid (error, "Say what the image shall be called: -t NAME");
  self->reference = creel_image_reference_normalize (reference != NULL ? reference : text, error);
  if (self->reference == NULL)
    return FALSE;
  if (self->recipe->folder == NULL) /* of packages: it has no sandbox */
    return TRUE;

  self->memory = self->recipe->memory;
  self->disk = self->recipe->disk;
  self->cpus = self->recipe->cpus;
  g_variant_lookup (options, "memory", "t", &self->memory);
  g_variant_lookup (options, "disk", "t", &self->disk);
  g_variant_lookup (options, "cpus", "u", &self->cpus);
  g_variant_lookup (options, "preset", "&s", &preset);
  g_variant_lookup (options, "allow", "^as", &allow);
  if (!g_variant_lookup (options, "args", "^as", &self->arguments))
    self->arguments = g_new0 (char *, 1);
  if (!check_arguments (self->arguments, error))
    return FALSE;
  /* what a recipe says was decided by who installed it */
  *ret_widens = (preset != NULL ? !g_str_equal (preset, "locked") : self->recipe->name == NULL) || (allow != NULL && allow[0] != NULL);
  if (preset == NULL || preset[0] == '\0')
    preset = self->recipe->preset != NULL ? self->recipe->preset : "balanced";
  self->preset = g_strdup (preset);
  for (char **rule = self->recipe->allow; *rule != NULL; rule++)
    g_ptr_array_add (rules, g_strdup (*rule));
  for (char **rule = allow; rule != NULL && *rule != NULL; rule++)
    g_ptr_array_add (rules, g_strdup (*rule));
  g_ptr_array_add (rules, NULL);
  self->allow = (char **) g_ptr_array_free (g_steal_pointer (&rules), FALSE);
  return TRUE;
}

static gboolean
prepare_build (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "reference:s", "preset:s", "allow:as", "memory:t", "cpus:u", "disk:t", "args:as", "output:h", NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  gboolean widens = FALSE;
  const char *text;
  Build *self;

  g_variant_get_child (call->parameters, 0, "&s", &text);
  if (!creel_options_check (options, known, error))
    return FALSE;
  self = g_new0 (Build, 1);
  self->output = -1;
  self->daemon = call->daemon;
  self->uid = call->uid;
  call->data = self;
  call->free_data = build_free;
  self->recipe = creel_build_recipe_find (text, error);
  if (self->recipe == NULL || !take_options (self, options, text, &widens, error))
    return FALSE;
  if (self->recipe->folder != NULL)
    g_strv_builder_add (actions, CREEL_ACTION_CREATE);
  if (widens)
    g_strv_builder_add (actions, CREEL_ACTION_WIDEN_POLICY);
  return TRUE;
}

/* Only a stream socket: we must be able to write to it without waiting. */
static gboolean
take_output (CreelCall *call, Build *self, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  socklen_t length = sizeof (int);
  gint32 index;
  int type = 0;

  if (!g_variant_lookup (options, "output", "h", &index))
    return TRUE;
  self->output = creel_call_steal_fd (call, index, error);
  if (self->output < 0)
    return FALSE;
  if (getsockopt (self->output, SOL_SOCKET, SO_TYPE, &type, &length) < 0 || type != SOCK_STREAM)
    return invalid (error, "output must be a stream socket");
  return TRUE;
}

static void
handle_build (CreelCall *call)
{
  Build *self = call->data;
  g_autoptr (GError) error = NULL;

  if (!take_output (call, self, &error))
    {
      creel_call_fail (call, error);
      return;
    }
  if (self->recipe->folder == NULL)
    {
      /* we go with the call when it is answered */
      g_autofree char *name = g_strdup (self->recipe->name);
      g_autofree char *reference = g_strdup (self->reference);

      creel_image_make_build (call, name, reference);
      return;
    }
  call->data = NULL;
  call->free_data = NULL;
  self->job = creel_image_job_new (call, "image-build", self->reference, NULL, self, build_free);
  if (self->job == NULL)
    return;
  creel_image_job_set_cleanup (self->job, cleanup);
  g_signal_connect (creel_image_job_get_cancellable (self->job), "cancelled", G_CALLBACK (on_cancelled), self);
  creel_image_job_reply (self->job, call);
  creel_image_job_set_progress (self->job, "reading", 0, 0);
  read_plan (self, -1);
}

const CreelMethod creel_build_methods[] = {
  { "Manager", "BuildImage", prepare_build, handle_build },
  { NULL }
};
