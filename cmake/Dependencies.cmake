# Everything comes from Debian 12's packages; packaging/debian-12.packages lists them with versions.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(tl-expected REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
find_package(OpenSSL 3.0 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
if(ENTRESOL_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

# Wasmtime alone is no package: tools/wasmtime.py builds it, once, outside the build folder. tools/build.py says where.
if(NOT ENTRESOL_WASMTIME)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  execute_process(COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_SOURCE_DIR}/tools/wasmtime.py --where
                  OUTPUT_VARIABLE ENTRESOL_WASMTIME OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_VARIABLE wasmtime_error)
endif()
set(wasmtime_library "${ENTRESOL_WASMTIME}/lib/libentresol_wasmtime.a")
if(NOT EXISTS "${wasmtime_library}")
  message(FATAL_ERROR "No ${wasmtime_library}: build it with python3 tools/wasmtime.py (./run does so). ${wasmtime_error}")
endif()
add_library(wasmtime::wasmtime STATIC IMPORTED GLOBAL)
set_target_properties(wasmtime::wasmtime PROPERTIES
                      IMPORTED_LOCATION "${wasmtime_library}"
                      INTERFACE_INCLUDE_DIRECTORIES "${ENTRESOL_WASMTIME}/include"
                      INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};m")
