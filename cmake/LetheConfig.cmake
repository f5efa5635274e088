# Lethe's policy SDK: headers alone. Lethe::policy_sdk has <lethe/lethe_policy.h> (C99) and <lethe/lethe_policy.hpp> (C++17).
if(NOT TARGET Lethe::policy_sdk)
  add_library(Lethe::policy_sdk INTERFACE IMPORTED)
  get_filename_component(LETHE_SDK_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
  set_target_properties(Lethe::policy_sdk PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${LETHE_SDK_PREFIX}/include"
    INTERFACE_COMPILE_FEATURES "cxx_std_17")
endif()
