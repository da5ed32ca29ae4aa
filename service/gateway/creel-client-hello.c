/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-client-hello.h"

#include <string.h>

#define RECORD_HANDSHAKE 22
#define HANDSHAKE_CLIENT_HELLO 1
#define RECORD_MAX (16384 + 256)
#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN 16
#define EXTENSION_ECH 0xfe0d
#define EXTENSION_ESNI 0xffce

/* Reads big-endian numbers and vectors; after the first short read everything fails. */
typedef struct
{
  const guint8 *data;
  gsize size;
} Reader;

static gboolean
read_number (Reader *reader, guint bytes, guint *ret_number)
{
  guint number = 0;

  if (reader->size < bytes)
    return FALSE;
  for (guint i = 0; i < bytes; i++)
    number = number << 8 | reader->data[i];
  reader->data += bytes;
  reader->size -= bytes;
  *ret_number = number;
  return TRUE;
}

static gboolean
read_bytes (Reader *reader, gsize size, Reader *ret_part)
{
  if (reader->size < size)
    return FALSE;
  *ret_part = (Reader){ reader->data, size };
  reader->data += size;
  reader->size -= size;
  return TRUE;
}

static gboolean
read_vector (Reader *reader, guint length_bytes, Reader *ret_vector)
{
  guint length;

  return read_number (reader, length_bytes, &length) && read_bytes (reader, length, ret_vector);
}

void
creel_client_hello_clear (CreelClientHello *hello)
{
  g_clear_pointer (&hello->server_name, g_free);
}

static gboolean
parse_server_name (Reader extension, CreelClientHello *hello)
{
  Reader list, name;
  guint type;

  /* exactly one entry of type host_name: a server that looked at another entry would be somebody else */
  if (!read_vector (&extension, 2, &list) || extension.size != 0 || !read_number (&list, 1, &type) || type != 0 ||
      !read_vector (&list, 2, &name) || list.size != 0 || name.size == 0 || name.size > 255 ||
      memchr (name.data, '\0', name.size) != NULL)
    return FALSE;
  hello->server_name = g_strndup ((const char *) name.data, name.size);
  return TRUE;
}

static gboolean
parse_alpn (Reader extension, CreelClientHello *hello)
{
  Reader list, name;

  hello->http1 = FALSE;
  if (!read_vector (&extension, 2, &list) || extension.size != 0 || list.size == 0)
    return FALSE;
  while (list.size > 0)
    {
      if (!read_vector (&list, 1, &name) || name.size == 0)
        return FALSE;
      if (name.size == 8 && memcmp (name.data, "http/1.1", 8) == 0)
        hello->http1 = TRUE;
    }
  return TRUE;
}

static gboolean
parse_extensions (Reader extensions, CreelClientHello *hello)
{
  gboolean seen_name = FALSE, seen_alpn = FALSE;

  while (extensions.size > 0)
    {
      Reader extension;
      guint type;

      if (!read_number (&extensions, 2, &type) || !read_vector (&extensions, 2, &extension))
        return FALSE;
      if (type == EXTENSION_SERVER_NAME)
        {
          if (seen_name || !parse_server_name (extension, hello))
            return FALSE;
          seen_name = TRUE;
        }
      else if (type == EXTENSION_ALPN)
        {
          if (seen_alpn || !parse_alpn (extension, hello))
            return FALSE;
          seen_alpn = TRUE;
        }
      else if (type == EXTENSION_ECH || type == EXTENSION_ESNI)
        hello->has_ech = TRUE;
    }
  return TRUE;
}

static gboolean
parse_body (Reader body, CreelClientHello *hello)
{
  Reader part;
  guint version;

  if (!read_number (&body, 2, &version) || version >> 8 != 3 || !read_bytes (&body, 32, &part) ||
      !read_vector (&body, 1, &part) || part.size > 32 ||              /* session id */
      !read_vector (&body, 2, &part) || part.size == 0 || part.size % 2 || /* cipher suites */
      !read_vector (&body, 1, &part) || part.size == 0)                /* compression */
    return FALSE;
  if (body.size == 0)
    return TRUE;
  return read_vector (&body, 2, &part) && body.size == 0 && parse_extensions (part, hello);
}

CreelHelloResult
creel_client_hello_parse (const guint8 *data, gsize size, CreelClientHello *ret_hello)
{
  Reader reader = { data, size };
  g_autoptr (GByteArray) message = g_byte_array_new ();
  g_auto (CreelClientHello) hello = { .http1 = TRUE };

  /* the message may be cut into several records at any byte */
  for (;;)
    {
      Reader record;
      guint type, version, length;
      gsize have = reader.size;

      if ((have > 0 && reader.data[0] != RECORD_HANDSHAKE) || (have > 1 && reader.data[1] != 3))
        return CREEL_HELLO_BAD;
      if (have < 5)
        return size > CREEL_CLIENT_HELLO_MAX ? CREEL_HELLO_BAD : CREEL_HELLO_MORE;
      read_number (&reader, 1, &type);
      read_number (&reader, 2, &version);
      read_number (&reader, 2, &length);
      if (length == 0 || length > RECORD_MAX)
        return CREEL_HELLO_BAD;
      if (!read_bytes (&reader, length, &record))
        {
          /* say no as soon as it cannot be one */
          if (message->len == 0 && reader.size > 0 && reader.data[0] != HANDSHAKE_CLIENT_HELLO)
            return CREEL_HELLO_BAD;
          return size > CREEL_CLIENT_HELLO_MAX ? CREEL_HELLO_BAD : CREEL_HELLO_MORE;
        }
      g_byte_array_append (message, record.data, (guint) record.size);
      if (message->data[0] != HANDSHAKE_CLIENT_HELLO || message->len > CREEL_CLIENT_HELLO_MAX)
        return CREEL_HELLO_BAD;
      if (message->len >= 4)
        {
          Reader whole = { message->data + 1, message->len - 1 }, body;

          if ((guint) (message->data[1] << 16 | message->data[2] << 8 | message->data[3]) > CREEL_CLIENT_HELLO_MAX)
            return CREEL_HELLO_BAD;
          if (read_vector (&whole, 3, &body))
            {
              if (whole.size != 0 || !parse_body (body, &hello))
                return CREEL_HELLO_BAD;
              *ret_hello = hello;
              hello.server_name = NULL;
              return CREEL_HELLO_DONE;
            }
        }
    }
}
