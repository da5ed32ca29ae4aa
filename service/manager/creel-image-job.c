/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-job.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-call.h"
#include "creel-config.h"
#include "creel-error.h"
#include "creel-image-store.h"
#include "creel-job.h"
#include "creel-worker-lines.h"

typedef struct
{
  CreelDaemon *daemon;
  CreelJob *job;
  char *unit;
  char *directory;  /* where the image grows */
  char *reference;  /* NULL: the worker names it */
  char *source;
  int lines_fd;
  guint source_id;
  CreelWorkerLines *lines;
  GError *error;
  gboolean cancelled;
} ImageJob;

static void
add (GVariantBuilder *b, const char *key, GVariant *value)
{
  g_variant_builder_add (b, "(sv)", key, value);
}

static GVariant *
filter (gboolean allow, const char *const *words)
{
  return g_variant_new ("(b^as)", allow, words);
}

GVariant *
creel_image_job_unit_properties (const char *recipe)
{
  static const char *const common[] = { "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectClock", "ProtectKernelModules",
                                        "LockPersonality", "RestrictRealtime" };
  static const char *const import_only[] = { "DynamicUser", "PrivateNetwork", "PrivateIPC", "PrivateUsers", "ProtectControlGroups",
                                             "ProtectHostname", "ProtectKernelLogs", "ProtectKernelTunables",
                                             "MemoryDenyWriteExecute", "RestrictSUIDSGID" };
  static const char *const native[] = { "native", NULL };
  static const char *const none[] = { NULL };
  static const char *const service[] = { "@system-service", NULL };
  static const char *const refused[] = { "@privileged", "@resources", NULL };
  static const char *const build_calls[] = { "@system-service", "@mount", "chroot", "@setuid", "@chown", NULL };
  static const char *const build_families[] = { "AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", NULL };
  const char *argv[] = { "creel-image", recipe != NULL ? "build" : "import", recipe, NULL };
  GVariantBuilder b, commands;

  g_variant_builder_init (&commands, G_VARIANT_TYPE ("a(sasb)"));
  g_variant_builder_add (&commands, "(s^asb)", CREEL_LIBEXECDIR "/creel-image", argv, FALSE);

  g_variant_builder_init (&b, G_VARIANT_TYPE ("a(sv)"));
  add (&b, "Description", g_variant_new_string (recipe != NULL ? "Build of an image" : "Import of an image"));
  add (&b, "Type", g_variant_new_string ("exec"));
  add (&b, "CollectMode", g_variant_new_string ("inactive-or-failed"));
  add (&b, "ExecStart", g_variant_builder_end (&commands));
  add (&b, "StandardInputFileDescriptor", g_variant_new_handle (0));
  add (&b, "StandardOutputFileDescriptor", g_variant_new_handle (1));
  add (&b, "StandardErrorFileDescriptor", g_variant_new_handle (2));
  for (guint i = 0; i < G_N_ELEMENTS (common); i++)
    add (&b, common[i], g_variant_new_boolean (TRUE));
  add (&b, "ProtectSystem", g_variant_new_string ("strict"));
  add (&b, "ProtectHome", g_variant_new_string ("yes"));
  add (&b, "AmbientCapabilities", g_variant_new_uint64 (0));
  add (&b, "SystemCallArchitectures", g_variant_new_strv (native, -1));
  add (&b, "SystemCallErrorNumber", g_variant_new_int32 (EPERM));
  if (recipe == NULL)
    {
      for (guint i = 0; i < G_N_ELEMENTS (import_only); i++)
        add (&b, import_only[i], g_variant_new_boolean (TRUE));
      add (&b, "CapabilityBoundingSet", g_variant_new_uint64 (0));
      add (&b, "UMask", g_variant_new_uint32 (077));
      add (&b, "RestrictAddressFamilies", filter (TRUE, none));
      add (&b, "RestrictNamespaces", g_variant_new_uint64 (0));
      add (&b, "ProtectProc", g_variant_new_string ("invisible"));
      add (&b, "ProcSubset", g_variant_new_string ("pid"));
      add (&b, "SystemCallFilter", filter (TRUE, service));
      add (&b, "SystemCallFilter", filter (FALSE, refused));
    }
  else
    {
      /* CAP_SETGID and CAP_SETUID: to write the maps of its own user namespace, before it reads a byte */
      add (&b, "CapabilityBoundingSet", g_variant_new_uint64 ((1 << 6) | (1 << 7)));
      add (&b, "UMask", g_variant_new_uint32 (022));
      add (&b, "RestrictAddressFamilies", filter (TRUE, build_families));
      add (&b, "SystemCallFilter", filter (TRUE, build_calls));
    }
  add (&b, "MemoryMax", g_variant_new_uint64 (G_GUINT64_CONSTANT (3) << 30));
  add (&b, "TasksMax", g_variant_new_uint64 (recipe != NULL ? 512 : 64));
  add (&b, "LimitCORE", g_variant_new_uint64 (0));
  add (&b, "Nice", g_variant_new_int32 (5));
  add (&b, "RuntimeMaxUSec", g_variant_new_uint64 (G_GUINT64_CONSTANT (3600) * G_USEC_PER_SEC));
  add (&b, "TimeoutStopUSec", g_variant_new_uint64 (5 * G_USEC_PER_SEC));
  return g_variant_builder_end (&b);
}

