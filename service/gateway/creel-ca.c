/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-ca.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "creel-error.h"
#include "creel-host.h"

#define LEAVES_MAX 256
#define DAY (24 * 60 * 60)

struct _CreelCa
{
  gatomicrefcount ref_count;
  gnutls_x509_privkey_t key;
  gnutls_x509_crt_t certificate;
  char *pem;
  gnutls_x509_privkey_t leaf_key;
  GHashTable *leaves; /* host -> CreelLeaf */
  GQueue order;       /* hosts, oldest first; borrowed from the table */
};

static gboolean
check (int result, const char *what, GError **error)
{
  if (result >= 0)
    return TRUE;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot %s: %s", what, gnutls_strerror (result));
  return FALSE;
}

static gboolean
make_key (gnutls_x509_privkey_t *ret_key, GError **error)
{
  return check (gnutls_x509_privkey_init (ret_key), "make a key", error) &&
         check (gnutls_x509_privkey_generate (*ret_key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0),
                "make a key", error);
}

static gboolean
set_common (gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *name, time_t days, GError **error)
{
  guint8 serial[16], id[20];
  gsize id_size = sizeof id;
  /* guests are often a little behind */
  time_t now = time (NULL);

  if (!check (gnutls_rnd (GNUTLS_RND_NONCE, serial, sizeof serial), "make a serial number", error))
    return FALSE;
  serial[0] = (serial[0] & 0x7f) | 0x40;
  return check (gnutls_x509_crt_set_version (crt, 3), "set the version", error) &&
         check (gnutls_x509_crt_set_serial (crt, serial, sizeof serial), "set the serial number", error) &&
         check (gnutls_x509_crt_set_activation_time (crt, now - DAY), "set the time", error) &&
         check (gnutls_x509_crt_set_expiration_time (crt, now + days * DAY), "set the time", error) &&
         check (gnutls_x509_crt_set_key (crt, key), "set the key", error) &&
         check (gnutls_x509_crt_set_dn_by_oid (crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (guint) strlen (name)),
                "set the name", error) &&
         check (gnutls_x509_crt_get_key_id (crt, GNUTLS_KEYID_USE_SHA1, id, &id_size), "set the key id", error) &&
         check (gnutls_x509_crt_set_subject_key_id (crt, id, id_size), "set the key id", error);
}

static void
leaf_clear (gpointer data)
{
  CreelLeaf *leaf = data;

  g_clear_pointer (&leaf->credentials, gnutls_certificate_free_credentials);
  if (leaf->ticket_key.data != NULL)
    gnutls_memset (leaf->ticket_key.data, 0, leaf->ticket_key.size);
  gnutls_free (leaf->ticket_key.data);
}

void
creel_leaf_unref (CreelLeaf *leaf)
{
  g_rc_box_release_full (leaf, leaf_clear);
}

static CreelCa *
ca_alloc (void)
{
  CreelCa *ca = g_new0 (CreelCa, 1);

  g_atomic_ref_count_init (&ca->ref_count);
  ca->leaves = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) creel_leaf_unref);
  g_queue_init (&ca->order);
  return ca;
}

static gboolean
ca_finish (CreelCa *ca, GError **error)
{
  gnutls_datum_t pem = { 0 };

  if (!check (gnutls_x509_crt_export2 (ca->certificate, GNUTLS_X509_FMT_PEM, &pem), "write the certificate", error))
    return FALSE;
  ca->pem = g_strndup ((const char *) pem.data, pem.size);
  gnutls_free (pem.data);
  return make_key (&ca->leaf_key, error);
}

CreelCa *
creel_ca_new (const char *sandbox, GError **error)
{
  g_autoptr (CreelCa) ca = ca_alloc ();
  g_autofree char *full = g_strdup_printf ("Creel sandbox %s", sandbox);
  /* a common name holds at most 64 characters */
  g_autofree char *name = g_strndup (full, 64);

  if (!make_key (&ca->key, error) || !check (gnutls_x509_crt_init (&ca->certificate), "make a certificate", error) ||
      !set_common (ca->certificate, ca->key, name, 365, error) ||
      !check (gnutls_x509_crt_set_basic_constraints (ca->certificate, 1, 0), "set the constraints", error) ||
      !check (gnutls_x509_crt_set_key_usage (ca->certificate, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN),
              "set the usage", error) ||
      !check (gnutls_x509_crt_sign2 (ca->certificate, ca->certificate, ca->key, GNUTLS_DIG_SHA256, 0),
              "sign the certificate", error) ||
      !ca_finish (ca, error))
    return NULL;
  return g_steal_pointer (&ca);
}

CreelCa *
creel_ca_import (GBytes *state, GError **error)
{
  g_autoptr (CreelCa) ca = ca_alloc ();
  gsize size;
  gconstpointer data = g_bytes_get_data (state, &size);
  gnutls_datum_t datum = { (void *) data, (guint) size };

  if (!check (gnutls_x509_crt_init (&ca->certificate), "make a certificate", error) ||
      !check (gnutls_x509_crt_import (ca->certificate, &datum, GNUTLS_X509_FMT_PEM), "read the certificate", error) ||
      !check (gnutls_x509_privkey_init (&ca->key), "make a key", error) ||
      !check (gnutls_x509_privkey_import (ca->key, &datum, GNUTLS_X509_FMT_PEM), "read the key", error) ||
      !ca_finish (ca, error))
    return NULL;
  return g_steal_pointer (&ca);
}

