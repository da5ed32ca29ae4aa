/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-guest-config.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "creel-error.h"
#include "creel-names.h"
#include "creel-records.h"

#define PROXY_URL "http://127.0.0.1:" G_STRINGIFY (CREEL_GUEST_PROXY_PORT)
#define NO_PROXY "127.0.0.1,localhost,::1"
/* creel-init appends the sandbox's CA to the distribution's bundle */
#define CA_BUNDLE "/etc/ssl/certs/ca-certificates.crt"
#define CA_FILE CREEL_GUEST_RUNTIME_DIR "/ca.pem"
/* every JVM reads this variable, wherever it lies and whenever it was installed */
#define JAVA "JAVA_TOOL_OPTIONS="
#define JAVA_TRUST "-Djavax.net.ssl.trustStore=" CREEL_GUEST_RUNTIME_DIR "/java-cacerts"

static const char *const fixed_environment[] = {
  "HTTP_PROXY=" PROXY_URL,       "HTTPS_PROXY=" PROXY_URL,   "ALL_PROXY=" PROXY_URL,      "NO_PROXY=" NO_PROXY,
  "http_proxy=" PROXY_URL,       "https_proxy=" PROXY_URL,   "all_proxy=" PROXY_URL,      "no_proxy=" NO_PROXY,
  "NODE_USE_ENV_PROXY=1",        "NODE_EXTRA_CA_CERTS=" CA_FILE,
  "SSL_CERT_FILE=" CA_BUNDLE,    "REQUESTS_CA_BUNDLE=" CA_BUNDLE, "CURL_CA_BUNDLE=" CA_BUNDLE,
  "GIT_SSL_CAINFO=" CA_BUNDLE,   "CARGO_HTTP_CAINFO=" CA_BUNDLE,  "IS_SANDBOX=1",
};

static void
add_environment (GByteArray *records, char **variables, const char **ret_java)
{
  for (gsize i = 0; variables != NULL && variables[i] != NULL; i++)
    if (g_str_has_prefix (variables[i], JAVA))
      *ret_java = variables[i] + strlen (JAVA);
    else
      creel_records_add (records, "env", variables[i]);
}

/* Java takes the last of two options: ours before the image's, the definition's before ours. An empty variable is for Java one to tell of, so
 * the definition's empty one means none. */
static void
add_java (GByteArray *records, const char *of_image, const char *of_definition)
{
  g_autofree char *variable = NULL;

  if (of_definition == NULL)
    variable = g_strjoin (NULL, JAVA, of_image != NULL ? of_image : "", of_image != NULL ? " " : "", JAVA_TRUST, NULL);
  else if (*of_definition != '\0')
    variable = g_strconcat (JAVA JAVA_TRUST " ", of_definition, NULL);
  if (variable != NULL)
    creel_records_add (records, "env", variable);
}

GByteArray *
creel_guest_config_build (const CreelDefinition *definition, const CreelImageConfig *image,
                          const char *const *placeholders, const char *ca_pem, gint64 now)
{
  GByteArray *records = g_byte_array_new ();
  g_autofree char *time = g_strdup_printf ("%" G_GINT64_FORMAT, now);
  g_autofree char *sandbox = g_strconcat ("CREEL_SANDBOX=", definition->name, NULL);
  const char *cwd = image != NULL && image->working_dir != NULL ? image->working_dir : "";
  const char *image_java = NULL, *definition_java = NULL;

  creel_records_add (records, "hostname", definition->name);
  creel_records_add (records, "time", time);
  creel_records_add (records, "owner-uid", G_STRINGIFY (CREEL_GUEST_UID));
  for (guint i = 0; definition->workspaces != NULL && i < definition->workspaces->len; i++)
    {
      const CreelWorkspace *workspace = definition->workspaces->pdata[i];
      g_autofree char *mount =
          g_strdup_printf ("share%u:%s:%s", i, workspace->read_only ? "ro" : "rw", workspace->path);

      creel_records_add (records, "mount", mount);
      if (i == 0)
        cwd = workspace->path;
    }

  /* a later assignment of a variable wins, so the definition has the last word and the image the first */
  add_environment (records, image != NULL ? image->environment : NULL, &image_java);
  for (gsize i = 0; i < G_N_ELEMENTS (fixed_environment); i++)
    creel_records_add (records, "env", fixed_environment[i]);
  creel_records_add (records, "env", sandbox);
  for (gsize i = 0; placeholders != NULL && placeholders[i] != NULL; i++)
    creel_records_add (records, "env", placeholders[i]);
  add_environment (records, definition->environment, &definition_java);
  add_java (records, image_java, definition_java);

  creel_records_add (records, "user", image != NULL && image->user != NULL ? image->user : "");
  creel_records_add (records, "cwd", cwd);
  if (ca_pem != NULL)
    creel_records_add (records, "ca", ca_pem);
  return records;
}

char **
creel_guest_config_default_command (const CreelDefinition *definition, const CreelImageConfig *image)
{
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();
  static const char *const shell[] = {
    "/bin/sh", "-c", "if [ -x /bin/bash ]; then exec /bin/bash -l; else exec /bin/sh; fi", NULL
  };

  if (definition != NULL && definition->command != NULL && definition->command[0] != NULL)
    return g_strdupv (definition->command);
  if (image != NULL && image->entrypoint != NULL)
    g_strv_builder_addv (words, (const char **) image->entrypoint);
  if (image != NULL && image->command != NULL)
    g_strv_builder_addv (words, (const char **) image->command);
  if ((image == NULL || image->entrypoint == NULL || image->entrypoint[0] == NULL) &&
      (image == NULL || image->command == NULL || image->command[0] == NULL))
    g_strv_builder_addv (words, (const char **) shell);
  return g_strv_builder_end (words);
}

char *
creel_guest_config_make_placeholder (const CreelCredential *credential, GError **error)
{
  const char *shape = credential->placeholder != NULL ? credential->placeholder : "creel-placeholder-{}";
  const char *hole = strstr (shape, "{}");
  guint8 random[16];
  char hex[2 * sizeof random + 1];

  if (getrandom (random, sizeof random, 0) != sizeof random)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot get random bytes: %s", g_strerror (errno));
      return NULL;
    }
  for (gsize i = 0; i < sizeof random; i++)
    g_snprintf (hex + 2 * i, 3, "%02x", random[i]);
  if (hole == NULL)
    return g_strconcat (shape, hex, NULL);
  return g_strdup_printf ("%.*s%s%s", (int) (hole - shape), shape, hex, hole + 2);
}