static void
image_job_free (ImageJob *self)
{
  g_clear_handle_id (&self->source_id, g_source_remove);
  if (self->lines_fd >= 0)
    close (self->lines_fd);
  g_clear_pointer (&self->lines, creel_worker_lines_free);
  g_clear_error (&self->error);
  g_free (self->unit);
  g_free (self->directory);
  g_free (self->reference);
  g_free (self->source);
  g_free (self);
}

/* The worker's own words, or what its silence means. */
static void
explain (ImageJob *self, GError **error)
{
  static const struct
  {
    const char *word;
    int code;
  } codes[] = { { "BadImage", CREEL_ERROR_BAD_IMAGE }, { "NoSpace", CREEL_ERROR_NO_SPACE }, { "Cancelled", CREEL_ERROR_CANCELLED } };
  int code = CREEL_ERROR_FAILED;

  if (self->cancelled)
    g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_CANCELLED, "Cancelled");
  else if (self->lines->error_code != NULL)
    {
      for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
        if (g_str_equal (codes[i].word, self->lines->error_code))
          code = codes[i].code;
      g_set_error_literal (error, CREEL_ERROR, code, self->lines->error_text);
    }
  else
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                 "The worker of the image ended without a reason (memory, or one hour is over); \"journalctl -u %s\" says more",
                 self->unit);
}

static char *
choose_reference (ImageJob *self, GError **error)
{
  char **offered = self->lines->config->references;

  if (self->reference != NULL)
    return g_strdup (self->reference);
  for (; *offered != NULL; offered++)
    {
      char *normal = creel_image_reference_normalize (*offered, NULL);

      if (normal != NULL)
        return normal;
    }
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The archive does not name its image; say what it shall be called");
  return NULL;
}

static void
finish (ImageJob *self)
{
  CreelWorkerLines *lines = self->lines;
  g_autofree char *reference = NULL;
  GVariantBuilder details;
  gboolean ok = FALSE;

  if (self->error != NULL || self->cancelled || lines->broken || lines->error_code != NULL || lines->id == NULL)
    {
      if (self->error == NULL)
        explain (self, &self->error);
    }
  else if ((reference = choose_reference (self, &self->error)) != NULL)
    {
      g_free (lines->config->id);
      lines->config->id = g_strdup (lines->id);
      if (lines->config->source == NULL)
        lines->config->source = g_strdup (self->source);
      ok = creel_image_store_commit (self->directory, lines->config, reference, &self->error);
    }
  if (!ok)
    creel_image_store_abort (self->directory);
  g_variant_builder_init (&details, G_VARIANT_TYPE ("a{sv}"));
  if (ok)
    {
      g_variant_builder_add (&details, "{sv}", "id", g_variant_new_string (lines->id));
      g_variant_builder_add (&details, "{sv}", "reference", g_variant_new_string (reference));
    }
  creel_job_finish (self->job, self->error, g_variant_builder_end (&details));
  image_job_free (self);
}

static void
on_unit_gone (gpointer user_data, GError *error)
{
  finish (user_data); /* an error means that it was gone already */
}

