# One folder, one target: entresol_room(NAME SOURCES ... TESTS ... DEPS ... TEST_DEPS ...)
# makes entresol_NAME and, with ENTRESOL_TESTS, NAME_test registered with ctest.
set(ENTRESOL_WARNINGS -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror)

add_library(entresol_flags INTERFACE)
target_include_directories(entresol_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/sdk/include)
target_compile_options(entresol_flags INTERFACE ${ENTRESOL_WARNINGS} -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports false positives from std::optional and std::string under -O2.
  target_compile_options(entresol_flags INTERFACE -Wno-maybe-uninitialized -Wno-restrict
                         -Wno-stringop-overflow -Wno-array-bounds -Wno-stringop-overread)
endif()
if(ENTRESOL_SANITIZE)
  target_compile_options(entresol_flags INTERFACE -fsanitize=${ENTRESOL_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(entresol_flags INTERFACE -fsanitize=${ENTRESOL_SANITIZE})
endif()
# One binary is every role: what a role never runs shall not lie between what it does, nor in its memory.
target_compile_options(entresol_flags INTERFACE $<$<CONFIG:Release>:-ffunction-sections> $<$<CONFIG:Release>:-fdata-sections>)
target_link_options(entresol_flags INTERFACE $<$<CONFIG:Release>:-Wl,--gc-sections>)
find_program(ENTRESOL_MOLD mold)
if(ENTRESOL_MOLD)
  # Folding is for what ships: mold 1.10 dies of it with clang's objects, and a fuzzer wants functions apart.
  target_link_options(entresol_flags INTERFACE -fuse-ld=mold
                      $<$<AND:$<CONFIG:Release>,$<NOT:$<BOOL:${ENTRESOL_FUZZERS}>>>:-Wl,--icf=safe>)
endif()

# For rooms and programs that no packet passes through.
function(entresol_for_size target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-Os>)
endfunction()

function(entresol_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;TESTS;DEPS;TEST_DEPS" ${ARGN})
  add_library(entresol_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(entresol_${name} PUBLIC entresol_flags ${ARG_DEPS})
  if(ENTRESOL_TESTS AND ARG_TESTS)
    entresol_test(${name}_test SOURCES ${ARG_TESTS} DEPS entresol_${name} ${ARG_TEST_DEPS})
  endif()
endfunction()

function(entresol_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest_main)
  # Tests are most of the compile time; what they test is optimised as it ships.
  if(ENTRESOL_SANITIZE)
    target_compile_options(${name} PRIVATE -O0)
  else()
    target_compile_options(${name} PRIVATE -O1)
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 120 PROPERTIES TIMEOUT 600
                       WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()
