/* test_checkpoint: what is written comes back bit for bit; what is damaged, foreign or cut is refused in words. */
#include <unistd.h>
#include "tests/check.h"
#include "worker/train/checkpoint.h"

enum { P = 257 };
static const char *hash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static float w[P], best[P], m[2][P];

static struct checkpoint example(void)
{
    for (int i = 0; i < P; i++) {
        w[i] = (float)i / 3;
        best[i] = -w[i];
        m[0][i] = w[i] * 7;
        m[1][i] = 1.0f / (w[i] + 1);
    }
    struct checkpoint c = {.made_by = "test", .epoch = 3, .step_in_epoch = 7, .step = 67, .best_score = 0.1, .best_epoch = 2, .best = CHECKPOINT_BEST_OTHER,
                           .parameters = P, .weights = w, .best_weights = best, .optimizers = 1, .carry = (unsigned char *)"carried", .carry_bytes = 7};
    strcpy(c.spec_hash, hash);
    c.optimizer[0] = (struct checkpoint_optimizer){.type = 0, .moments = 2, .steps = 67, .moment = {m[0], m[1]}};
    return c;
}

static void write_example(void)
{
    struct checkpoint c = example();
    char sum[SHA256_HEX], file_sum[SHA256_HEX];
    int64_t bytes;
    CHECK_INT(checkpoint_write("c", &c, sum, &bytes, NULL), OK);
    CHECK_INT(sha256_hex_of_file("c", file_sum, NULL), OK);
    CHECK_TEXT(sum, file_sum);
    CHECK(access("c.part", F_OK) != 0);
}

void test_checkpoint_comes_back_bit_for_bit(void)
{
    struct checkpoint want = example(), c;
    write_example();
    CHECK_INT(checkpoint_read("c", hash, P, &c, NULL), OK);
    CHECK(c.epoch == 3 && c.step_in_epoch == 7 && c.step == 67 && c.best_epoch == 2 && c.best_score == 0.1 && c.best == CHECKPOINT_BEST_OTHER);
    CHECK(!memcmp(c.weights, w, sizeof w) && !memcmp(c.best_weights, best, sizeof best));
    CHECK(!memcmp(c.optimizer[0].moment[0], m[0], sizeof m[0]) && !memcmp(c.optimizer[0].moment[1], m[1], sizeof m[1]));
    CHECK_INT(c.optimizer[0].steps, want.optimizer[0].steps);
    CHECK(c.carry_bytes == 7 && !memcmp(c.carry, "carried", 7));
    CHECK_TEXT(c.made_by, "test");
    checkpoint_free(&c);
    checkpoint_free(&c);
}

static char *read_bytes(long *length)
{
    FILE *f = fopen("c", "rb");
    CHECK(f && !fseek(f, 0, SEEK_END));
    *length = ftell(f);
    rewind(f);
    char *bytes = malloc((size_t)*length);
    CHECK(bytes && fread(bytes, 1, (size_t)*length, f) == (size_t)*length);
    fclose(f);
    return bytes;
}

static void check_refused(const char *bytes, long length, const char *words)
{
    struct checkpoint c;
    struct err_note note = {0};
    FILE *f = fopen("d", "wb");
    CHECK(f && fwrite(bytes, 1, (size_t)length, f) == (size_t)length && !fclose(f));
    CHECK_INT(checkpoint_read("d", hash, P, &c, &note), ERR_CORRUPT);
    CHECK_HAS(note.detail, words);
    CHECK(!c.weights);
}

void test_checkpoint_refuses_any_flipped_bit_and_any_cut(void)
{
    long length;
    write_example();
    char *bytes = read_bytes(&length);
    for (long at = 0; at < length; at += at < 400 ? 1 : 37) {
        bytes[at] = (char)(bytes[at] ^ (1 << (at % 8)));
        check_refused(bytes, length, "d ");
        bytes[at] = (char)(bytes[at] ^ (1 << (at % 8)));
    }
    bytes[length - 1] = (char)(bytes[length - 1] ^ 1);
    check_refused(bytes, length, "damaged");
    bytes[length - 1] = (char)(bytes[length - 1] ^ 1);
    for (long cut = 0; cut < length; cut += 97)
        check_refused(bytes, cut, cut < 24 ? "not a checkpoint" : "cut short");
    char *longer = calloc(1, (size_t)length + 9);
    memcpy(longer, bytes, (size_t)length);
    check_refused(longer, length + 9, "too long");
    bytes[8] = 1; /* what an earlier program wrote */
    check_refused(bytes, length, "version 1");
    char words[32];
    snprintf(words, sizeof words, "version %d", CHECKPOINT_VERSION + 1);
    bytes[8] = CHECKPOINT_VERSION + 1;
    check_refused(bytes, length, words);
    free(longer);
    free(bytes);
}

void test_checkpoint_refuses_another_job_and_another_network(void)
{
    struct checkpoint c;
    struct err_note note = {0};
    char other[SHA256_HEX];
    write_example();
    strcpy(other, hash);
    other[0] = 'f';
    CHECK_INT(checkpoint_read("c", other, P, &c, &note), ERR_CORRUPT);
    CHECK_HAS(note.detail, "another job");
    CHECK_INT(checkpoint_read("c", hash, P + 1, &c, &note), ERR_CORRUPT);
    CHECK_HAS(note.detail, "257 parameters");
    CHECK_INT(checkpoint_read("none", hash, P, &c, &note), ERR_IO);
}

void test_checkpoint_that_cannot_be_written_leaves_the_old_one(void)
{
    struct checkpoint c = example(), back;
    struct err_note note = {0};
    write_example();
    CHECK_INT(checkpoint_write("no/such/folder/c", &c, NULL, NULL, &note), ERR_IO);
    CHECK_HAS(note.detail, "no/such/folder/c");
    if (access("/dev/full", W_OK) == 0 && symlink("/dev/full", "c.part") == 0) {
        CHECK_INT(checkpoint_write("c", &c, NULL, NULL, &note), ERR_NO_SPACE);
        unlink("c.part");
    }
    CHECK_INT(checkpoint_read("c", hash, P, &back, NULL), OK);
    checkpoint_free(&back);
}
