# Finding sources by layer, and linking what is made of one file: a test, a fuzzer, a bench.
#
# A source's name gives it its instruction set.

# lapwing_sources(<variable> <layer>...) finds the .c files of the layers; a layer without any is fine.
function(lapwing_sources variable)
    set(found "")
    foreach(layer IN LISTS ARGN)
        file(GLOB_RECURSE files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${layer}/*.c)
        list(APPEND found ${files})
    endforeach()
    foreach(file IN LISTS found)
        if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
            if(file MATCHES "_avx2\\.c$")
                set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "-mavx2")
            elseif(file MATCHES "_avx512\\.c$")
                set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS
                    "-mavx512f;-mavx512vl;-mavx512bw;-mavx512dq")
            endif()
        endif()
    endforeach()
    set(${variable} ${found} PARENT_SCOPE)
endfunction()

# lapwing_link(<target> <source>) links the library, and of the program those layers whose headers the source includes.
function(lapwing_link target source)
    foreach(layer connect serve cli)
        file(STRINGS ${source} used REGEX "^#include \"${layer}/")
        if(used AND TARGET lapwing_${layer})
            target_link_libraries(${target} PRIVATE lapwing_${layer})
        endif()
    endforeach()
    target_link_libraries(${target} PRIVATE lapwing_flags lapwing_static)
    target_compile_definitions(${target} PRIVATE LW_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
endfunction()
