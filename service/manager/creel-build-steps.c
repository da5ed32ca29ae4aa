/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-build-steps.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-build-copy.h"
#include "creel-error.h"
#include "creel-image-layer.h"
#include "creel-run.h"
#include "creel-sandbox.h"

#define RETRY_MS 50
#define MAX_TRIES 200

struct _CreelBuildSteps
{
  CreelDaemon *daemon;
  char *sandbox;
  char *folder;
  uid_t uid;
  const CreelPlan *plan;
  int output;
  guint source;           /* waits for the output, or for the next turn of the loop */
  GString *heading;       /* what of it was not written yet */
  guint tries;
  guint next;             /* step that is not begun */
  guint number, total;    /* of those that act */
  GPtrArray *environment; /* KEY=VALUE, NULL at the end */
  char *user, *cwd;       /* NULL: as the base image has it */
  CreelRun *run;
  CreelBuildCopy *copy;
  CreelBuildProgress progress;
  CreelBuildStepsDone done;
  gpointer user_data;
};

static void go_on (CreelBuildSteps *self);

static void
steps_free (CreelBuildSteps *self)
{
  g_clear_handle_id (&self->source, g_source_remove);
  if (self->output >= 0)
    close (self->output);
  g_string_free (self->heading, TRUE);
  g_ptr_array_unref (self->environment);
  g_free (self->sandbox);
  g_free (self->folder);
  g_free (self->user);
  g_free (self->cwd);
  g_free (self);
}

static void
finish (CreelBuildSteps *self, const GError *error)
{
  self->done (error, self->user_data);
  steps_free (self);
}

static const CreelPlanStep *
current (CreelBuildSteps *self)
{
  return self->plan->steps->pdata[self->next - 1];
}

static void
fail_step (CreelBuildSteps *self, int code, const char *why)
{
  const CreelPlanStep *step = current (self);
  g_autofree char *text = creel_plan_step_describe (step);
  g_autoptr (GError) error = g_error_new (CREEL_ERROR, code, "Line %u: %s: %s", step->line, text, why);

  finish (self, error);
}

static void
set_variable (GPtrArray *environment, const char *pair)
{
  gsize length = strcspn (pair, "=") + 1;

  for (guint i = 0; i + 1 < environment->len; i++)
    if (strncmp (environment->pdata[i], pair, length) == 0)
      {
        g_free (environment->pdata[i]);
        environment->pdata[i] = g_strdup (pair);
        return;
      }
  g_ptr_array_insert (environment, (int) environment->len - 1, g_strdup (pair));
}

static void
explain_exit (CreelBuildSteps *self, int code, int number)
{
  const CreelPlanStep *step = current (self);
  g_autofree char *why = NULL;

  if (number == SIGKILL)
    why = g_strdup ("it was killed; its memory may be too small (--memory)");
  else if (number != 0)
    why = g_strdup_printf ("it was ended by signal %d", number);
  else if (code == 127 && step->kind == CREEL_PLAN_RUN)
    why = g_strdup ("exit code 127: there is no such command in the image");
  else
    why = g_strdup_printf ("exit code %d", code);
  fail_step (self, CREEL_ERROR_FAILED, why);
}

static void
on_run_done (int code, int number, const GError *error, gpointer user_data)
{
  CreelBuildSteps *self = user_data;
  const CreelPlanStep *step = current (self);

  self->run = NULL;
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_COMMAND) && step->kind == CREEL_PLAN_RUN &&
      g_str_equal (step->words[0], "/bin/sh"))
    fail_step (self, error->code, "the image has no /bin/sh, which RUN needs in this form; write RUN [\"COMMAND\", \"ARGUMENT\"]");
  else if (error != NULL)
    fail_step (self, error->domain == CREEL_ERROR ? error->code : CREEL_ERROR_FAILED, error->message);
  else if (code != 0 || number != 0)
    explain_exit (self, code, number);
  else
    {
      if (step->kind == CREEL_PLAN_WORKDIR)
        {
          g_free (self->cwd);
          self->cwd = g_strdup (step->words[0]);
        }
      go_on (self);
    }
}

static void
on_copied (const GError *error, gpointer user_data)
{
  CreelBuildSteps *self = user_data;

  self->copy = NULL;
  if (error != NULL)
    fail_step (self, error->code, error->message);
  else
    go_on (self);
}

static void
act (CreelBuildSteps *self)
{
  const CreelPlanStep *step = current (self);

  if (step->kind == CREEL_PLAN_COPY)
    self->copy = creel_build_copy_start (self->daemon, self->sandbox, self->uid, self->folder, step, self->output, on_copied, self);
  else if (step->kind == CREEL_PLAN_WORKDIR)
    {
      const char *const argv[] = { "mkdir", "-p", step->words[0], NULL };
      CreelRunCommand command = { argv, NULL, "0", "/", self->output };

      self->run = creel_run_start (self->daemon, self->sandbox, &command, NULL, on_run_done, self);
    }
  else
    {
      CreelRunCommand command = { (const char *const *) step->words, (const char *const *) self->environment->pdata, self->user,
                                  self->cwd, self->output };

      self->run = creel_run_start (self->daemon, self->sandbox, &command, NULL, on_run_done, self);
    }
}

/* The heading is in the stream before what the step says. A reader that does not read makes the build wait, one that has left does not matter here. */
static gboolean
write_heading (CreelBuildSteps *self)
{
  while (self->output >= 0 && self->heading->len > 0)
    {
      gssize n = send (self->output, self->heading->str, self->heading->len, MSG_NOSIGNAL | MSG_DONTWAIT);

      if (n < 0 && errno == EAGAIN)
        return FALSE;
      if (n < 0 && errno != EINTR)
        break;
      if (n > 0)
        g_string_erase (self->heading, 0, n);
    }
  g_string_truncate (self->heading, 0);
  return TRUE;
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer user_data)
{
  CreelBuildSteps *self = user_data;

  if (!write_heading (self))
    return G_SOURCE_CONTINUE;
  self->source = 0;
  act (self);
  return G_SOURCE_REMOVE;
}

