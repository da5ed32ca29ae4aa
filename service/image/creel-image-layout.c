/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-layout.h"
#include "creel-error.h"
#include "creel-image-json.h"
#include "creel-image-manifest.h"
#include "creel-image-process.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *
creel_image_layout_read (int directory, GError **error)
{
  g_autoptr (CreelImageDescriptor) descriptor = NULL;
  g_autoptr (GBytes) bytes = NULL;
  int fd = openat (directory, "index.json", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  g_autofree char *buffer = g_malloc (CREEL_IMAGE_JSON_MAX);
  gssize n = fd >= 0 ? read (fd, buffer, CREEL_IMAGE_JSON_MAX) : -1;

  if (fd >= 0)
    close (fd);
  bytes = g_bytes_new (buffer, MAX (n, 0));
  if (!creel_image_manifest_choose (bytes, TRUE, &descriptor, NULL, error))
    return NULL;
  return g_strdup (descriptor->digest);
}

static void
add_member (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

char *
creel_image_layout_index (const char *manifest, guint64 size, const char *name)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *digest = g_strconcat ("sha256:", manifest, NULL);
  const char *colon = name != NULL ? strrchr (name, ':') : NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "schemaVersion");
  json_builder_add_int_value (builder, 2);
  json_builder_set_member_name (builder, "manifests");
  json_builder_begin_array (builder);
  json_builder_begin_object (builder);
  add_member (builder, "mediaType", CREEL_IMAGE_TYPE_MANIFEST);
  add_member (builder, "digest", digest);
  json_builder_set_member_name (builder, "size");
  json_builder_add_int_value (builder, size);
  json_builder_set_member_name (builder, "annotations");
  json_builder_begin_object (builder);
  if (name != NULL)
    add_member (builder, "io.containerd.image.name", name);
  add_member (builder, "org.opencontainers.image.ref.name",
              name == NULL                                   ? "image"
              : colon != NULL && strchr (colon, '/') == NULL ? colon + 1
                                                             : "latest");
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return creel_image_json_format (builder);
}

static gboolean
write_file (const char *directory, const char *name, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  gboolean good = fd >= 0 && creel_image_process_write (fd, text, strlen (text));

  if (!good)
    creel_image_process_fail (error, "Cannot write a temporary file");
  if (fd >= 0)
    close (fd);
  return good;
}

char *
creel_image_layout_make (const char *manifest, guint64 size, GError **error)
{
  g_autofree char *path = g_strdup ("/tmp/creel-image-XXXXXX");
  g_autofree char *index = creel_image_layout_index (manifest, size, NULL);

  if (g_mkdtemp (path) == NULL)
    {
      creel_image_process_fail (error, "Cannot make a directory in /tmp");
      return NULL;
    }
  if (write_file (path, "oci-layout", CREEL_IMAGE_OCI_LAYOUT, error) &&
      write_file (path, "index.json", index, error))
    return g_steal_pointer (&path);
  creel_image_layout_remove (path);
  return NULL;
}

void
creel_image_layout_remove (const char *path)
{
  static const char *const names[] = { "oci-layout", "index.json", "digest" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *file = g_build_filename (path, names[i], NULL);

      unlink (file);
    }
  rmdir (path);
}