CreelCa *
creel_ca_ref (CreelCa *ca)
{
  g_atomic_ref_count_inc (&ca->ref_count);
  return ca;
}

void
creel_ca_unref (CreelCa *ca)
{
  if (ca == NULL || !g_atomic_ref_count_dec (&ca->ref_count))
    return;
  g_queue_clear (&ca->order);
  g_hash_table_unref (ca->leaves);
  g_clear_pointer (&ca->key, gnutls_x509_privkey_deinit);
  g_clear_pointer (&ca->leaf_key, gnutls_x509_privkey_deinit);
  g_clear_pointer (&ca->certificate, gnutls_x509_crt_deinit);
  g_free (ca->pem);
  g_free (ca);
}

static void
wipe_free (gpointer data)
{
  gnutls_memset (data, 0, strlen (data));
  g_free (data);
}

GBytes *
creel_ca_export (CreelCa *ca)
{
  gnutls_datum_t pem = { 0 };
  char *text;

  if (gnutls_x509_privkey_export2 (ca->key, GNUTLS_X509_FMT_PEM, &pem) < 0)
    return NULL;
  text = g_strdup_printf ("%s%.*s", ca->pem, (int) pem.size, pem.data);
  gnutls_memset (pem.data, 0, pem.size);
  gnutls_free (pem.data);
  return g_bytes_new_with_free_func (text, strlen (text), wipe_free, text);
}

const char *
creel_ca_get_certificate (CreelCa *ca)
{
  return ca->pem;
}

static gnutls_x509_crt_t
mint (CreelCa *ca, const char *host, GError **error)
{
  gnutls_x509_crt_t crt = NULL;
  g_autoptr (CreelHost) parsed = creel_host_parse (host, -1, error);
  GInetAddress *address = parsed != NULL ? creel_host_get_address (parsed) : NULL;
  g_autofree char *name = g_strndup (host, 64);
  guint8 id[64];
  gsize id_size = sizeof id;
  gboolean ok;

  if (parsed == NULL || !check (gnutls_x509_crt_init (&crt), "make a certificate", error))
    return NULL;
  ok = set_common (crt, ca->leaf_key, name, 90, error) &&
       check (address != NULL
                  ? gnutls_x509_crt_set_subject_alt_name (crt, GNUTLS_SAN_IPADDRESS, g_inet_address_to_bytes (address),
                                                          (guint) g_inet_address_get_native_size (address), GNUTLS_FSAN_SET)
                  : gnutls_x509_crt_set_subject_alt_name (crt, GNUTLS_SAN_DNSNAME, host, (guint) strlen (host), GNUTLS_FSAN_SET),
              "set the host", error) &&
       check (gnutls_x509_crt_set_basic_constraints (crt, 0, -1), "set the constraints", error) &&
       check (gnutls_x509_crt_set_key_usage (crt, GNUTLS_KEY_DIGITAL_SIGNATURE), "set the usage", error) &&
       check (gnutls_x509_crt_set_key_purpose_oid (crt, GNUTLS_KP_TLS_WWW_SERVER, 0), "set the purpose", error) &&
       check (gnutls_x509_crt_get_subject_key_id (ca->certificate, id, &id_size, NULL), "read the key id", error) &&
       check (gnutls_x509_crt_set_authority_key_id (crt, id, id_size), "set the key id", error) &&
       check (gnutls_x509_crt_sign2 (crt, ca->certificate, ca->key, GNUTLS_DIG_SHA256, 0), "sign the certificate", error);
  if (!ok)
    g_clear_pointer (&crt, gnutls_x509_crt_deinit);
  return crt;
}

CreelLeaf *
creel_ca_get_leaf (CreelCa *ca, const char *host, GError **error)
{
  CreelLeaf *leaf = g_hash_table_lookup (ca->leaves, host);
  gnutls_x509_crt_t crt;
  gboolean ok;
  char *key;

  if (leaf != NULL)
    return g_rc_box_acquire (leaf);
  crt = mint (ca, host, error);
  if (crt == NULL)
    return NULL;
  leaf = g_rc_box_new0 (CreelLeaf);
  ok = check (gnutls_certificate_allocate_credentials (&leaf->credentials), "make credentials", error) &&
       check (gnutls_certificate_set_x509_key (leaf->credentials, &crt, 1, ca->leaf_key), "set the certificate", error) &&
       check (gnutls_session_ticket_key_generate (&leaf->ticket_key), "make a key for tickets", error);
  gnutls_x509_crt_deinit (crt);
  if (!ok)
    {
      creel_leaf_unref (leaf);
      return NULL;
    }
  if (g_queue_get_length (&ca->order) >= LEAVES_MAX)
    g_hash_table_remove (ca->leaves, g_queue_pop_head (&ca->order));
  key = g_strdup (host);
  g_hash_table_insert (ca->leaves, key, leaf);
  g_queue_push_tail (&ca->order, key);
  return g_rc_box_acquire (leaf);
}
