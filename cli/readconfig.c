/*
 * readconfig.c - -readconfig: options from a file of groups.
 *
 * Floor F6; below it the table of options.  Main thread.
 * Format, line by line:  [group] or [group "id"];  key = "value";  # comment.  A group stands for the
 * option of that name with the keys as its value.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "cli/cmdline.h"

typedef struct ConfigGroup {
    const CliOption *option;
    json_t *object;
    int line;
} ConfigGroup;

static const CliOption *find_group(const char *name)
{
    for (const CliOption *option = cli_options; option->name; option++) {
        if (option->apply_object && strcmp(option->group ? option->group : option->name, name) == 0) {
            return option;
        }
    }
    return NULL;
}

static bool finish_group(CommandLine *cl, ConfigGroup *group, const char *path, Error **errp)
{
    if (!group->option) {
        return true;
    }
    cl->current = group->option;
    bool ok = cli_check_keys(group->option, group->object, errp) &&
              group->option->apply_object(cl, group->object, errp);
    if (!ok) {
        error_prepend(errp, "%s:%d: ", path, group->line);
    }
    json_decref(group->object);
    group->option = NULL;
    group->object = NULL;
    return ok;
}

/* "[device "net0"]": the group's name and, if there is one, its id. */
static bool begin_group(ConfigGroup *group, char *text, Error **errp)
{
    char *end = strrchr(text, ']');
    if (!end || end[1]) {
        error_setg(errp, "a group is [NAME] or [NAME \"ID\"], not '%s'", text);
        return false;
    }
    *end = '\0';
    char *quote = strchr(text, '"');
    char *id = NULL;
    if (quote) {
        *quote = '\0';
        id = quote + 1;
        char *close = strchr(id, '"');
        if (!close) {
            error_setg(errp, "the id of group '%s' has no closing quote", text + 1);
            return false;
        }
        *close = '\0';
    }
    const char *name = g_strstrip(text + 1);
    group->option = find_group(name);
    if (!group->option) {
        error_setg(errp, "there is no group '%s'", name);
        return false;
    }
    group->object = json_object();
    if (id) {
        json_object_set_new(group->object, "id", json_string(id));
    }
    return true;
}

static bool add_key(ConfigGroup *group, char *text, Error **errp)
{
    char *equals = strchr(text, '=');
    if (!equals) {
        error_setg(errp, "a line is KEY = \"VALUE\", not '%s'", text);
        return false;
    }
    if (!group->option) {
        error_setg(errp, "'%s' stands before the first [group]", text);
        return false;
    }
    *equals = '\0';
    char *key = g_strstrip(text);
    char *value = g_strstrip(equals + 1);
    size_t len = strlen(value);
    if (len < 2 || value[0] != '"' || value[len - 1] != '"') {
        error_setg(errp, "the value of '%s' must stand in double quotes", key);
        return false;
    }
    value[len - 1] = '\0';
    if (json_object_set_new(group->object, key, json_string(value + 1)) < 0) {
        error_setg(errp, "the value of '%s' is not UTF-8", key);
        return false;
    }
    return true;
}

bool cmdline_read_config(CommandLine *cl, const char *path, Error **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) gerr = NULL;
    gsize len;
    if (!g_file_get_contents(path, &text, &len, &gerr)) {
        error_setg(errp, "%s", gerr->message);
        return false;
    }
    /* A disk image given by mistake: its bytes would be shown as the wrong line. */
    if (!g_utf8_validate(text, len, NULL)) {
        error_setg(errp, "it is no text file in UTF-8");
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    ConfigGroup group = { 0 };
    bool ok = true;
    for (int n = 0; ok && lines[n]; n++) {
        char *line = g_strstrip(lines[n]);
        if (!line[0] || line[0] == '#') {
            continue;
        }
        if (line[0] == '[') {
            ok = finish_group(cl, &group, path, errp);
            if (!ok) {
                return false;
            }
            group.line = n + 1;
            ok = begin_group(&group, line, errp);
        } else {
            ok = add_key(&group, line, errp);
        }
        if (!ok) {
            error_prepend(errp, "%s:%d: ", path, n + 1);
        }
    }
    if (!ok) {
        json_decref(group.object);
        return false;
    }
    return finish_group(cl, &group, path, errp);
}