static void
begin (CreelBuildSteps *self)
{
  const CreelPlanStep *step = current (self);
  g_autofree char *text = creel_plan_step_describe (step);

  self->number++;
  self->progress (self->number, self->total, text, self->user_data);
  g_string_printf (self->heading, "Step %u of %u: %s\n", self->number, self->total, text);
  if (write_heading (self))
    act (self);
  else
    self->source = g_unix_fd_add (self->output, G_IO_OUT | G_IO_ERR | G_IO_HUP, on_writable, self);
}

static void
go_on (CreelBuildSteps *self)
{
  while (self->next < self->plan->steps->len)
    {
      const CreelPlanStep *step = self->plan->steps->pdata[self->next++];

      if (creel_plan_step_acts (step))
        {
          begin (self);
          return;
        }
      if (step->kind == CREEL_PLAN_ENV || step->kind == CREEL_PLAN_ARG)
        set_variable (self->environment, step->words[0]);
      else if (step->kind == CREEL_PLAN_USER)
        {
          g_free (self->user);
          self->user = g_strdup (step->words[0]);
        }
    }
  finish (self, NULL);
}

/* The guest is ready, but we may not be connected to its gateway yet. */
static gboolean
on_start (gpointer user_data)
{
  CreelBuildSteps *self = user_data;
  CreelSandbox *sandbox = g_hash_table_lookup (self->daemon->sandboxes, self->sandbox);
  CreelGatewayLink *link = sandbox != NULL ? creel_sandbox_get_link (sandbox) : NULL;

  if (link != NULL && !creel_gateway_link_is_connected (link) && ++self->tries < MAX_TRIES)
    return G_SOURCE_CONTINUE;
  self->source = 0;
  go_on (self);
  return G_SOURCE_REMOVE;
}

static gboolean
has_variable (char *const *environment, const char *pair)
{
  gsize length = strcspn (pair, "=") + 1;

  for (; environment != NULL && *environment != NULL; environment++)
    if (strncmp (*environment, pair, length) == 0)
      return TRUE;
  return FALSE;
}

CreelBuildSteps *
creel_build_steps_start (CreelDaemon *daemon, const CreelBuildSite *site, CreelBuildProgress progress, CreelBuildStepsDone done,
                         gpointer user_data)
{
  CreelBuildSteps *self = g_new0 (CreelBuildSteps, 1);

  self->daemon = daemon;
  self->sandbox = g_strdup (site->sandbox);
  self->folder = g_strdup (site->folder);
  self->uid = site->uid;
  self->plan = site->plan;
  self->output = site->output >= 0 ? fcntl (site->output, F_DUPFD_CLOEXEC, 3) : -1;
  self->heading = g_string_new (NULL);
  self->environment = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (self->environment, NULL);
  for (const char *const *pair = site->environment; pair != NULL && *pair != NULL; pair++)
    if (!has_variable (site->base->environment, *pair))
      set_variable (self->environment, *pair);
  for (guint i = 0; i < site->plan->steps->len; i++)
    self->total += creel_plan_step_acts (site->plan->steps->pdata[i]);
  self->progress = progress;
  self->done = done;
  self->user_data = user_data;
  self->source = g_timeout_add (RETRY_MS, on_start, self);
  return self;
}

void
creel_build_steps_cancel (CreelBuildSteps *steps)
{
  g_clear_pointer (&steps->run, creel_run_cancel);
  g_clear_pointer (&steps->copy, creel_build_copy_cancel);
  steps_free (steps);
}

static void
add_words (GStrvBuilder *changes, const char *key, char *const *words)
{
  g_autofree char *none = g_strconcat (key, "=", NULL);

  if (*words == NULL)
    g_strv_builder_add (changes, none);
  for (; *words != NULL; words++)
    {
      g_autofree char *change = creel_image_layer_format_word (key, *words);

      g_strv_builder_add (changes, change);
    }
}

char **
creel_build_steps_changes (const CreelPlan *plan)
{
  static char *const nothing[] = { NULL };
  g_autoptr (GStrvBuilder) changes = g_strv_builder_new ();
  char *const *command = NULL, *const *entrypoint = NULL, *const *user = NULL, *const *workdir = NULL;

  for (guint i = 0; i < plan->steps->len; i++)
    {
      const CreelPlanStep *step = plan->steps->pdata[i];

      if (step->kind == CREEL_PLAN_ENV)
        add_words (changes, "environment", step->words);
      else if (step->kind == CREEL_PLAN_CMD)
        command = step->words;
      else if (step->kind == CREEL_PLAN_ENTRYPOINT)
        entrypoint = step->words;
      else if (step->kind == CREEL_PLAN_USER)
        user = step->words;
      else if (step->kind == CREEL_PLAN_WORKDIR)
        workdir = step->words;
    }
  /* the base's command was meant for the base's entrypoint */
  if (entrypoint != NULL && command == NULL)
    command = nothing;
  if (entrypoint != NULL)
    add_words (changes, "entrypoint", entrypoint);
  if (command != NULL)
    add_words (changes, "command", command);
  if (user != NULL)
    add_words (changes, "user", user);
  if (workdir != NULL)
    add_words (changes, "working-dir", workdir);
  return g_strv_builder_end (changes);
}
