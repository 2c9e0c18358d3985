# Compiler and linker flags: each is probed, and those that pass are used.
#
# The set follows the OpenSSF compiler hardening guide. Two targets carry it: lapwing_flags for every object of ours, and
# lapwing_hardened_program for executables only (a JVM must be able to load the library, so that one allows dlopen).
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

add_library(lapwing_flags INTERFACE)
add_library(lapwing_hardened_program INTERFACE)

function(lapwing_probe_compile target)
    foreach(flag IN LISTS ARGN)
        string(MAKE_C_IDENTIFIER "compile${flag}" result)
        check_c_compiler_flag("-Werror ${flag}" ${result})
        if(${result})
            target_compile_options(${target} INTERFACE "${flag}")
        endif()
    endforeach()
endfunction()

function(lapwing_probe_link target)
    foreach(flag IN LISTS ARGN)
        string(MAKE_C_IDENTIFIER "link${flag}" result)
        check_linker_flag(C "${flag}" ${result})
        if(${result})
            target_link_options(${target} INTERFACE "${flag}")
        endif()
    endforeach()
endfunction()

# Bit-for-bit equal scores rest on these three, so they are not up to the compiler to support.
target_compile_options(lapwing_flags INTERFACE -ffp-contract=off -fno-fast-math -fno-strict-aliasing)

lapwing_probe_compile(lapwing_flags
    -Wall -Wextra -Wformat -Wformat=2 -Wconversion -Wsign-conversion -Wimplicit-fallthrough
    -Wstrict-prototypes -Wmissing-prototypes -Wshadow
    -Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion
    -fstack-clash-protection -fstack-protector-strong -fexceptions
    -fno-delete-null-pointer-checks -fno-strict-overflow)
set(CMAKE_REQUIRED_FLAGS -Wformat) # Without it, gcc warns that the next flag is without effect.
lapwing_probe_compile(lapwing_flags -Werror=format-security)
unset(CMAKE_REQUIRED_FLAGS)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    lapwing_probe_compile(lapwing_flags
        -Wtrampolines -Wbidi-chars=any -ftrivial-auto-var-init=zero -fstrict-flex-arrays=3
        -fzero-init-padding-bits=all)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    lapwing_probe_compile(lapwing_flags -fcf-protection=full)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    lapwing_probe_compile(lapwing_flags -mbranch-protection=standard)
endif()
if(LAPWING_WERROR)
    target_compile_options(lapwing_flags INTERFACE -Werror)
endif()

lapwing_probe_link(lapwing_flags
    -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed -Wl,--no-copy-dt-needed-entries)
target_link_options(lapwing_hardened_program INTERFACE -pie)
lapwing_probe_link(lapwing_hardened_program -Wl,-z,nodlopen)

# Fortification reads what sanitizers poison and needs optimisation: it belongs to release builds alone.
if(LAPWING_SANITIZE)
    target_compile_options(lapwing_flags INTERFACE
        -fsanitize=${LAPWING_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${LAPWING_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(lapwing_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()

# No build path in the output: the same sources give the same bytes.
target_compile_options(lapwing_flags INTERFACE -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
target_compile_definitions(lapwing_flags INTERFACE LW_VERSION="${PROJECT_VERSION}")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")
