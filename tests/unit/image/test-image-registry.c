/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names, manifests, accounts and complaints: what the workers that speak to registries know without one. */
#include "creel-error.h"
#include "creel-image-config.h"
#include "creel-image-json.h"
#include "creel-image-manifest.h"
#include "creel-image-skopeo.h"
#include <string.h>

#define D1 "1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "2222222222222222222222222222222222222222222222222222222222222222"

static void
test_names (void)
{
  static const struct
  {
    const char *name, *host, *path, *tag, *digest, *uri;
    gboolean local;
  } good[] = {
    { "docker.io/library/debian", "docker.io", "library/debian", NULL, NULL,
      "docker://docker.io/library/debian:latest", FALSE },
    { "ghcr.io/a/b-c/d_e:V1.2", "ghcr.io", "a/b-c/d_e", "V1.2", NULL, "docker://ghcr.io/a/b-c/d_e:V1.2",
      FALSE },
    { "localhost/x:1", "localhost", "x", "1", NULL, "docker://localhost/x:1", TRUE },
    { "localhost:5000/x", "localhost:5000", "x", NULL, NULL, "docker://localhost:5000/x:latest", TRUE },
    { "127.0.0.1:80/x:1@sha256:" D1, "127.0.0.1:80", "x", "1", D1, "docker://127.0.0.1:80/x@sha256:" D1,
      TRUE },
    { "[::1]:5000/x:1", "[::1]:5000", "x", "1", NULL, "docker://[::1]:5000/x:1", TRUE },
    { "registry:5000/x:1", "registry:5000", "x", "1", NULL, "docker://registry:5000/x:1", FALSE },
    { "localhost.example/x:1", "localhost.example", "x", "1", NULL, "docker://localhost.example/x:1",
      FALSE },
    { "127.0.0.1.nip.io/x:1", "127.0.0.1.nip.io", "x", "1", NULL, "docker://127.0.0.1.nip.io/x:1", FALSE },
  };
  static const char *const bad[] = {
    "", "x", "x:1", "library/x", "a.b/", "/x", "a.b/X", "a.b/x/", "a.b//x", "a.b/../x", "a.b/x:", "a.b/x:-1",
    "a.b/x@sha256:12", "a.b/x@md5:" D1, "a.b/x@", "a.b/x y", "a.b:0/x", "a.b:65536/x", "a.b:/x", "a.b:x/y",
    "-a.b/x", "a..b/x", "a.b/x\n", "user@a.b/x", "a.b/x:1:2", "docker://a.b/x", "http://a.b/x", "[::1/x", "[x]/y",
    "a.b/x?y", "a.b/x#y", "a.b/%2e", "a.b/x@sha256:" D1 "@sha256:" D1, ".a/x",
  };
  g_autofree char *fill = g_strnfill (600, 'x');
  g_autofree char *long_name = g_strconcat ("a.b/", fill, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelImageRemote) remote = creel_image_remote_parse (good[i].name, &error);
      g_autofree char *uri = NULL;

      g_assert_no_error (error);
      uri = creel_image_remote_uri (remote, NULL);
      g_assert_cmpstr (remote->host, ==, good[i].host);
      g_assert_cmpstr (remote->path, ==, good[i].path);
      g_assert_cmpstr (remote->tag, ==, good[i].tag);
      g_assert_cmpstr (remote->digest, ==, good[i].digest);
      g_assert_cmpstr (uri, ==, good[i].uri);
      g_assert_cmpint (remote->local, ==, good[i].local);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (creel_image_remote_parse (bad[i], &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_FAILED);
    }
  g_assert_null (creel_image_remote_parse (long_name, NULL));
}

static GBytes *
text (const char *string)
{
  return g_bytes_new (string, strlen (string));
}

#define CONFIG "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:" D1 "\",\"size\":10}"
#define LAYER "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:" D2 "\",\"size\":20}"

