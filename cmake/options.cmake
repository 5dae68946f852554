# One interface target holds warnings, hardening and sanitizers; every target of ours links it.
add_library(rh_options INTERFACE)
target_compile_definitions(rh_options INTERFACE _POSIX_C_SOURCE=200809L)
target_include_directories(rh_options INTERFACE ${PROJECT_SOURCE_DIR})

target_compile_options(rh_options INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wformat=2 -Wundef -Wvla
    -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings -Wswitch-enum -Wimplicit-fallthrough
    -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wnull-dereference)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(rh_options INTERFACE
        -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wformat-signedness -Wformat-truncation=2)
else()
    # The RD_KAFKA_V_* macros are GNU statement expressions.
    target_compile_options(rh_options INTERFACE
        -Wmissing-variable-declarations -Wcomma -Wconditional-uninitialized
        -Wno-gnu-statement-expression)
endif()
if(RH_WERROR)
    target_compile_options(rh_options INTERFACE -Werror)
endif()

target_compile_options(rh_options INTERFACE -fstack-protector-strong)
target_link_options(rh_options INTERFACE -Wl,-z,relro,-z,now)
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    target_compile_definitions(rh_options INTERFACE _FORTIFY_SOURCE=2)
endif()

if(RH_SANITIZE)
    target_compile_options(rh_options INTERFACE
        -fsanitize=${RH_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(rh_options INTERFACE -fsanitize=${RH_SANITIZE})
endif()
if(RH_SANITIZE MATCHES "thread")
    # What ThreadSanitizer must be told of librdkafka. Nothing of ours calls the functions in it, so the
    # linker is told to take them.
    add_library(rh_tsan STATIC ${PROJECT_SOURCE_DIR}/tests/support/tsan.c)
    target_compile_definitions(rh_tsan PRIVATE _POSIX_C_SOURCE=200809L)
    target_compile_options(rh_tsan PRIVATE -fsanitize=thread)
    target_link_options(rh_options INTERFACE -Wl,--undefined=mtx_lock)
    target_link_libraries(rh_options INTERFACE rh_tsan)
endif()
if(RH_FUZZ)
    target_compile_options(rh_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(RH_FAILPOINTS)
    target_compile_definitions(rh_options INTERFACE RH_FAILPOINTS=1)
endif()

# rh_program(worker): a static library of all but main.c, so that tests link what ships, and the
# program itself.
function(rh_program name binary)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/main.c)
    add_library(rh_${name} STATIC ${sources})
    target_link_libraries(rh_${name} PUBLIC rh_common)
    add_executable(${binary} ${CMAKE_CURRENT_SOURCE_DIR}/main.c)
    target_link_libraries(${binary} PRIVATE rh_${name})
    install(TARGETS ${binary} RUNTIME)
endfunction()
