/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER_UID 1000
#define DATABASE_MAX (4 * 1024 * 1024)

/* No getpwnam(): a static glibc would want the image's NSS modules. */

/* Splits line at ':' in place. Returns how many fields there are, at most max; the last one holds the rest. */
static size_t
split (char *line, char **fields, size_t max)
{
  size_t n = 0;

  while (n < max)
    {
      fields[n++] = line;
      line = n < max ? strchr (line, ':') : NULL;
      if (line == NULL)
        break;
      *line++ = '\0';
    }
  return n;
}

static bool
parse_id (const char *text, unsigned *ret_id)
{
  char *end;
  unsigned long id;

  if (!isdigit ((unsigned char) *text))
    return false;
  id = strtoul (text, &end, 10);
  if (*end != '\0' || id >= UINT32_MAX)
    return false;
  *ret_id = (unsigned) id;
  return true;
}

static bool
find_passwd (const char *name, unsigned uid, bool by_uid, User *user)
{
  char *text = read_file ("/etc/passwd", DATABASE_MAX, NULL);
  char *save = NULL;
  bool found = false;

  for (char *line = text == NULL ? NULL : strtok_r (text, "\n", &save); line != NULL && !found; line = strtok_r (NULL, "\n", &save))
    {
      char *fields[7];
      unsigned id, gid;

      if (split (line, fields, 7) != 7 || !parse_id (fields[2], &id) || !parse_id (fields[3], &gid))
        continue;
      if (by_uid ? id != uid : strcmp (fields[0], name) != 0)
        continue;
      found = true;
      user->uid = id;
      user->gid = gid;
      snprintf (user->name, sizeof user->name, "%s", fields[0]);
      snprintf (user->home, sizeof user->home, "%s", fields[5]);
      snprintf (user->shell, sizeof user->shell, "%s", fields[6][0] != '\0' ? fields[6] : "/bin/sh");
    }
  free (text);
  return found;
}

static bool
is_member (char *members, const char *name)
{
  char *save = NULL;

  for (char *member = strtok_r (members, ",", &save); member != NULL; member = strtok_r (NULL, ",", &save))
    if (strcmp (member, name) == 0)
      return true;
  return false;
}

/* Fills in the supplementary groups; wanted, when not NULL, is looked up as the primary one. */
static bool
find_groups (User *user, const char *wanted)
{
  char *text = read_file ("/etc/group", DATABASE_MAX, NULL);
  char *save = NULL;
  unsigned gid = 0;
  bool found = wanted == NULL;

  if (wanted != NULL && parse_id (wanted, &gid))
    {
      user->gid = gid;
      found = true;
    }
  for (char *line = text == NULL ? NULL : strtok_r (text, "\n", &save); line != NULL; line = strtok_r (NULL, "\n", &save))
    {
      char *fields[4];

      if (split (line, fields, 4) != 4 || !parse_id (fields[2], &gid))
        continue;
      if (wanted != NULL && !found && strcmp (fields[0], wanted) == 0)
        {
          user->gid = gid;
          found = true;
        }
      if (is_member (fields[3], user->name) && user->n_groups < sizeof user->groups / sizeof user->groups[0])
        user->groups[user->n_groups++] = gid;
    }
  free (text);
  return found;
}

bool
user_find (const char *spec, User *ret_user)
{
  char name[128];
  char *group;
  unsigned uid = OWNER_UID;
  bool by_uid;

  if (strlen (spec) >= sizeof name)
    return false;
  strcpy (name, spec);
  group = strchr (name, ':');
  if (group != NULL)
    *group++ = '\0';
  *ret_user = (User){ 0 };
  by_uid = name[0] == '\0' || parse_id (name, &uid);
  if (!find_passwd (name, uid, by_uid, ret_user))
    {
      if (!by_uid)
        return false;
      /* as docker does: a number needs no entry */
      ret_user->uid = uid;
      ret_user->gid = name[0] == '\0' ? uid : 0;
      snprintf (ret_user->name, sizeof ret_user->name, "%u", uid);
      strcpy (ret_user->home, "/");
      strcpy (ret_user->shell, "/bin/sh");
    }
  return find_groups (ret_user, group);
}

static void
append (const char *path, const char *line, mode_t mode)
{
  int fd = open (path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, mode);
  struct stat info;
  bool failed = fd < 0;

  if (!failed && fstat (fd, &info) == 0 && info.st_size > 0)
    {
      char last = '\n';
      int in = open (path, O_RDONLY | O_CLOEXEC);

      if (in >= 0 && pread (in, &last, 1, info.st_size - 1) == 1 && last != '\n')
        failed = write (fd, "\n", 1) != 1;
      if (in >= 0)
        close (in);
    }
  if (failed || write (fd, line, strlen (line)) != (ssize_t) strlen (line))
    say ("cannot add to %s: %s", path, strerror (errno));
  if (fd >= 0)
    close (fd);
}

static void
copy_skeleton (uid_t uid, gid_t gid, const char *home)
{
  static const char *const names[] = { ".bashrc", ".profile", ".bash_logout" };

  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    {
      char from[64], to[320];
      size_t length;
      char *text;

      snprintf (from, sizeof from, "/etc/skel/%s", names[i]);
      snprintf (to, sizeof to, "%s/%s", home, names[i]);
      text = read_file (from, 65536, &length);
      if (text != NULL && access (to, F_OK) < 0 && write_file (to, text, length, 0644) == 0 && lchown (to, uid, gid) < 0)
        say ("cannot give %s to its user: %s", to, strerror (errno));
      free (text);
    }
}

void
user_ensure (uid_t uid)
{
  User user = { 0 };
  User other = { 0 };
  char line[768];

  if (!find_passwd (NULL, uid, true, &user))
    {
      user.uid = user.gid = uid;
      strcpy (user.name, find_passwd ("agent", 0, false, &other) ? "creel" : "agent");
      snprintf (user.home, sizeof user.home, "/home/%s", user.name);
      snprintf (line, sizeof line, "%s:x:%u:%u:Creel agent:%s:%s\n", user.name, uid, uid, user.home,
                access ("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh");
      append ("/etc/passwd", line, 0644);
      snprintf (line, sizeof line, "%s:x:%u:\n", user.name, uid);
      append ("/etc/group", line, 0644);
      snprintf (line, sizeof line, "%s:*:19000:0:99999:7:::\n", user.name);
      append ("/etc/shadow", line, 0640);
    }
  if (user.home[0] == '/' && user.home[1] != '\0' && access (user.home, F_OK) < 0)
    {
      if (make_directories (user.home, 0755) < 0 || chown (user.home, user.uid, user.gid) < 0)
        say ("cannot make %s: %s", user.home, strerror (errno));
      copy_skeleton (user.uid, user.gid, user.home);
    }
  /* the guest is the agent's: inside, root is no boundary, and needs the same way out */
  if (access ("/etc/sudoers.d", F_OK) == 0)
    {
      int length = snprintf (line, sizeof line,
                             "Defaults env_keep += \"HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy\"\n"
                             "Defaults env_keep += \"NODE_USE_ENV_PROXY NODE_EXTRA_CA_CERTS SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE\"\n"
                             "Defaults env_keep += \"GIT_SSL_CAINFO CARGO_HTTP_CAINFO JAVA_TOOL_OPTIONS CREEL_SANDBOX IS_SANDBOX\"\n"
                             "%s ALL=(ALL:ALL) NOPASSWD: ALL\n", user.name);

      if (write_own_file ("/etc/sudoers.d", "creel", line, length, 0440) < 0)
        say ("cannot write /etc/sudoers.d/creel: %s", strerror (errno));
    }
}
