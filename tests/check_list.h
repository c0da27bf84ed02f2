/* check_list: the table of tests that the Makefile makes with nm. */
#ifndef TESTS_CHECK_LIST_H
#define TESTS_CHECK_LIST_H
struct test {
    const char *name;
    void (*run)(void);
};
extern const struct test all_tests[]; /* ends with name == NULL */
#endif
