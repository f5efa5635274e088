# Writes version_stamp.h (git commit, dirty flag) at build time, only when it changes.
function(lethe_stamp_version target)
  set(stamp_dir ${CMAKE_BINARY_DIR}/stamp)
  add_custom_target(lethe_version_stamp
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUT=${stamp_dir}/version_stamp.h
            -DVERSION=${PROJECT_VERSION} -P ${CMAKE_SOURCE_DIR}/cmake/write_version.cmake
    BYPRODUCTS ${stamp_dir}/version_stamp.h VERBATIM)
  add_dependencies(${target} lethe_version_stamp)
  target_include_directories(${target} PRIVATE ${stamp_dir})
  # Flags that may change numbers; warnings do not, and the prefix map names this machine's folders.
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  get_target_property(options lethe_options INTERFACE_COMPILE_OPTIONS)
  list(FILTER options EXCLUDE REGEX "^-(W|ffile-prefix-map)")
  list(JOIN options " " options)
  string(STRIP "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}} ${options}" flags)
  target_compile_definitions(${target} PRIVATE LETHE_BUILD_TYPE="${CMAKE_BUILD_TYPE}"
    LETHE_COMPILER="${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
    LETHE_FLAGS="${flags}")
endfunction()
