# cmake -DFILES=a.sql,b.sql -DOUTPUT=control_sql.c -P embed_sql.cmake
#
# Writes the control schema's files, in the order given, as byte arrays into a C file: programs carry
# the schema they were built for, whatever lies on the disk of the machine they run on. Bytes and not
# string literals, because a literal may have no more than 4095 of them.
string(REPLACE "," ";" files "${FILES}")
set(arrays "")
set(rows "")
set(index 0)
foreach(file ${files})
    get_filename_component(name ${file} NAME)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(REPEAT "0x..," 16 line)
    string(REGEX REPLACE "(${line})" "    \\1\n" bytes "${bytes}")
    string(APPEND arrays "static const unsigned char file_${index}[] = {\n${bytes}    0x00};\n\n")
    string(APPEND rows "    {\"${name}\", file_${index}},\n")
    math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUTPUT}
"/* Made by cmake/embed_sql.cmake from sql/control; not to be edited. */
#include \"common/control_sql.h\"

${arrays}const struct control_file control_files[] = {
${rows}};
const size_t control_files_count = ${index};
")
