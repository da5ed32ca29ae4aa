/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "creel-conf.h"
#include "creel-credential.h"
#include "creel-definition.h"
#include "creel-error.h"

#define MINIMAL "[X-Creel]\nOwner=1000\nImage=shell\n"

static char *root;

static void
write_file (const char *path, const char *text)
{
  g_autofree char *full = g_build_filename (root, path, NULL);
  g_autofree char *directory = g_path_get_dirname (full);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (directory, 0755), ==, 0);
  g_assert_true (g_file_set_contents (full, text, -1, &error));
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, entry, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        remove_tree (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

static void
setup (gpointer fixture, gconstpointer unused)
{
  root = g_dir_make_tmp ("creel-test-XXXXXX", NULL);
  g_setenv ("CREEL_ROOT", root, TRUE);
}

static void
teardown (gpointer fixture, gconstpointer unused)
{
  remove_tree (root);
  g_clear_pointer (&root, g_free);
  g_unsetenv ("CREEL_ROOT");
}

static CreelDefinition *
parse (const char *text, GError **error)
{
  return creel_definition_parse ("box", text, -1, "test.conf", error);
}

static void
test_names (void)
{
  const char *good[] = { "a", "0", "box", "my-box-2", "a23456789012345678901234567890123456789012345678901234567890123" };
  const char *bad[] = { "", "-a", "a-", "A", "a.b", "a/b", "..", "a b", "b\xc3\xb6x", "a\n",
                        "a234567890123456789012345678901234567890123456789012345678901234", "x_y" };
  g_autofree char *huge = g_strnfill (300, 'a');

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (creel_sandbox_name_is_valid (good[i]));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (creel_sandbox_name_check (bad[i], &error));
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
  g_assert_false (creel_sandbox_name_is_valid (huge));
  g_assert_false (creel_sandbox_name_is_valid (NULL));
}

static void
test_parse (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) d = parse ("[Unit]\nDescription=x\n\n" MINIMAL
                                         "# comment\n; comment\nMemory = 512M\nCPUs=3\nDisk=1G\nWorkspace=/home/a/w\n"
                                         "Workspace=/srv/ro:ro\nEnvironment=A=b c=d\nCommand=sh -c 'a  b'\n"
                                         "Preset=balanced\nAllow=example.com\nDeny=bad.example.com\n"
                                         "Credential=openai\nPublish=1\nPublish=\nPublish=8080:80\nPublish=[::1]:0:81\nCreated=5\n"
                                         "[X-Creel-Credential own]\nHost=api.example.com\nHeader=X-Key\nVariable=OWN\n",
                                         &error);

  g_assert_no_error (error);
  g_assert_cmpuint (d->owner, ==, 1000);
  g_assert_cmpuint (d->memory, ==, 512 << 20);
  g_assert_cmpuint (d->cpus, ==, 3);
  g_assert_cmpuint (d->disk, ==, 1 << 30);
  g_assert_cmpuint (d->workspaces->len, ==, 2);
  g_assert_cmpstr (((CreelWorkspace *) d->workspaces->pdata[1])->path, ==, "/srv/ro");
  g_assert_true (((CreelWorkspace *) d->workspaces->pdata[1])->read_only);
  g_assert_cmpstr (d->environment[0], ==, "A=b c=d");
  g_assert_cmpuint (g_strv_length (d->command), ==, 3);
  g_assert_cmpstr (d->command[2], ==, "a  b");
  g_assert_cmpstr (d->allow[0], ==, "example.com");
  g_assert_cmpstr (d->deny[0], ==, "bad.example.com");
  g_assert_cmpuint (d->own_credentials->len, ==, 1);
  g_assert_cmpuint (g_strv_length (d->publish), ==, 2);
  g_assert_cmpstr (d->publish[0], ==, "127.0.0.1:8080:80");
  g_assert_cmpstr (d->publish[1], ==, "[::1]:81:81");
  g_assert_cmpint (d->default_verdict, ==, CREEL_VERDICT_DENY);
}

