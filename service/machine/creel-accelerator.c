/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-accelerator.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#define PROBE_SECONDS 10
#define PROBE_OUTPUT_BYTES 65536
#define PROBE_WORD "creel-init" /* creel-init's first line on the console starts with it */

static char *
read_word_file (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  return g_strstrip (text);
}

gboolean
creel_accelerator_is_kvm (const char *guest_dir)
{
  g_autofree char *answer = read_word_file (guest_dir, "accelerator");
  g_autofree char *release = read_word_file (guest_dir, "release");

  return answer != NULL && release != NULL && g_str_has_prefix (answer, "kvm ") && strcmp (answer + 4, release) == 0;
}

/* Reads until the word or the end; the time limit kills QEMU, which is then the end */
static gboolean
word_appears (GInputStream *stream)
{
  g_autoptr (GString) output = g_string_new (NULL);
  char buffer[1024];
  gssize length;

  while (output->len < PROBE_OUTPUT_BYTES && (length = g_input_stream_read (stream, buffer, sizeof buffer, NULL, NULL)) > 0)
    {
      g_string_append_len (output, buffer, length);
      if (memmem (output->str, output->len, PROBE_WORD, strlen (PROBE_WORD)) != NULL)
        return TRUE;
    }
  return FALSE;
}

static gboolean
boot_with_kvm (const char *guest_dir, char **ret_reason)
{
  g_autofree char *kernel = g_build_filename (guest_dir, "vmlinuz", NULL);
  g_autofree char *initramfs = g_build_filename (guest_dir, "initramfs", NULL);
  g_autofree char *limit = g_strdup_printf ("%d", PROBE_SECONDS);
  g_autoptr (GSubprocess) qemu = NULL;
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();
  gboolean booted;
  int fd = open ("/dev/kvm", O_RDWR | O_CLOEXEC);

  if (fd < 0)
    {
      *ret_reason = g_strdup_printf ("/dev/kvm cannot be opened: %s", g_strerror (errno));
      return FALSE;
    }
  close (fd);
  qemu = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, "timeout",
                           "--signal=KILL", limit, "qemu-system-x86_64", "-M", "microvm,acpi=on", "-accel", "kvm", "-cpu", "host",
                           "-m", "256", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-sandbox", "on",
                           "-serial", "stdio", "-kernel", kernel, "-initrd", initramfs, "-append",
                           "console=ttyS0 quiet panic=-1", NULL);
  if (qemu == NULL)
    {
      *ret_reason = g_strdup_printf ("QEMU cannot be run: %s", error->message);
      return FALSE;
    }
  booted = word_appears (g_subprocess_get_stdout_pipe (qemu));
  g_subprocess_send_signal (qemu, SIGTERM); /* timeout passes it on */
  g_subprocess_wait (qemu, NULL, NULL);
  if (!booted && g_get_monotonic_time () - start < (PROBE_SECONDS - 1) * G_USEC_PER_SEC)
    *ret_reason = g_strdup ("QEMU ended at once with KVM, or the guest kernel crashed on it");
  else if (!booted)
    *ret_reason = g_strdup_printf ("with KVM the guest kernel did not come up in %d s", PROBE_SECONDS);
  return booted;
}

gboolean
creel_accelerator_probe (const char *guest_dir, gboolean *ret_kvm, char **ret_reason, GError **error)
{
  g_autofree char *path = g_build_filename (guest_dir, "accelerator", NULL);
  g_autofree char *release = read_word_file (guest_dir, "release");
  g_autofree char *reason = NULL;
  g_autofree char *answer = NULL;
  gboolean kvm;

  if (release == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "There is no guest kernel in %s: run creel-guest-kernel", guest_dir);
      return FALSE;
    }
  kvm = boot_with_kvm (guest_dir, &reason);
  answer = g_strdup_printf ("%s %s\n", kvm ? "kvm" : "tcg", release);
  if (!g_file_set_contents_full (path, answer, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, error))
    return FALSE;
  *ret_kvm = kvm;
  *ret_reason = g_steal_pointer (&reason);
  return TRUE;
}

#ifdef __x86_64__
static guint64
read_pair (gint64 *ret_nsec)
{
  guint64 best = G_MAXUINT64, ticks = 0;

  /* The pair with the fewest ticks between its ends: nobody interrupted it */
  for (guint i = 0; i < 8; i++)
    {
      struct timespec now;
      guint64 before = __rdtsc (), after;

      clock_gettime (CLOCK_MONOTONIC_RAW, &now);
      after = __rdtsc ();
      if (after - before < best)
        {
          best = after - before;
          ticks = before + best / 2;
          *ret_nsec = now.tv_sec * 1000000000ll + now.tv_nsec;
        }
    }
  return ticks;
}

guint
creel_accelerator_measure_tsc_khz (void)
{
  gint64 start, end;
  guint64 first = read_pair (&start), last;

  g_usleep (10000);
  last = read_pair (&end);
  return end > start && last > first ? (guint) ((last - first) * 1000000 / (guint64) (end - start)) : 0;
}
#else
guint
creel_accelerator_measure_tsc_khz (void)
{
  return 0;
}
#endif
