/* test_base: the ground's small tools: errors, bytes, digests, ids. */
#include "schema/base/buf.h"
#include "schema/base/err.h"
#include "schema/base/sha256.h"
#include "schema/base/uuid.h"
#include "tests/check.h"

void test_err_words_are_unique_and_have_a_status(void)
{
    for (unsigned i = OK; i < ERR_COUNT; i++) {
        CHECK(err_http_status((enum err)i) >= 200);
        CHECK_INT(err_of_word(err_word((enum err)i), ERR_COUNT), i);
    }
}

void test_err_nearest_finds_a_typo_and_nothing_for_nonsense(void)
{
    static const char *const words[] = {"constant", "scheduled", "separate_optimizers", NULL};
    CHECK_TEXT(err_nearest("constnat", words), "constant");
    CHECK_TEXT(err_nearest("schedule", words), "scheduled");
    CHECK(err_nearest("xyzzy", words) == NULL);
}

void test_err_list_counts_what_it_cannot_hold(void)
{
    static struct err_list list;
    for (int i = 0; i < ERR_LIST_MAX + 3; i++) err_add(&list, ERR_RANGE, "/a", "number %d", i);
    CHECK_INT(list.count, ERR_LIST_MAX);
    CHECK_INT(list.dropped, 3);
    CHECK_TEXT(list.notes[2].detail, "number 2");
}

void test_err_detail_is_never_cut_inside_a_character(void)
{
    char text[6];
    err_print(text, sizeof text, "abcd\xc3\xa9");
    CHECK_TEXT(text, "abcd");
}

void test_buf_stops_at_its_maximum_and_keeps_what_it_had(void)
{
    struct buf b;
    buf_init(&b, 5);
    CHECK(buf_text(&b, "abc") == OK);
    CHECK(buf_text(&b, "def") == ERR_TOO_LARGE);
    CHECK(buf_printf(&b, "%d", 42) == OK);
    CHECK_TEXT(b.data, "abc42");
    buf_free(&b);
}

void test_sha256_of_abc_is_the_published_one(void)
{
    char hex[SHA256_HEX];
    sha256_hex_of("abc", 3, hex);
    CHECK_TEXT(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256_is_hex(hex));
    CHECK(!sha256_is_hex("abc"));
}

void test_uuids_sort_by_birth(void)
{
    char last[UUID_TEXT] = "", next[UUID_TEXT];
    for (int i = 0; i < 10000; i++) {
        uuid_new(next);
        CHECK(uuid_is(next));
        CHECK(strcmp(last, next) < 0);
        memcpy(last, next, sizeof last);
    }
}
