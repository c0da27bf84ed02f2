/* test_archive_unpack: honest archives come out whole; hostile ones are refused by name and nothing lands outside the folder. */
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/unit/make_archive.h"
#include "tests/unit/make_png.h"
#include "worker/data/archive_unpack.h"

#define FILE_OF(name, text)                                                                                                 \
    {                                                                                                                       \
        name, '0', NULL, text, sizeof text - 1, 0                                                                           \
    }

static void check_content(const char *path, const char *want)
{
    char text[64] = "";
    FILE *file = fopen(path, "rb");
    if (!file) check_fail(__FILE__, __LINE__, "%s is missing", path);
    CHECK(fread(text, 1, sizeof text - 1, file) == strlen(want));
    fclose(file);
    CHECK_TEXT(text, want);
}

static void unpack(const char *archive, const char *folder, const char *want_root)
{
    struct err_note note;
    char *root;
    CHECK(mkdir(folder, 0755) == 0);
    if (archive_unpack(archive, folder, &archive_limits_default, &root, &note))
        check_fail(__FILE__, __LINE__, "%s", note.detail);
    CHECK_TEXT(root, want_root);
    free(root);
}

void test_archive_tar_gz_and_zip_come_out_whole(void)
{
    const struct archive_member flat[] = {FILE_OF("dataset.json", "{}"), FILE_OF("images/a b.png", "one"),
                                          FILE_OF("./images/x/y.png", "two")};
    const struct archive_member nested[] = {
        {"set/", '5', NULL, NULL, 0, 0},         FILE_OF("set/dataset.json", "{}"),
        FILE_OF("set/m\xc3\xa4sk.png", "three"), FILE_OF("__MACOSX/set/._dataset.json", "junk"),
        FILE_OF("set/.DS_Store", "junk"),        {"set/empty/", '5', NULL, NULL, 0, 0}};
    umask(022);
    make_tar("f.tar", flat, 3);
    make_tar_gz("f.tgz", flat, 3);
    make_zip("f.zip", flat, 3);
    make_tar("n.tar", nested, 6);
    make_zip("n.zip", nested, 6);
    static const char *const flats[] = {"f.tar", "f.tgz", "f.zip"}, *const nests[] = {"n.tar", "n.zip"};
    char path[128], root[64];
    for (size_t i = 0; i < 3; i++) {
        snprintf(root, sizeof root, "flat%zu", i);
        unpack(flats[i], root, root);
        snprintf(path, sizeof path, "%s/images/a b.png", root), check_content(path, "one");
        snprintf(path, sizeof path, "%s/images/x/y.png", root), check_content(path, "two");
    }
    for (size_t i = 0; i < 2; i++) {
        char folder[32];
        struct stat about;
        snprintf(folder, sizeof folder, "nest%zu", i);
        snprintf(root, sizeof root, "%s/set", folder);
        unpack(nests[i], folder, root);
        snprintf(path, sizeof path, "%s/m\xc3\xa4sk.png", root), check_content(path, "three");
        snprintf(path, sizeof path, "%s/.DS_Store", root);
        CHECK(access(path, F_OK) != 0);
        snprintf(path, sizeof path, "%s/__MACOSX", folder);
        CHECK(access(path, F_OK) != 0);
        snprintf(path, sizeof path, "%s/empty", root);
        CHECK(!stat(path, &about) && S_ISDIR(about.st_mode));
        snprintf(path, sizeof path, "%s/dataset.json", root);
        CHECK(!stat(path, &about) && (about.st_mode & 0777) == 0644);
    }
}

static void check_refused(const char *archive, const struct archive_limits *limits, enum err want, const char *words)
{
    static int number;
    char folder[32], *root;
    struct err_note note = {0};
    snprintf(folder, sizeof folder, "in/out%d", number++);
    CHECK(mkdir(folder, 0755) == 0);
    if (archive_unpack(archive, folder, limits, &root, &note) != want)
        check_fail(__FILE__, __LINE__, "%s: not %s", note.detail, words);
    CHECK_TEXT(note.detail, words);
    CHECK(root == NULL);
}

