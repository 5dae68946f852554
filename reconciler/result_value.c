#include "reconciler/result_value.h"

struct value result_value(const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column)) {
        return (struct value){VALUE_NULL, BYTES_EMPTY};
    }
    return (struct value){
        VALUE_TEXT, {PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)}};
}

bool value_equal(struct value a, struct value b)
{
    return a.kind == b.kind && (a.kind != VALUE_TEXT || bytes_equal(a.bytes, b.bytes));
}
