/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-scheduler.h"

#define GIB (G_GUINT64_CONSTANT (1024) * 1024 * 1024)
#define SECOND ((gint64) G_USEC_PER_SEC)

/* Everything that the scheduler says, as one line of text */
typedef struct
{
  CreelModelsScheduler *scheduler;
  gint64 now;
  guint64 capacity;
  GString *said;
} Fixture;

static gint64
get_now (gpointer user_data)
{
  return ((Fixture *) user_data)->now;
}

static guint64
get_capacity (gpointer user_data)
{
  return ((Fixture *) user_data)->capacity;
}

static void
on_start (const char *id, guint64 memory, gpointer user_data)
{
  g_string_append_printf (((Fixture *) user_data)->said, "+%s ", id);
}

static void
on_stop (const char *id, gpointer user_data)
{
  g_string_append_printf (((Fixture *) user_data)->said, "-%s ", id);
}

static void
on_granted (CreelModelsTicket *ticket, gpointer data, gpointer user_data)
{
  g_string_append_printf (((Fixture *) user_data)->said, "%s ", (char *) data);
}

static void
on_refused (CreelModelsTicket *ticket, CreelModelsRefusal refusal, const char *text, gpointer data, gpointer user_data)
{
  g_string_append_printf (((Fixture *) user_data)->said, "%s:%d(%s) ", (char *) data, refusal, text);
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  static const CreelModelsSchedulerFuncs funcs = { get_now, get_capacity, on_start, on_stop, on_granted, on_refused };

  f->now = 1000 * SECOND;
  f->capacity = 4 * GIB;
  f->said = g_string_new (NULL);
  f->scheduler = creel_models_scheduler_new (&funcs, f);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  creel_models_scheduler_free (f->scheduler);
  g_string_free (f->said, TRUE);
}

static CreelModelsTicket *
ask (Fixture *f, const char *id, guint64 size, gint64 keep_alive, const char *name)
{
  CreelModelsNeed need = { id, size, 1024, 1024, keep_alive };

  return creel_models_scheduler_request (f->scheduler, &need, (gpointer) name);
}

#define EXPECT(f, text) \
  G_STMT_START \
  { \
    g_string_truncate ((f)->said, 0); \
    creel_models_scheduler_step ((f)->scheduler); \
    g_assert_cmpstr ((f)->said->str, ==, text); \
  } \
  G_STMT_END

static void
test_load_once (Fixture *f, gconstpointer unused)
{
  CreelModelsTicket *one = ask (f, "a", GIB, 10 * SECOND, "1"), *two = ask (f, "a", GIB, 10 * SECOND, "2");
  CreelModelsTicket *gone = ask (f, "a", GIB, 10 * SECOND, "3");

  EXPECT (f, "+a ");
  EXPECT (f, "");
  creel_models_scheduler_release (f->scheduler, gone); /* hung up while it loads */
  creel_models_scheduler_engine_ready (f->scheduler, "a");
  EXPECT (f, "1 2 ");
  g_assert_cmpint (creel_models_scheduler_get_users (f->scheduler, "a"), ==, 2);
  creel_models_scheduler_release (f->scheduler, one);
  f->now += 60 * SECOND;
  EXPECT (f, ""); /* is used */
  creel_models_scheduler_release (f->scheduler, two);
  g_assert_cmpint (creel_models_scheduler_step (f->scheduler), ==, f->now + 10 * SECOND);
  f->now += 10 * SECOND;
  EXPECT (f, "-a ");
  creel_models_scheduler_engine_stopped (f->scheduler, "a", "");
  g_assert_cmpint (creel_models_scheduler_get_users (f->scheduler, "a"), ==, -1);
  g_assert_cmpint (creel_models_scheduler_step (f->scheduler), ==, G_MAXINT64);
}