static gboolean
on_lines (int fd, GIOCondition condition, gpointer user_data)
{
  ImageJob *self = user_data;
  char buffer[16 * 1024];
  gssize n = read (fd, buffer, sizeof buffer);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n > 0)
    {
      if (creel_worker_lines_feed (self->lines, buffer, n) && !self->lines->broken)
        creel_job_set_progress (self->job, self->lines->phase, self->lines->done, self->lines->total_steps);
      return G_SOURCE_CONTINUE;
    }
  self->source_id = 0;
  /* a process of it may still hold the image open for writing: wait until there is none */
  creel_units_job (self->daemon->units, "StopUnit", self->unit, on_unit_gone, self);
  return G_SOURCE_REMOVE;
}

static void
on_unit_started (gpointer user_data, GError *error)
{
  if (error != NULL)
    g_warning ("The worker of an image did not start: %s", error->message);
}

static void
cancel (gpointer user_data)
{
  ImageJob *self = user_data;

  self->cancelled = TRUE;
  creel_units_kill (self->daemon->units, self->unit, SIGKILL);
}

/* Takes input_fd. */
static void
start (CreelCall *call, const char *operation, const char *target, const char *recipe, const char *reference, int input_fd)
{
  ImageJob *self = g_new0 (ImageJob, 1);
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  int pipe_fds[2], output, list[3];

  self->daemon = call->daemon;
  self->lines_fd = -1;
  self->lines = creel_worker_lines_new ();
  self->reference = g_strdup (reference);
  self->source = g_strdup (recipe != NULL ? "build" : "import");
  self->directory = creel_image_store_begin (call->daemon->last_job + 1, &output, &error);
  if (self->directory != NULL && !g_unix_open_pipe (pipe_fds, FD_CLOEXEC, &error))
    {
      creel_image_store_abort (self->directory);
      close (output);
      g_clear_pointer (&self->directory, g_free);
    }
  if (self->directory == NULL)
    {
      close (input_fd);
      image_job_free (self);
      creel_call_fail (call, error);
      return;
    }
  self->lines_fd = pipe_fds[0];
  g_unix_set_fd_nonblocking (self->lines_fd, TRUE, NULL);
  list[0] = input_fd;
  list[1] = output;
  list[2] = pipe_fds[1];
  fds = g_unix_fd_list_new_from_array (list, 3); /* takes them */

  self->job = creel_job_new (call->daemon, call->uid, operation, target, cancel, self);
  self->unit = g_strdup_printf ("creel-image-%d-%u.service", getpid (), creel_job_get_number (self->job));
  self->source_id = g_unix_fd_add (self->lines_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_lines, self);
  /* a unit that does not start closes the pipe, and so says its end by the same way as any other */
  creel_units_start_transient (call->daemon->units, self->unit, creel_image_job_unit_properties (recipe), fds, on_unit_started, NULL);
  path = g_strdup (creel_job_get_path (self->job));
  creel_call_return (call, g_variant_new ("(o)", path));
}

static gboolean
too_many (CreelCall *call)
{
  if (creel_job_count (call->daemon, call->uid) < CREEL_MAX_JOBS_PER_USER)
    return FALSE;
  creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "You have %d jobs already; wait for one", CREEL_MAX_JOBS_PER_USER);
  return TRUE;
}

static gboolean
prepare_import (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 2);
  g_autofree char *normal = NULL;
  const char *reference;

  g_variant_get_child (call->parameters, 1, "&s", &reference);
  if (!creel_options_check (options, known, error))
    return FALSE;
  normal = reference[0] != '\0' ? creel_image_reference_normalize (reference, error) : g_strdup ("");
  return normal != NULL;
}

static void
handle_import (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *normal = NULL;
  const char *reference;
  struct stat st;
  gint32 index;
  int fd, flags;

  g_variant_get (call->parameters, "(h&s@a{sv})", &index, &reference, NULL);
  if (too_many (call))
    return;
  fd = creel_call_steal_fd (call, index, &error);
  if (fd < 0)
    {
      creel_call_fail (call, error);
      return;
    }
  flags = fcntl (fd, F_GETFL);
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode) || flags < 0 || (flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH) != 0)
    {
      close (fd);
      creel_call_fail_new (call, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The image must be a regular file open for reading");
      return;
    }
  normal = reference[0] != '\0' ? creel_image_reference_normalize (reference, NULL) : NULL;
  start (call, "image-import", normal != NULL ? normal : "", NULL, normal, fd);
}

