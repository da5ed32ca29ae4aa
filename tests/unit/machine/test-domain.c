/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The libvirt side on libvirt's own test driver. */
#include <gio/gio.h>

#include "creel-domain.h"
#include "creel-error.h"

#define XML "<domain type='test'><name>creel-unit</name><memory>1024</memory><os><type>hvm</type></os></domain>"

typedef struct
{
  GMainLoop *loop;
  GError *error;
  int ended; /* times */
  int end;
  GThread *thread; /* of the signal */
} Fixture;

static void
on_ended (CreelDomain *domain, int end, gpointer user_data)
{
  Fixture *f = user_data;

  f->ended++;
  f->end = end;
  f->thread = g_thread_self ();
  g_main_loop_quit (f->loop);
}

static void
on_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;

  creel_domain_start_finish (CREEL_DOMAIN (source), result, &f->error);
  g_main_loop_quit (f->loop);
}

static CreelDomain *
start (Fixture *f)
{
  CreelDomain *domain = creel_domain_new ("test:///default", "creel-unit");

  f->loop = g_main_loop_new (NULL, FALSE);
  g_signal_connect (domain, "ended", G_CALLBACK (on_ended), f);
  creel_domain_start_async (domain, XML, NULL, on_started, f);
  g_main_loop_run (f->loop);
  g_assert_no_error (f->error);
  return domain;
}

static void
destroy (CreelDomain *domain)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (creel_domain_destroy (domain, &error));
  g_assert_no_error (error);
}

static void
test_life (void)
{
  Fixture f = { NULL };
  g_autoptr (CreelDomain) domain = start (&f);

  destroy (domain);
  if (f.ended == 0)
    g_main_loop_run (f.loop);
  g_assert_cmpint (f.ended, ==, 1);
  g_assert_cmpint (f.end, ==, CREEL_DOMAIN_END_DESTROYED);
  /* Again: there is none, and that is fine */
  destroy (domain);
  g_main_loop_unref (f.loop);
}

/* Signals come in the thread of the context, also when the event came while nobody ran it. */
static void
test_thread (void)
{
  Fixture f = { NULL };
  g_autoptr (CreelDomain) domain = start (&f);

  destroy (domain);
  g_usleep (200 * 1000); /* time for any other thread to see it */
  if (f.ended == 0)
    g_main_loop_run (f.loop);
  g_assert_true (f.thread == g_thread_self ());
  g_main_loop_unref (f.loop);
}

static void
test_bad_xml (void)
{
  Fixture f = { .loop = g_main_loop_new (NULL, FALSE) };
  CreelDomain *domain = creel_domain_new ("test:///default", "creel-unit");

  creel_domain_start_async (domain, "<domain", NULL, on_started, &f);
  g_main_loop_run (f.loop);
  g_assert_error (f.error, CREEL_ERROR, CREEL_ERROR_NO_HYPERVISOR);
  g_clear_error (&f.error);
  g_main_loop_unref (f.loop);
  g_object_unref (domain);
}

static void
test_no_libvirt (void)
{
  Fixture f = { .loop = g_main_loop_new (NULL, FALSE) };
  CreelDomain *domain = creel_domain_new ("qemu+unix:///system?socket=/nonexistent", "creel-unit");
  g_autoptr (GError) error = NULL;

  creel_domain_start_async (domain, XML, NULL, on_started, &f);
  g_main_loop_run (f.loop);
  g_assert_error (f.error, CREEL_ERROR, CREEL_ERROR_NO_HYPERVISOR);
  g_assert_nonnull (strstr (f.error->message, "libvirt"));
  g_clear_error (&f.error);
  g_assert_false (creel_domain_destroy (domain, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_HYPERVISOR);
  g_main_loop_unref (f.loop);
  g_object_unref (domain);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  creel_domain_init_library ();
  g_test_add_func ("/domain/life", test_life);
  g_test_add_func ("/domain/thread", test_thread);
  g_test_add_func ("/domain/bad-xml", test_bad_xml);
  g_test_add_func ("/domain/no-libvirt", test_no_libvirt);
  return g_test_run ();
}