static void
test_keep_alive (Fixture *f, gconstpointer unused)
{
  CreelModelsTicket *ticket = ask (f, "a", GIB, 0, "1");

  EXPECT (f, "+a ");
  creel_models_scheduler_engine_ready (f->scheduler, "a");
  EXPECT (f, "1 ");
  creel_models_scheduler_release (f->scheduler, ticket);
  EXPECT (f, "-a ");
  ticket = ask (f, "a", GIB, CREEL_MODELS_KEEP_FOR_EVER, "2"); /* while it stops */
  EXPECT (f, "");
  creel_models_scheduler_engine_stopped (f->scheduler, "a", "");
  EXPECT (f, "+a ");
  creel_models_scheduler_engine_ready (f->scheduler, "a");
  EXPECT (f, "2 ");
  creel_models_scheduler_release (f->scheduler, ticket);
  f->now += 1000000 * SECOND;
  EXPECT (f, "");
  creel_models_scheduler_unload (f->scheduler, "a");
  creel_models_scheduler_unload (f->scheduler, "a");
  g_assert_cmpstr (f->said->str, ==, "-a ");
}

/* two that do not fit together */
static void
test_turns (Fixture *f, gconstpointer unused)
{
  CreelModelsTicket *a = ask (f, "a", 3 * GIB, 300 * SECOND, "a1"), *b, *late, *small;

  EXPECT (f, "+a ");
  creel_models_scheduler_engine_ready (f->scheduler, "a");
  EXPECT (f, "a1 ");
  b = ask (f, "b", 3 * GIB, 300 * SECOND, "b1");
  late = ask (f, "a", 3 * GIB, 300 * SECOND, "a2"); /* behind b: else b would wait for ever */
  small = ask (f, "c", GIB / 8, 300 * SECOND, "c1");
  EXPECT (f, "");
  g_assert_cmpuint (creel_models_scheduler_get_waiting (f->scheduler), ==, 3);
  creel_models_scheduler_release (f->scheduler, a);
  EXPECT (f, "-a ");
  creel_models_scheduler_engine_stopped (f->scheduler, "a", "");
  EXPECT (f, "+b ");
  creel_models_scheduler_engine_ready (f->scheduler, "b");
  EXPECT (f, "b1 ");
  creel_models_scheduler_release (f->scheduler, b);
  EXPECT (f, "-b ");
  creel_models_scheduler_engine_stopped (f->scheduler, "b", "");
  EXPECT (f, "+a +c ");
  creel_models_scheduler_engine_ready (f->scheduler, "c");
  creel_models_scheduler_engine_ready (f->scheduler, "a");
  EXPECT (f, "a2 c1 ");
  creel_models_scheduler_release (f->scheduler, late);
  creel_models_scheduler_release (f->scheduler, small);
}

/* one who holds a model and asks for another all the time is not in the way of the others for long */
static void
test_in_the_way (Fixture *f, gconstpointer unused)
{
  ask (f, "a", 3 * GIB, 300 * SECOND, "held");
  EXPECT (f, "+a ");
  creel_models_scheduler_engine_ready (f->scheduler, "a");
  EXPECT (f, "held ");
  ask (f, "b", 3 * GIB, 300 * SECOND, "b1");
  f->now += 60 * SECOND;
  ask (f, "b", 3 * GIB, 300 * SECOND, "b2");
  ask (f, "a", 3 * GIB, 300 * SECOND, "a2");
  ask (f, "b", 3 * GIB, 300 * SECOND, "b3");
  EXPECT (f, "");
  g_assert_cmpint (creel_models_scheduler_step (f->scheduler), ==, f->now + 60 * SECOND);
  f->now += 60 * SECOND;
  EXPECT (f, "");
  f->now += 60 * SECOND;
  EXPECT (f, "a2 ");
}

static void
test_oldest_first (Fixture *f, gconstpointer unused)
{
  const CreelModelsNeed need = { "old", GIB, 0, 0, CREEL_MODELS_KEEP_FOR_EVER }, other = { "new", GIB, 0, 0, CREEL_MODELS_KEEP_FOR_EVER };

  creel_models_scheduler_adopt (f->scheduler, &need);
  f->now += SECOND;
  creel_models_scheduler_adopt (f->scheduler, &other);
  ask (f, "b", 2 * GIB, 300 * SECOND, "b");
  EXPECT (f, "-old ");
  EXPECT (f, ""); /* it is on its way out */
  creel_models_scheduler_engine_stopped (f->scheduler, "old", "");
  EXPECT (f, "+b ");
}

