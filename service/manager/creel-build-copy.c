/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-build-copy.h"

#include <string.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-gateway-link.h"
#include "creel-run.h"
#include "creel-sandbox.h"
#include "creel-worker.h"

#define LOOKUP_TIMEOUT_MS (60 * 1000)

/* In the guest, as its root: $1 where to, $2 name of the one file that shall be $1 or "", $3 owner UID:GID. Folders that are there
 * keep owner, mode and being a link; new ones are the owner's. */
static const char unpack_script[] =
    "umask 022\n"
    "to=$1 name=$2 owner=$3\n"
    "say() { echo \"COPY: $*\" >&2; exit 1; }\n"
    "make() { [ -z \"$1\" ] || [ -d \"$1\" ] || { make \"${1%/*}\" && mkdir \"$1\" && chown \"$owner\" \"$1\"; }; }\n"
    "unpack() {\n"
    "  case $(tar --version < /dev/null 2> /dev/null) in\n"
    "  *GNU*) tar -x -p --no-overwrite-dir --keep-directory-symlink -C \"$1\" -f - ;;\n"
    "  *) tar -x -p -C \"$1\" -f - ;;\n"
    "  esac\n"
    "}\n"
    "if [ -n \"$name\" ]; then\n"
    "  [ ! -d \"$to\" ] || to=${to%/}/$name\n"
    "  [ ! -d \"$to\" ] || say \"$to is a folder\"\n"
    "  at=${to%/*}; tmp=$at/.creel-copy-$$\n"
    "  make \"$at\" || exit 1\n"
    "  mkdir \"$tmp\" && unpack \"$tmp\" && mv -f \"$tmp/$name\" \"$to\" && rmdir \"$tmp\" && exit 0\n"
    "  status=$?; rm -rf \"$tmp\"; exit $status\n"
    "fi\n"
    "to=${to%/}\n"
    "[ -d \"$to/\" ] || [ ! -e \"$to\" ] || say \"$to is not a folder\"\n"
    "make \"$to\" && unpack \"$to/\"\n";

/* In the guest: $1 USER[:GROUP], in names or numbers; prints UID:GID. A number alone is both. */
static const char lookup_script[] =
    "user=${1%%:*} group= uid= gid=\n"
    "case $1 in *:*) group=${1#*:} ;; esac\n"
    "find() { while IFS=: read -r name unused id more; do [ \"$name\" != \"$2\" ] || { echo \"$id:$more\"; return; }; done < \"$1\"; }\n"
    "case $user in\n"
    "*[!0-9]*) found=$(find /etc/passwd \"$user\"); [ -n \"$found\" ] || { echo \"no user $user\"; exit 1; }\n"
    "  uid=${found%%:*}; gid=${found#*:}; gid=${gid%%:*} ;;\n"
    "*) uid=$user gid=$user ;;\n"
    "esac\n"
    "case $group in\n"
    "'') ;;\n"
    "*[!0-9]*) found=$(find /etc/group \"$group\"); [ -n \"$found\" ] || { echo \"no group $group\"; exit 1; }\n"
    "  gid=${found%%:*} ;;\n"
    "*) gid=$group ;;\n"
    "esac\n"
    "echo \"$uid:$gid\"\n";

struct _CreelBuildCopy
{
  CreelDaemon *daemon;
  char *sandbox;
  char *folder;
  uid_t uid;
  const CreelPlanStep *step;
  int output;
  char *owner; /* UID:GID */
  guint source;
  gboolean asking;    /* the guest, for the owner */
  gboolean cancelled;
  CreelRun *run;
  CreelWorker *worker;
  gboolean began;     /* the worker */
  int code, number;
  GError *run_error, *worker_error;
  CreelBuildCopyDone done;
  gpointer user_data;
};

static void
copy_free (CreelBuildCopy *self)
{
  g_clear_handle_id (&self->source, g_source_remove);
  g_clear_error (&self->run_error);
  g_clear_error (&self->worker_error);
  g_free (self->sandbox);
  g_free (self->folder);
  g_free (self->owner);
  g_free (self);
}

static void
finish (CreelBuildCopy *self, const GError *error)
{
  if (!self->cancelled)
    self->done (error, self->user_data);
  copy_free (self);
}

static void
fail (CreelBuildCopy *self, int code, const char *text)
{
  g_autoptr (GError) error = g_error_new_literal (CREEL_ERROR, code, text);

  finish (self, error);
}

static void
finish_when_over (CreelBuildCopy *self)
{
  if (self->run != NULL || self->worker != NULL)
    return;
  if (self->cancelled)
    finish (self, NULL);
  /* when the guest's end gave up first, it knows why */
  else if (self->worker_error != NULL && !g_error_matches (self->worker_error, CREEL_ERROR, CREEL_ERROR_GUEST_FAILED))
    finish (self, self->worker_error);
  else if (g_error_matches (self->run_error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_COMMAND))
    fail (self, CREEL_ERROR_NO_SUCH_COMMAND, "the image has no sh, which COPY needs");
  else if (self->run_error != NULL)
    fail (self, CREEL_ERROR_GUEST_FAILED, self->run_error->message);
  else if (self->code == 127)
    fail (self, CREEL_ERROR_NO_SUCH_COMMAND, "the image lacks a command that COPY needs: tar, mkdir, mv, chown");
  else if (self->code != 0 || self->number != 0)
    {
      g_autofree char *text = g_strdup_printf ("unpacking it failed with exit code %d", self->number != 0 ? 128 + self->number : self->code);

      fail (self, CREEL_ERROR_FAILED, text);
    }
  else if (!self->began)
    fail (self, CREEL_ERROR_FAILED, "nothing was copied");
  else
    finish (self, self->worker_error);
}

