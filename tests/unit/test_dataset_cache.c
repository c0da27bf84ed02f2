/* test_dataset_cache: one download, checked bytes, least recently used leaves, paths stay under their root. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/base/clock.h"
#include "schema/base/sha256.h"
#include "tests/check.h"
#include "tests/fake_server.h"
#include "worker/dataset_cache.h"

enum { SETS = 4, BYTES = 1000 };
static char contents[SETS][BYTES + 1], names[SETS][SHA256_HEX];
static atomic_int downloads;
static atomic_bool lie;

static void give(void *user, const struct fake_request *request, struct fake_reply *reply)
{
    (void)user;
    for (int i = 0; i < SETS; i++)
        if (!strcmp(strrchr(request->path, '/') + 1, names[i])) {
            downloads++;
            clock_sleep_ms(100);
            fake_say(reply, 200, "%s", contents[i]);
            if (lie) reply->body[3] = '?';
            return;
        }
    fake_say(reply, 404, "{\"title\":\"not_found\"}");
}

static struct fake_server *server;
static struct dataset_cache cache;

static void set_up(void)
{
    for (int i = 0; i < SETS; i++) {
        memset(contents[i], 'a' + i, BYTES);
        sha256_hex_of(contents[i], BYTES, names[i]);
    }
    server = fake_server_start(0, give, NULL);
    struct api_settings api = {.server = fake_server_address(server)};
    CHECK(!mkdir("blobs", 0700));
    cache = (struct dataset_cache){.dir = "blobs", .bytes_max = 2 * BYTES + 500};
    CHECK(!api_client_new(&api, &cache.client, NULL));
}

static void tear_down(void)
{
    api_client_free(cache.client);
    fake_server_stop(server);
}

static int use(int i)
{
    struct dataset_hold hold;
    struct err_note note = {0};
    enum err e = dataset_cache_get(&cache, names[i], BYTES, &hold, &note);
    if (e) check_fail(__FILE__, __LINE__, "%s: %s: %s", err_word(e), note.pointer, note.detail);
    CHECK(!access(hold.path, R_OK));
    dataset_cache_release(&hold);
    clock_sleep_ms(20); /* file times tell the order of use */
    return hold.was_there;
}

void test_cache_downloads_once_and_lets_the_longest_unused_go(void)
{
    set_up();
    CHECK(!use(0));
    CHECK(use(0));
    CHECK(!use(1));
    CHECK(use(0)); /* now 1 is the older */
    CHECK(!use(2));
    CHECK(use(0));
    CHECK(!use(1));
    CHECK_INT(downloads, 4);
    tear_down();
}

void test_cache_keeps_what_is_in_use_and_mends_what_is_hurt(void)
{
    set_up();
    struct dataset_hold held;
    struct err_note note;
    CHECK(!dataset_cache_get(&cache, names[0], BYTES, &held, &note));
    clock_sleep_ms(20);
    use(1), use(2), use(3);
    CHECK(!access(held.path, R_OK)); /* the oldest, but held */
    dataset_cache_release(&held);
    FILE *f = fopen(held.path, "r+");
    fputc('x', f);
    fclose(f);
    CHECK(!use(0));
    lie = true;
    unlink(held.path);
    CHECK_INT(dataset_cache_get(&cache, names[0], BYTES, &held, &note), ERR_DIGEST);
    CHECK(access("blobs/nothing", F_OK) && access(held.path, F_OK));
    lie = false;
    char unknown[SHA256_HEX];
    sha256_hex_of("?", 1, unknown);
    CHECK_INT(dataset_cache_get(&cache, unknown, BYTES, &held, &note), ERR_NOT_FOUND);
    CHECK_INT(dataset_cache_get(&cache, "../../etc/passwd", BYTES, &held, &note), ERR_DATA);
    tear_down();
}

static void *use_zero(void *unused)
{
    use(0);
    return unused;
}

void test_cache_shared_by_four_downloads_once(void)
{
    set_up();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK(!pthread_create(&threads[i], NULL, use_zero, NULL));
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK_INT(downloads, 1);
    tear_down();
}

void test_paths_stay_under_the_data_root(void)
{
    char path[DATASET_PATH_BYTES];
    struct err_note note;
    CHECK(!mkdir("root", 0700) && !mkdir("root/isbi", 0700) && !mkdir("rootless", 0700) && !symlink("/etc", "root/link"));
    CHECK_INT(dataset_path_under("root", "isbi", path, &note), OK);
    CHECK(path[0] == '/' && strstr(path, "/root/isbi"));
    CHECK_INT(dataset_path_under("root", "../rootless", path, &note), ERR_DATA);
    CHECK_INT(dataset_path_under("root", "isbi/../../rootless", path, &note), ERR_DATA);
    CHECK_INT(dataset_path_under("root", "/etc", path, &note), ERR_DATA);
    CHECK_INT(dataset_path_under("root", "link", path, &note), ERR_DATA);
    CHECK_INT(dataset_path_under("root", "absent", path, &note), ERR_DATA);
    CHECK_INT(dataset_path_under("root", "", path, &note), ERR_DATA);
}

void test_two_workers_train_on_one_cached_archive_at_the_same_time(void)
{
    char sha256[SHA256_HEX], path[128];
    sha256_hex_of("archive", 7, sha256);
    mkdir("shared", 0700);
    snprintf(path, sizeof path, "shared/%s", sha256);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs("archive", f) >= 0 && fclose(f) == 0);
    struct dataset_cache here = {.dir = "shared", .bytes_max = 1 << 20};
    struct dataset_hold first, second;
    check_time_limit(10); /* a second worker that waits for the first one's job would wait for ever */
    CHECK(dataset_cache_get(&here, sha256, 7, &first, NULL) == OK);
    CHECK(dataset_cache_get(&here, sha256, 7, &second, NULL) == OK);
    CHECK(first.was_there && second.was_there);
    dataset_cache_release(&first);
    dataset_cache_release(&second);
}