static void
test_round_trip (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) a = parse (MINIMAL "Memory=1G\nWorkspace=/w a:ro\nEnvironment=A=\"q\" 'x' # no comment\n"
                                                 "Command=a '' 'it'\\''s' '$x'\nPolicy=allow\nPreset=open\n"
                                                 "Allow=example.com:8443 GET,POST /x/*\nAsk=*.example.org\nApproved=a.example.org:443\nDeny=10.0.0.0/8\n"
                                                 "Bypass=pinned.example.com\nCredential=own\nPublish=[::]:8080:80\nStartTimeoutSec=7\nAskTimeoutSec=5\nHalfOpenMax=20\nHeaderSizeMax=16K\n"
                                                 "[X-Creel-Credential own]\nHost=k.example.com:8443\nParameter=key\n",
                                         &error);
  g_autofree char *text = NULL;
  g_autofree char *again = NULL;
  g_autoptr (CreelDefinition) b = NULL;

  g_assert_no_error (error);
  text = creel_definition_format (a);
  b = parse (text, &error);
  g_assert_no_error (error);
  again = creel_definition_format (b);
  g_assert_cmpstr (text, ==, again);
  g_assert_cmpuint (b->ask_timeout, ==, 5);
  g_assert_cmpuint (b->limits.values[CREEL_LIMIT_HALF_OPEN], ==, 20);
  g_assert_cmpuint (b->limits.values[CREEL_LIMIT_HEADER], ==, 16384);
  g_assert_cmpuint (b->limits.values[CREEL_LIMIT_CONNECTIONS], ==, 1024);
  g_assert_cmpstr (b->approved[0], ==, "a.example.org:443");
  g_assert_cmpuint (g_strv_length (b->allow), ==, 1);
  g_assert_cmpstr (b->command[1], ==, "");
  g_assert_cmpstr (b->command[2], ==, "it's");
  g_assert_cmpstr (b->environment[0], ==, "A=\"q\" 'x' # no comment");
}

static void
test_bad (void)
{
  const struct
  {
    const char *text;
    const char *message;
  } bad[] = {
    { "[X-Creel]\nImage=x\n", "Owner=" },
    { "[X-Creel]\nOwner=1\n", "Image=" },
    { MINIMAL "Colour=red\n", "test.conf:4: Unknown key" },
    { MINIMAL "Memory=0\n", "Memory=0" },
    { MINIMAL "Memory=99999999T\n", "test.conf:4" },
    { MINIMAL "Memory=-1\n", "test.conf:4" },
    { MINIMAL "CPUs=0\n", "CPUs=0" },
    { MINIMAL "Disk=1\n", "Disk=1" },
    { MINIMAL "Owner=4294967295\n", "test.conf:4" },
    { MINIMAL "Workspace=relative\n", "absolute" },
    { MINIMAL "Workspace=/\n", "cannot be a workspace" },
    { MINIMAL "Workspace=/a/../b\n", "must be written" },
    { MINIMAL "Workspace=/a\nWorkspace=/a:ro\n", "twice" },
    { MINIMAL "Workspace=/a\nWorkspace=/a/b:ro\n", "contradict" },
    { MINIMAL "Environment=1X=2\n", "KEY=VALUE" },
    { MINIMAL "Environment=novalue\n", "KEY=VALUE" },
    { MINIMAL "Command='open\n", "split" },
    { MINIMAL "Policy=maybe\n", "allow or deny" },
    { MINIMAL "Preset=none\n", "test.conf" },
    { MINIMAL "Allow=exa mple..com\n", "test.conf:4" },
    { MINIMAL "Allow=a.example\nDeny=a.example\n", "contradicts" },
    { MINIMAL "Approved=a.example:443\nDeny=a.example:443\n", "contradicts" },
    { MINIMAL "Ask=a.example\nAllow=a.example\nApproved=a.example\n", "contradicts" },
    { MINIMAL "Approved=a b c\n", "test.conf:4" },
    { MINIMAL "AskTimeoutSec=0\n", "AskTimeoutSec=0" },
    { MINIMAL "AskTimeoutSec=3600\n", "AskTimeoutSec=3600" },
    { MINIMAL "RequestsPerSecMax=many\n", "test.conf:4" },
    { MINIMAL "ConnectionsMax=4294967312\n", "test.conf:4" },
    { MINIMAL "HeaderSizeMax=4194312K\n", "HeaderSizeMax=4294967295" },
    { MINIMAL "Preset=locked\nPolicy=allow\n", "contradicts" },
    { MINIMAL "Credential=own\nBypass=k.example\n[X-Creel-Credential own]\nHost=k.example\nHeader=X\n", "contradicts" },
    { MINIMAL "Credential=a\nCredential=a\n", "twice" },
    { MINIMAL "Credential=../x\n", "name of a credential" },
    { MINIMAL "[X-Creel-Credential own]\nHost=*.example\nHeader=X\n", "exact host" },
    { MINIMAL "[X-Creel-Credential own]\nHost=k.example\n", "Header= or Parameter=" },
    { MINIMAL "[X-creel]\nDeny=x.example\n", "Unknown section" },
    { MINIMAL "Publish=localhost:80:80\n", "test.conf:4" },
    { MINIMAL "Publish=8080:80\nPublish=0.0.0.0:8080:81\n", "want the same port" },
    { MINIMAL "ImageID=sha256-zz\n", "ImageID" },
    { "Owner=1\n" MINIMAL, "outside of a section" },
    { MINIMAL "nonsense\n", "Key=Value" },
    { MINIMAL "[broken\n", "must end in" },
    { MINIMAL "Agent=a\x01\n", "plain UTF-8" },
    { MINIMAL "Agent=\xff\n", "plain UTF-8" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelDefinition) d = parse (bad[i].text, &error);

      g_test_message ("%s", bad[i].text);
      g_assert_null (d);
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, bad[i].message));
      g_assert_nonnull (strstr (error->message, "test.conf"));
    }
}

