# What every Lethe target is compiled with. Targets opt in through lethe_library() and
# lethe_executable(); nothing is set globally.

find_program(LETHE_LINKER NAMES mold ld.lld)
find_program(LETHE_CCACHE ccache)
if(LETHE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_PCH_EXTSUM=1
      ${LETHE_CCACHE})
endif()

add_library(lethe_options INTERFACE)
target_compile_options(lethe_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
                       -Woverloaded-virtual -Wold-style-cast -Wno-unknown-pragmas
                       # Paths in __FILE__ must not name the machine that built the program.
                       -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.
                       # The same sums on every CPU: no fused multiply-add behind our back.
                       -ffp-contract=off)
if(LETHE_WERROR)
  target_compile_options(lethe_options INTERFACE -Werror)
endif()
foreach(sanitizer IN LISTS LETHE_SANITIZE)
  target_compile_options(lethe_options INTERFACE -fsanitize=${sanitizer} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(lethe_options INTERFACE -fsanitize=${sanitizer})
endforeach()
if(LETHE_LINKER MATCHES "mold$")
  target_link_options(lethe_options INTERFACE -fuse-ld=mold)
elseif(LETHE_LINKER MATCHES "lld$")
  target_link_options(lethe_options INTERFACE -fuse-ld=lld)
endif()

# lethe_library(<room> SOURCES … [PUBLIC …] [PRIVATE …]): target lethe_<room>, alias lethe::<room>.
function(lethe_library room)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(lethe_${room} STATIC ${arg_SOURCES})
  add_library(lethe::${room} ALIAS lethe_${room})
  target_include_directories(lethe_${room} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(lethe_${room} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE} lethe_options)
endfunction()
