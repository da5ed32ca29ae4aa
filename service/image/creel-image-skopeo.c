/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-skopeo.h"
#include "creel-error.h"
#include "creel-image-json.h"
#include "creel-image-process.h"
#include <errno.h>
#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICK_MS 100
#define STALL (120 * G_USEC_PER_SEC)
#define NOISE_MAX (16 * 1024)
#define CREDENTIAL_MAX (64 * 1024)
#define AUTH_FD 3
#define POLICY "/etc/containers/policy.json"

struct _CreelImageSkopeo
{
  const CreelImageRemote *remote;
  int auth; /* auth.json in memory, or -1: anonymous */
  int null; /* /dev/null */
  char **environment;
};

/* ---- credentials ---- */

char *
creel_image_skopeo_auth (const char *host, const char *credential, gsize length, GError **error)
{
  g_autofree char *pair = NULL;
  g_autofree char *encoded = NULL;
  g_autoptr (JsonBuilder) builder = NULL;
  char *text;

  if (length > 0 && credential[length - 1] == '\n')
    length--;
  if (length == 0 || memchr (credential, '\0', length) != NULL ||
      memchr (credential, '\n', length) != NULL || *credential == ':')
    {
      g_set_error (
          error, CREEL_ERROR, CREEL_ERROR_FAILED,
          "The secret of the registry %s is neither USER:PASSWORD nor a token; set it again "
          "with: creel secret set --registry %s",
          host, host);
      return NULL;
    }
  pair = memchr (credential, ':', length) != NULL
             ? g_strndup (credential, length)
             : g_strdup_printf ("token:%.*s", (int)length, credential);
  encoded = g_base64_encode ((const guchar *)pair, strlen (pair));
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "auths");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, host);
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "auth");
  json_builder_add_string_value (builder, encoded);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  text = creel_image_json_format (builder);
  explicit_bzero (pair, strlen (pair));
  explicit_bzero (encoded, strlen (encoded));
  return text;
}

gboolean
creel_image_skopeo_read_credential (int fd, char **ret_credential, gsize *ret_length,
                                    GError **error)
{
  g_autofree char *buffer = NULL;
  struct stat st;
  gssize n;

  *ret_credential = NULL;
  *ret_length = 0;
  if (fd < 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return TRUE;
  buffer = g_malloc0 (CREDENTIAL_MAX + 1);
  n = pread (fd, buffer, CREDENTIAL_MAX + 1, 0);
  if (n < 0 || n > CREDENTIAL_MAX)
    {
      explicit_bzero (buffer, CREDENTIAL_MAX + 1);
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "The secret of the registry cannot be read or is larger than %d bytes",
                   CREDENTIAL_MAX);
      return FALSE;
    }
  if (n == 0)
    return TRUE;
  *ret_credential = g_steal_pointer (&buffer);
  *ret_length = n;
  return TRUE;
}

static gboolean
take_credential (CreelImageSkopeo *self, int fd, GError **error)
{
  g_autofree char *credential = NULL;
  g_autofree char *auth = NULL;
  gsize length;

  if (!creel_image_skopeo_read_credential (fd, &credential, &length, error))
    return FALSE;
  if (credential == NULL)
    return TRUE;
  auth = creel_image_skopeo_auth (self->remote->host, credential, length, error);
  explicit_bzero (credential, length);
  if (auth == NULL)
    return FALSE;
  self->auth = creel_image_process_memory (auth, strlen (auth), error);
  explicit_bzero (auth, strlen (auth));
  return self->auth >= 0;
}

/* ---- one run ---- */

