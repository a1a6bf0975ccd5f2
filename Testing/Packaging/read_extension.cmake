# Reads the extension's CMakeLists.txt files as CMake does, without Slicer's CMake files and without a compiler, and writes down what
# they say:
#   cmake -DROOT=<repository> -DRECORD=<file> -P read_extension.cmake
# The record has a line "<name>=<value>" for each EXTENSION_ variable and for PROJECT_NAME, MODULE, FILE (module|source|place in the
# folder of scripted modules) and TEST (an existing script). Commands that CMake does not allow in such a script, and Slicer's own, are
# defined here; these take the arguments of Slicer 5.12's, and refuse what Slicer's refuse.

file(WRITE "${RECORD}" "")

function(record name value)
  file(APPEND "${RECORD}" "${name}=${value}\n")
endfunction()

macro(project name)
  set(PROJECT_NAME ${name})
endmacro()

macro(find_package)
  # Files of CMake's that define a function or two, in place of those that Slicer would have included here.
  set(Slicer_USE_FILE CMakePrintHelpers)
  set(Slicer_EXTENSION_GENERATE_CONFIG CMakePrintHelpers)
  set(Slicer_EXTENSION_CPACK CMakePrintHelpers)
endmacro()

function(add_subdirectory folder)  # a function, since a folder has its own variables
  set(CMAKE_CURRENT_SOURCE_DIR "${CMAKE_CURRENT_SOURCE_DIR}/${folder}")
  include("${CMAKE_CURRENT_SOURCE_DIR}/CMakeLists.txt")
endfunction()

function(require file)
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
    message(FATAL_ERROR "${CMAKE_CURRENT_SOURCE_DIR}/CMakeLists.txt names ${file}, which is not there")
  endif()
endfunction()

function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MY_UNPARSED_ARGUMENTS OR NOT MY_NAME OR MY_WITH_SUBDIR)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule of ${CMAKE_CURRENT_SOURCE_DIR} is called with ${ARGN}")
  endif()
  record(MODULE ${MY_NAME})
  foreach(file IN LISTS MY_SCRIPTS MY_RESOURCES)
    require(${file})
    record(FILE "${MY_NAME}|${CMAKE_CURRENT_SOURCE_DIR}/${file}|${file}")
  endforeach()
endfunction()

function(record_test options)
  cmake_parse_arguments(MY "" "TESTNAME_PREFIX;SCRIPT" "${options}" ${ARGN})
  if(MY_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "A test of ${CMAKE_CURRENT_SOURCE_DIR} is added with ${ARGN}")
  endif()
  require(${MY_SCRIPT})
  record(TEST "${CMAKE_CURRENT_SOURCE_DIR}/${MY_SCRIPT}")
endfunction()

function(slicer_add_python_unittest)
  record_test("SLICER_ARGS" ${ARGN})
endfunction()

function(slicer_add_python_test)
  record_test("SLICER_ARGS;SCRIPT_ARGS" ${ARGN})
endfunction()

set(BUILD_TESTING ON)
set(CMAKE_CURRENT_SOURCE_DIR "${ROOT}")
include("${ROOT}/CMakeLists.txt")

record(PROJECT_NAME "${PROJECT_NAME}")
get_cmake_property(names VARIABLES)
foreach(name IN LISTS names)
  if(name MATCHES "^EXTENSION_")
    record(${name} "${${name}}")
  endif()
endforeach()
