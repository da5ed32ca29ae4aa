/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEW_ROOT "/mnt/root"
#define LOWER "/mnt/lower"
#define UPPER "/mnt/upper"

static int upper_fd = -1;
static int lower_fd = -1;

static void
load_modules (void)
{
  char *list = read_file ("/modules", 65536, NULL);
  char *save = NULL;

  if (list == NULL)
    return;
  for (char *path = strtok_r (list, "\n", &save); path != NULL; path = strtok_r (NULL, "\n", &save))
    {
      int fd = open (path, O_RDONLY | O_CLOEXEC);

      if (fd < 0 || (syscall (SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
        say ("cannot load %s: %s", path, strerror (errno));
      if (fd >= 0)
        close (fd);
      unlink (path); /* its memory is the guest's again */
    }
  free (list);
}

/* What is on the disk, by its magic number: the order of the devices is not promised. */
static const char *
disk_kind (const char *device)
{
  unsigned char sector[2048];
  int fd = open (device, O_RDONLY | O_CLOEXEC);
  ssize_t n;

  if (fd < 0)
    return NULL;
  n = read (fd, sector, sizeof sector);
  close (fd);
  if (n == (ssize_t) sizeof sector && memcmp (sector, "hsqs", 4) == 0)
    return "squashfs";
  if (n == (ssize_t) sizeof sector && sector[0x438] == 0x53 && sector[0x439] == 0xef)
    return "ext4";
  return "";
}

static const char *
mount_disks (void)
{
  static char problem[128];
  bool lower = false;
  bool upper = false;

  for (int attempt = 0; attempt < 500 && !(lower && upper); attempt++)
    {
      for (char letter = 'a'; letter <= 'd'; letter++)
        {
          char device[] = "/dev/vda";
          const char *kind;

          device[7] = letter;
          kind = disk_kind (device);
          if (kind == NULL)
            continue;
          if (strcmp (kind, "squashfs") == 0 && !lower)
            {
              if (mount (device, LOWER, "squashfs", MS_RDONLY, NULL) < 0)
                return snprintf (problem, sizeof problem, "cannot mount the image (%s): %s", device, strerror (errno)), problem;
              lower = true;
            }
          else if (strcmp (kind, "ext4") == 0 && !upper)
            {
              if (mount (device, UPPER, "ext4", MS_NOATIME, "discard") < 0)
                return snprintf (problem, sizeof problem, "cannot mount the disk (%s): %s", device, strerror (errno)), problem;
              upper = true;
            }
        }
      if (!(lower && upper))
        usleep (10000);
    }
  if (!lower)
    return "no disk holds an image (squashfs)";
  if (!upper)
    return "no disk holds an ext4 file system; was it formatted?";
  upper_fd = open (UPPER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  lower_fd = open (LOWER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  mkdir (UPPER "/upper", 0755);
  mkdir (UPPER "/work", 0755);
  /* an upper directory with redirections or without its files' data would be no layer of an image: init-layer.c */
  if (mount ("overlay", NEW_ROOT, "overlay", 0,
             "redirect_dir=off,metacopy=off,lowerdir=" LOWER ",upperdir=" UPPER "/upper,workdir=" UPPER "/work") < 0)
    return snprintf (problem, sizeof problem, "cannot put the disk over the image: %s", strerror (errno)), problem;
  return "";
}

static void
mount_kernel_file_systems (void)
{
  static const struct
  {
    const char *type, *path, *data;
    unsigned long flags;
  } mounts[] = {
    { "proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
    { "sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
    { "devtmpfs", "/dev", "mode=755", MS_NOSUID },
    { "devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC },
    { "tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV },
    { "tmpfs", "/run", "mode=755", MS_NOSUID | MS_NODEV },
    { "cgroup2", "/sys/fs/cgroup", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
  };

  for (size_t i = 0; i < sizeof mounts / sizeof mounts[0]; i++)
    {
      mkdir (mounts[i].path, 0755);
      if (mount (mounts[i].type, mounts[i].path, mounts[i].type, mounts[i].flags, mounts[i].data) < 0 && errno != EBUSY)
        say ("cannot mount %s: %s", mounts[i].path, strerror (errno));
    }
}

static void
link_devices (void)
{
  static const char *const links[][2] = {
    { "/proc/self/fd", "/dev/fd" }, { "/proc/self/fd/0", "/dev/stdin" }, { "/proc/self/fd/1", "/dev/stdout" },
    { "/proc/self/fd/2", "/dev/stderr" }, { "pts/ptmx", "/dev/ptmx" },
  };

  for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
    {
      unlink (links[i][1]);
      if (symlink (links[i][0], links[i][1]) < 0)
        say ("cannot make %s: %s", links[i][1], strerror (errno));
    }
}

static const char *
enter_root (void)
{
  static const char *const moved[] = { "/dev", "/proc", "/sys", "/run" };
  static char problem[128];

  for (size_t i = 0; i < sizeof moved / sizeof moved[0]; i++)
    {
      char to[64];

      snprintf (to, sizeof to, NEW_ROOT "%s", moved[i]);
      mkdir (to, 0755);
      if (mount (moved[i], to, NULL, MS_MOVE, NULL) < 0)
        return snprintf (problem, sizeof problem, "cannot move %s into the image: %s", moved[i], strerror (errno)), problem;
    }
  unlink ("/init");
  if (chdir (NEW_ROOT) < 0 || mount (".", "/", NULL, MS_MOVE, NULL) < 0 || chroot (".") < 0 || chdir ("/") < 0)
    return snprintf (problem, sizeof problem, "cannot enter the image: %s", strerror (errno)), problem;
  mkdir ("/tmp", 01777);
  if (mount ("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=50%") < 0)
    say ("cannot mount /tmp: %s", strerror (errno));
  return "";
}

const char *
mount_everything (void)
{
  const char *problem;

  umask (0);
  mount_kernel_file_systems ();
  load_modules ();
  mkdir ("/mnt", 0755);
  mkdir (NEW_ROOT, 0755);
  mkdir (LOWER, 0755);
  mkdir (UPPER, 0755);
  problem = mount_disks ();
  if (*problem == '\0')
    problem = enter_root ();
  link_devices ();
  umask (022);
  mkdir ("/run/creel", 0755);
  mkdir ("/run/lock", 01777);
  if (*problem != '\0')
    say ("%s", problem);
  return problem;
}

/* Whether path is a mount point, with its spaces and the like as mountinfo escapes them. */
static bool
is_mounted (const char *path)
{
  char escaped[4096 * 4];
  size_t length = 0;
  char *info = read_file ("/proc/self/mountinfo", 1024 * 1024, NULL);
  bool found = false;
  char *save = NULL;

  if (info == NULL || strlen (path) > 4000)
    return free (info), false;
  for (const char *at = path; *at != '\0'; at++)
    if (strchr (" \t\n\\", *at) != NULL)
      length += sprintf (escaped + length, "\\%03o", (unsigned char) *at);
    else
      escaped[length++] = *at;
  escaped[length] = '\0';
  for (char *line = strtok_r (info, "\n", &save); line != NULL && !found; line = strtok_r (NULL, "\n", &save))
    {
      char *field = line;

      for (int i = 0; i < 4 && field != NULL; i++)
        {
          field = strchr (field, ' ');
          if (field != NULL)
            field++;
        }
      found = field != NULL && strncmp (field, escaped, length) == 0 && field[length] == ' ';
    }
  free (info);
  return found;
}

/* The image's own directories above a share let its user through, also /root with its 0700: what is in them keeps its modes.
 * Not those of another share, whose modes are the host's. */
static void
open_the_way (const char *path)
{
  char copy[4096];
  struct stat root, st;

  if (strlen (path) >= sizeof copy || stat ("/", &root) < 0)
    return;
  strcpy (copy, path);
  for (char *at = copy + 1; *at != '\0'; at++)
    if (*at == '/')
      {
        *at = '\0';
        if (stat (copy, &st) == 0 && st.st_dev == root.st_dev && (st.st_mode & 0011) != 0011)
          chmod (copy, (st.st_mode & 07777) | 0011);
        *at = '/';
      }
}

const char *
mount_share (const char *tag, const char *path, bool read_only)
{
  static char problem[512];

  if (path[0] != '/' || strcmp (path, "/") == 0)
    return "a mount needs an absolute path that is not /";
  if (is_mounted (path))
    return NULL;
  if (make_directories (path, 0755) < 0)
    snprintf (problem, sizeof problem, "cannot make %.300s: %s", path, strerror (errno));
  else if (mount (tag, path, "virtiofs", MS_NOSUID | MS_NODEV | (read_only ? MS_RDONLY : 0), NULL) < 0)
    snprintf (problem, sizeof problem, "cannot mount %.300s: %s", path, strerror (errno));
  else
    return open_the_way (path), NULL;
  return problem;
}

void
unmount_everything (void)
{
  char *info = read_file ("/proc/self/mountinfo", 1024 * 1024, NULL);
  char *save = NULL;
  char path[64];

  /* shares first; lazily, since PID 1 may be told to go on when a program cannot be killed */
  for (char *line = info == NULL ? NULL : strtok_r (info, "\n", &save); line != NULL; line = strtok_r (NULL, "\n", &save))
    {
      char target[4096];

      if (strstr (line, " - virtiofs ") != NULL && sscanf (line, "%*s %*s %*s %*s %4095s", target) == 1 && strchr (target, '\\') == NULL)
        umount2 (target, MNT_DETACH);
    }
  free (info);
  sync ();
  if (mount (NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
    say ("cannot make the root read-only: %s", strerror (errno));
  if (upper_fd >= 0)
    {
      snprintf (path, sizeof path, "/proc/self/fd/%d", upper_fd);
      if (mount (NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
        say ("cannot make the disk read-only: %s", strerror (errno));
    }
  sync ();
}

void
mount_get_layers (int *ret_upper, int *ret_lower)
{
  *ret_upper = upper_fd < 0 ? -1 : openat (upper_fd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  *ret_lower = lower_fd < 0 ? -1 : fcntl (lower_fd, F_DUPFD_CLOEXEC, 3);
}

uint64_t
mount_get_used (void)
{
  struct statfs fs;

  return upper_fd < 0 || fstatfs (upper_fd, &fs) < 0 ? 0 : (uint64_t) (fs.f_blocks - fs.f_bfree) * (uint64_t) fs.f_bsize;
}

/* In place: \\ooo as mountinfo escapes spaces and the like. */
static void
unescape (char *path)
{
  char *out = path;

  for (const char *at = path; *at != '\0'; at++)
    if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' && at[3] >= '0' && at[3] <= '7')
      {
        *out++ = (char) ((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
        at += 3;
      }
    else
      *out++ = *at;
  *out = '\0';
}

char **
mount_list (size_t *ret_n)
{
  char *info = read_file ("/proc/self/mountinfo", 1024 * 1024, NULL);
  char **list = NULL;
  size_t n = 0, size = 0;
  char *save = NULL;

  for (char *line = info == NULL ? NULL : strtok_r (info, "\n", &save); line != NULL; line = strtok_r (NULL, "\n", &save))
    {
      char target[4096];

      if (sscanf (line, "%*s %*s %*s %*s %4095s", target) != 1 || strcmp (target, "/") == 0)
        continue;
      if (n == size)
        {
          char **grown = reallocarray (list, size += 64, sizeof *list);

          if (grown == NULL)
            break;
          list = grown;
        }
      unescape (target);
      list[n] = strdup (target + 1);
      if (list[n] != NULL)
        n++;
    }
  free (info);
  *ret_n = n;
  return list;
}

void
mount_free_list (char **list, size_t n)
{
  for (size_t i = 0; i < n; i++)
    free (list[i]);
  free (list);
}
