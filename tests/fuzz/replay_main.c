/* Runs a fuzz target over the committed corpus without libFuzzer: files or directories as
 * arguments. SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long replayed;

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return 1;
    }
    fseek(f, 0, SEEK_END);
    const long size = ftell(f);
    rewind(f);
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    const size_t got = data == NULL || size < 0 ? 0 : fread(data, 1, (size_t)size, f);
    fclose(f);
    if (data == NULL || got != (size_t)size) {
        free(data);
        fprintf(stderr, "%s: cannot be read\n", path);
        return 1;
    }
    LLVMFuzzerTestOneInput(data, got);
    free(data);
    replayed++;
    return 0;
}

static int replay_dir(const char *path)
{
    DIR *d = opendir(path);
    int bad = 0;
    if (d == NULL) {
        perror(path);
        return 1;
    }
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char child[4096];
        if (e->d_name[0] == '.')
            continue;
        if (snprintf(child, sizeof(child), "%s/%s", path, e->d_name) >= (int)sizeof(child))
            bad = 1;
        else
            bad |= replay_file(child);
    }
    closedir(d);
    return bad;
}

int main(int argc, char **argv)
{
    int bad = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) != 0) {
            perror(argv[i]);
            bad = 1;
        } else {
            bad |= S_ISDIR(st.st_mode) ? replay_dir(argv[i]) : replay_file(argv[i]);
        }
    }
    printf("replayed %lu inputs\n", replayed);
    return bad != 0 || replayed == 0;
}