static void
on_worker_done (gpointer user_data, CreelWorkerLines *lines, const GError *error)
{
  CreelBuildCopy *self = user_data;

  self->worker = NULL;
  self->worker_error = error != NULL ? g_error_copy (error) : NULL;
  finish_when_over (self);
}

static void
on_run_done (int code, int number, const GError *error, gpointer user_data)
{
  CreelBuildCopy *self = user_data;

  self->run = NULL;
  self->code = code;
  self->number = number;
  self->run_error = error != NULL ? g_error_copy (error) : NULL;
  finish_when_over (self);
}

static void
on_run_started (int input, gpointer user_data)
{
  CreelBuildCopy *self = user_data;
  const CreelPlanStep *step = self->step;
  g_autoptr (GPtrArray) arguments = g_ptr_array_new ();

  g_ptr_array_add (arguments, self->folder);
  g_ptr_array_add (arguments, self->owner);
  g_ptr_array_add (arguments, step->mode);
  g_ptr_array_add (arguments, step->name);
  for (char **word = step->words; *word != NULL; word++)
    g_ptr_array_add (arguments, *word);
  g_ptr_array_add (arguments, NULL);
  self->began = TRUE;
  /* without one the input is closed, and the guest's end fails by itself */
  self->worker = creel_worker_start_as (self->daemon, CREEL_WORKER_COPY, self->uid, (const char *const *) arguments->pdata, -1, input, NULL,
                                        on_worker_done, self, &self->worker_error);
}

static void
unpack (CreelBuildCopy *self)
{
  const char *const argv[] = { "sh", "-c", unpack_script, "sh", self->step->to, self->step->name, self->owner, NULL };
  CreelRunCommand command = { argv, NULL, "0", "/", self->output };

  self->run = creel_run_start (self->daemon, self->sandbox, &command, on_run_started, on_run_done, self);
}

/* What the guest says is an owner: two numbers, or it is none. */
static gboolean
is_owner (const char *text)
{
  g_auto (GStrv) ids = g_strsplit (text, ":", 3);

  return g_strv_length (ids) == 2 && g_ascii_string_to_unsigned (ids[0], 10, 0, G_MAXUINT32 - 1, NULL, NULL) &&
         g_ascii_string_to_unsigned (ids[1], 10, 0, G_MAXUINT32 - 1, NULL, NULL);
}

static void
on_owner (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  CreelBuildCopy *self = user_data;
  g_autofree char *text = NULL;
  const char *output;
  int status;

  self->asking = FALSE;
  if (self->cancelled)
    {
      finish (self, NULL);
      return;
    }
  if (error != NULL)
    {
      fail (self, CREEL_ERROR_GUEST_FAILED,
            g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_COMMAND) ? "the image has no sh, which COPY needs" : error->message);
      return;
    }
  g_variant_get (reply, "(i&ss)", &status, &output, NULL);
  self->owner = g_strchomp (g_strdup (output));
  if (status == 0 && is_owner (self->owner))
    {
      unpack (self);
      return;
    }
  g_strdelimit (self->owner, "\n\t", ' ');
  text = g_strdup_printf ("there is %.80s in the image", g_str_has_prefix (self->owner, "no ") ? self->owner : "no such owner");
  fail (self, CREEL_ERROR_FAILED, text);
}

static gboolean
on_start (gpointer user_data)
{
  CreelBuildCopy *self = user_data;
  CreelSandbox *sandbox = g_hash_table_lookup (self->daemon->sandboxes, self->sandbox);
  const char *const argv[] = { "sh", "-c", lookup_script, "sh", self->step->owner, NULL };
  GVariantBuilder options;

  self->source = 0;
  if (is_owner (self->step->owner))
    {
      self->owner = g_strdup (self->step->owner);
      unpack (self);
      return G_SOURCE_REMOVE;
    }
  self->asking = TRUE;
  g_variant_builder_init (&options, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&options, "{sv}", "user", g_variant_new_string ("0"));
  g_variant_builder_add (&options, "{sv}", "cwd", g_variant_new_string ("/"));
  creel_gateway_link_call (sandbox != NULL ? creel_sandbox_get_link (sandbox) : NULL, "Capture",
                           g_variant_new ("(^asa{sv})", argv, &options), "(iss)", LOOKUP_TIMEOUT_MS, on_owner, self);
  return G_SOURCE_REMOVE;
}

CreelBuildCopy *
creel_build_copy_start (CreelDaemon *daemon, const char *sandbox, uid_t uid, const char *folder, const CreelPlanStep *step, int output,
                        CreelBuildCopyDone done, gpointer user_data)
{
  CreelBuildCopy *self = g_new0 (CreelBuildCopy, 1);

  self->daemon = daemon;
  self->sandbox = g_strdup (sandbox);
  self->folder = g_strdup (folder);
  self->uid = uid;
  self->step = step;
  self->output = output;
  self->done = done;
  self->user_data = user_data;
  self->source = g_idle_add (on_start, self);
  return self;
}

void
creel_build_copy_cancel (CreelBuildCopy *copy)
{
  copy->cancelled = TRUE;
  g_clear_pointer (&copy->run, creel_run_cancel);
  if (copy->worker != NULL)
    creel_worker_cancel (copy->worker); /* frees us when it is gone */
  else if (!copy->asking)
    copy_free (copy);
}
