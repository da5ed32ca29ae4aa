/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-machine.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "creel-accelerator.h"
#include "creel-config.h"
#include "creel-console.h"
#include "creel-definition.h"
#include "creel-disk.h"
#include "creel-domain-xml.h"
#include "creel-domain.h"
#include "creel-error.h"
#include "creel-gateway-watch.h"
#include "creel-names.h"
#include "creel-shares.h"

#define LIBVIRT_URI "qemu:///system"
#define SHARE_PROGRAM CREEL_LIBEXECDIR "/creel-share"
#define STOP_SECONDS 10 /* for the guest to power off; then it is destroyed */
#define START_MARGIN_SECONDS 30
#define GRACE_SECONDS 2

typedef struct
{
  const char *name;
  CreelDefinition *definition;
  CreelShares *shares;
  CreelDomain *domain;
  CreelGatewayWatch *gateway;
  GMainLoop *loop;
  char *console;
  char *runtime_dir;
  const char *accelerator;
  guint timer;
  guint grace;
  CreelError grace_code;
  char *grace_text;
  gint64 started;     /* monotonic usec */
  gboolean starting;  /* libvirt is at it */
  gboolean running;   /* there is a domain */
  gboolean ready;
  gboolean stopping;  /* SIGTERM */
  gboolean finished;
  int status;
} Machine;

static void
machine_log (const Machine *self, GLogLevelFlags level, const char *message_id, const char *text)
{
  g_log_structured (G_LOG_DOMAIN, level, "MESSAGE_ID", message_id, CREEL_FIELD_SANDBOX, self->name, CREEL_FIELD_EVENT, "life",
                    "MESSAGE", "%s", text);
}

/* The end, with a reason when it is not an orderly one. Only the first one counts. */
static void
finish (Machine *self, int status, const char *text)
{
  g_autoptr (GError) error = NULL;

  if (!self->finished)
    {
      self->finished = TRUE;
      self->status = status;
      machine_log (self, status == 0 ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_WARNING,
                   status == 0 ? CREEL_MESSAGE_SANDBOX_STOPPED : CREEL_MESSAGE_SANDBOX_FAILED, text);
      sd_notifyf (0, "STOPPING=1\nSTATUS=%s", text);
      if (self->shares != NULL)
        creel_shares_expect_end (self->shares);
    }
  if (self->starting) /* on_domain_started comes back here */
    return;
  if (self->running && !creel_domain_destroy (self->domain, &error))
    g_warning ("%s", error->message);
  g_main_loop_quit (self->loop);
}

static void
fail (Machine *self, const GError *error)
{
  int code = error->domain == CREEL_ERROR ? error->code : CREEL_ERROR_FAILED;

  finish (self, CREEL_MACHINE_EXIT_BASE + code, error->message);
}

static void G_GNUC_PRINTF (3, 4)
fail_with (Machine *self, CreelError code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  finish (self, CREEL_MACHINE_EXIT_BASE + (int) code, text);
}

/* ---- while it runs ---- */

static void
on_domain_ended (CreelDomain *domain, int end, gpointer user_data)
{
  Machine *self = user_data;
  gsize length;
  g_autofree char *tail = creel_console_read_tail (self->console, &length);
  g_autofree char *line = creel_console_last_line (tail, length);
  const char *said = line != NULL ? line : "nothing";

  self->running = FALSE;
  if (self->stopping)
    finish (self, 0, "Stopped");
  else if (creel_console_shows_panic (tail, length))
    fail_with (self, CREEL_ERROR_GUEST_FAILED, "The guest's kernel crashed: %s", said);
  else if (!self->ready)
    fail_with (self, CREEL_ERROR_GUEST_FAILED, "The guest ended before it was ready; the last it said: %s", said);
  else if (end == CREEL_DOMAIN_END_SHUTDOWN)
    finish (self, 0, "The guest powered itself off");
  else if (end == CREEL_DOMAIN_END_DESTROYED)
    fail_with (self, CREEL_ERROR_GUEST_FAILED, "The virtual machine was destroyed from outside");
  else
    fail_with (self, CREEL_ERROR_GUEST_FAILED, "The virtual machine died (see /var/log/libvirt/qemu/" CREEL_DOMAIN_PREFIX
               "%s.log); the last the guest said: %s", self->name, said);
}

