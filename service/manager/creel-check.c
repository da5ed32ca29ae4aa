/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-check.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "creel-config.h"
#include "creel-engine-search.h"
#include "creel-names.h"
#include "creel-root.h"

static void
say (GVariantBuilder *b, const char *name, const char *state, const char *found, const char *advice)
{
  g_variant_builder_add (b, "(ssss)", name, state, found, advice);
}

static gboolean
can_connect (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autofree char *full = creel_root_path (path);
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  gboolean ok;

  g_strlcpy (address.sun_path, full, sizeof address.sun_path);
  ok = fd >= 0 && connect (fd, (struct sockaddr *) &address, sizeof address) == 0;
  if (fd >= 0)
    close (fd);
  return ok;
}

static const char *
first_executable (const char *const *paths)
{
  for (; *paths != NULL; paths++)
    {
      g_autofree char *full = creel_root_path (*paths);

      if (access (full, X_OK) == 0)
        return *paths;
    }
  return NULL;
}

static void
check_program (GVariantBuilder *b, const char *name, const char *const *paths, const char *advice)
{
  const char *found = first_executable (paths);

  say (b, name, found != NULL ? "ok" : "error", found != NULL ? found : "not installed", found != NULL ? "" : advice);
}

static void
check_guest (GVariantBuilder *b)
{
  static const char *const files[] = { "vmlinuz", "initramfs" };
  g_autofree char *directory = creel_root_path (CREEL_GUEST_DIR);
  g_autofree char *accelerator = g_build_filename (directory, "accelerator", NULL);
  g_autofree char *text = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (directory, files[i], NULL);

      if (!g_file_test (path, G_FILE_TEST_IS_REGULAR))
        {
          say (b, "guest kernel", "error", "not there", "run " CREEL_LIBEXECDIR "/creel-guest-kernel as root");
          break;
        }
      if (i == G_N_ELEMENTS (files) - 1)
        say (b, "guest kernel", "ok", directory, "");
    }
  if (!g_file_get_contents (accelerator, &text, NULL, NULL))
    say (b, "acceleration", "warning", "not probed yet", "start a sandbox: the first start finds out");
  else if (g_str_has_prefix (text, "kvm"))
    say (b, "acceleration", "ok", "KVM", "");
  else
    say (b, "acceleration", "warning", "no KVM: sandboxes run, but about ten times slower",
         "enable virtualization in the firmware, or nested virtualization where this is itself a virtual machine");
}

static void
check_space (GVariantBuilder *b)
{
  g_autofree char *path = creel_root_path (CREEL_STATE_DIR);
  struct statvfs st;
  guint64 available;
  g_autofree char *text = NULL;
  g_autofree char *size = NULL;

  if (statvfs (path, &st) < 0)
    {
      say (b, "disk space", "error", CREEL_STATE_DIR " is not there", "systemctl restart creeld");
      return;
    }
  available = (guint64) st.f_bavail * st.f_frsize;
  size = g_format_size (available);
  text = g_strdup_printf ("%s free in " CREEL_STATE_DIR, size);
  if (available < (G_GUINT64_CONSTANT (1) << 30))
    say (b, "disk space", available < (G_GUINT64_CONSTANT (64) << 20) ? "error" : "warning", text,
         "remove sandboxes or images that are not needed: creel rm, creel image rm");
  else
    say (b, "disk space", "ok", text, "");
}

/* Who has no models needs none of it, so it is never an error. */
static void
check_models (GVariantBuilder *b, gboolean listens)
{
  g_autofree char *place = g_strdup_printf ("listens on 127.0.0.1:%d", CREEL_MODEL_RUNNER_PORT);
  g_autoptr (GError) error = NULL;
  g_autofree char *engine = creel_engine_find (&error);

  if (engine != NULL)
    say (b, "model engine", "ok", engine, "");
  else
    say (b, "model engine", "warning", "none: models can be pulled, but not loaded", creel_engine_advice (error));
  if (listens)
    say (b, "model runner", "ok", place, "");
  else
    say (b, "model runner", "warning", "does not listen: nobody can ask a model", "systemctl enable --now " CREEL_MODELS_SOCKET);
}

GVariant *
creel_check_report (gboolean models_listen)
{
  static const char *const qemu[] = { "/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-system-aarch64", "/usr/libexec/qemu-kvm", NULL };
  static const char *const virtiofsd[] = { "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/libexec/qemu/virtiofsd", NULL };
  static const char *const polkit[] = { "/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd", "/usr/libexec/polkit-1/polkitd", NULL };
  GVariantBuilder b;

  g_variant_builder_init (&b, G_VARIANT_TYPE ("a(ssss)"));
  if (can_connect ("/run/libvirt/libvirt-sock") || can_connect ("/run/libvirt/virtqemud-sock"))
    say (&b, "libvirt", "ok", "answers", "");
  else
    say (&b, "libvirt", "error", "does not answer", "install libvirt-daemon-system, then systemctl enable --now libvirtd.socket");
  check_program (&b, "QEMU", qemu, "install qemu-system-x86");
  check_program (&b, "virtiofsd", virtiofsd, "install virtiofsd, or qemu-system-common where it is in there");
  check_guest (&b);
  check_program (&b, "polkit", polkit, "install polkitd: without it only root may use creel");
  check_space (&b);
  check_models (&b, models_listen);
  return g_variant_builder_end (&b);
}