/* Each limit takes its range and nothing beyond it; what a definition does not say is the site's to say, then the default. */
static void
test_limits (gpointer fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) plain = parse (MINIMAL, NULL);
  g_autofree char *text = creel_definition_format (plain);
  g_autoptr (CreelDefinition) d = NULL;

  for (guint i = 0; i < CREEL_N_LIMITS; i++)
    {
      const CreelLimitInfo *info = &creel_limit_infos[i];
      const gint64 tries[] = { 0, (gint64) info->least - 1, info->least, info->most, (gint64) info->most + 1 };

      g_assert_cmpuint (plain->limits.values[i], ==, info->normal);
      g_assert_null (strstr (text, info->key));
      for (guint j = 0; j < G_N_ELEMENTS (tries); j++)
        {
          g_autofree char *line = g_strdup_printf (MINIMAL "%s=%" G_GINT64_FORMAT "\n", info->key, tries[j]);
          g_autoptr (GError) local_error = NULL;
          g_autoptr (CreelDefinition) parsed = parse (line, &local_error);

          if (j == 2 || j == 3)
            {
              g_assert_no_error (local_error);
              g_assert_cmpuint (parsed->limits.values[i], ==, tries[j]);
              continue;
            }
          g_assert_error (local_error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
          g_assert_nonnull (strstr (local_error->message, info->key));
        }
    }
  write_file ("/etc/systemd/system/creel@box.service.d/50-definition.conf", text);
  write_file ("/etc/systemd/system/creel@.service.d/10-site.conf", "[X-Creel]\nConnectionsMax=100\n");
  d = creel_definition_load ("box", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (d->limits.values[CREEL_LIMIT_CONNECTIONS], ==, 100);
}

/* What the administrator lets a sandbox ask for at most binds what is there, its defaults too, and what is to be written. */
static void
test_limits_ceiling (gpointer fixture, gconstpointer unused)
{
  static const char *const bad[] = { "ConnectionsMax=many", "ConnectionsMax=15", "ConnectionsMax=1025", "ConnectionsMax=", "Connections=16", "HeaderSizeMax=1T",
                                     /* what is shown of it ends inside of a character */
                                     "ConnectionsMax=000000000000000000000000000000000000000\u00e9" };
  CreelLimits ceiling, now;
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) d = NULL;
  g_autoptr (CreelDefinition) own = NULL;

  write_file ("/etc/systemd/system/creel@box.service.d/50-definition.conf", MINIMAL "HalfOpenMax=400\nRequestsPerSecMax=20\n");
  g_assert_true (creel_limits_load_ceiling (&ceiling, &error));
  for (guint i = 0; i < CREEL_N_LIMITS; i++)
    g_assert_cmpuint (ceiling.values[i], ==, creel_limit_infos[i].most);
  write_file ("/etc/creel/creel.conf", "[Other]\nConnectionsMax=nonsense\n[Limits]\nConnectionsMax=200\nHalfOpenMax=100\nRequestsPerSecMax=50\nHeaderSizeMax=16K\n");
  g_assert_true (creel_limits_load_ceiling (&ceiling, &error));
  d = creel_definition_load ("box", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (d->limits.values[CREEL_LIMIT_CONNECTIONS], ==, 200);
  g_assert_cmpuint (d->limits.values[CREEL_LIMIT_HALF_OPEN], ==, 100);
  g_assert_cmpuint (d->limits.values[CREEL_LIMIT_REQUESTS], ==, 20);
  g_assert_cmpuint (d->limits.values[CREEL_LIMIT_HEADER], ==, 16 * 1024);
  g_assert_cmpuint (d->limits.values[CREEL_LIMIT_FIELDS], ==, creel_limit_infos[CREEL_LIMIT_FIELDS].normal);

  /* what stands there already may be written back, a default says nothing */
  own = creel_definition_load_own ("box", &error);
  g_assert_cmpuint (own->limits.values[CREEL_LIMIT_HALF_OPEN], ==, 400);
  creel_limits_init (&now);
  g_assert_true (creel_limits_check (&now, &now, &ceiling, &error));
  g_assert_true (creel_limits_check (&own->limits, &own->limits, &ceiling, &error));
  g_assert_false (creel_limits_check (&own->limits, &now, &ceiling, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
  g_assert_cmpstr (error->message, ==, "HalfOpenMax=400 is above the 100 that section [Limits] of /etc/creel/creel.conf allows");

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *text = g_strdup_printf ("[Limits]\n%s\n", bad[i]);
      g_autoptr (GError) local_error = NULL;

      g_test_message ("%s", bad[i]);
      write_file ("/etc/creel/creel.conf", text);
      g_assert_null (creel_definition_load ("box", &local_error));
      g_assert_error (local_error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
      g_assert_nonnull (strstr (local_error->message, "Nothing is allowed until "));
      g_assert_nonnull (strstr (local_error->message, "/etc/creel/creel.conf:2: "));
      g_assert_true (g_utf8_validate (local_error->message, -1, NULL));
    }
}

static void
test_continuation (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) d = parse (MINIMAL "Command=a \\\n# inside\n  b \\\n  c", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (d->command), ==, 3);
}

static void
test_publish_alone (gpointer fixture, gconstpointer unused)
{
  g_auto (GStrv) none = creel_definition_load_publish ("none");
  g_auto (GStrv) broken = NULL;
  g_auto (GStrv) bad_name = creel_definition_load_publish ("../x");

  g_assert_null (*none);
  g_assert_null (*bad_name);
  write_file ("etc/systemd/system/creel@box.service.d/50-definition.conf",
              "[X-Creel]\nOwner=1000\nMemory=rubbish\nPublish=1\nPublish=\nPublish=8080:80\nPublish=rubbish\n[Other]\nPublish=7\n");
  write_file ("etc/systemd/system/creel@box.service.d/60-edit.conf", "[X-Creel]\nPublish=[::1]:9000:90\n");
  broken = creel_definition_load_publish ("box");
  g_assert_cmpuint (g_strv_length (broken), ==, 2);
  g_assert_cmpstr (broken[0], ==, "127.0.0.1:8080:80");
  g_assert_cmpstr (broken[1], ==, "[::1]:9000:90");
}

static void
test_drop_ins (gpointer fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) d = NULL;
  g_autoptr (CreelDefinition) own = NULL;
  g_autofree char *mask = NULL;
  g_auto (GStrv) names = NULL;

  write_file ("/etc/systemd/system/creel@box.service.d/50-definition.conf", MINIMAL "Allow=a.example\nMemory=1G\n");
  write_file ("/etc/systemd/system/creel@box.service.d/override.conf", "[X-Creel]\nMemory=3G\nAllow=\nAllow=b.example\n");
  write_file ("/run/systemd/system/creel@box.service.d/override.conf", "[X-Creel]\nMemory=7G\n"); /* hidden */
  write_file ("/usr/lib/systemd/system/creel@.service.d/10-site.conf", "[X-Creel]\nCPUs=1\nMemory=5G\n");
  write_file ("/etc/systemd/system/creel@other.service.d/50-definition.conf", "[Service]\n");

  d = creel_definition_load ("box", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (d->memory >> 30, ==, 3);
  g_assert_cmpuint (d->cpus, ==, 1);
  g_assert_cmpuint (g_strv_length (d->allow), ==, 1);
  g_assert_cmpstr (d->allow[0], ==, "b.example");
  g_assert_false (d->ephemeral);

  own = creel_definition_load_own ("box", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (own->memory >> 30, ==, 1);
  g_assert_cmpstr (own->allow[0], ==, "a.example");

  g_assert_null (creel_definition_load ("none", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX);
  g_clear_error (&error);
  g_assert_null (creel_definition_load ("other", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX);
  g_clear_error (&error);

  /* a mask takes the site's file away */
  mask = g_build_filename (root, "/etc/systemd/system/creel@.service.d/10-site.conf", NULL);
  write_file ("/etc/systemd/system/creel@.service.d/x", "");
  g_assert_cmpint (symlink ("/dev/null", mask), ==, 0);
  g_clear_pointer (&d, creel_definition_free);
  d = creel_definition_load ("box", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (d->cpus, ==, 2);

  write_file ("/run/systemd/system/creel@tmp.service.d/50-definition.conf", MINIMAL);
  names = creel_definition_list ();
  g_assert_cmpuint (g_strv_length (names), ==, 3);
  g_clear_pointer (&d, creel_definition_free);
  d = creel_definition_load ("tmp", &error);
  g_assert_no_error (error);
  g_assert_true (d->ephemeral);

  write_file ("/etc/systemd/system/creel@box.service.d/override.conf", "[X-Creel]\nMemroy=3G\n");
  g_clear_pointer (&d, creel_definition_free);
  d = creel_definition_load ("box", &error);
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
  g_assert_nonnull (strstr (error->message, "override.conf:2"));
}

static CreelVerdict
decide (const char *name, const char *host_text, const char **ret_why)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) d = creel_definition_load (name, &error);
  g_autoptr (CreelHost) host = creel_host_parse (host_text, -1, NULL);
  g_auto (CreelDecision) decision = { 0 };

  *ret_why = "";
  if (d == NULL)
    {
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
      *ret_why = g_intern_string (error->message);
      return CREEL_VERDICT_DENY;
    }
  creel_policy_decide (d->policy, CREEL_SCHEME_HTTPS, host, 443, NULL, NULL, &decision);
  if (decision.origin != NULL)
    *ret_why = g_intern_string (decision.origin);
  return decision.verdict;
}

/* What the administrator forbids for all is in every policy that is loaded, and what cannot be understood forbids all. */
static void
test_ceiling (gpointer fixture, gconstpointer unused)
{
  g_autofree char *file = g_build_filename (root, "/etc/creel/policy.d/site.conf", NULL);
  g_autoptr (CreelDefinition) own = NULL;
  const char *why;

  write_file ("/etc/systemd/system/creel@box.service.d/50-definition.conf", MINIMAL "Policy=allow\nAllow=bad.example\nAllow=good.example\n");
  g_assert_cmpint (decide ("box", "bad.example", &why), ==, CREEL_VERDICT_ALLOW);
  write_file ("/etc/creel/policy.d/site.conf", "# no\nDeny=bad.example\n");
  g_assert_cmpint (decide ("box", "bad.example", &why), ==, CREEL_VERDICT_DENY);
  g_assert_cmpstr (why, ==, "site.conf:2");
  g_assert_cmpint (decide ("box", "good.example", &why), ==, CREEL_VERDICT_ALLOW);
  /* what creeld writes back must not have it */
  own = creel_definition_load_own ("box", NULL);
  g_assert_cmpuint (g_strv_length (own->deny), ==, 0);

  write_file ("/etc/creel/policy.d/site.conf", "Dney=bad.example\n");
  g_assert_cmpint (decide ("box", "good.example", &why), ==, CREEL_VERDICT_DENY);
  g_assert_nonnull (strstr (why, "/etc/creel/policy.d"));
  g_assert_nonnull (strstr (why, "site.conf:1"));
  g_unlink (file);
  g_assert_cmpint (symlink ("/nowhere/at/all", file), ==, 0);
  g_assert_cmpint (decide ("box", "good.example", &why), ==, CREEL_VERDICT_DENY);
  g_unlink (file);
  g_assert_cmpint (g_mkdir (file, 0755), ==, 0);
  g_assert_cmpint (decide ("box", "good.example", &why), ==, CREEL_VERDICT_DENY);
  g_rmdir (file);
  g_assert_cmpint (decide ("box", "bad.example", &why), ==, CREEL_VERDICT_ALLOW);
}

static void
test_credential_files (gpointer fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelCredential) c = NULL;
  g_auto (GStrv) names = NULL;

  write_file ("/etc/creel/credentials.d/mine.conf",
              "[Credential]\nHost=API.Example.com.\nHost=k.example:8443\nHeader=Authorization\nFormat=Bearer {}\nVariable=MINE\n");
  write_file ("/etc/creel/credentials.d/broken.conf", "[Credential]\nHost=a.example\nHeader=A\nFormat={}{}\n");
  c = creel_credential_load ("mine", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (c->hosts[0], ==, "api.example.com");
  g_assert_cmpstr (c->hosts[1], ==, "k.example:8443");
  g_assert_cmpstr (c->placeholder, ==, "creel-{}");
  names = creel_credential_list ();
  g_assert_cmpuint (g_strv_length (names), ==, 2);

  g_assert_null (creel_credential_load ("broken", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
  g_clear_error (&error);
  g_assert_null (creel_credential_load ("../mine", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
  g_clear_error (&error);
  g_assert_null (creel_credential_load ("none", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
}

/* What the package ships must load. */
static void
test_shipped (gpointer fixture, gconstpointer unused)
{
  const char *credentials[] = { "anthropic", "openai", "google", "github", "github-git" };
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelAgentType) agent = NULL;
  g_autofree char *agent_file = g_build_filename (g_getenv ("CREEL_TEST_DATA"), "agents", "shell.conf", NULL);
  g_autofree char *text = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (credentials); i++)
    {
      g_autofree char *from = g_strdup_printf ("%s/credentials/%s.conf", g_getenv ("CREEL_TEST_DATA"), credentials[i]);
      g_autofree char *to = g_strdup_printf ("/etc/creel/credentials.d/%s.conf", credentials[i]);
      g_autofree char *content = NULL;
      g_autoptr (CreelCredential) credential = NULL;

      g_assert_true (g_file_get_contents (from, &content, NULL, &error));
      write_file (to, content);
      credential = creel_credential_load (credentials[i], &error);
      g_assert_no_error (error);
      g_assert_nonnull (credential->variables[0]);
    }
  g_assert_true (g_file_get_contents (agent_file, &text, NULL, &error));
  write_file ("/etc/creel/agents.d/shell.conf", text);
  agent = creel_agent_type_load ("shell", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (agent->image, ==, "shell");
  g_assert_null (creel_agent_type_load ("../shell", &error));
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
}

static void
test_images (gpointer fixture, gconstpointer unused)
{
  char *environment[] = { (char *) "A=1;2", (char *) "B=two\nlines", NULL };
  char *command[] = { (char *) "/bin/sh", (char *) "", NULL };
  CreelImageConfig config = { .environment = environment, .command = command, .user = (char *) "agent", .size = 7 };
  const char *id = "sha256-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  g_autofree char *conf_path = g_strdup_printf ("/var/lib/creel/images/%s/image.conf", id);
  g_autofree char *text = NULL;
  g_autofree char *references = g_strdup_printf ("shell:latest=%s\nbad=../x\n", id);
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelImageConfig) loaded = NULL;
  const char *names[] = { "shell", "shell:latest", "0123456", "sha256-012345", "sha256:0123456789" };
  const char *bad[] = { "", "a b", "UP", "../x", "-x", "x:", "a//b" };

  text = creel_image_config_format (&config, &error);
  g_assert_no_error (error);
  write_file (conf_path, text);
  write_file ("/var/lib/creel/images/references.conf", references);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *found = creel_image_resolve (names[i], &error);

      g_assert_no_error (error);
      g_assert_cmpstr (found, ==, id);
    }
  g_assert_null (creel_image_resolve ("none", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE);
  g_clear_error (&error);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_null (creel_image_reference_normalize (bad[i], &error));
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
      g_clear_error (&error);
    }
  loaded = creel_image_config_load (id, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (loaded->environment[0], ==, "A=1;2");
  g_assert_cmpstr (loaded->environment[1], ==, "B=two\nlines");
  g_assert_cmpuint (g_strv_length (loaded->command), ==, 2);
  g_assert_cmpstr (loaded->references[0], ==, "shell:latest");
  g_assert_null (creel_image_config_load ("sha256-../../etc", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE);
}

static void
test_sizes (void)
{
  guint64 size;

  g_assert_true (creel_size_parse ("1", &size, NULL) && size == 1);
  g_assert_true (creel_size_parse ("2k", &size, NULL) && size == 2048);
  g_assert_true (creel_size_parse ("1T", &size, NULL) && size == G_GUINT64_CONSTANT (1) << 40);
  g_assert_false (creel_size_parse ("", &size, NULL));
  g_assert_false (creel_size_parse ("K", &size, NULL));
  g_assert_false (creel_size_parse ("1GB", &size, NULL));
  g_assert_false (creel_size_parse ("18446744073709551615K", &size, NULL));
  g_assert_false (creel_size_parse (" 1", &size, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/definition/names", test_names);
  g_test_add_func ("/definition/sizes", test_sizes);
  g_test_add_func ("/definition/parse", test_parse);
  g_test_add_func ("/definition/round-trip", test_round_trip);
  g_test_add_func ("/definition/bad", test_bad);
  g_test_add_func ("/definition/continuation", test_continuation);
  g_test_add_vtable ("/definition/limits", 0, NULL, setup, test_limits, teardown);
  g_test_add_vtable ("/definition/drop-ins", 0, NULL, setup, test_drop_ins, teardown);
  g_test_add_vtable ("/definition/publish-alone", 0, NULL, setup, test_publish_alone, teardown);
  g_test_add_vtable ("/definition/limits-ceiling", 0, NULL, setup, test_limits_ceiling, teardown);
  g_test_add_vtable ("/definition/ceiling", 0, NULL, setup, test_ceiling, teardown);
  g_test_add_vtable ("/definition/credential-files", 0, NULL, setup, test_credential_files, teardown);
  g_test_add_vtable ("/definition/shipped", 0, NULL, setup, test_shipped, teardown);
  g_test_add_vtable ("/definition/images", 0, NULL, setup, test_images, teardown);
  return g_test_run ();
}
