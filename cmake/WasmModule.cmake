# entresol_wasm_module(NAME SOURCES FILE… [EXPORTS FUNCTION…] [OPTIONS OPTION…] [DIRECTORIES DIR…] [NO_LIBC])
# compiles C or C++ for the sandbox, with clang 19, into ${CMAKE_BINARY_DIR}/modules/NAME.wasm: a target NAME_wasm, whose
# property WASM_FILE is the path. Whoever uses the file says add_dependencies(… NAME_wasm).
#
#   EXPORTS   functions to export beside those that say __attribute__((export_name("…")))
#   OPTIONS   for the compiler and the linker, e.g. -DX=1
#   NO_LIBC   freestanding; else wasi-libc and libc++ are there, and what is not used of them is not linked
#
# A module is a reactor: no main; _initialize runs the constructors. Its memory is exported, its stack (64 KiB) lies below
# its data, so that an overflow traps instead of writing over them. Names of functions, files and lines stay in the module,
# with paths from the tree's root.
find_program(ENTRESOL_WASM_CC clang-19)
find_program(ENTRESOL_WASM_CXX clang++-19)
find_program(ENTRESOL_WASM_LD wasm-ld-19)
if(ENTRESOL_WASM_CC AND ENTRESOL_WASM_CXX AND ENTRESOL_WASM_LD)
  set(ENTRESOL_WASM_COMPILER ON)
endif()

function(entresol_wasm_module name)
  cmake_parse_arguments(ARG "NO_LIBC" "" "SOURCES;EXPORTS;OPTIONS;DIRECTORIES" ${ARGN})
  if(NOT ENTRESOL_WASM_COMPILER)
    message(FATAL_ERROR "No clang-19 and wasm-ld-19, which compile modules: ./run installs clang-19, lld-19, wasi-libc, "
                        "libclang-rt-19-dev-wasm32 and libc++-19-dev-wasm32")
  endif()
  set(flags -O3 -g1 -Wall -Wextra -Werror -ffunction-sections -fdata-sections -fvisibility=hidden
      -mbulk-memory -msimd128 -mnontrapping-fptoint "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
  # Else the head of a loop has line 0, and that is where a call over its budget ends.
  set(located -mllvm -use-unknown-locations=Disable)
  set(linking -Wl,--gc-sections -Wl,--stack-first -Wl,-z,stack-size=65536)
  if(ARG_NO_LIBC)
    list(APPEND flags --target=wasm32-unknown-unknown -ffreestanding)
    list(APPEND linking -nostdlib -Wl,--no-entry)
  else()
    list(APPEND flags --target=wasm32-wasi)
    list(APPEND linking -mexec-model=reactor)
  endif()
  foreach(function IN LISTS ARG_EXPORTS)
    list(APPEND linking -Wl,--export=${function})
  endforeach()
  foreach(directory IN LISTS ARG_DIRECTORIES)
    list(APPEND flags -I${directory})
  endforeach()

  set(folder ${CMAKE_BINARY_DIR}/modules)
  file(MAKE_DIRECTORY ${folder})
  set(objects)
  set(driver ${ENTRESOL_WASM_CC})
  foreach(source IN LISTS ARG_SOURCES)
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    cmake_path(GET source FILENAME file)
    set(object ${folder}/${name}-${file}.o)
    if(file MATCHES "\\.c$")
      set(compiler ${ENTRESOL_WASM_CC} -std=c17)
    else()
      set(compiler ${ENTRESOL_WASM_CXX} -std=c++20 -fno-exceptions -fno-rtti)
      set(driver ${ENTRESOL_WASM_CXX})
    endif()
    add_custom_command(OUTPUT ${object}
      COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${compiler} ${flags} ${located} ${ARG_OPTIONS} -MD -MF ${object}.d -c ${source} -o ${object}
      DEPENDS ${source} DEPFILE ${object}.d COMMENT "Compiling ${name}.wasm: ${file}" VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(wasm ${folder}/${name}.wasm)
  add_custom_command(OUTPUT ${wasm}
    COMMAND ${driver} ${flags} ${linking} -fuse-ld=${ENTRESOL_WASM_LD} ${ARG_OPTIONS} ${objects} -o ${wasm}
    DEPENDS ${objects} COMMENT "Linking ${name}.wasm" VERBATIM)
  add_custom_target(${name}_wasm DEPENDS ${wasm})
  set_target_properties(${name}_wasm PROPERTIES WASM_FILE ${wasm})
endfunction()