static gboolean
prepare_build (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autofree char *normal = NULL;
  const char *recipe;

  g_variant_get_child (call->parameters, 0, "&s", &recipe);
  normal = creel_image_reference_normalize (recipe, NULL);
  if (!creel_credential_name_is_valid (recipe) || normal == NULL)
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Not the name of a recipe; \"shell\" is one");
      return FALSE;
    }
  return creel_options_check (options, known, error);
}

static void
handle_build (CreelCall *call)
{
  g_autofree char *reference = NULL;
  const char *recipe;
  int fd;

  g_variant_get_child (call->parameters, 0, "&s", &recipe);
  if (too_many (call))
    return;
  fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  reference = creel_image_reference_normalize (recipe, NULL);
  start (call, "image-build", recipe, recipe, reference, fd);
}

static void
handle_list (CreelCall *call)
{
  g_auto (GStrv) ids = creel_image_store_list ();
  GVariantBuilder b;

  g_variant_builder_init (&b, G_VARIANT_TYPE ("a(sastx)"));
  for (char **id = ids; *id != NULL; id++)
    {
      g_autoptr (CreelImageConfig) config = creel_image_config_load (*id, NULL);

      if (config != NULL)
        g_variant_builder_add (&b, "(s^astx)", *id, config->references, config->size, config->created);
    }
  creel_call_return (call, g_variant_new ("(a(sastx))", &b));
}

static void
handle_inspect (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  g_autoptr (CreelImageConfig) config = NULL;
  const char *reference;
  GVariantBuilder b;

  g_variant_get (call->parameters, "(&s)", &reference);
  id = creel_image_resolve (reference, &error);
  config = id != NULL ? creel_image_config_load (id, &error) : NULL;
  if (config == NULL)
    {
      creel_call_fail (call, error);
      return;
    }
  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&b, "{sv}", "id", g_variant_new_string (id));
  g_variant_builder_add (&b, "{sv}", "references", g_variant_new_strv ((const char *const *) config->references, -1));
  g_variant_builder_add (&b, "{sv}", "environment", g_variant_new_strv ((const char *const *) config->environment, -1));
  g_variant_builder_add (&b, "{sv}", "entrypoint", g_variant_new_strv ((const char *const *) config->entrypoint, -1));
  g_variant_builder_add (&b, "{sv}", "command", g_variant_new_strv ((const char *const *) config->command, -1));
  g_variant_builder_add (&b, "{sv}", "user", g_variant_new_string (config->user));
  g_variant_builder_add (&b, "{sv}", "working-dir", g_variant_new_string (config->working_dir));
  g_variant_builder_add (&b, "{sv}", "architecture", g_variant_new_string (config->architecture));
  g_variant_builder_add (&b, "{sv}", "size", g_variant_new_uint64 (config->size));
  g_variant_builder_add (&b, "{sv}", "created", g_variant_new_int64 (config->created));
  g_variant_builder_add (&b, "{sv}", "source", g_variant_new_string (config->source));
  creel_call_return (call, g_variant_new ("(a{sv})", &b));
}

static gboolean
is_in_use (const char *id, gpointer unused)
{
  g_auto (GStrv) names = creel_definition_list ();

  for (char **name = names; *name != NULL; name++)
    {
      g_autoptr (CreelDefinition) definition = creel_definition_load (*name, NULL);

      if (definition != NULL && g_strcmp0 (definition->image_id, id) == 0)
        return TRUE;
    }
  return FALSE;
}

static void
handle_remove (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  const char *reference;

  g_variant_get (call->parameters, "(&s)", &reference);
  if (creel_image_store_remove (reference, is_in_use, NULL, &error))
    creel_call_return (call, NULL);
  else
    creel_call_fail (call, error);
}

const CreelMethod creel_image_methods[] = {
  { "Manager", "ImportImage", prepare_import, handle_import },
  { "Manager", "BuildImage", prepare_build, handle_build },
  { "Manager", "ListImages", NULL, handle_list },
  { "Manager", "InspectImage", NULL, handle_inspect },
  { "Manager", "RemoveImage", NULL, handle_remove },
  { NULL }
};