static void
test_manifests (void)
{
  static const char *const bad[] = {
    "", "x", "[]", "{}", "{" CONFIG "}", "{" CONFIG ",\"layers\":[]}", "{" CONFIG ",\"layers\":[1]}", "{" CONFIG ",\"layers\":[{}]}",
    "{\"layers\":[" LAYER "]}", "{\"schemaVersion\":1,\"fsLayers\":[{\"blobSum\":\"sha256:" D1 "\"}]}",
    "{\"artifactType\":\"application/x\"," CONFIG ",\"layers\":[" LAYER "]}",
    "{\"config\":{\"mediaType\":\"application/x\",\"digest\":\"sha256:" D1 "\",\"size\":10},\"layers\":[" LAYER "]}",
    "{" CONFIG ",\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:../../etc/passwd\",\"size\":1}]}",
    "{" CONFIG ",\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha512:" D1 "\",\"size\":1}]}",
    "{" CONFIG ",\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:" D1 "\",\"size\":-1}]}",
    "{" CONFIG ",\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:" D1 "\",\"size\":1e30}]}",
    "{" CONFIG ",\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:" D1 "\",\"size\":\"1\"}]}",
    "{" CONFIG ",\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:" D1 "\"}]}",
    "{" CONFIG ",\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+encrypted\",\"digest\":\"sha256:" D1 "\",\"size\":1}]}",
  };
  g_autoptr (GBytes) bytes = text ("{" CONFIG ",\"layers\":[" LAYER "," LAYER "]}");
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelImageManifest) manifest = creel_image_manifest_parse (bytes, &error);

  g_assert_no_error (error);
  g_assert_true (manifest->is_oci);
  g_assert_cmpstr (manifest->config->digest, ==, D1);
  g_assert_cmpuint (manifest->layers->len, ==, 2);
  g_assert_cmpuint (manifest->size, ==, 50);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GBytes) wrong = text (bad[i]);
      g_autoptr (GError) expected = NULL;

      g_test_message ("%s", bad[i]);
      g_assert_null (creel_image_manifest_parse (wrong, &expected));
      g_assert_error (expected, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
      g_assert_null (strchr (expected->message, '\n'));
    }
}

static char *
platform (const char *digest, const char *os, const char *architecture)
{
  return g_strdup_printf ("{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:%s\",\"size\":5,"
                          "\"platform\":{\"os\":\"%s\",\"architecture\":\"%s\"}}",
                          digest, os, architecture);
}

