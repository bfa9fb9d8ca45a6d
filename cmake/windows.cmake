# What Windows has beside the library: the names it exports, written down once, in the headers; and the drop-in DLLs of
# the names that existing programs load, which pass every call on to colloquy.dll, so that a process has one engine
# whichever of them it loads.

# Appends "name;bytes" pairs to `result` for all entry points that a header declares: `bytes` is what the call takes
# from the stack of a 32-bit processor, which is part of its name there.
function(colloquy_entry_points header result)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
    file(READ ${header} text)
    # Semicolons and brackets mean something to CMake's lists.
    string(REPLACE "[" "<" text "${text}")
    string(REPLACE "]" ">" text "${text}")
    string(REPLACE ";" "@" text "${text}")
    string(REGEX MATCHALL "\n(extern )?(CM_ENTRY|COLLOQUY_API) [^@]*@" declarations "${text}")
    set(found ${${result}})
    foreach(declaration IN LISTS declarations)
        if(NOT declaration MATCHES "([A-Za-z_0-9]+)\\(([^()]*)\\)@$")
            message(FATAL_ERROR "${header}: not understood as an entry point: ${declaration}")
        endif()
        set(name ${CMAKE_MATCH_1})
        set(parameters "${CMAKE_MATCH_2}")
        if(parameters MATCHES "(long long|double|int64|CM_ID64)[^*,<]*(,|$)")
            message(FATAL_ERROR "${header}: ${name} has a parameter of eight bytes")
        endif()
        if(parameters MATCHES "^[ \n]*(void)?[ \n]*$")
            set(bytes 0)
        else()
            string(REGEX MATCHALL "," commas "${parameters}")
            list(LENGTH commas count)
            math(EXPR bytes "4 * (${count} + 1)")
        endif()
        list(APPEND found ${name} ${bytes})
    endforeach()
    if(NOT declarations)
        message(FATAL_ERROR "${header} declares no entry point")
    endif()
    set(${result} ${found} PARENT_SCOPE)
endfunction()

# Writes a module definition. `forward_to`: empty, or the DLL that has the code.
function(colloquy_write_exports file library forward_to)
    set(text "LIBRARY ${library}\nEXPORTS\n")
    set(points ${ARGN})
    while(points)
        list(POP_FRONT points name bytes)
        set(decorated ${name}@${bytes})
        if(forward_to)
            string(APPEND text "    ${name} = ${forward_to}.${name}\n")
            if(CMAKE_SIZEOF_VOID_P EQUAL 4)
                string(APPEND text "    _${decorated} = ${forward_to}.${name}\n")
            endif()
        elseif(CMAKE_SIZEOF_VOID_P EQUAL 8)
            string(APPEND text "    ${name}\n")
        elseif(MSVC)
            string(APPEND text "    ${name} = _${decorated}\n    _${decorated}\n")
        else()
            # The three ways in which 32-bit compilers and programs spell it: MinGW's, everybody's, Microsoft's.
            string(APPEND text "    ${decorated}\n    ${name} = ${decorated}\n    _${decorated} = ${decorated}\n")
        endif()
    endwhile()
    file(CONFIGURE OUTPUT ${file} CONTENT "${text}" @ONLY NEWLINE_STYLE UNIX)
endfunction()

# A definition for the import library of a drop-in: what a program calls is decorated on 32 bits, what it looks for in
# the DLL is not.
function(colloquy_write_imports file library)
    set(text "LIBRARY ${library}\nEXPORTS\n")
    set(points ${ARGN})
    while(points)
        list(POP_FRONT points name bytes)
        if(CMAKE_SIZEOF_VOID_P EQUAL 4)
            string(APPEND text "    ${name}@${bytes}\n")
        else()
            string(APPEND text "    ${name}\n")
        endif()
    endwhile()
    file(CONFIGURE OUTPUT ${file} CONTENT "${text}" @ONLY NEWLINE_STYLE UNIX)
endfunction()

set(colloquy_points "")
foreach(header IN ITEMS cpic.h wincpic.h)
    colloquy_entry_points(${PROJECT_SOURCE_DIR}/api/${header} colloquy_points)
endforeach()
set(colloquy_own_points ${colloquy_points})
file(GLOB headers CONFIGURE_DEPENDS api/colloquy/*.h)
# These have nothing behind them on Windows, or declare nothing.
list(FILTER headers EXCLUDE REGEX "/(event|window|windows_names|export)\\.h$")
foreach(header IN LISTS headers)
    colloquy_entry_points(${header} colloquy_own_points)
endforeach()

set(exports ${PROJECT_BINARY_DIR}/exports)
if(TARGET colloquy_shared)
    colloquy_write_exports(${exports}/colloquy.def colloquy.dll "" ${colloquy_own_points})
    target_sources(colloquy_shared PRIVATE ${exports}/colloquy.def)
    set_target_properties(colloquy_shared PROPERTIES PREFIX "")
endif()

if(TARGET colloquy_shared AND MINGW)
    set(colloquy_drop_ins "")
    foreach(name IN ITEMS WCPIC32 WINCPIC32)
        string(TOLOWER ${name} stem)
        colloquy_write_exports(${exports}/${stem}.def ${name}.dll colloquy ${colloquy_points})
        colloquy_write_imports(${exports}/${stem}_imports.def ${name}.dll ${colloquy_points})
        add_library(colloquy_${stem} SHARED
            ${PROJECT_SOURCE_DIR}/api/windows/drop_in/no_code.c ${exports}/${stem}.def)
        set_target_properties(colloquy_${stem} PROPERTIES PREFIX "" OUTPUT_NAME ${name} LINKER_LANGUAGE C)
        # Without code and data it needs no C library and no entry point.
        target_link_options(colloquy_${stem} PRIVATE -nostdlib -nostartfiles -Wl,-e,0)
        # Its calls are colloquy.dll's.
        add_dependencies(colloquy_${stem} colloquy_shared)
        # The linker's own import library knows nothing of decorations; this one does. For Microsoft's linker under the
        # name it looks for.
        add_custom_command(OUTPUT ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/lib${stem}.a
            COMMAND ${CMAKE_DLLTOOL} --kill-at --input-def ${exports}/${stem}_imports.def
                --output-lib ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/lib${stem}.a
            COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/lib${stem}.a
                ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/${stem}.lib
            DEPENDS ${exports}/${stem}_imports.def VERBATIM)
        add_custom_target(colloquy_${stem}_imports ALL DEPENDS ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/lib${stem}.a)
        list(APPEND colloquy_drop_ins colloquy_${stem})
        install(TARGETS colloquy_${stem} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
        install(FILES ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/lib${stem}.a ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/${stem}.lib
            DESTINATION ${CMAKE_INSTALL_LIBDIR})
    endforeach()
endif()