static char **
make_environment (void)
{
  static const char *const passed[] = { "HTTP_PROXY",    "HTTPS_PROXY", "NO_PROXY",
                                        "http_proxy",    "https_proxy", "no_proxy",
                                        "SSL_CERT_FILE", "SSL_CERT_DIR" };
  char **environment = g_new0 (char *, 1);

  environment = g_environ_setenv (environment, "PATH", "/usr/sbin:/usr/bin:/sbin:/bin", TRUE);
  environment = g_environ_setenv (environment, "HOME", "/nonexistent", TRUE);
  environment = g_environ_setenv (environment, "TMPDIR", "/var/tmp", TRUE);
  environment = g_environ_setenv (environment, "LC_ALL", "C.UTF-8", TRUE);
  /* A thread for each of 64 processors would be more than the unit may have. */
  environment = g_environ_setenv (environment, "GOMAXPROCS", "4", TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (passed); i++)
    if (g_getenv (passed[i]) != NULL)
      environment = g_environ_setenv (environment, passed[i], g_getenv (passed[i]), TRUE);
  return environment;
}

CreelImageSkopeo *
creel_image_skopeo_new (const CreelImageRemote *remote, int credential_fd, GError **error)
{
  g_autoptr (CreelImageSkopeo) self = g_new0 (CreelImageSkopeo, 1);

  self->remote = remote;
  self->auth = -1;
  self->null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  self->environment = make_environment ();
  if (self->null < 0)
    {
      creel_image_process_fail (error, "Cannot open /dev/null");
      return NULL;
    }
  return take_credential (self, credential_fd, error) ? g_steal_pointer (&self) : NULL;
}

void
creel_image_skopeo_free (CreelImageSkopeo *self)
{
  if (self->auth >= 0)
    close (self->auth);
  if (self->null >= 0)
    close (self->null);
  g_strfreev (self->environment);
  g_free (self);
}

/* Keeps the end of what was said: the reason is last. */
static void
append_noise (GString *noise, const char *bytes, gsize n)
{
  g_string_append_len (noise, bytes, n);
  if (noise->len > NOISE_MAX)
    g_string_erase (noise, 0, noise->len - NOISE_MAX / 2);
}

/* Reads both pipes until skopeo closes them. FALSE: too quiet for too long, or too much output. */
static gboolean
follow (int out, int err, pid_t pid, GByteArray *output, GString *noise, CreelImageTick tick,
        gpointer user_data, GError **error)
{
  gint64 last = g_get_monotonic_time ();
  guint64 mark = 0;

  while (out >= 0 || err >= 0)
    {
      struct pollfd fds[2] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };
      char buffer[16 * 1024];
      int *ends[2] = { &out, &err };

      if (poll (fds, 2, TICK_MS) < 0 && errno != EINTR)
        return creel_image_process_fail (error, "Cannot wait for skopeo");
      for (guint i = 0; i < 2; i++)
        {
          gssize n;

          if (*ends[i] < 0 || fds[i].revents == 0)
            continue;
          n = read (*ends[i], buffer, sizeof buffer);
          if (n < 0 && errno == EINTR)
            continue;
          if (n <= 0)
            *ends[i] = -1;
          else if (i == 1)
            append_noise (noise, buffer, n);
          else if (output->len + (gsize)n > CREEL_IMAGE_JSON_MAX)
            {
              g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                           "The manifest of the image is larger than %d bytes",
                           CREEL_IMAGE_JSON_MAX);
              return FALSE;
            }
          else
            g_byte_array_append (output, (guint8 *)buffer, n);
        }
      if (tick != NULL)
        {
          guint64 now = tick (pid, user_data);

          if (now != mark)
            last = g_get_monotonic_time ();
          mark = now;
        }
      if (g_get_monotonic_time () - last > STALL)
        {
          g_set_error (
              error, CREEL_ERROR, CREEL_ERROR_TIMED_OUT,
              "The registry has been silent for two minutes; try again, what is complete is "
              "kept");
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
run (CreelImageSkopeo *self, const char *const *argv, int fd, GByteArray *output,
     CreelImageTick tick, gpointer user_data, GError **error)
{
  g_autoptr (GString) noise = g_string_new (NULL);
  int out[2], err[2], status;
  gboolean good;
  pid_t pid;

  if (pipe2 (out, O_CLOEXEC) < 0)
    return creel_image_process_fail (error, "Cannot start skopeo");
  if (pipe2 (err, O_CLOEXEC) < 0)
    {
      close (out[0]);
      close (out[1]);
      return creel_image_process_fail (error, "Cannot start skopeo");
    }
  {
    const int fds[] = { self->null, out[1], err[1], self->auth >= 0 ? self->auth : self->null,
                        fd >= 0 ? fd : self->null };

    pid = creel_image_process_spawn (argv, (const char *const *)self->environment, fds,
                                     G_N_ELEMENTS (fds), error);
  }
  close (out[1]);
  close (err[1]);
  good = pid > 0 && follow (out[0], err[0], pid, output, noise, tick, user_data, error);
  if (pid > 0 && !good)
    creel_image_process_kill (pid);
  close (out[0]);
  close (err[0]);
  if (pid < 0)
    return FALSE;
  status = creel_image_process_wait (pid);
  if (!good)
    return FALSE;
  if (status == 0)
    return TRUE;
  if (status == 127)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                 "skopeo is not installed; install it with apt-get install skopeo");
  else
    creel_image_skopeo_explain (self->remote, self->auth < 0, noise->str, error);
  return FALSE;
}

