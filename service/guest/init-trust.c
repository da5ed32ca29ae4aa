/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUNDLE_MAX (16 * 1024 * 1024)
#define BEGIN_MARK "\n# creel: begin, made anew at each start\n"
#define RUNTIME_PEM "/run/creel/ca.pem"
/* JAVA_TOOL_OPTIONS names it */
#define RUNTIME_JAVA "/run/creel/java-cacerts"
/* update-ca-certificates(8) writes its bundle anew, without what we added, and then runs what is here */
#define HOOKS "/etc/ca-certificates/update.d"
#define HOOK \
  "#!/bin/sh\n" \
  "[ ! -s " RUNTIME_PEM " ] || { printf '%s' '" BEGIN_MARK "'; cat " RUNTIME_PEM "; } >> /etc/ssl/certs/ca-certificates.crt\n"

/* What programs read by way of p11-kit (GnuTLS's, where a distribution wants it), and its own programs when they make bundles anew */
#define ANCHOR "creel.pem"
static const char *const anchors[] = { "/etc/pki/ca-trust/source/anchors", "/etc/pki/trust/anchors", "/etc/ca-certificates/trust-source/anchors" };

static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                       "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem" };

size_t
trust_cut (const char *text, size_t length)
{
  const char *mark = memmem (text, length, BEGIN_MARK, sizeof BEGIN_MARK - 1);

  return mark == NULL ? length : (size_t) (mark - text);
}

size_t
trust_find_bundles (char **ret_paths, size_t max)
{
  size_t n = 0;

  for (size_t i = 0; i < sizeof bundles / sizeof bundles[0] && n < max; i++)
    {
      char *real = realpath (bundles[i], NULL);
      char *relative = real == NULL ? NULL : strdup (real + 1);

      free (real);
      if (relative != NULL)
        ret_paths[n++] = relative;
    }
  return n;
}

char *
trust_read (void)
{
  return read_file (RUNTIME_PEM, BUNDLE_MAX, NULL);
}

/* The gateway's certificate is another one after each start, so what an earlier one left is cut off first. */
static bool
apply_to (const char *path, const char *old_pem, const char *pem)
{
  size_t length = 0;
  char *text = read_file (path, BUNDLE_MAX, &length);
  char new_path[256];
  size_t pem_length = strlen (pem);
  char *grown;
  bool done;

  if (text == NULL)
    return errno == ENOENT;
  length = pem_cut (text, trust_cut (text, length), old_pem);
  grown = realloc (text, length + sizeof BEGIN_MARK + pem_length);
  if (grown == NULL)
    return free (text), false;
  memcpy (grown + length, BEGIN_MARK, sizeof BEGIN_MARK - 1);
  memcpy (grown + length + sizeof BEGIN_MARK - 1, pem, pem_length);
  length += sizeof BEGIN_MARK - 1 + pem_length;
  snprintf (new_path, sizeof new_path, "%s" TRUST_NEW, path);
  done = write_file (new_path, grown, length, 0644) == 0 && rename (new_path, path) == 0;
  free (grown);
  return done;
}

static bool
has_bundle (void)
{
  for (size_t i = 0; i < sizeof bundles / sizeof bundles[0]; i++)
    if (access (bundles[i], F_OK) == 0)
      return true;
  return false;
}

/* In an image without one the variables of the environment would name a file that is not there, which programs take for an error. */
static bool
make_bundle (void)
{
  /* what installs the first bundle runs the hooks */
  return make_directories ("/etc/ssl/certs", 0755) == 0 && write_file (bundles[0], "", 0, 0644) == 0 && make_directories (HOOKS, 0755) == 0;
}

/* Returns what an earlier start left there, to be freed, or NULL. */
static char *
write_anchors (const char *pem)
{
  char *old_pem = NULL;

  for (size_t i = 0; i < sizeof anchors / sizeof anchors[0]; i++)
    if (access (anchors[i], F_OK) == 0)
      {
        char path[256];

        snprintf (path, sizeof path, "%s/" ANCHOR, anchors[i]);
        if (old_pem == NULL)
          old_pem = read_file (path, BUNDLE_MAX, NULL);
        if (write_own_file (anchors[i], ANCHOR, pem, strlen (pem), 0644) < 0)
          say ("cannot write %s: %s", path, strerror (errno));
      }
  return old_pem;
}

/* For Java, all that the first bundle has and ours. */
static bool
write_java_store (const char *pem)
{
  size_t length = 0, store_length;
  char *text = NULL;
  uint8_t *store;
  bool done;

  for (size_t i = 0; i < sizeof bundles / sizeof bundles[0] && text == NULL; i++)
    text = read_file (bundles[i], BUNDLE_MAX, &length);
  store = java_store_build (text, text == NULL ? 0 : trust_cut (text, length), pem, &store_length);
  done = store != NULL && write_file (RUNTIME_JAVA TRUST_NEW, (const char *) store, store_length, 0644) == 0 &&
         rename (RUNTIME_JAVA TRUST_NEW, RUNTIME_JAVA) == 0;
  free (store);
  free (text);
  return done;
}

const char *
trust_apply (const char *pem)
{
  static char problem[256];
  char *old_pem;

  if (write_file (RUNTIME_PEM, pem, strlen (pem), 0644) < 0)
    return snprintf (problem, sizeof problem, "cannot write " RUNTIME_PEM ": %s", strerror (errno)), problem;
  if (!has_bundle () && !make_bundle ())
    say ("cannot make %s: %s", bundles[0], strerror (errno));
  old_pem = write_anchors (pem);
  for (size_t i = 0; i < sizeof bundles / sizeof bundles[0]; i++)
    {
      char real[4096];

      /* some are links to each other: the file behind is replaced, once */
      if (realpath (bundles[i], real) != NULL && strlen (real) < 200 && !apply_to (real, old_pem != NULL ? old_pem : pem, pem))
        {
          snprintf (problem, sizeof problem, "cannot add to %s: %s", bundles[i], strerror (errno));
          return free (old_pem), problem;
        }
    }
  free (old_pem);
  if (!write_java_store (pem))
    return snprintf (problem, sizeof problem, "cannot write " RUNTIME_JAVA ": %s", strerror (errno)), problem;
  if (access (HOOKS, F_OK) == 0 && write_own_file (HOOKS, "creel", HOOK, sizeof HOOK - 1, 0755) < 0)
    say ("cannot write " HOOKS "/creel: %s", strerror (errno));
  return NULL;
}
