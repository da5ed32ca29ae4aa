/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a gateway says of questions is as hostile as its guest. */
#include <string.h>

#include "creel-error.h"
#include "creel-question.h"

static GVariant *
clean (const char *text)
{
  g_autoptr (GVariant) questions = g_variant_ref_sink (g_variant_parse (G_VARIANT_TYPE ("aa{sv}"), text, NULL, NULL, NULL));

  return g_variant_ref_sink (creel_question_clean (questions));
}

static void
test_clean (void)
{
  static const struct
  {
    const char *question; /* without id and port */
    const char *key, *value; /* NULL: it is left out */
  } cases[] = {
    { "'host': <'One.Example.'>", "host", "one.example" },
    { "'host': <'a b'>", NULL, NULL },
    { "'host': <'\\u001b[31mred'>", NULL, NULL },
    { "'host': <7>", NULL, NULL },
    { "'host': <'127.1'>", NULL, NULL },
    { "'host': <'a.example'>, 'path': <'/\\u001b[2J\\u202e\\u0085x'>", "path", "/?[2J?????x" },
    { "'host': <'a.example'>, 'method': <'GET\\nX'>", "method", "GET?X" },
    { "'host': <'a.example'>, 'scheme': <3>", "scheme", "" },
    { "'host': <'a.example'>, 'nonsense': <'x'>", "rule", "" },
    { "'host': <'a.example'>, 'allows': <'a.example:443'>", "allows", "a.example:443" },
    { "'host': <'a.example'>, 'allows': <'a.example:443 POST /x'>", "allows", "a.example:443 POST /x" },
    { "'host': <'a.example'>, 'allows': <'a.example:*'>", "allows", "" },
    { "'host': <'a.example'>, 'allows': <'*:443'>", "allows", "" },
    { "'host': <'a.example'>, 'allows': <'b.example:443'>", "allows", "" },
    { "'host': <'a.example'>, 'allows': <'a.example:443\\nPolicy=allow'>", "allows", "" },
    { "'host': <'10.0.0.1'>, 'allows': <'10.0.0.0/8:443'>", "allows", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = g_strdup_printf ("[{'id': <uint64 5>, 'port': <uint16 443>, %s}]", cases[i].question);
      g_autoptr (GVariant) list = clean (text);
      g_autoptr (GVariant) question = NULL;
      const char *value = NULL;

      g_test_message ("%s", text);
      g_assert_cmpuint (g_variant_n_children (list), ==, cases[i].key != NULL ? 1 : 0);
      if (cases[i].key == NULL)
        continue;
      question = creel_question_find (list, 5, NULL);
      g_assert_true (g_variant_lookup (question, cases[i].key, "&s", &value));
      g_assert_cmpstr (value, ==, cases[i].value);
      g_assert_false (g_variant_lookup (question, "nonsense", "&s", &value));
    }
}

static void
test_list (void)
{
  g_autoptr (GString) many = g_string_new ("[{'id': <uint64 0>, 'port': <uint16 1>, 'host': <'a.example'>}, {'id': <uint64 1>, 'host': <'a.example'>}");
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GVariant) less = NULL;
  g_autoptr (GVariant) nothing = g_variant_ref_sink (creel_question_clean (NULL));
  g_autoptr (GError) error = NULL;
  g_autofree char *filler = g_strnfill (100000, 'x');

  for (guint i = 2; i < 100; i++)
    g_string_append_printf (many, ", {'id': <uint64 %u>, 'port': <uint16 443>, 'host': <'a%u.example'>, 'path': <'%s'>}", i, i, i == 2 ? filler : "/");
  g_string_append (many, "]");
  list = clean (many->str);
  g_assert_cmpuint (g_variant_n_children (list), ==, 30);
  g_assert_cmpuint (g_variant_get_size (list), <, 32 * 1024);
  less = g_variant_ref_sink (creel_question_drop (list, 2));
  g_assert_cmpuint (g_variant_n_children (less), ==, 29);
  g_assert_null (creel_question_find (less, 2, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_QUESTION);
  g_assert_null (creel_question_find (NULL, 3, NULL));
  g_assert_cmpuint (g_variant_n_children (nothing), ==, 0);
}

/* Whoever answers what is shown means that one and no other. */
static void
test_same_id (void)
{
  g_autoptr (GVariant) list = clean ("[{'id': <uint64 5>, 'port': <uint16 443>, 'host': <'a.example'>},"
                                     " {'id': <uint64 5>, 'port': <uint16 443>, 'host': <'b.example'>},"
                                     " {'id': <uint64 6>, 'port': <uint16 443>, 'host': <'c.example'>},"
                                     " {'id': <uint64 5>, 'port': <uint16 443>, 'host': <'d.example'>}]");
  g_autofree char *text = g_variant_print (list, FALSE);

  g_assert_cmpuint (g_variant_n_children (list), ==, 2);
  g_assert_nonnull (strstr (text, "a.example"));
  g_assert_nonnull (strstr (text, "c.example"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/question/clean", test_clean);
  g_test_add_func ("/question/list", test_list);
  g_test_add_func ("/question/same-id", test_same_id);
  return g_test_run ();
}