/* ---- commands ---- */

static GPtrArray *
begin (const char *command)
{
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (argv, g_strdup ("skopeo"));
  /* The administrator's policy counts; without one skopeo would do nothing at all. */
  if (access (POLICY, F_OK) != 0)
    g_ptr_array_add (argv, g_strdup ("--insecure-policy"));
  g_ptr_array_add (argv, g_strdup (command));
  return argv;
}

/* prefix: what the options of this end of the copy begin with. TLS is said in either case, or
 * registries.conf could turn it off. */
static void
add_registry (CreelImageSkopeo *self, GPtrArray *argv, const char *prefix)
{
  g_ptr_array_add (
      argv, g_strdup_printf ("--%stls-verify=%s", prefix, self->remote->local ? "false" : "true"));
  if (self->auth >= 0)
    g_ptr_array_add (argv, g_strdup_printf ("--%sauthfile=/proc/self/fd/%d", prefix, AUTH_FD));
  else
    g_ptr_array_add (argv, g_strdup_printf ("--%sno-creds", prefix));
}

GBytes *
creel_image_skopeo_inspect (CreelImageSkopeo *self, const char *uri, GError **error)
{
  g_autoptr (GPtrArray) argv = begin ("inspect");
  g_autoptr (GByteArray) output = g_byte_array_new ();

  g_ptr_array_add (argv, g_strdup ("--raw"));
  add_registry (self, argv, "");
  g_ptr_array_add (argv, g_strdup (uri));
  g_ptr_array_add (argv, NULL);
  if (!run (self, (const char *const *)argv->pdata, -1, output, NULL, NULL, error))
    return NULL;
  return g_byte_array_free_to_bytes (g_steal_pointer (&output));
}

gboolean
creel_image_skopeo_copy (CreelImageSkopeo *self, const char *const *options, const char *source,
                         const char *destination, int out, CreelImageTick tick, gpointer user_data,
                         GError **error)
{
  g_autoptr (GPtrArray) argv = begin ("copy");
  g_autoptr (GByteArray) output = g_byte_array_new ();

  g_ptr_array_add (argv, g_strdup ("--quiet"));
  if (self->remote != NULL)
    add_registry (self, argv, g_str_has_prefix (source, "docker://") ? "src-" : "dest-");
  for (; *options != NULL; options++)
    g_ptr_array_add (argv, g_strdup (*options));
  g_ptr_array_add (argv, g_strdup (source));
  g_ptr_array_add (argv, g_strdup (destination));
  g_ptr_array_add (argv, NULL);
  return run (self, (const char *const *)argv->pdata, out, output, tick, user_data, error);
}
