# Sources by layer, and the one rule about a file's name: it gives the file its instruction set.

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