static void
on_connection (CreelDomain *domain, gboolean up, gpointer user_data)
{
  Machine *self = user_data;

  if (up)
    g_message ("libvirtd is back, sandbox %s runs on", self->name);
  else
    g_warning ("libvirtd went away; sandbox %s runs on without it, connecting again", self->name);
}

static gboolean
on_grace_over (gpointer data)
{
  Machine *self = data;

  self->grace = 0;
  fail_with (self, self->grace_code, "%s", self->grace_text);
  return G_SOURCE_REMOVE;
}

/* When QEMU ends, its file servers and the gateway notice before libvirt does, and then libvirt's word is the reason to
 * tell: wait for it for a moment. */
static void
fail_soon (Machine *self, CreelError code, char *text)
{
  if (self->grace != 0 || self->finished)
    {
      g_free (text);
      return;
    }
  self->grace_code = code;
  self->grace_text = text;
  self->grace = g_timeout_add_seconds (GRACE_SECONDS, on_grace_over, self);
}

static void
on_share_died (CreelShares *shares, int code, const char *text, gpointer user_data)
{
  if (code == CREEL_ERROR_BAD_WORKSPACE)
    fail_with (user_data, CREEL_ERROR_BAD_WORKSPACE, "%s", text);
  else
    fail_soon (user_data, (CreelError) code, g_strdup (text));
}

static void
on_gateway_state (CreelGatewayWatch *gateway, const char *state, const char *text, gpointer user_data)
{
  Machine *self = user_data;

  if (self->finished || self->stopping)
    return;
  if (!self->ready && strcmp (state, "ready") == 0)
    {
      g_autofree char *message =
        g_strdup_printf ("Sandbox %s runs on %s, started in %.1f s", self->name, self->accelerator,
                         (double) (g_get_monotonic_time () - self->started) / G_USEC_PER_SEC);

      self->ready = TRUE;
      g_clear_handle_id (&self->timer, g_source_remove);
      machine_log (self, G_LOG_LEVEL_MESSAGE, CREEL_MESSAGE_SANDBOX_STARTED, message);
      sd_notifyf (0, "READY=1\nSTATUS=Running on %s", self->accelerator);
    }
  else if (!self->ready && strcmp (state, "lost") == 0)
    fail_soon (self, CREEL_ERROR_GUEST_FAILED, g_strdup_printf ("The guest broke off before it was ready: %s", text));
}

static gboolean
on_start_timeout (gpointer data)
{
  Machine *self = data;
  gsize length;
  g_autofree char *tail = creel_console_read_tail (self->console, &length);
  g_autofree char *line = creel_console_last_line (tail, length);

  self->timer = 0;
  fail_with (self, CREEL_ERROR_TIMED_OUT, "The guest said no hello within %u s; the last on its console: %s",
             self->definition->start_timeout, line != NULL ? line : "nothing");
  return G_SOURCE_REMOVE;
}

static gboolean
on_stop_timeout (gpointer data)
{
  Machine *self = data;

  self->timer = 0;
  finish (self, 0, "Stopped; the guest did not power off in time and was destroyed");
  return G_SOURCE_REMOVE;
}

static gboolean
on_terminate (gpointer data)
{
  Machine *self = data;

  if (self->stopping || self->finished)
    return G_SOURCE_CONTINUE;
  self->stopping = TRUE;
  g_clear_handle_id (&self->timer, g_source_remove);
  sd_notify (0, "STOPPING=1\nSTATUS=Stopping");
  if (self->running && creel_gateway_watch_shutdown (self->gateway))
    self->timer = g_timeout_add_seconds (STOP_SECONDS, on_stop_timeout, self);
  else
    finish (self, 0, "Stopped; no gateway could ask the guest, so it was destroyed");
  return G_SOURCE_CONTINUE;
}

/* ---- start ---- */

static void
on_domain_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Machine *self = user_data;
  g_autoptr (GError) error = NULL;
  gboolean started = creel_domain_start_finish (CREEL_DOMAIN (source), result, &error);

  self->starting = FALSE;
  self->running = started;
  if (self->finished)
    finish (self, 0, NULL);
  else if (!started)
    fail (self, error);
}