static void
test_platforms (void)
{
  const char *host = creel_image_config_host_architecture ();
  g_autofree char *mine = platform (D1, "linux", host);
  g_autofree char *windows = platform (D2, "windows", host);
  g_autofree char *foreign = platform (D2, "linux", "z80");
  g_autofree char *attestation = platform (D2, "unknown", "unknown");
  g_autofree char *all = g_strdup_printf ("{\"manifests\":[%s,%s,%s,%s]}", attestation, windows, foreign, mine);
  g_autofree char *none = g_strdup_printf ("{\"manifests\":[%s,%s,%s]}", attestation, windows, foreign);
  g_autoptr (GBytes) all_bytes = text (all);
  g_autoptr (GBytes) none_bytes = text (none);
  g_autoptr (GBytes) empty = text ("{\"manifests\":[]}");
  g_autoptr (GBytes) manifest = text ("{" CONFIG ",\"layers\":[" LAYER "]}");
  g_autoptr (CreelImageDescriptor) chosen = NULL;
  CreelImageDescriptor *nothing = (gpointer)1;
  g_autoptr (GError) error = NULL;

  g_assert_true (creel_image_manifest_choose (all_bytes, FALSE, &chosen, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (chosen->digest, ==, D1);
  g_assert_false (creel_image_manifest_choose (none_bytes, FALSE, &chosen, NULL, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
  g_assert_nonnull (strstr (error->message, "linux/z80"));
  g_clear_error (&error);
  g_assert_false (creel_image_manifest_choose (empty, FALSE, &chosen, NULL, &error));
  g_clear_error (&error);
  g_assert_true (creel_image_manifest_choose (manifest, FALSE, &nothing, NULL, &error));
  g_assert_null (nothing);
  g_assert_false (creel_image_manifest_choose (manifest, TRUE, &chosen, NULL, &error));
}

#define FATAL(text) "time=\"2026-01-01T00:00:00Z\" level=fatal msg=\"" text "\"\n"

static void
test_complaints (void)
{
  static const struct
  {
    const char *noise;
    gboolean anonymous;
    int code;
    const char *says;
  } cases[] = {
    { FATAL ("Error parsing image name \\\"docker://r.example/denied:1\\\": reading manifest 1 in r.example/denied: manifest unknown: manifest unknown"),
      TRUE, CREEL_ERROR_NO_SUCH_IMAGE, "no image r.example/denied:1" },
    { FATAL ("pinging container registry r.example: Get \\\"http://r.example/v2/\\\": dial tcp 192.0.2.1:80: connect: connection refused"), TRUE,
      CREEL_ERROR_FAILED, "cannot be reached: “connection refused”" },
    { FATAL ("Get \\\"https://r.example/v2/\\\": http: server gave HTTP response to HTTPS client"), TRUE, CREEL_ERROR_FAILED, "localhost only" },
    { FATAL ("dial tcp: lookup r.example on 192.0.2.53:53: no such host"), TRUE, CREEL_ERROR_FAILED, "cannot be resolved" },
    { FATAL ("Get \\\"https://r.example/v2/\\\": x509: certificate signed by unknown authority"), TRUE, CREEL_ERROR_FAILED, "certs.d/r.example/ca.crt" },
    { FATAL ("reading manifest 1 in r.example/denied: unauthorized: authentication required"), TRUE, CREEL_ERROR_NO_SUCH_SECRET,
      "creel secret set --registry r.example" },
    { FATAL ("reading manifest 1 in r.example/denied: unauthorized: authentication required"), FALSE, CREEL_ERROR_FAILED, "refuses your account" },
    { FATAL ("unable to retrieve auth token: invalid username/password: unauthorized: incorrect"), FALSE, CREEL_ERROR_FAILED, "refuses your account" },
    { FATAL ("writing blob: write /x/oci-put-blob1: no space left on device"), TRUE, CREEL_ERROR_NO_SPACE, "full" },
    { FATAL ("toomanyrequests: You have reached your pull rate limit"), TRUE, CREEL_ERROR_FAILED, "no more requests" },
    { FATAL ("Source image rejected: A signature was required, but no signature exists"), TRUE, CREEL_ERROR_FAILED, "policy.json" },
    { FATAL ("writing blob: Digest did not match, expected sha256:1, got sha256:2"), TRUE, CREEL_ERROR_BAD_IMAGE, "digest" },
    { FATAL ("something\\nnew\\u001b[31m"), TRUE, CREEL_ERROR_FAILED, "skopeo failed" },
    { "panic: runtime error\ngoroutine 1 [running]", TRUE, CREEL_ERROR_FAILED, "skopeo failed" },
    { "", TRUE, CREEL_ERROR_FAILED, "did not say why" },
    { "level=fatal msg=\"", TRUE, CREEL_ERROR_FAILED, "did not say why" },
    { "level=fatal msg=\"\\", TRUE, CREEL_ERROR_FAILED, "skopeo failed" },
  };
  g_autoptr (CreelImageRemote) remote = creel_image_remote_parse ("r.example/denied:1", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      creel_image_skopeo_explain (remote, cases[i].anonymous, cases[i].noise, &error);
      g_test_message ("%s", error->message);
      g_assert_error (error, CREEL_ERROR, cases[i].code);
      g_assert_nonnull (strstr (error->message, cases[i].says));
      for (const char *p = error->message; *p != '\0'; p++)
        g_assert_false (g_ascii_iscntrl (*p));
    }
}

static void
test_accounts (void)
{
  static const struct
  {
    const char *credential, *pair;
  } good[] = { { "anna:secret", "anna:secret" },
               { "anna:a:b\n", "anna:a:b" },
               { "tok\"en\\", "token:tok\"en\\" },
               { "anna:", "anna:" } };
  static const char *const bad[] = { "", "\n", ":x", "a:b\nc", "a:b\n\n" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *auth = creel_image_skopeo_auth ("r.example:5000", good[i].credential, strlen (good[i].credential), NULL);
      g_autoptr (GBytes) bytes = text (auth);
      g_autoptr (JsonNode) node = json_from_string (auth, NULL);
      JsonObject *entry = creel_image_json_object (creel_image_json_object (json_node_get_object (node), "auths"), "r.example:5000");
      gsize length;
      g_autofree guchar *pair = g_base64_decode (creel_image_json_string (entry, "auth"), &length);

      g_assert_cmpmem (pair, length, good[i].pair, strlen (good[i].pair));
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (creel_image_skopeo_auth ("r.example", bad[i], strlen (bad[i]), &error));
      g_assert_nonnull (strstr (error->message, "creel secret set --registry r.example"));
    }
  g_assert_null (creel_image_skopeo_auth ("r.example", "a:b\0c", 5, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/registry/names", test_names);
  g_test_add_func ("/registry/manifests", test_manifests);
  g_test_add_func ("/registry/platforms", test_platforms);
  g_test_add_func ("/registry/complaints", test_complaints);
  g_test_add_func ("/registry/accounts", test_accounts);
  return g_test_run ();
}