void test_archive_entries_that_lead_outside_are_refused(void)
{
    static const struct {
        struct archive_member member;
        const char *words;
    } cases[] = {
        {FILE_OF("../evil", "x"), "a.tar: entry \"../evil\" leads out of the folder (\"..\"); nothing of it is used"},
        {FILE_OF("a/../../evil", "x"),
         "a.tar: entry \"a/../../evil\" leads out of the folder (\"..\"); nothing of it is used"},
        {FILE_OF("a/..", "x"), "a.tar: entry \"a/..\" leads out of the folder (\"..\"); nothing of it is used"},
        {FILE_OF("/tmp/evil", "x"), "a.tar: entry \"/tmp/evil\" has an absolute path; nothing of it is used"},
        {{"link", '2', "/etc", NULL, 0, 0}, "a.tar: entry \"link\" is a symbolic link; nothing of it is used"},
        {{"link", '1', "/etc/passwd", NULL, 0, 0}, "a.tar: entry \"link\" is a hard link; nothing of it is used"},
        {{"null", '3', NULL, NULL, 0, 0}, "a.tar: entry \"null\" is neither a file nor a folder; nothing of it is used"},
        {{"pipe", '6', NULL, NULL, 0, 0}, "a.tar: entry \"pipe\" is neither a file nor a folder; nothing of it is used"},
        {FILE_OF("0/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/0/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/0", "x"),
         "a.tar: entry \"0/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/0/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/0\" lies too many folders deep; "
         "nothing of it is used"},
    };
    CHECK(mkdir("in", 0755) == 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_tar("a.tar", &cases[i].member, 1);
        check_refused("a.tar", &archive_limits_default, ERR_DATA, cases[i].words);
    }
    const struct archive_member zip = FILE_OF("../evil", "x");
    make_zip("a.zip", &zip, 1);
    check_refused("a.zip", &archive_limits_default, ERR_DATA,
                  "a.zip: entry \"../evil\" leads out of the folder (\"..\"); nothing of it is used");
    const struct archive_member twice[] = {FILE_OF("a", "x"), FILE_OF("a", "y")};
    make_tar("a.tar", twice, 2);
    check_refused("a.tar", &archive_limits_default, ERR_DATA, "a.tar: entry \"a\" occurs twice; nothing of it is used");
    CHECK(access("in/evil", F_OK) && access("evil", F_OK) && access("/tmp/evil", F_OK));
}

void test_archive_bombs_stop_at_the_limits(void)
{
    static char zeros[1 << 20];
    const struct archive_limits small = {.entries = 3, .bytes = 3000, .file_bytes = 2000, .ratio = 200};
    CHECK(mkdir("in", 0755) == 0);
    const struct archive_member many[] = {FILE_OF("a", "x"), FILE_OF("b", "x"), FILE_OF("c", "x"), FILE_OF("d", "x")};
    make_tar("a.tar", many, 4);
    check_refused("a.tar", &small, ERR_DATA,
                  "a.tar: entry \"d\" is one more than the archive may hold; nothing of it is used");
    const struct archive_member large = {"a", '0', NULL, zeros, 2001, 0};
    make_zip("a.zip", &large, 1);
    check_refused("a.zip", &small, ERR_DATA, "a.zip: entry \"a\" is larger than a file may be; nothing of it is used");
    const struct archive_member both[] = {{"a", '0', NULL, zeros, 1900, 0}, {"b", '0', NULL, zeros, 1900, 0}};
    make_tar("a.tar", both, 2);
    check_refused("a.tar", &small, ERR_DATA,
                  "a.tar: entry \"b\" makes the archive larger than it may be unpacked; nothing of it is used");
    CHECK(access("in/out2/b", F_OK) != 0); /* refused by its claim, before a byte is written */
    struct archive_member bomb[40];        /* 40 MiB of zeros deflate to 40 KiB */
    char names[40][8];
    for (unsigned i = 0; i < 40; i++) {
        snprintf(names[i], 8, "z%u", i);
        bomb[i] = (struct archive_member){names[i], '0', NULL, zeros, sizeof zeros, 0};
    }
    make_zip("a.zip", bomb, 40);
    check_refused("a.zip", &archive_limits_default, ERR_DATA,
                  "a.zip: entry \"z16\" unpacks to far more than the archive holds; nothing of it is used");
    make_tar_gz("a.tgz", bomb, 40);
    check_refused("a.tgz", &archive_limits_default, ERR_DATA,
                  "a.tgz: entry \"z16\" unpacks to far more than the archive holds; nothing of it is used");
    const struct archive_member claim = {"a", '0', NULL, "x", 1, 077777777777ull};
    make_tar("a.tar", &claim, 1);
    check_refused("a.tar", &archive_limits_default, ERR_DATA,
                  "a.tar: entry \"a\" is larger than a file may be; nothing of it is used");
}

void test_archive_damage_and_strangers_are_refused(void)
{
    struct err_note note;
    char *root;
    const struct archive_member flat[] = {FILE_OF("dataset.json", "{}"), FILE_OF("a", "some more text")};
    CHECK(mkdir("in", 0755) == 0);
    make_file("a.tar", "this is no archive at all", 25);
    check_refused("a.tar", &archive_limits_default, ERR_DATA,
                  "a.tar: not a readable tar or zip: Unrecognized archive format");
    check_refused("none.tar", &archive_limits_default, ERR_IO, "none.tar: No such file or directory");
    make_tar("a.tar", flat + 1, 1);
    check_refused("a.tar", &archive_limits_default, ERR_DATA,
                  "a.tar: holds no dataset.json, neither at its top nor in its only folder");
    make_tar_gz("a.tgz", flat, 2);
    struct stat about;
    CHECK(!stat("a.tgz", &about));
    for (off_t cut = about.st_size - 1; cut > 0; cut -= 9) {
        CHECK(!truncate("a.tgz", cut));
        char folder[32];
        snprintf(folder, sizeof folder, "in/cut%d", (int)cut);
        CHECK(mkdir(folder, 0755) == 0);
        enum err e = archive_unpack("a.tgz", folder, &archive_limits_default, &root, &note);
        CHECK(e == ERR_DATA || (e == OK && cut > about.st_size - 10)); /* the very last bytes are gzip's own sum */
        free(root);
    }
}