static gboolean
check_memory (Machine *self, GError **error)
{
  guint64 host = (guint64) sysconf (_SC_PHYS_PAGES) * (guint64) sysconf (_SC_PAGESIZE);

  if (self->definition->memory < host)
    return TRUE;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED,
               "Memory=%" G_GUINT64_FORMAT "M of sandbox %s is more than this machine has (%" G_GUINT64_FORMAT "M)",
               self->definition->memory >> 20, self->name, host >> 20);
  return FALSE;
}

static char *
read_machine_id (void)
{
  char *text = NULL;

  if (!g_file_get_contents ("/etc/machine-id", &text, NULL, NULL))
    return g_strdup ("");
  return g_strstrip (text);
}

/* Everything before libvirt; returns the domain XML */
static char *
prepare (Machine *self, GError **error)
{
  g_autoptr (CreelImageConfig) image = NULL;
  g_autofree char *root_disk = NULL, *upper_disk = NULL, *machine_id = NULL, *description = NULL;
  g_autofree char *egress = g_strdup_printf (CREEL_CHANNEL_DIR "/%s.egress", self->name);
  g_autofree char *control = g_strdup_printf (CREEL_CHANNEL_DIR "/%s.control", self->name);
  CreelDomainSpec spec = { .name = self->name, .egress_socket = egress, .control_socket = control };
  struct passwd *qemu, *owner;

  self->definition = creel_definition_load (self->name, error);
  if (self->definition == NULL || !check_memory (self, error))
    return NULL;
  sd_notifyf (0, "EXTEND_TIMEOUT_USEC=%" G_GUINT64_FORMAT,
              (guint64) (self->definition->start_timeout + START_MARGIN_SECONDS) * G_USEC_PER_SEC);
  image = creel_image_config_load (self->definition->image_id, error);
  if (image == NULL)
    return NULL;
  root_disk = g_build_filename (CREEL_IMAGE_DIR, self->definition->image_id, "rootfs.squashfs", NULL);
  if (access (root_disk, R_OK) < 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE, "Cannot read %s: %s", root_disk, g_strerror (errno));
      return NULL;
    }
  if (access (CREEL_GUEST_DIR "/vmlinuz", R_OK) < 0 || access (CREEL_GUEST_DIR "/initramfs", R_OK) < 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_HYPERVISOR,
                   "There is no guest kernel in " CREEL_GUEST_DIR ": run " CREEL_LIBEXECDIR "/creel-guest-kernel as root");
      return NULL;
    }
  qemu = getpwnam (CREEL_QEMU_USER);
  if (qemu == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_HYPERVISOR,
                   "There is no user " CREEL_QEMU_USER ": install libvirt-daemon-system");
      return NULL;
    }
  spec.qemu_uid = qemu->pw_uid;
  spec.qemu_gid = qemu->pw_gid;
  upper_disk = g_build_filename (CREEL_SANDBOX_DIR, self->name, "disk.img", NULL);
  if (!creel_disk_prepare (upper_disk, self->definition->disk, spec.qemu_uid, error))
    return NULL;
  self->shares = creel_shares_start (self->runtime_dir, SHARE_PROGRAM, self->definition->workspaces, self->definition->owner,
                                     spec.qemu_uid, error);
  if (self->shares == NULL)
    return NULL;
  g_signal_connect (self->shares, "died", G_CALLBACK (on_share_died), self);

  spec.kvm = creel_accelerator_is_kvm (CREEL_GUEST_DIR);
  self->accelerator = spec.kvm ? "kvm" : "tcg";
  if (!spec.kvm)
    {
      machine_log (self, G_LOG_LEVEL_MESSAGE, CREEL_MESSAGE_NO_KVM,
                   "No KVM was proved to work here: the guest is emulated (TCG), which is several times slower; "
                   "creel doctor says more");
      spec.tsc_khz = creel_accelerator_measure_tsc_khz ();
    }
  owner = getpwuid (self->definition->owner);
  description = g_strdup_printf ("Image %s, owner %s", self->definition->image, owner != NULL ? owner->pw_name : "unknown");
  machine_id = read_machine_id ();
  spec.machine_id = machine_id;
  spec.description = description;
  spec.memory = self->definition->memory;
  spec.cpus = self->definition->cpus;
  spec.kernel = CREEL_GUEST_DIR "/vmlinuz";
  spec.initramfs = CREEL_GUEST_DIR "/initramfs";
  spec.root_disk = root_disk;
  spec.upper_disk = upper_disk;
  spec.share_sockets = creel_shares_get_sockets (self->shares);
  spec.console_log = self->console;
  return creel_domain_xml_format (&spec);
}

