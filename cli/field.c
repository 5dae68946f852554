#include "cli/field.h"

#include "cli/output.h"

#include <stdlib.h>

const char *field_text(const PGresult *result, int row, size_t column)
{
    return PQgetisnull(result, row, (int)column) ? NULL : PQgetvalue(result, row, (int)column);
}

static json_t *array_of(const char *text)
{
    json_t *array = json_loads(text, 0, NULL);
    REQUIRE(json_is_array(array));
    return array;
}

json_t *field_to_json(enum field_form form, const char *text)
{
    if (text == NULL) {
        return json_null();
    }
    switch (form) {
    case FORM_TEXT:
        return output_text(bytes_of(text));
    case FORM_NUMBER:
        return json_integer(strtoll(text, NULL, 10));
    case FORM_BOOL:
        return json_boolean(text[0] == 't');
    case FORM_ARRAY:
        return array_of(text);
    }
    return json_null();
}