static void
test_refusals (Fixture *f, gconstpointer unused)
{
  const CreelModelsNeed large = { "l", GIB, 1024 * 1024, 131072, 0 }, no_way = { "n", 8 * GIB, 0, 0, 0 };
  CreelModelsTicket *a;

  creel_models_scheduler_request (f->scheduler, &large, (gpointer) "l");
  EXPECT (f, "l:0(The model needs 132352 MiB of memory and models may have 4096 MiB; a context of 2048 tokens would fit: creel model configure --context-size) ");
  creel_models_scheduler_request (f->scheduler, &no_way, (gpointer) "n");
  EXPECT (f, "n:0(The model needs 8448 MiB of memory and models may have 4096 MiB; a smaller model or one with smaller weights would fit) ");

  a = ask (f, "a", 3 * GIB, 0, "a");
  EXPECT (f, "+a ");
  creel_models_scheduler_engine_ready (f->scheduler, "a");
  EXPECT (f, "a ");
  ask (f, "b", 3 * GIB, 0, "b");
  EXPECT (f, "");
  f->now += 300 * SECOND;
  EXPECT (f, "b:2(Other models were in use for the whole time that a request may wait; try again later) ");
  creel_models_scheduler_engine_stopped (f->scheduler, "a", "killed"); /* under its user */
  EXPECT (f, "");
  creel_models_scheduler_release (f->scheduler, a);

  for (guint i = 0; i < 512; i++)
    ask (f, "a", GIB, 0, "");
  ask (f, "a", GIB, 0, "513");
  EXPECT (f, "+a 513:1(Too many requests wait for a model; try again later) ");
}

static void
test_broken_engine (Fixture *f, gconstpointer unused)
{
  ask (f, "a", GIB, 0, "1");
  ask (f, "a", GIB, 0, "2");
  EXPECT (f, "+a ");
  g_string_truncate (f->said, 0);
  creel_models_scheduler_engine_stopped (f->scheduler, "a", "it crashed");
  g_assert_cmpstr (f->said->str, ==, "1:3(it crashed) 2:3(it crashed) ");
  ask (f, "a", GIB, 0, "3");
  EXPECT (f, "+a ");
  f->now += 600 * SECOND;
  EXPECT (f, "-a 3:3(The model was not loaded in ten minutes; see: creel model logs) ");
  creel_models_scheduler_engine_ready (f->scheduler, "a"); /* too late */
  g_assert_cmpint (creel_models_scheduler_step (f->scheduler), ==, G_MAXINT64);
}

static void
test_estimate (void)
{
  CreelModelsNeed need = { "a", G_MAXUINT64 - 5, 1, 1, 0 };

  g_assert_cmpuint (creel_models_need_estimate (&need), ==, G_MAXUINT64);
  need = (CreelModelsNeed){ "a", 1, G_MAXUINT64 / 2, 3, 0 };
  g_assert_cmpuint (creel_models_need_estimate (&need), ==, G_MAXUINT64);
  need = (CreelModelsNeed){ "a", 1000, 10, 24, 0 };
  g_assert_cmpuint (creel_models_need_estimate (&need), ==, 1240 + 256 * 1024 * 1024);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/scheduler/load-once", test_load_once);
  ADD ("/scheduler/keep-alive", test_keep_alive);
  ADD ("/scheduler/turns", test_turns);
  ADD ("/scheduler/in-the-way", test_in_the_way);
  ADD ("/scheduler/oldest-first", test_oldest_first);
  ADD ("/scheduler/refusals", test_refusals);
  ADD ("/scheduler/broken-engine", test_broken_engine);
  g_test_add_func ("/scheduler/estimate", test_estimate);
  return g_test_run ();
}