static gboolean
on_start (gpointer data)
{
  Machine *self = data;
  g_autofree char *xml = NULL;
  g_autofree char *socket = g_strdup_printf (CREEL_CHANNEL_DIR "/%s.gateway", self->name);
  g_autofree char *domain_name = g_strconcat (CREEL_DOMAIN_PREFIX, self->name, NULL);
  g_autoptr (GError) error = NULL;

  sd_notify (0, "STATUS=Starting");
  xml = prepare (self, &error);
  if (xml == NULL)
    {
      fail (self, error);
      return G_SOURCE_REMOVE;
    }
  g_unlink (self->console); /* a new start, a new console; what it said before is in the journal's reason */
  self->domain = creel_domain_new (LIBVIRT_URI, domain_name);
  g_signal_connect (self->domain, "ended", G_CALLBACK (on_domain_ended), self);
  g_signal_connect (self->domain, "connection", G_CALLBACK (on_connection), self);
  self->starting = TRUE;
  creel_domain_start_async (self->domain, xml, NULL, on_domain_started, self);
  self->gateway = creel_gateway_watch_new (socket);
  g_signal_connect (self->gateway, "state", G_CALLBACK (on_gateway_state), self);
  self->timer = g_timeout_add_seconds (self->definition->start_timeout, on_start_timeout, self);
  return G_SOURCE_REMOVE;
}

int
creel_machine_run (const char *name)
{
  Machine self = { .name = name, .accelerator = "tcg", .started = g_get_monotonic_time () };

  signal (SIGPIPE, SIG_IGN);
  creel_domain_init_library ();
  self.loop = g_main_loop_new (NULL, FALSE);
  self.console = g_strdup_printf (CREEL_RUNTIME_DIR "/console/%s.log", name);
  self.runtime_dir = g_strdup_printf (CREEL_RUNTIME_DIR "/sandbox/%s", name);
  g_unix_signal_add (SIGTERM, on_terminate, &self);
  g_unix_signal_add (SIGINT, on_terminate, &self);
  g_idle_add (on_start, &self);
  g_main_loop_run (self.loop);

  g_clear_handle_id (&self.timer, g_source_remove);
  g_clear_handle_id (&self.grace, g_source_remove);
  if (self.shares != NULL)
    g_signal_handlers_disconnect_by_data (self.shares, &self);
  if (self.domain != NULL)
    g_signal_handlers_disconnect_by_data (self.domain, &self);
  if (self.gateway != NULL)
    g_signal_handlers_disconnect_by_data (self.gateway, &self);
  g_clear_object (&self.gateway);
  g_clear_object (&self.shares);
  g_clear_object (&self.domain);
  g_rmdir (self.runtime_dir);
  g_clear_pointer (&self.definition, creel_definition_free);
  g_clear_pointer (&self.loop, g_main_loop_unref);
  g_free (self.console);
  g_free (self.runtime_dir);
  g_free (self.grace_text);
  return self.status;
}

int
creel_machine_cleanup (const char *name)
{
  g_autofree char *domain_name = g_strconcat (CREEL_DOMAIN_PREFIX, name, NULL);
  g_autoptr (CreelDomain) domain = NULL;
  g_autoptr (GError) error = NULL;

  creel_domain_init_library ();
  domain = creel_domain_new (LIBVIRT_URI, domain_name);
  if (creel_domain_destroy (domain, &error))
    return 0;
  g_printerr ("creel-machine: %s\n", error->message);
  return CREEL_MACHINE_EXIT_BASE + error->code;
}
