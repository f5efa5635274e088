# `cmake --install BUILD --component sdk --prefix PREFIX`: what a policy plugin is built against.
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/LetheConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES policies/plugin/lethe_policy.h policies/plugin/lethe_policy.hpp
        DESTINATION include/lethe COMPONENT sdk)
install(FILES cmake/LetheConfig.cmake ${CMAKE_BINARY_DIR}/LetheConfigVersion.cmake
        DESTINATION lib/cmake/Lethe COMPONENT sdk)
