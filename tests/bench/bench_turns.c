/* bench_turns: gives contestants their turns, one after the other in one run, each in a process of its own.
   usage: bench_turns [-t] [-p STEPS] ROUNDS STEPS NAME=COMMAND...
   A contestant says "ready ..." when it is warm (or "unavailable: why"), answers each line N with "WALL CPU" (seconds of N steps)
   and ends with its stdin. One says something at a time: the others wait, asleep. Every second round goes backwards.
   -p: at the end each that is named ours* or limit* gets the line "profile STEPS" and says lines up to "end".
   -t: in each round every contestant goes alone, then all at once (NAME+).
   Prints, tab between: ready NAME TEXT | missing NAME WHY | turn NAME ROUND WALL CPU (of one step) | profile NAME LINE */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTESTANTS_MAX = 16, SILENCE_MS = 900000 /* torch.compile of s takes minutes on a slow machine */ };
static struct contestant {
    char name[64];
    const char *command;
    pid_t pid;
    FILE *to, *from;
    char line[512];
} all[CONTESTANTS_MAX];
static int count, steps;

static void start(struct contestant *c)
{
    int to[2], from[2];
    if (pipe(to) || pipe(from)) exit(1);
    c->pid = fork();
    if (c->pid == 0) {
        dup2(to[0], 0), dup2(from[1], 1);
        close(to[0]), close(to[1]), close(from[0]), close(from[1]);
        for (int i = 0; i < count; i++) /* of those that started before: their stdin must end with us */
            if (all[i].to) close(fileno(all[i].to)), close(fileno(all[i].from));
        execl("/bin/sh", "sh", "-c", c->command, (char *)NULL);
        _exit(127);
    }
    close(to[0]), close(from[1]);
    c->to = fdopen(to[1], "w"), c->from = fdopen(from[0], "r");
    if (c->pid < 0 || !c->to || !c->from) exit(1);
    setvbuf(c->from, NULL, _IONBF, 0); /* poll must see what is there */
}

static void leave(struct contestant *c)
{
    if (!c->to) return;
    fclose(c->to), fclose(c->from);
    c->to = c->from = NULL;
    waitpid(c->pid, NULL, 0);
}

/* The next line, without its end; 0: it is gone, or silent for too long, and leaves. */
static int hear(struct contestant *c)
{
    struct pollfd p = {.fd = fileno(c->from), .events = POLLIN};
    int said = poll(&p, 1, SILENCE_MS) > 0;
    if (said && fgets(c->line, sizeof c->line, c->from)) {
        c->line[strcspn(c->line, "\n")] = 0;
        return 1;
    }
    if (!said) kill(c->pid, SIGKILL);
    printf("missing\t%s\t%s\n", c->name, said ? "it ended" : "it is silent");
    leave(c);
    return 0;
}

static void welcome(struct contestant *c)
{
    start(c);
    while (hear(c)) {
        if (!strncmp(c->line, "ready ", 6)) {
            printf("ready\t%s\t%s\n", c->name, c->line + 6);
            return;
        }
        if (!strncmp(c->line, "unavailable: ", 13)) {
            printf("missing\t%s\t%s\n", c->name, c->line + 13);
            leave(c);
            return;
        }
    }
}

static void tell(const struct contestant *c, const char *word, int number)
{
    fprintf(c->to, "%s%d\n", word, number);
    fflush(c->to);
}

static void take_turn(struct contestant *c, int round, const char *suffix)
{
    double wall, cpu;
    if (!c->to || !hear(c)) return;
    if (sscanf(c->line, "%lf %lf", &wall, &cpu) != 2) fprintf(stderr, "bench_turns: %s says %s\n", c->name, c->line);
    else printf("turn\t%s%s\t%d\t%.6f\t%.6f\n", c->name, suffix, round, wall / steps, cpu / steps);
    fflush(stdout);
}

static void play_round(int round, int together)
{
    for (int i = 0; i < count; i++) {
        struct contestant *c = &all[round % 2 ? count - 1 - i : i];
        if (c->to) tell(c, "", steps);
        take_turn(c, round, "");
    }
    if (!together) return;
    for (int i = 0; i < count; i++)
        if (all[i].to) tell(&all[i], "", steps);
    for (int i = 0; i < count; i++) take_turn(&all[i], round, "+");
}

static void profile(struct contestant *c, int profile_steps)
{
    if (!c->to || (strncmp(c->name, "ours", 4) && strncmp(c->name, "limit", 5))) return;
    tell(c, "profile ", profile_steps);
    while (hear(c) && strcmp(c->line, "end")) printf("profile\t%s\t%s\n", c->name, c->line);
}

int main(int argc, char **argv)
{
    int together = 0, profile_steps = 0, option;
    while ((option = getopt(argc, argv, "tp:")) != -1) {
        if (option == 't') together = 1;
        else if (option == 'p') profile_steps = atoi(optarg);
        else return 64;
    }
    if (argc - optind < 3) return fprintf(stderr, "usage: bench_turns [-t] [-p STEPS] ROUNDS STEPS NAME=COMMAND...\n"), 64;
    int rounds = atoi(argv[optind]);
    steps = atoi(argv[optind + 1]);
    signal(SIGPIPE, SIG_IGN);
    for (int i = optind + 2; i < argc && count < CONTESTANTS_MAX; i++) {
        const char *equals = strchr(argv[i], '=');
        if (!equals) return fprintf(stderr, "bench_turns: %s: NAME=COMMAND is wanted\n", argv[i]), 64;
        snprintf(all[count].name, sizeof all[count].name, "%.*s", (int)(equals - argv[i]), argv[i]);
        all[count++].command = equals + 1;
    }
    for (int i = 0; i < count; i++) welcome(&all[i]);
    for (int round = 0; round < rounds; round++) play_round(round, together);
    for (int i = 0; i < count && profile_steps; i++) profile(&all[i], profile_steps);
    for (int i = 0; i < count; i++) leave(&all[i]);
    return 0;
}
